// Ad hoc discovery's sockets (docs/protocol.md, "Discovery"): one that hears the group on every IPv4 interface, loopback
// included, and one sender per interface, since the sending interface is a property of the socket. Kernel copies to
// this machine are asked of loopback alone when it is up: else every program here would hear each packet once per
// interface. A packet leaves from a port of its own, so SOLICIT names the stack's port itself. Needs no privilege.

import dgram from 'node:dgram';
import { type Locator, multicastLocator } from '../core/base/index.ts';
import { ipv4Interfaces } from './interfaces.ts';
import { parseAddress } from './socket-address.ts';

export interface MulticastOptions {
  /** A packet of another socket; the buffer is read before returning. */
  received(buffer: Uint8Array, bytes: number, remote: Locator): void;
  /** The group and port, for tests; `multicastLocator` otherwise. */
  readonly group?: Locator;
}

export interface MulticastReport {
  readonly joined: readonly string[];
  readonly sent: number;
  readonly received: number;
  /** Why nothing is heard, or the last failure to send or join. */
  readonly lastError: string;
}

export class Multicast {
  readonly #options: MulticastOptions;
  readonly #group: string;
  readonly #port: number;
  readonly #joined = new Set<string>();
  readonly #senders = new Map<string, Sender>();
  #receiver: dgram.Socket | undefined;
  #closed = false;
  #sent = 0;
  #received = 0;
  #lastError = '';

  constructor(options: MulticastOptions) {
    const { address, port } = options.group ?? multicastLocator;
    this.#options = options;
    this.#group = address.join('.');
    this.#port = port;
  }

  /** Starts to hear. Resolves once the group is joined, or cannot be (`report().lastError`). */
  listen(): Promise<void> {
    const socket = dgram.createSocket({ type: 'udp4', reuseAddr: true });
    this.#receiver = socket;
    return new Promise((resolve) => {
      socket.on('error', (error) => {
        this.#lastError = error.message;
        if (this.#receiver === socket) this.#receiver = undefined;
        socket.close();
        resolve();
      });
      socket.on('message', (message, { address, port }) => this.#hear(message, address, port));
      socket.on('listening', () => {
        this.refresh();
        resolve();
      });
      // Bound to the group, the socket hears only what was sent to it; Windows cannot do that.
      const address = process.platform === 'win32' ? '0.0.0.0' : this.#group;
      socket.bind({ port: this.#port, address, exclusive: true });
      socket.unref();
    });
  }

  /** Joins on interfaces that have come up and drops senders of those that have gone. */
  refresh(): void {
    const addresses = new Set(ipv4Interfaces().map(({ address }) => address));
    for (const known of this.#joined) if (!addresses.has(known)) this.#joined.delete(known);
    for (const [address, sender] of this.#senders) if (!addresses.has(address)) this.#dropSender(address, sender);
    for (const address of addresses) this.#join(address);
  }

  /** One packet, on every interface. */
  send(buffer: Uint8Array, bytes: number): void {
    if (this.#closed) return;
    const copy = Buffer.allocUnsafe(bytes);
    copy.set(buffer.subarray(0, bytes));
    const interfaces = ipv4Interfaces();
    const hasLoopback = interfaces.some(({ internal }) => internal);
    for (const { address, internal } of interfaces) {
      const sender = this.#senders.get(address) ?? this.#openSender(address, internal || !hasLoopback);
      sender.send(copy);
    }
    this.#sent++;
  }

  report(): MulticastReport {
    const { lastError } = this;
    return { joined: [...this.#joined], sent: this.#sent, received: this.#received, lastError };
  }

  get lastError(): string {
    return this.#lastError;
  }

  close(): void {
    this.#closed = true;
    this.#receiver?.close();
    this.#receiver = undefined;
    for (const [address, sender] of this.#senders) this.#dropSender(address, sender);
  }

  #hear(message: Buffer, address: string, port: number): void {
    const bytes = parseAddress(address);
    if (this.#closed || bytes === undefined || message.length === 0) return;
    if (this.#senders.get(address)?.port === port) return;
    this.#received++;
    this.#options.received(message, message.length, { address: bytes, port });
  }

  #join(address: string): void {
    if (this.#receiver === undefined || this.#joined.has(address)) return;
    try {
      this.#receiver.addMembership(this.#group, address);
      this.#joined.add(address);
    } catch (error) {
      // Two addresses of one interface: the second is joined already.
      if ((error as NodeJS.ErrnoException).code === 'EADDRINUSE') this.#joined.add(address);
      else this.#lastError = (error as Error).message;
    }
  }

  #openSender(address: string, loop: boolean): Sender {
    const sender = new Sender(address, this.#group, this.#port, loop, (error) => {
      this.#lastError = error.message;
      if (this.#senders.get(address) === sender) this.#dropSender(address, sender);
    });
    this.#senders.set(address, sender);
    return sender;
  }

  #dropSender(address: string, sender: Sender): void {
    this.#senders.delete(address);
    sender.close();
  }
}

/** The socket of one interface. Packets wait until it is bound. */
class Sender {
  readonly #socket = dgram.createSocket('udp4');
  readonly #group: string;
  readonly #groupPort: number;
  readonly #failed: (error: Error) => void;
  #waiting: Buffer[] | undefined = [];
  #closed = false;
  /** 0 until bound. */
  port = 0;

  constructor(address: string, group: string, groupPort: number, loop: boolean, failed: (error: Error) => void) {
    this.#group = group;
    this.#groupPort = groupPort;
    this.#failed = failed;
    const socket = this.#socket;
    socket.on('error', failed);
    socket.on('listening', () => this.#start(address, loop));
    socket.bind({ port: 0, address, exclusive: true });
    socket.unref();
  }

  send(packet: Buffer): void {
    if (this.#closed) return;
    if (this.#waiting !== undefined) this.#waiting.push(packet);
    else this.#socket.send(packet, this.#groupPort, this.#group, (error) => error && this.#failed(error));
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#waiting = undefined;
    this.#socket.close();
  }

  #start(address: string, loop: boolean): void {
    if (this.#closed) return;
    try {
      this.#socket.setMulticastInterface(address);
      this.#socket.setMulticastTTL(1);
      this.#socket.setMulticastLoopback(loop);
    } catch (error) {
      this.#failed(error as Error);
      return;
    }
    this.port = this.#socket.address().port;
    const waiting = this.#waiting ?? [];
    this.#waiting = undefined;
    for (const packet of waiting) this.send(packet);
  }
}
