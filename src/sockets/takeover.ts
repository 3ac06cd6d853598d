// A server's half of failover (docs/protocol.md, "Failover"): a client that lost its instance asks this one to go on. The
// application says from which byte of the client's stream it goes on, or that it does not; only then is the connection
// one of its own. A server that was not written for it refuses: what it would send is not what the client waits for.

import { Reason } from '../core/base/index.ts';
import type { ResumePoint } from '../core/stack/index.ts';
import { asBuffer } from './flow.ts';
import type { Socket } from './socket.ts';

/** What a client says of the connection that it lost. Counts are those of the server's Socket. */
export interface LostConnection {
  /** What the client calls it by; empty: nothing. */
  readonly token: Buffer;
  /** Bytes of the server's stream that the client has: the next one that is written is the one behind them. */
  readonly bytesWritten: number;
  /** Bytes that the client has sent, and the first of them that it can still send again. */
  readonly bytesRead: number;
  readonly firstByte: number;
}

/** Where a connection began that goes on for a lost one. */
export interface Resumption {
  readonly token: Buffer;
  readonly bytesRead: number;
  readonly bytesWritten: number;
}

/**
 * Answers with which byte of the client's stream this instance goes on, from `firstByte` to `bytesRead`; undefined: it does
 * not, and the client is told. What is written then must go on behind `bytesWritten`.
 */
export type TakeOver = (lost: LostConnection) => number | undefined | Promise<number | undefined>;

/** So long a client may take for what it has to say behind its opening. */
const patienceMs = 10_000;

/** One connection, until it is the application's. */
export class Claim {
  readonly #takeOver: TakeOver;
  readonly #onTaken: (socket: Socket) => void;
  readonly #timer: NodeJS.Timeout;
  #socket: Socket | undefined;

  constructor(takeOver: TakeOver, onTaken: (socket: Socket) => void) {
    this.#takeOver = takeOver;
    this.#onTaken = onTaken;
    this.#timer = setTimeout(() => this.#refuse(), patienceMs).unref();
  }

  /** The connection's Socket; its errors until it is taken are nobody's. */
  hold(socket: Socket): void {
    this.#socket = socket;
    socket.on('error', ignore).once('close', () => clearTimeout(this.#timer));
  }

  /** The client has said where it stands. */
  hear(point: ResumePoint): void {
    clearTimeout(this.#timer);
    const { token, receivedBytes: bytesWritten, sentBytes: bytesRead, keptFrom: firstByte } = point;
    const lost = { token: asBuffer(token), bytesWritten, bytesRead, firstByte };
    try {
      const answer = this.#takeOver(lost);
      if (typeof answer !== 'object') this.#decide(point, answer);
      else answer.then((value) => this.#decide(point, value)).catch((error) => this.#throw(error));
    } catch (error) {
      this.#throw(error);
    }
  }

  #decide(point: ResumePoint, bytesRead: number | undefined): void {
    const socket = this.#socket;
    if (socket === undefined || socket.destroyed) return;
    if (bytesRead === undefined) return this.#refuse();
    if (!(bytesRead >= point.keptFrom && bytesRead <= point.sentBytes))
      throw new RangeError(
        `a lost connection goes on from byte ${point.keptFrom} to ${point.sentBytes}, not ${bytesRead}`,
      );
    socket.off('error', ignore);
    socket.goOn(point, bytesRead);
    this.#onTaken(socket);
  }

  #refuse(): void {
    this.#socket?.cutOff(Reason.NOT_RESUMED);
  }

  /** The application's mistake: the client is refused, and the application hears of it as of any other. */
  #throw(error: unknown): void {
    this.#refuse();
    process.nextTick(() => {
      throw error;
    });
  }
}

function ignore(): void {}
