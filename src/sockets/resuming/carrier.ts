// What a client's Socket stands on while it speaks HTTP: one connection to a service after another. As long as a
// connection is whole, bytes are only watched (conversation.ts). When it breaks, or the instance asks its client to go,
// another instance is dialed and asked for what is missing; the client notices a pause. Whatever cannot be proved to
// go on with the very same content is an error to the client, as if nothing stood here. Bodies are never kept: while
// the client waits nothing is taken from it, and one connection is read at a time.

import { Reason, reasonName } from '../../core/base/index.ts';
import type { Driver, Event, SocketId, StreamOptions } from '../../core/stack/index.ts';
import { asBuffer, type Carrier, type CarrierEvent, type Dial } from '../flow.ts';
import { type Accepted, Attempt, type ClosedEvent, type Outcome } from './attempt.ts';
import { Conversation, type Interrupted, type Standing } from './conversation.ts';
import { judgeRest, requestForRest } from './entity.ts';

/** What the client is not shown, for those who want to know. */
export interface Resumed {
  /** Bytes of the body that the client had; 0: the request was asked again. */
  readonly offset: number;
  /** Why the connection was left: a reason of the stack, `end` (too early), `shed`. */
  readonly reason: string;
  /** From the break to the right answer of another instance. */
  readonly tookMs: number;
}

export interface ResumingOptions {
  readonly dial: Dial;
  readonly listener: (event: CarrierEvent) => void;
  readonly onResumed: (resumed: Resumed) => void;
  /** The error of an entity that is not the same elsewhere. */
  readonly changed: (why: string) => Error;
}

/** An answer, or the lack of one, that is to go on elsewhere. */
interface Resumption {
  readonly standing: Exclude<Standing, { kind: 'stuck' }>;
  readonly reason: string;
  /** What the client is told if it fails; undefined: the old connection still stands. */
  readonly cause: ClosedEvent | undefined;
  readonly startedMs: number;
  tries: number;
}

/** Before each try. Every other one avoids the instance that was left: it may be the only one, and well again. */
const pausesMs = [0, 0, 100, 300, 1000, 2000, 4000];
const limitMs = 30_000;
/** Answers that went on elsewhere and broke again without one byte more. */
const maxFruitless = 4;

export class ResumingCarrier implements Carrier {
  readonly driver: Driver;
  /** Of the flow in use, or of the last one. */
  id: SocketId;
  open = false;
  readonly #options: ResumingOptions;
  #listener: ((event: CarrierEvent) => void) | undefined;
  readonly #talk: Conversation;
  /** Undefined while the client waits, or need not know that there is none. */
  #flow: Carrier | undefined;
  /** The last instance that was left. */
  #left: SocketId | undefined;
  #resumption: Resumption | undefined;
  #attempt: Attempt | undefined;
  #timer: NodeJS.Timeout | undefined;
  #limit: NodeJS.Timeout | undefined;
  #fruitless = 0;
  #passed = false;
  /** The instance asked us to go: not tried yet, tried in vain (then when nothing is under way), no. */
  #leaving: 'asked' | 'later' | undefined;
  #ended = false;
  #peerEnded = false;
  #unrefd = false;

