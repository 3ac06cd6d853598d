// A service in one thread and without time: instances that answer HTTP requests by a function, connections whose bytes
// come in packets of any size and that break after any byte. What the carrier under test does with it is what the
// client sees, byte by byte.

import { Reason } from '../../../core/base/index.ts';
import type { Driver, Event, PeerProof, SocketId } from '../../../core/stack/index.ts';
import type { Carrier, CarrierEvent } from '../../flow.ts';
import { createMemoryDriver } from '../../testing/memory-driver.ts';
import { type Resumed, ResumingCarrier } from '../carrier.ts';

/** Answers the bytes of the response to one request, its head and, where it has one, its body as text. */
export type Instance = (request: string) => string;

/** How one connection goes: after so many bytes of answers it breaks. */
export interface Fate {
  readonly cutAfter?: number;
  readonly how?: 'reset' | 'end';
  /** The dial itself fails. */
  readonly refused?: boolean;
}

export interface Call {
  readonly instance: number;
  readonly avoid: SocketId | undefined;
  sent: string;
  ended: boolean;
  /** How the carrier let go of it. */
  left: 'aborted' | 'released' | undefined;
}

const peer: PeerProof = {
  authenticated: false,
  rootKey: undefined,
  prefix: undefined,
  encrypted: true,
  near: 'host',
};

/** Nothing is asked of it here. */
const driver: Driver = createMemoryDriver();

/** One connection to an instance. */
class FakeFlow implements Carrier {
  open = false;
  readonly driver = driver;
  readonly id: SocketId;
  readonly call: Call;
  readonly #world: World;
  readonly #answer: Instance;
  readonly #fate: Fate;
  readonly #listener: (event: Event) => void;
  #unread = '';
  #outbox = '';
  #lastAnswer = false;
  #answered = 0;
  #broken = false;

