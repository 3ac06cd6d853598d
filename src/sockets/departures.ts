// How a server parts with its connections: who is asked to go on elsewhere, who has gone, who is late. A connection counts
// until the stack has let go of it, not until its Socket has closed: bytes of it may still be on their way, and the stack
// that sends them lives in this process.

import type { Socket } from './socket.ts';

export interface ShedOptions {
  /** Share of all connections that is to go, 0 to 1. Default: 1. */
  readonly fraction?: number | undefined;
  /** How long to wait for those that were asked. Default: 10,000. */
  readonly timeoutMs?: number | undefined;
}

export interface ShedResult {
  /** Connections whose clients were asked to go on elsewhere; those of them that have ended. */
  readonly asked: number;
  readonly moved: number;
}

export interface DrainOptions {
  /** When connections that are left are reset. Default: 30,000. */
  readonly deadlineMs?: number | undefined;
}

/** How the connections of a drained server came to their end. */
export interface DrainResult {
  /** Their clients had been asked to go on elsewhere. */
  readonly moved: number;
  /** By themselves, without having been asked. */
  readonly ended: number;
  /** By the deadline. */
  readonly reset: number;
}

/** What it has to know of its server. */
export interface Host {
  /** Asks the client of `socket` to go on elsewhere. False: it cannot. */
  askToGo(socket: Socket): boolean;
  /** It listens no more, and every Socket has closed. */
  isClosed(): boolean;
  /** Destroys the Sockets that are left: whose connections have ended, and what came was never read. */
  closeRest(): void;
}

interface Draining {
  moved: number;
  ended: number;
  reset: number;
  /** The deadline has passed. */
  late: boolean;
}

export class Departures {
  readonly #host: Host;
  /** In the order of their arrival. */
  readonly #here = new Set<Socket>();
  readonly #asked = new WeakSet<Socket>();
  #draining: Draining | undefined;
  /** Called when a connection has gone, and when the server has closed. */
  readonly #watchers = new Set<(gone?: Socket) => void>();

  constructor(host: Host) {
    this.#host = host;
  }

  get size(): number {
    return this.#here.size;
  }

  arrived(socket: Socket): void {
    this.#here.add(socket);
  }

  /** It has been given to the application. While the server drains: its client was let in just before. */
  welcomed(socket: Socket): void {
    if (this.#draining?.late) this.#cutOff(this.#draining, socket);
    else if (this.#draining) this.#ask(socket);
  }

  gone(socket: Socket): void {
    this.#here.delete(socket);
    if (this.#draining && !this.#draining.late) this.#draining[this.#asked.has(socket) ? 'moved' : 'ended']++;
    for (const watch of this.#watchers) watch(socket);
  }

  serverClosed(): void {
    for (const watch of this.#watchers) watch();
  }

  /** Asks this share of all, of those that can go, the oldest first; nobody twice. Answers who was asked. */
  ask(fraction: number): Set<Socket> {
    const most = Math.round(fraction * this.#here.size);
    const asked = new Set<Socket>();
    for (const socket of this.#here) {
      if (asked.size === most) break;
      if (this.#ask(socket)) asked.add(socket);
    }
    return asked;
  }

  /** Resolves when all of `asked` have gone, or after `waitMs`. */
  whenGone(asked: ReadonlySet<Socket>, waitMs: number): Promise<ShedResult> {
    if (asked.size === 0) return Promise.resolve({ asked: 0, moved: 0 });
    return new Promise((resolve) => {
      let moved = 0;
      const finish = (): void => {
        clearTimeout(timer);
        this.#watchers.delete(watch);
        resolve({ asked: asked.size, moved });
      };
      const watch = (gone?: Socket): void => {
        if (gone && asked.has(gone) && ++moved === asked.size) finish();
      };
      const timer = setTimeout(finish, waitMs);
      this.#watchers.add(watch);
    });
  }

  /** The server closes: all that can go are asked, what is left after `waitMs` is reset. Resolves when nothing is left. */
  drain(waitMs: number): Promise<DrainResult> {
    const draining = this.#draining ?? this.#begin();
    const timer = setTimeout(() => this.#resetRest(draining), waitMs);
    return new Promise((resolve) => {
      const watch = (): void => {
        if (this.#here.size > 0 || !this.#host.isClosed()) return;
        clearTimeout(timer);
        this.#watchers.delete(watch);
        this.#draining = undefined;
        const { moved, ended, reset } = draining;
        resolve({ moved, ended, reset });
      };
      this.#watchers.add(watch);
    });
  }

  #begin(): Draining {
    this.#draining = { moved: 0, ended: 0, reset: 0, late: false };
    this.ask(1);
    return this.#draining;
  }

  #ask(socket: Socket): boolean {
    if (this.#asked.has(socket) || !this.#host.askToGo(socket)) return false;
    this.#asked.add(socket);
    return true;
  }

  #resetRest(draining: Draining): void {
    draining.late = true;
    for (const socket of this.#here) this.#cutOff(draining, socket);
    this.#host.closeRest();
  }

  #cutOff(draining: Draining, socket: Socket): void {
    draining.reset++;
    socket.cutOff();
  }
}