  constructor(options: ResumingOptions) {
    this.#options = options;
    this.#listener = options.listener;
    this.#talk = new Conversation((bytes) => {
      this.#passed = true;
      this.#fruitless = 0;
      this.#listener?.({ kind: 'data', socket: this.id, bytes });
    });
    this.#flow = this.#dial();
    this.driver = this.#flow.driver;
    this.id = this.#flow.id;
  }

  write(bytes: Uint8Array, offset: number): number {
    if (this.#flow === undefined) {
      if (this.#resumption === undefined) this.#dialAnew();
      return 0;
    }
    const taken = this.#flow.write(bytes, offset);
    if (taken > 0 && !this.#talk.opaque) this.#talk.sent(asBuffer(bytes).subarray(offset, offset + taken));
    return taken;
  }

  read(): void {
    this.#flow?.read();
  }

  end(): void {
    this.#ended = true;
    if (this.#flow !== undefined) this.#flow.end();
    else if (this.#resumption === undefined) this.#finish();
  }

  setOptions(stream: StreamOptions): void {
    this.#flow?.setOptions(stream);
    this.#attempt?.flow.setOptions(stream);
  }

  ref(): void {
    this.#unrefd = false;
    this.#flow?.ref();
    this.#attempt?.flow.ref();
    this.#timer?.ref();
  }

  unref(): void {
    this.#unrefd = true;
    this.#flow?.unref();
    this.#attempt?.flow.unref();
    this.#timer?.unref();
  }

  abort(): void {
    this.#listener = undefined;
    this.#stopTrying();
    this.#flow?.abort();
  }

  release(flushed: boolean): void {
    this.#listener = undefined;
    this.#stopTrying();
    this.#flow?.release(flushed);
  }

  #dial(avoid?: SocketId): Carrier {
    const flow: Carrier = this.#options.dial((event) => this.#onEvent(flow, event), avoid);
    return flow;
  }

  #onEvent(flow: Carrier, event: Event): void {
    if (flow === this.#attempt?.flow) {
      const outcome = this.#attempt.onEvent(event);
      if (outcome !== undefined) this.#onOutcome(outcome);
      return;
    }
    if (flow !== this.#flow) return;
    switch (event.kind) {
      case 'connected':
        this.open = true;
        this.#listener?.(event);
        break;
      case 'data':
        if (this.#talk.opaque) this.#listener?.(event);
        else this.#onData(event.bytes);
        break;
      case 'shed':
        this.#leaving = 'asked';
        this.#leave();
        break;
      case 'end':
        this.#onEnd(event);
        break;
      case 'closed':
        this.#onClosed(event);
        break;
      default:
        this.#listener?.(event);
    }
  }

  #onData(bytes: Uint8Array): void {
    this.#passed = false;
    this.#talk.received(asBuffer(bytes));
    if (this.#talk.broken !== undefined) {
      this.#fail(this.#talk.broken);
      return;
    }
    // The reader asks for more when it is given something.
    if (!this.#passed) this.#flow?.read();
    if (this.#leaving !== undefined) this.#leave();
    this.#settle();
  }

  /** What waits for the end of an answer. */
  #settle(): void {
    if (this.#talk.over) this.#endInItsPlace();
    else if (this.#ended && this.#talk.idle) this.#flow?.end();
  }

  #onEnd(event: Event): void {
    const standing = this.#talk.standing();
    if (!this.#peerEnded && (standing.kind === 'unanswered' || standing.kind === 'interrupted'))
      return this.#lose(standing, { kind: 'closed', socket: this.id, reason: Reason.CLOSED, detail: '' }, 'end');
    this.#talk.flush();
    this.#peerEnded = true;
    this.#listener?.(event);
  }

  #onClosed(event: ClosedEvent): void {
    const standing = this.#talk.standing();
    if (event.reason === Reason.OK || this.#peerEnded) this.#listener?.(event);
    else if (standing.kind === 'unanswered' || standing.kind === 'interrupted')
      this.#lose(standing, event, reasonName(event.reason));
    else if (standing.kind === 'between' && !this.#ended) this.#drop();
    else {
      this.#talk.flush();
      this.#listener?.(withReason(event, standing.kind === 'stuck' ? standing.why : ''));
    }
  }

  /** A request, and no flow. */
  #dialAnew(): void {
    const standing = this.#talk.standing();
    if (standing.kind === 'between') this.#begin(standing, '', undefined);
    else this.#listener?.({ kind: 'closed', socket: this.id, reason: Reason.CLOSED, detail: '' });
  }

  /** The flow is of no use any more; the next request dials another. */
  #drop(): void {
    this.#stopTrying();
    this.#left = this.#flow?.id;
    this.#flow = undefined;
    this.#leaving = undefined;
  }

  #lose(standing: Resumption['standing'], cause: ClosedEvent, reason: string): void {
    this.#flow?.abort();
    this.#drop();
    const most = standing.kind === 'unanswered' ? 1 : maxFruitless;
    if (this.#fruitless < most) this.#begin(standing, reason, cause);
    else this.#listener?.(withReason(cause, 'others broke off too'));
  }

  #begin(standing: Resumption['standing'], reason: string, cause: ClosedEvent | undefined): void {
    this.#resumption = { standing, reason, cause, startedMs: performance.now(), tries: 0 };
    this.#limit = setTimeout(() => this.#giveUp('no instance answered in time', cause), limitMs).unref();
    this.#try(this.#resumption);
  }

  #try(resumption: Resumption): void {
    const { standing, tries } = resumption;
    resumption.tries++;
    try {
      this.#attempt = createAttempt(this.#dial(tries % 2 === 0 ? this.#left : undefined), standing);
    } catch (error) {
      this.#stopTrying();
      this.#listener?.({ kind: 'failed', error: error as Error });
    }
  }

  #onOutcome(outcome: Outcome): void {
    const [attempt, resumption] = [this.#attempt, this.#resumption];
    this.#attempt = undefined;
    if (attempt === undefined || resumption === undefined) return;
    if (outcome.kind === 'accepted') {
      this.#stopTrying();
      this.#accept(attempt.flow, resumption, outcome);
      return;
    }
    attempt.flow.abort();
    if (outcome.kind === 'unable') this.#retry(resumption, outcome.why, outcome.closed);
    else if (this.#flow === undefined) this.#fail(outcome.why);
    else this.#stay();
  }

  #retry(resumption: Resumption, why: string, closed: ClosedEvent | undefined): void {
    const pauseMs = pausesMs[resumption.tries];
    // A request that has just come waits for no instance to appear, nor does one that may stay where it is.
    const patient = resumption.cause !== undefined;
    if (pauseMs === undefined || (pauseMs > 0 && !patient)) this.#giveUp(why, resumption.cause ?? closed);
    else if (pauseMs === 0) this.#try(resumption);
    else {
      this.#timer = setTimeout(() => this.#try(resumption), pauseMs);
      if (this.#unrefd) this.#timer.unref();
    }
  }

  #giveUp(why: string, cause: ClosedEvent | undefined): void {
    if (this.#flow !== undefined) {
      this.#stay();
      return;
    }
    this.#stopTrying();
    this.#listener?.(
      cause === undefined
        ? { kind: 'closed', socket: this.id, reason: Reason.TIMED_OUT, detail: '' }
        : withReason(cause, why),
    );
  }

  /** The instance asked us to go, and nobody else can complete the answer: it stays where it is. */
  #stay(): void {
    this.#stopTrying();
    this.#leave();
  }

  #accept(flow: Carrier, resumption: Resumption, { verdict, rest }: Extract<Outcome, { kind: 'accepted' }>): void {
    const { standing, reason, startedMs } = resumption;
    const interrupted = standing.kind === 'interrupted' ? standing.interrupted : undefined;
    if (this.#flow !== undefined && interrupted !== undefined && !this.#talk.isStill(interrupted)) {
      flow.abort();
      this.#stay();
      return;
    }
    this.#flow?.abort();
    this.#flow = flow;
    this.id = flow.id;
    this.#leaving = undefined;
    this.#fruitless++;
    const offset = interrupted === undefined ? 0 : this.#talk.offset;
    if (standing.kind !== 'between') this.#options.onResumed({ offset, reason, tookMs: performance.now() - startedMs });
    if (standing.kind === 'unanswered') this.#talk.startOver();
    if (interrupted !== undefined && verdict !== undefined) this.#goOn(interrupted, verdict);
    if (rest.length > 0 && this.#flow !== undefined) this.#onData(rest);
    else this.#settle();
    this.#listener?.({ kind: 'writable', socket: this.id });
  }

  #goOn(interrupted: Interrupted, verdict: Accepted): void {
    if (verdict.kind === 'same') {
      this.#talk.goOn(interrupted, verdict.start, verdict.framing);
      return;
    }
    this.#flow?.abort();
    this.#flow = undefined;
    this.#talk.goOn(interrupted, this.#talk.offset, 0);
  }

  /** The instance has asked us to go: at once if nothing is under way, else with the answer, if it can go on elsewhere. */
  #leave(): void {
    if (this.#flow === undefined || this.#resumption !== undefined || this.#peerEnded) return;
    if (this.#talk.idle) {
      if (this.#ended || this.#talk.standing().kind !== 'between') return;
      this.#flow.release(true);
      this.#drop();
    } else if (this.#leaving === 'asked') {
      const standing = this.#talk.standing();
      if (standing.kind !== 'unanswered') this.#leaving = 'later';
      if (standing.kind !== 'interrupted' || standing.interrupted.started !== '') return;
      this.#left = this.#flow.id;
      this.#begin(standing, 'shed', undefined);
    }
  }

  /** The answer had announced the end of the connection; the instance that completed it may not know. */
  #endInItsPlace(): void {
    if (this.#peerEnded) return;
    this.#flow?.release(true);
    this.#flow = undefined;
    this.#peerEnded = true;
    this.#listener?.({ kind: 'end', socket: this.id });
    if (this.#ended) this.#finish();
  }

  /** Both directions have ended, and there is no flow to say so. */
  #finish(): void {
    if (!this.#peerEnded) this.#listener?.({ kind: 'end', socket: this.id });
    this.#peerEnded = true;
    this.#listener?.({ kind: 'closed', socket: this.id, reason: Reason.OK, detail: '' });
  }

  #fail(why: string): void {
    this.#stopTrying();
    this.#flow?.abort();
    this.#flow = undefined;
    this.#listener?.({ kind: 'failed', error: this.#options.changed(why) });
  }

  #stopTrying(): void {
    clearTimeout(this.#timer);
    clearTimeout(this.#limit);
    this.#attempt?.flow.abort();
    this.#attempt = undefined;
    this.#resumption = undefined;
  }
}

function createAttempt(flow: Carrier, standing: Resumption['standing']): Attempt {
  if (standing.kind === 'between') return new Attempt(flow, standing.started, undefined);
  if (standing.kind === 'unanswered') return new Attempt(flow, standing.request, undefined);
  const { request, entity, position, started } = standing.interrupted;
  return new Attempt(flow, requestForRest(request, entity, position.offset) + started, (answer) =>
    judgeRest(request, entity, position.offset, answer),
  );
}

function withReason(event: ClosedEvent, why: string): ClosedEvent {
  if (why === '') return event;
  const detail = `${event.detail === '' ? '' : `${event.detail}; `}cannot go on at another instance: ${why}`;
  return { ...event, detail };
}
