// What a client's Socket stands on with `failover`: one connection to a service after another, carrying two streams that
// go on byte by byte (docs/protocol.md, "Failover"). When the instance is lost, or asks its client to go, another one is
// dialed, told how far both streams are, and says from where it wants the client's: nothing is lost and nothing comes
// twice, or the Socket fails with ERR_CARACAL_NOT_RESUMED. An instance that resets its client has not been lost.
// Rejected: to keep all that was sent. What is kept is bounded, and who needs more than that is told so.

import { Reason, reasonName } from '../core/base/index.ts';
import type { Driver, Event, ResumePoint, SocketId, StreamOptions } from '../core/stack/index.ts';
import { misuse, notResumed } from './errors.ts';
import { asBuffer, type Carrier, type CarrierEvent, type Dial, type Resumable } from './flow.ts';
import { KeptBytes } from './kept-bytes.ts';

/** How a connection goes on at another instance when its own is lost. */
export interface StreamFailoverOptions {
  /** What the service knows this connection by, 1 to 64 bytes; asked for when it is needed. Default: nothing. */
  readonly token?: string | Uint8Array | (() => string | Uint8Array) | undefined;
  /** So many of the last bytes written can be sent again to the next instance. Default: 65,536. */
  readonly keepBytes?: number | undefined;
  /** How long another instance is looked for. Default: 30,000. */
  readonly timeoutMs?: number | undefined;
}

/** The connection goes on at another instance. */
export interface Failover {
  /** Why the old one was left: a reason of the stack, or `shed`. */
  readonly reason: string;
  /** Bytes of the service's stream that were read before. */
  readonly bytesRead: number;
  /** Bytes of this end's stream with which the instance goes on; what was written beyond is sent again. */
  readonly bytesWritten: number;
  /** From the loss to the instance's word that it goes on. */
  readonly tookMs: number;
}

export interface FailoverCarrierOptions {
  readonly dial: Dial<Resumable>;
  readonly listener: (event: CarrierEvent) => void;
  /** The instance asks its client to go; true: the application sees to it. */
  readonly onShed: () => boolean;
  /** Before anything passes; the application may destroy its Socket. */
  readonly onFailover: (failover: Failover) => void;
  /** The error of a connection that no instance goes on with. */
  readonly notResumed: (why: string) => Error;
  readonly token: () => Uint8Array;
  readonly keepBytes: number;
  readonly timeoutMs: number;
}

type FailoverSettings = Pick<FailoverCarrierOptions, 'token' | 'keepBytes' | 'timeoutMs'>;
type ClosedEvent = Extract<Event, { kind: 'closed' }>;

/** The search for another instance. */
interface Search {
  readonly reason: string;
  readonly startedMs: number;
  tries: number;
  /** What became of the old connection; undefined: it still stands. */
  lost: ClosedEvent | undefined;
}

/** The peer's process or its host is gone. Whoever resets a connection is there, and wants it to end. */
const losses: ReadonlySet<Reason> = new Set([
  Reason.PEER_LOST,
  Reason.TIMED_OUT,
  Reason.CLOSED,
  Reason.UNREACHABLE,
  Reason.UNKNOWN_FLOW,
]);
/** Before each try. Every other one avoids the instance that was left: it may be the only one, and well again. */
const pausesMs = [0, 0, 100, 300, 1000, 2000, 4000, 8000];

interface FailingOver {
  readonly remoteService: string | undefined;
  emit(event: 'shed' | 'failover', failover?: Failover): boolean;
}

/** What `socket`, a client's, stands on. */
export function carryOn(
  socket: FailingOver,
  settings: FailoverSettings,
  dial: Dial<Resumable>,
  listener: FailoverCarrierOptions['listener'],
): Carrier {
  return new FailoverCarrier({
    dial,
    listener,
    onShed: () => socket.emit('shed'),
    onFailover: (failover) => socket.emit('failover', failover),
    notResumed: (why) => notResumed(socket.remoteService ?? 'unknown', why),
    ...settings,
  });
}

export class FailoverCarrier implements Carrier {
  readonly driver: Driver;
  /** Of the flow in use, or of the last one. */
  id: SocketId;
  open = false;
  readonly #options: FailoverCarrierOptions;
  #listener: ((event: CarrierEvent) => void) | undefined;
  /** Undefined: lost. */
  #flow: Resumable | undefined;
  #search: Search | undefined;
  #attempt: Resumable | undefined;
  /** What the attempt was told, if it was; from then on nothing passes on the old connection. */
  #told: ResumePoint | undefined;
  /** What came on the old connection since then. */
  readonly #held: Event[] = [];
  readonly #kept: KeptBytes;
  #receivedBytes = 0;
  /** Next byte of what is kept to be sent again; undefined: none is. */
  #repeatFrom: number | undefined;
  #left: SocketId | undefined;
  #ended = false;
  #peerEnded = false;
  #timer: NodeJS.Timeout | undefined;
  #limit: NodeJS.Timeout | undefined;
  #unrefd = false;

