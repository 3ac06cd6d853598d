// Asking a peer's host whether a program still has its port (docs/protocol.md, "Liveness"): one datagram that means nothing
// to a stack, from a connected socket of its own, because the kernel tells a connected socket alone that the host has
// answered "port unreachable" (ECONNREFUSED). The offload link hears that of its own packets, too (error-queue.ts); this is
// for links that do not, and for answers that were lost.
// A few sockets at a time, each for a second at most; who comes when all are in use must ask again. A process that is being
// killed keeps its port for a moment, so what is asked again is sent again.

import dgram from 'node:dgram';
import { formatLocator, type Locator } from '../core/base/index.ts';
import { addressText } from './socket-address.ts';

const mostSockets = 8;
const waitMs = 1_000;
/** The low half of the first byte is 0: padding, whatever follows. */
const noise = new Uint8Array(1);

interface Question {
  readonly socket: dgram.Socket;
  connected: boolean;
}

export class PeerProbe {
  readonly #refused: (remote: Locator) => void;
  readonly #questions = new Map<string, Question>();

  constructor(refused: (remote: Locator) => void) {
    this.#refused = refused;
  }

  /** `refused` is called if nobody has the port at `remote`; silence says nothing. */
  probe(remote: Locator): void {
    const key = formatLocator(remote);
    const known = this.#questions.get(key);
    if (known?.connected) known.socket.send(noise);
    if (known === undefined && this.#questions.size < mostSockets) this.#open(key, remote);
  }

  close(): void {
    for (const key of [...this.#questions.keys()]) this.#end(key);
  }

  #open(key: string, remote: Locator): void {
    const ipv6 = remote.address.length === 16;
    const socket = dgram.createSocket(ipv6 ? 'udp6' : 'udp4').unref();
    const question = { socket, connected: false };
    this.#questions.set(key, question);
    const timer = setTimeout(() => this.#end(key), waitMs).unref();
    socket.once('close', () => clearTimeout(timer));
    socket.on('error', ({ code }: NodeJS.ErrnoException) => {
      if (this.#end(key) && code === 'ECONNREFUSED') this.#refused(remote);
    });
    // An error of `connect` goes to the callback alone: there is no way to that address, which says nothing.
    const onConnect = (error?: Error): void => {
      if (error) this.#end(key);
      if (this.#questions.get(key) !== question) return;
      question.connected = true;
      socket.send(noise);
    };
    socket.connect(remote.port, addressText(remote, ipv6), onConnect as () => void);
  }

  /** Whether it was still under way. */
  #end(key: string): boolean {
    const question = this.#questions.get(key);
    if (question === undefined) return false;
    this.#questions.delete(key);
    question.socket.close();
    return true;
  }
}