  constructor(world: World, id: SocketId, call: Call, answer: Instance, fate: Fate, listener: (event: Event) => void) {
    this.#world = world;
    this.id = id;
    this.call = call;
    this.#answer = answer;
    this.#fate = fate;
    this.#listener = listener;
    world.later(() => this.#connect());
  }

  #connect(): void {
    if (this.#fate.refused) this.#close(Reason.NO_INSTANCE);
    else {
      this.open = true;
      this.emit({ kind: 'connected', socket: this.id, service: new Uint8Array(32) as never, peer });
      if (this.#fate.cutAfter === 0) this.#break();
    }
  }

  write(bytes: Uint8Array, offset: number): number {
    if (!this.open || this.#broken) return 0;
    const text = Buffer.from(bytes).toString('latin1', offset);
    this.call.sent += text;
    this.#unread += text;
    this.#world.later(() => this.#serve());
    return bytes.length - offset;
  }

  #serve(): void {
    if (this.#broken || this.call.left !== undefined) return;
    const end = this.#unread.indexOf('\r\n\r\n') + 4;
    if (end < 4) return;
    const length = Number(/^content-length: *(\d+)/im.exec(this.#unread.slice(0, end))?.[1] ?? 0);
    if (this.#unread.length < end + length) return;
    const request = this.#unread.slice(0, end + length);
    this.#unread = this.#unread.slice(end + length);
    const answer = this.#answer(request);
    this.#lastAnswer = /^connection: close\r$/im.test(request + answer);
    this.say(answer);
    if (!this.#lastAnswer) this.#serve();
  }

  /** In packets as the world cuts them, one after the other, so that connections take turns. */
  say(text: string): void {
    this.#outbox += text;
    if (this.#outbox.length === text.length) this.#world.later(() => this.#deliver());
  }

  #deliver(): void {
    const packet = this.#outbox.slice(0, this.#world.packetBytes());
    this.#outbox = this.#outbox.slice(packet.length);
    if (this.#broken || packet === '') return;
    const room = (this.#fate.cutAfter ?? Number.POSITIVE_INFINITY) - this.#answered;
    const part = packet.slice(0, room);
    this.#answered += part.length;
    if (part.length > 0) this.emit({ kind: 'data', socket: this.id, bytes: Buffer.from(part, 'latin1') });
    if (part.length === room) this.#break();
    else if (this.#outbox !== '') this.#world.later(() => this.#deliver());
    else if (this.#lastAnswer) this.finish();
  }

  #break(): void {
    if (this.#broken) return;
    if (this.#fate.how === 'end') {
      this.#broken = true;
      this.emit({ kind: 'end', socket: this.id });
    } else this.#close(Reason.PEER_LOST);
  }

  #close(reason: Reason): void {
    this.#broken = true;
    this.emit({ kind: 'closed', socket: this.id, reason, detail: '' });
  }

  reset(): void {
    this.#close(Reason.ABORTED);
  }

  finish(): void {
    if (this.#broken) return;
    this.#broken = true;
    this.emit({ kind: 'end', socket: this.id });
  }

  emit(event: Event): void {
    if (this.call.left === undefined) this.#listener(event);
  }

  read(): void {}

  end(): void {
    if (this.call.ended) return;
    this.call.ended = true;
    this.#world.later(() => {
      if (this.#broken) this.emit({ kind: 'closed', socket: this.id, reason: Reason.OK, detail: '' });
    });
  }

  setOptions(): void {}
  ref(): void {}
  unref(): void {}

  abort(): void {
    this.call.left ??= 'aborted';
  }

  release(): void {
    this.call.left ??= 'released';
  }
}

export class World {
  readonly instances: Instance[];
  readonly fates: readonly Fate[];
  readonly calls: Call[] = [];
  readonly flows: FakeFlow[] = [];
  readonly events: CarrierEvent[] = [];
  readonly resumed: Resumed[] = [];
  received = '';
  packetBytes: () => number = () => 1 << 16;
  readonly carrier: ResumingCarrier;
  readonly #queue: (() => void)[] = [];
  #pending = '';

  /** The n-th connection leads to the n-th instance, as far as they go, and has the n-th fate. */
  constructor(instances: Instance[], fates: readonly Fate[] = []) {
    this.instances = instances;
    this.fates = fates;
    this.carrier = new ResumingCarrier({
      dial: (listener = () => {}, avoid) => this.#dial(listener, avoid),
      listener: (event) => this.#onEvent(event),
      onResumed: (resumed) => this.resumed.push(resumed),
      changed: (why) => Object.assign(new Error(why), { code: 'ERR_CARACAL_ENTITY_CHANGED' }),
    });
  }

  get last(): FakeFlow {
    return this.flows.at(-1)!;
  }

  /** The error that the client got: a reason of the stack, or a code. */
  get failure(): string | number | undefined {
    for (const event of this.events) {
      if (event.kind === 'failed') return (event.error as NodeJS.ErrnoException).code;
      if (event.kind === 'closed' && event.reason !== Reason.OK) return event.reason;
    }
    return undefined;
  }

  get detail(): string {
    const event = this.events.at(-1);
    return event?.kind === 'closed' ? event.detail : event?.kind === 'failed' ? event.error.message : '';
  }

  saw(kind: CarrierEvent['kind']): boolean {
    return this.events.some((event) => event.kind === kind);
  }

  #dial(listener: (event: Event) => void, avoid: SocketId | undefined): Carrier {
    const n = this.calls.length;
    const instance = Math.min(n, this.instances.length - 1);
    const call: Call = { instance, avoid, sent: '', ended: false, left: undefined };
    this.calls.push(call);
    const flow = new FakeFlow(this, n + 1, call, this.instances[instance]!, this.fates[n] ?? {}, listener);
    this.flows.push(flow);
    return flow;
  }

  #onEvent(event: CarrierEvent): void {
    if (event.kind === 'data') this.received += Buffer.from(event.bytes).toString('latin1');
    else this.events.push(event);
    if (event.kind === 'connected' || event.kind === 'writable') this.#flush();
  }

  /** As a Socket does: what is not taken waits for `writable`. */
  send(text: string): this {
    this.#pending += text;
    this.#flush();
    return this;
  }

  #flush(): void {
    if (!this.carrier?.open || this.#pending === '') return;
    const bytes = Buffer.from(this.#pending, 'latin1');
    const taken = this.carrier.write(bytes, 0);
    this.#pending = this.#pending.slice(taken);
  }

  later(action: () => void): void {
    this.#queue.push(action);
  }

  /** Until nothing happens any more. */
  run(): this {
    while (this.#queue.length > 0) this.step();
    return this;
  }

  step(): void {
    const action = this.#queue.shift();
    if (action === undefined) throw new Error('nothing is left to happen');
    action();
  }
}