  constructor(options: FailoverCarrierOptions) {
    this.#options = options;
    this.#listener = options.listener;
    this.#kept = new KeptBytes(options.keepBytes);
    this.#flow = this.#dial(undefined, false);
    this.driver = this.#flow.driver;
    this.id = this.#flow.id;
  }

  write(bytes: Uint8Array, offset: number): number {
    if (this.#flow === undefined || this.#told !== undefined || this.#repeatFrom !== undefined) return 0;
    const taken = this.#flow.write(bytes, offset);
    if (taken > 0) this.#kept.add(bytes.subarray(offset, offset + taken));
    return taken;
  }

  read(): void {
    this.#flow?.read();
  }

  end(): void {
    this.#ended = true;
    if (this.#told === undefined && this.#repeatFrom === undefined) this.#flow?.end();
  }

  setOptions(stream: StreamOptions): void {
    this.#flow?.setOptions(stream);
    this.#attempt?.setOptions(stream);
  }

  ref(): void {
    this.#unrefd = false;
    this.#flow?.ref();
    this.#attempt?.ref();
    this.#timer?.ref();
  }

  unref(): void {
    this.#unrefd = true;
    this.#flow?.unref();
    this.#attempt?.unref();
    this.#timer?.unref();
  }

  abort(): void {
    this.#listener = undefined;
    this.#stopSearching();
    this.#flow?.abort();
  }

  release(flushed: boolean): void {
    this.#listener = undefined;
    this.#stopSearching();
    this.#flow?.release(flushed && this.#repeatFrom === undefined);
  }

  #dial(avoid: SocketId | undefined, resuming: boolean): Resumable {
    const flow: Resumable = this.#options.dial((event) => this.#onEvent(flow, event), avoid, resuming);
    return flow;
  }

  #onEvent(flow: Resumable, event: Event): void {
    if (flow === this.#attempt) this.#onAttempt(event);
    else if (flow === this.#flow && this.#told !== undefined && event.kind !== 'closed') this.#held.push(event);
    else if (flow === this.#flow) this.#onFlow(event);
  }

  #onFlow(event: Event): void {
    switch (event.kind) {
      case 'connected':
        this.open = true;
        break;
      case 'data':
        this.#receivedBytes += event.bytes.length;
        break;
      case 'end':
        this.#peerEnded = true;
        break;
      case 'writable':
        if (this.#repeatFrom !== undefined) return this.#repeat();
        break;
      case 'shed':
        if (!this.#options.onShed() && this.#mayGoOn()) this.#begin('shed', undefined);
        return;
      case 'closed':
        return this.#onClosed(event);
    }
    this.#listener?.(event);
  }

  #mayGoOn(): boolean {
    return this.open && !this.#peerEnded && this.#listener !== undefined;
  }

  #onClosed(event: ClosedEvent): void {
    // An instance that asked its client to go may reset it before it has gone.
    const lost = losses.has(event.reason) || (this.#search !== undefined && event.reason !== Reason.OK);
    if (!lost || !this.#mayGoOn()) {
      this.#stopSearching();
      this.#listener?.(event);
      return;
    }
    this.#left = this.#flow?.id;
    this.#flow = undefined;
    this.#listener?.({ kind: 'migrate-failed', socket: this.id, reason: event.reason });
    if (this.#search === undefined) this.#begin(reasonName(event.reason), event);
    else this.#search.lost = event;
  }

  #begin(reason: string, lost: ClosedEvent | undefined): void {
    this.#left = this.#flow?.id ?? this.#left;
    this.#search = { reason, startedMs: performance.now(), tries: 0, lost };
    const { timeoutMs } = this.#options;
    this.#limit = setTimeout(() => this.#giveUp(`no instance answered in ${timeoutMs} ms`), timeoutMs).unref();
    this.#try(this.#search);
  }

  #try(search: Search): void {
    search.tries++;
    try {
      this.#attempt = this.#dial(search.tries % 2 === 1 ? this.#left : undefined, true);
      if (this.#unrefd) this.#attempt.unref();
    } catch (error) {
      this.#fail(error as Error);
    }
  }

  #onAttempt(event: Event): void {
    if (event.kind === 'connected') this.#tell();
    else if (event.kind === 'resumed') this.#onAnswer(event.point);
    else if (event.kind === 'closed') this.#onRefusal(event);
  }

  #tell(): void {
    const { from, end } = this.#kept;
    try {
      const token = this.#options.token();
      this.#told = { sentBytes: end, receivedBytes: this.#receivedBytes, keptFrom: from, token };
    } catch (error) {
      this.#fail(error as Error);
      return;
    }
    this.#attempt?.resume(this.#told);
  }

  #onRefusal(event: ClosedEvent): void {
    const search = this.#search;
    this.#attempt = undefined;
    this.#unhold();
    if (search === undefined) return;
    if (event.reason === Reason.NOT_RESUMED) return this.#giveUp(event.detail || 'the next instance refuses');
    const pauseMs = pausesMs[search.tries] ?? Number.POSITIVE_INFINITY;
    // An instance that still serves waits for others as long as it likes.
    if (pauseMs === Number.POSITIVE_INFINITY || (pauseMs > 0 && search.lost === undefined))
      return this.#giveUp(`another instance cannot be reached: ${reasonName(event.reason)}`);
    if (pauseMs === 0) return this.#try(search);
    this.#timer = setTimeout(() => this.#try(search), pauseMs);
    if (this.#unrefd) this.#timer.unref();
  }

  /** The old connection, if it stands, goes on as if nothing had been. */
  #unhold(): void {
    if (this.#told === undefined) return;
    this.#told = undefined;
    for (const event of this.#held.splice(0)) this.#onFlow(event);
    if (this.#flow === undefined) return;
    if (this.#ended) this.#flow.end();
    this.#listener?.({ kind: 'writable', socket: this.id });
  }

  #giveUp(why: string): void {
    const lost = this.#search?.lost;
    this.#stopSearching();
    if (lost !== undefined) this.#fail(this.#options.notResumed(`${reasonName(lost.reason)}; ${why}`));
  }

  #fail(error: Error): void {
    this.#stopSearching();
    this.#listener?.({ kind: 'failed', error });
  }

  #stopSearching(): void {
    clearTimeout(this.#timer);
    clearTimeout(this.#limit);
    this.#search = undefined;
    this.#attempt?.abort();
    this.#attempt = undefined;
    this.#unhold();
  }

  /** The instance goes on. Where it says that it stands must be where it was told, and what it wants must be there. */
  #onAnswer({ sentBytes, receivedBytes }: ResumePoint): void {
    const [search, flow, told] = [this.#search, this.#attempt, this.#told];
    if (search === undefined || flow === undefined || told === undefined) return;
    if (sentBytes !== told.receivedBytes || receivedBytes < told.keptFrom || receivedBytes > told.sentBytes) {
      const why = `the instance would go on at ${sentBytes} and ${receivedBytes}, not at ${told.receivedBytes} and ${told.keptFrom} to ${told.sentBytes}`;
      return this.#refuse(flow, why);
    }
    this.#take(flow);
    this.#repeatFrom = receivedBytes;
    const tookMs = performance.now() - search.startedMs;
    this.#options.onFailover({ reason: search.reason, bytesRead: sentBytes, bytesWritten: receivedBytes, tookMs });
    if (this.#listener === undefined) return;
    this.#repeat();
    flow.read();
  }

  #refuse(flow: Resumable, why: string): void {
    this.#attempt = undefined;
    flow.abort(Reason.NOT_RESUMED);
    this.#giveUp(why);
  }

  #take(flow: Resumable): void {
    clearTimeout(this.#limit);
    this.#flow?.abort();
    this.#flow = flow;
    this.id = flow.id;
    this.#attempt = undefined;
    this.#search = undefined;
    this.#told = undefined;
    this.#held.length = 0;
  }

  /** What the instance does not have. */
  #repeat(): void {
    const flow = this.#flow;
    while (flow !== undefined && this.#repeatFrom !== undefined && this.#repeatFrom < this.#kept.end) {
      const taken = flow.write(asBuffer(this.#kept.peek(this.#repeatFrom)), 0);
      this.#repeatFrom += taken;
      if (taken === 0) return;
    }
    this.#repeatFrom = undefined;
    if (this.#ended) flow?.end();
    this.#listener?.({ kind: 'writable', socket: this.id });
  }
}

/** What `failover` says, with its defaults. Throws for what no service can be told. */
export function readFailover(options: boolean | StreamFailoverOptions | undefined): FailoverSettings | undefined {
  if (!options) return undefined;
  const { token, keepBytes = 65_536, timeoutMs = 30_000 } = options === true ? {} : options;
  if (!(Number.isSafeInteger(keepBytes) && keepBytes >= 0))
    throw misuse('ERR_OUT_OF_RANGE', `keepBytes is a number of bytes, not ${keepBytes}`, 'range');
  if (!(timeoutMs > 0 && timeoutMs < 2 ** 31))
    throw misuse('ERR_OUT_OF_RANGE', `timeoutMs is a number of milliseconds above 0, not ${timeoutMs}`, 'range');
  if (typeof token !== 'function') tokenBytes(token);
  return { token: () => tokenBytes(typeof token === 'function' ? token() : token), keepBytes, timeoutMs };
}

function tokenBytes(token: string | Uint8Array | undefined): Uint8Array {
  if (token === undefined) return new Uint8Array(0);
  if (typeof token !== 'string' && !(token instanceof Uint8Array))
    throw misuse('ERR_INVALID_ARG_TYPE', 'a token is text or bytes');
  const bytes = Buffer.from(token);
  if (bytes.length >= 1 && bytes.length <= 64) return bytes;
  throw misuse('ERR_OUT_OF_RANGE', `a token has 1 to 64 bytes, not ${bytes.length}`, 'range');
}
