// Asking a peer's host whether a program still has its port (docs/protocol.md, "Liveness"): one datagram that means nothing
// to a stack, from a connected socket of its own, because the kernel tells a connected socket alone that the host has
// answered "port unreachable" (ECONNREFUSED). On the link's socket IP_RECVERR would say the same, and spin a core.
// A few sockets at a time, each for a second at most; who comes when all are in use must ask again.

import dgram from 'node:dgram';
import { formatLocator, type Locator } from '../core/base/index.ts';
import { addressText } from './socket-address.ts';

const mostSockets = 8;
const waitMs = 1_000;
/** The low half of the first byte is 0: padding, whatever follows. */
const noise = new Uint8Array(1);

export class PeerProbe {
  readonly #refused: (remote: Locator) => void;
  readonly #sockets = new Map<string, dgram.Socket>();

  constructor(refused: (remote: Locator) => void) {
    this.#refused = refused;
  }

  /** `refused` is called if nobody has the port at `remote`; silence says nothing. */
  probe(remote: Locator): void {
    const key = formatLocator(remote);
    if (this.#sockets.has(key) || this.#sockets.size >= mostSockets) return;
    const ipv6 = remote.address.length === 16;
    const socket = dgram.createSocket(ipv6 ? 'udp6' : 'udp4').unref();
    this.#sockets.set(key, socket);
    const timer = setTimeout(() => this.#end(key), waitMs).unref();
    socket.once('close', () => clearTimeout(timer));
    socket.on('error', (error: NodeJS.ErrnoException) => {
      if (!this.#end(key) || error.code !== 'ECONNREFUSED') return;
      this.#refused(remote);
    });
    // An error of `connect` goes to the callback alone; there is no way to that address then, which says nothing.
    socket.connect(remote.port, addressText(remote, ipv6), ((error?: Error) => {
      if (error) this.#end(key);
      else if (this.#sockets.has(key)) socket.send(noise);
    }) as () => void);
  }

  close(): void {
    for (const key of [...this.#sockets.keys()]) this.#end(key);
  }

  /** Whether it was still under way. */
  #end(key: string): boolean {
    const socket = this.#sockets.get(key);
    if (socket === undefined) return false;
    this.#sockets.delete(key);
    socket.close();
    return true;
  }
}
