// The link that works everywhere: node:dgram alone. It cannot set "don't fragment" nor use segmentation offload, so
// packets stay at 1,200 bytes and each is one system call; about 0.14 of node:net's bulk throughput. Waiting for room is
// libuv's: a packet that finds the socket full is queued there, and the link is `blocked` while too much is queued.

import dgram from 'node:dgram';
import type { Locator } from '../core/base/index.ts';
import { addressText, parseAddress } from './socket-address.ts';
import {
  kernelRelease,
  type LinkCallbacks,
  type LinkOptions,
  type LinkReport,
  localLocators,
  maxBatchBytes,
  newCounters,
  oneLocator,
  type SendResult,
  safePacketBytes,
  type UdpLink,
} from './udp-link.ts';

/** Packets handed to node:dgram and not yet taken by the kernel. */
const mostQueued = 1_024;
const resumeQueued = 256;
const mostKnownSenders = 4_096;
const bufferBytes = 4 << 20;

interface Choice {
  readonly why: string;
  readonly forced: boolean;
}

export function createDgramLink(options: LinkOptions, choice: Choice): UdpLink {
  return new DgramLink(options, choice);
}

class DgramLink implements UdpLink {
  readonly kind = 'dgram';
  readonly sendBuffer = new Uint8Array(maxBatchBytes);
  readonly counters = newCounters();
  readonly ready: Promise<void>;
  readonly #callbacks: LinkCallbacks;
  readonly #choice: Choice;
  readonly #only: Uint8Array | undefined;
  readonly #senders = new Map<string, Locator>();
  readonly #texts = new WeakMap<Locator, string>();
  #socket: dgram.Socket | undefined;
  #ipv6 = false;
  #bound = false;
  #referenced = false;
  #queued = 0;
  #blocked = false;
  #draining = false;

  constructor(options: LinkOptions, choice: Choice) {
    this.#callbacks = options.callbacks;
    this.#choice = choice;
    const address = options.address === undefined ? undefined : parseAddress(options.address);
    this.#only = address?.every((byte) => byte === 0) ? undefined : address;
    this.ready = this.#open(options, address?.length !== 4);
    this.ready.catch(() => {});
  }

