// One connection of an http.Server as its end sees it, so that it ends between two requests and never inside one. A
// request that crosses with the end of its connection fails at the client, so who leaves waits until nothing has come for a
// while. http.Server's closeIdleConnections was rejected: it takes a connection whose client has just read an answer.

import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from './socket.ts';

export class HttpConnection {
  readonly #socket: Socket;
  /** Not answered yet. */
  readonly #responses = new Set<ServerResponse>();
  /** When the last request was over, and what had been read by then: no more since, and it stands between two. */
  #restMs = performance.now();
  #restBytes = 0;
  /** How long nothing may have come before it ends; undefined: it stays. */
  #quietMs: number | undefined;
  #timer: NodeJS.Timeout | undefined;

  constructor(socket: Socket) {
    this.#socket = socket;
    socket.once('close', () => clearTimeout(this.#timer));
  }

  /** A request has come. */
  begin(request: IncomingMessage, response: ServerResponse): void {
    this.#responses.add(response);
    if (this.#quietMs !== undefined) response.setHeader('Connection', 'close');
    const rest = (): void => this.#rest();
    request.once('close', rest);
    response.once('close', () => {
      this.#responses.delete(response);
      this.#rest();
    });
  }

  /**
   * Ends it as soon as no request is under way and none has come for `quietMs`; answers under way say so. False: it is no
   * request that keeps it (an upgrade, say), and it stays.
   */
  leave(quietMs: number): boolean {
    this.#quietMs = quietMs;
    for (const response of this.#responses) if (!response.headersSent) response.setHeader('Connection', 'close');
    this.#endIfQuiet();
    return this.#responses.size > 0 || this.#isResting();
  }

  /** Between two requests. */
  #isResting(): boolean {
    return this.#responses.size === 0 && this.#socket.bytesRead === this.#restBytes;
  }

  #rest(): void {
    this.#restBytes = this.#socket.bytesRead;
    this.#restMs = performance.now();
    this.#endIfQuiet();
  }

  #endIfQuiet(): void {
    clearTimeout(this.#timer);
    if (this.#quietMs === undefined || !this.#isResting()) return;
    const waitMs = this.#restMs + this.#quietMs - performance.now();
    if (waitMs <= 0) this.#socket.destroySoon();
    else this.#timer = setTimeout(() => this.#endIfQuiet(), waitMs);
  }
}