  locals(): Locator[] {
    if (!this.#bound || this.#socket === undefined) return [];
    const { port } = this.#socket.address();
    return this.#only === undefined ? localLocators(port, this.#ipv6) : oneLocator(this.#only, port);
  }

  send(buffer: Uint8Array, bytes: number, packetBytes: number, packets: number, remote: Locator): SendResult {
    const socket = this.#socket;
    if (socket === undefined || !this.#bound) return this.#fail('EBADF');
    if (!this.#ipv6 && remote.address.length === 16) return this.#fail('EAFNOSUPPORT');
    if (this.#queued > mostQueued * 2) {
      this.counters.overflowed++;
      return 'failed';
    }
    // node:dgram keeps what it is given until the kernel has taken it; the caller's buffer is reused at once.
    const copy = Buffer.allocUnsafe(bytes);
    copy.set(buffer.subarray(0, bytes));
    const address = this.#textOf(remote);
    const size = packetBytes > 0 ? packetBytes : bytes;
    for (let at = 0; at < bytes; at += size) {
      const length = Math.min(size, bytes - at);
      this.#queued++;
      socket.send(copy, at, length, remote.port, address, this.#sent);
    }
    this.counters.batchesSent++;
    this.counters.packetsSent += packets;
    this.counters.bytesSent += bytes;
    if (this.#queued <= mostQueued) return 'ok';
    this.counters.blocked++;
    this.#blocked = true;
    return 'blocked';
  }

  /** node:dgram gives packets when it likes. */
  drain(): number {
    return 0;
  }

  maxPacketBytes(): number {
    return safePacketBytes;
  }

  forgetRoutes(): void {}

  receiveDrops(): number {
    return 0;
  }

  ref(): void {
    this.#referenced = true;
    this.#socket?.ref();
  }

  unref(): void {
    this.#referenced = false;
    this.#socket?.unref();
  }

  close(): Promise<void> {
    const socket = this.#socket;
    this.#socket = undefined;
    this.#bound = false;
    return new Promise((resolve) => {
      if (socket === undefined) resolve();
      else socket.close(() => resolve());
    });
  }

  report(): LinkReport {
    const socket = this.#bound ? this.#socket : undefined;
    return {
      kind: this.kind,
      ...this.#choice,
      kernel: kernelRelease(),
      koffi: undefined,
      segmentation: false,
      coalescing: false,
      dontFragment: false,
      ipv6: this.#ipv6,
      receiveBufferBytes: socket?.getRecvBufferSize() ?? 0,
      sendBufferBytes: socket?.getSendBufferSize() ?? 0,
      port: socket?.address().port ?? 0,
    };
  }

  async #open(options: LinkOptions, ipv6: boolean): Promise<void> {
    try {
      await this.#bind(options, ipv6);
    } catch (error) {
      const code = (error as NodeJS.ErrnoException).code ?? '';
      if (!ipv6 || options.address !== undefined || !/^(EAFNOSUPPORT|EADDRNOTAVAIL|EINVAL)$/.test(code)) throw error;
      await this.#bind(options, false);
    }
  }

  #bind(options: LinkOptions, ipv6: boolean): Promise<void> {
    // The default lookup answers a turn later even for an address; this one lets a packet go out at once.
    const lookup = (
      host: string,
      _family: unknown,
      done: (error: null, address: string, family: number) => void,
    ): void => done(null, host, ipv6 ? 6 : 4);
    const socket = dgram.createSocket({
      type: ipv6 ? 'udp6' : 'udp4',
      lookup: lookup as NonNullable<dgram.SocketOptions['lookup']>,
    });
    this.#socket = socket;
    this.#ipv6 = ipv6;
    return new Promise((resolve, reject) => {
      socket.once('error', (error) => {
        socket.close();
        if (this.#socket === socket) this.#socket = undefined;
        reject(error);
      });
      socket.once('listening', () => {
        this.#bound = true;
        this.#start(socket, options);
        resolve();
      });
      const address = options.address ?? (ipv6 ? '::' : '0.0.0.0');
      socket.bind({ port: options.port ?? 0, address, exclusive: true });
      if (!this.#referenced) socket.unref();
    });
  }

  #start(socket: dgram.Socket, options: LinkOptions): void {
    socket.setRecvBufferSize(options.receiveBufferBytes ?? bufferBytes);
    socket.setSendBufferSize(options.sendBufferBytes ?? bufferBytes);
    socket.removeAllListeners('error');
    socket.on('error', (error) => this.#fail((error as NodeJS.ErrnoException).code ?? error.message));
    socket.on('message', (message, { address, port }) => {
      const remote = this.#senderOf(address, port);
      if (remote === undefined || message.length === 0) return;
      this.counters.batchesReceived++;
      this.counters.bytesReceived += message.length;
      this.#callbacks.received(message, message.length, remote);
      if (this.#draining) return;
      this.#draining = true;
      setImmediate(this.#drained);
    });
  }

  readonly #sent = (error: Error | null): void => {
    this.#queued--;
    if (error) this.#fail((error as NodeJS.ErrnoException).code ?? error.message);
    if (!this.#blocked || this.#queued > resumeQueued) return;
    this.#blocked = false;
    if (this.#bound) this.#callbacks.writable();
  };

  /** Once per turn of the loop: libuv brings up to 32 packets in one. */
  readonly #drained = (): void => {
    this.#draining = false;
    if (this.#bound) this.#callbacks.drained();
  };

  #fail(code: string): SendResult {
    this.counters.failed++;
    this.counters.lastError = code;
    return 'failed';
  }

  #textOf(remote: Locator): string {
    const known = this.#texts.get(remote);
    if (known !== undefined) return known;
    const text = addressText(remote, this.#ipv6);
    this.#texts.set(remote, text);
    return text;
  }

  #senderOf(address: string, port: number): Locator | undefined {
    const key = `${address} ${port}`;
    const known = this.#senders.get(key);
    if (known !== undefined) return known;
    const bytes = parseAddress(address);
    if (bytes === undefined) return undefined;
    const locator: Locator = { address: bytes, port };
    if (this.#senders.size >= mostKnownSenders) this.#senders.clear();
    this.#senders.set(key, locator);
    return locator;
  }
}
