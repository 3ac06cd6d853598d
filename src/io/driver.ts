// The real driver: one stack, its links, one timer. Inputs go into the stack at once; outputs are polled once per turn
// (process.nextTick, so that all writes of one callback share packets) or at the end of a wake-up of the link. `pump` is
// the only place that polls, and never runs inside itself: a listener may call `handle` and the loop goes on with what
// that brought. A process lives as long as a referenced socket does.

import { type Locator, multicastLocator, noLocator, sameLocator } from '../core/base/index.ts';
import {
  createOutput,
  type Driver,
  type Event,
  type EventListener,
  type Input,
  type Output,
  type OutputKind,
  type PathInfo,
  type SocketId,
  type StackOptions,
  tellListener,
} from '../core/stack/index.ts';
import { AddressWatch, type AddressWatchReport } from './address-watch.ts';
import { nowUs } from './clock.ts';
import { coalesce, isJoinable } from './coalesce.ts';
import { type Ending, followExit, unfollowExit } from './exit.ts';
import { isUsable, type UsableAddress, usableAddresses } from './interfaces.ts';
import { Links, type OpenLinkReport } from './links.ts';
import { Multicast, type MulticastReport } from './multicast.ts';
import { PeerProbe } from './peer-probe.ts';
import { createPrimitives } from './primitives.ts';
import { References } from './references.ts';
import { type Operate, serveStatus } from './status.ts';
import { type LinkCounters, type LinkOptions, type LinkReport, safePacketBytes, type UdpLink } from './udp-link.ts';
import { WakeTimer } from './wake-timer.ts';

/** What the driver needs of a stack. */
export interface DrivenStack {
  handle(nowUs: number, input: Input): number;
  poll(nowUs: number, output: Output, events?: boolean): OutputKind;
}

export interface IoDriverOptions<Stack extends DrivenStack> {
  readonly createStack: (options: StackOptions) => Stack;
  readonly stack: Omit<StackOptions, 'primitives' | 'maxPacketBytes' | 'sourceOf'>;
  /** Port and address of link 0; buffers and kind of every link. */
  readonly link?: Omit<LinkOptions, 'callbacks'>;
  /** Group and port of ad hoc discovery, for tests. */
  readonly multicastGroup?: Locator;
  /** Stay alive without any referenced socket: a daemon. */
  readonly keepAlive?: boolean;
  /** What `caracal flows` and its like show of this stack, as plain JSON; absent: no status socket. */
  readonly describe?: (stack: Stack) => object;
  /** What its user may ask of this process through the status socket. */
  readonly operate?: Operate;
  readonly hasDirectory?: (stack: Stack) => boolean;
  /** The stack is looking for a router and has none yet. */
  readonly searching?: (stack: Stack) => boolean;
  /** A flow goes by this link. */
  readonly usesLink?: (stack: Stack, link: number) => boolean;
  /** A connection is to go by several interfaces. */
  readonly wantsLinks?: (stack: Stack) => boolean;
  readonly pathsOf?: (stack: Stack, socket: SocketId) => readonly PathInfo[];
}

export interface DriverCounters {
  polls: number;
  ticks: number;
  /** Events of sockets that nobody listens to. */
  unheard: number;
  multicasts: number;
  /** Batches of flows whose link is closed. */
  unlinked: number;
}

export interface IoReport {
  /** Of link 0, as the counters of links and drops below. */
  readonly link: LinkReport;
  readonly counters: DriverCounters;
  readonly linkCounters: LinkCounters;
  readonly receiveDrops: number;
  readonly links: readonly OpenLinkReport[];
  readonly addresses: AddressWatchReport;
  readonly multicast: MulticastReport | undefined;
}

/** Binds at once where the link can, else soon; `ready` tells. Throws when CARACAL_LINK asks for what is not there. */
export function createDriver<Stack extends DrivenStack>(options: IoDriverOptions<Stack>): IoDriver<Stack> {
  return new IoDriver(options);
}

/** Below this a timer of 1 ms would be too coarse: the loop turns until then. Pacing, which waits longer, repays what it is late by. */
const shortWaitUs = 250;
/** A timer is set anew for a deadline that is so much behind it: in a process that is idle, waking for nothing costs more. */
const farUs = 50_000;
/** Batches sent before received ones get their turn. */
const transmitsPerPump = 64;
/** Batches and events after which a process that ends is not kept up any longer. */
const outputsAtEnd = 10_000;
/** Then what the application writes in answer leaves: of many small flows both ends work at once, not in turn. */
const eventsPerTurn = 16;
/** Super-packets handled before their answers (acknowledgments) are polled. */
const receivedPerPump = 8;
/** A router on this machine or network answers well within this; without one every process waits so long, once. */
const searchMs = 50;

type PacketsInput = Extract<Input, { kind: 'packets' }>;

export class IoDriver<Stack extends DrivenStack = DrivenStack> implements Driver, Ending {
  readonly stack: Stack;
  readonly counters: DriverCounters = { polls: 0, ticks: 0, unheard: 0, multicasts: 0, unlinked: 0 };
  /** The port is bound and the stack knows its locators. Rejects with the error of bind; unhandled, that ends the process. */
  readonly ready: Promise<void>;
  readonly #options: IoDriverOptions<Stack>;
  readonly #links: Links;
  /** Polled into; once it holds a batch that others may join, the other one is. */
  #output: Output;
  #other: Output;
  #holding = false;
  readonly #packets: Required<PacketsInput> = {
    kind: 'packets',
    buffer: new Uint8Array(0),
    bytes: 0,
    remote: noLocator,
    link: 0,
  };
  readonly #listeners = new Map<SocketId, EventListener>();
  readonly #references = new References((held) => this.#hold(held));
  readonly #multicast: Multicast | undefined;
  readonly #peerProbe = new PeerProbe((remote) => this.#onUnreachable(remote));
  readonly #addresses: AddressWatch;
  /** What of this machine can be used since the last change. */
  #usable: readonly UsableAddress[] = [];
  readonly #stopStatus: (() => void) | undefined;
  #bound = false;
  #closed = false;
  #pumping = false;
  #scheduled = false;
  /** Of this turn's events there have been enough; the others come after what the application does now. */
  #sliced = false;
  #receivedSincePump = 0;
  readonly #timer = new WakeTimer(() => this.#onTimer());
  #timerDueUs = Infinity;
  #deadlineUs = Infinity;
  #immediate: NodeJS.Immediate | undefined;
  /** Who waits for the first search for a router, which ends with a router or after `searchMs`. */
  #awaitingRouter: (() => void)[] = [];
  #searchTimer: NodeJS.Timeout | undefined;
  #searchOver = false;

  constructor(options: IoDriverOptions<Stack>) {
    this.#options = options;
    this.#links = new Links(options.link ?? {}, {
      received: (buffer, bytes, remote, link) => this.#receive(buffer, bytes, remote, link),
      drained: () => this.#pump(),
      writable: () => this.#pump(),
      unreachable: (remote) => this.#onUnreachable(remote),
      isUsed: (link) => options.usesLink?.(this.stack, link) ?? true,
      closed: () => this.#tellBound(),
    });
    const { main } = this.#links;
    this.#output = createOutput(main.sendBuffer);
    this.#other = createOutput(new Uint8Array(main.sendBuffer.length));
    this.stack = options.createStack({
      ...options.stack,
      primitives: createPrimitives(),
      maxPacketBytes: (remote, link = 0) => this.#links.at(link)?.maxPacketBytes(remote) ?? safePacketBytes,
      ...(main.sourceOf === undefined ? {} : { sourceOf: (remote) => this.#sourceOf(remote) }),
    });
    if (options.stack.adHoc) this.#multicast = this.#openMulticast();
    const { describe, operate } = options;
    if (describe !== undefined)
      this.#stopStatus = serveStatus(() => ({ ...this.report(), ...describe(this.stack) }), operate);
    this.#addresses = new AddressWatch(() => this.#onAddresses());
    if (options.keepAlive) main.ref();
    followExit(this);
    this.ready = this.#start();
  }

  nowUs(): number {
    return nowUs();
  }

  handle(input: Input): number {
    if (this.#closed) return 0;
    const answer = this.stack.handle(nowUs(), input);
    if (!this.#pumping && !this.#scheduled) {
      this.#scheduled = true;
      process.nextTick(this.#onTick);
    }
    return answer;
  }

  attach(socket: SocketId, listener: EventListener): void {
    if (this.#listeners.has(socket)) this.ref(socket);
    else this.#references.add();
    this.#listeners.set(socket, listener);
  }

  ref(socket: SocketId): void {
    this.#references.ref(socket);
  }

  unref(socket: SocketId): void {
    if (this.#listeners.has(socket)) this.#references.unref(socket);
  }

  #hold(held: boolean): void {
    if (held) this.#links.main.ref();
    else if (!this.#options.keepAlive) this.#links.main.unref();
  }

  hasDirectory(): boolean {
    return this.#options.hasDirectory?.(this.stack) ?? false;
  }

  whenRouterKnown(callback: () => void): void {
    if (this.#searchOver || this.#closed || !this.#options.searching?.(this.stack)) {
      callback();
      return;
    }
    this.#awaitingRouter.push(callback);
    // Referenced: what waits here has no socket yet that would keep the process alive.
    this.#searchTimer ??= setTimeout(() => this.#endSearch(), searchMs);
  }

  /** Where others reach this stack; empty before `ready`. */
  locals(): Locator[] {
    return this.#links.main.locals();
  }

  async openLink(address: string): Promise<number> {
    const link = await this.#links.open(address);
    this.#tellBound();
    return link;
  }

  closeLink(link: number): void {
    this.#links.close(link);
    this.#tellBound();
  }

  useInterfaces(): void {
    void this.#links.openAll().then((opened) => opened && this.#tellBound());
  }

  pathsOf(socket: SocketId): readonly PathInfo[] {
    return this.#options.pathsOf?.(this.stack, socket) ?? [];
  }

  report(): IoReport {
    const { main } = this.#links;
    return {
      link: main.report(),
      counters: this.counters,
      linkCounters: main.counters,
      receiveDrops: main.receiveDrops(),
      links: this.#links.report(),
      addresses: this.#addresses.report,
      multicast: this.#multicast?.report(),
    };
  }

  /** Sends what is due, resets and unregisters what is left, and dispatches no more events: all of it at once. */
  endNow(): void {
    if (this.#closed || !this.#bound) return;
    this.#listeners.clear();
    this.#sendRest();
    this.stack.handle(nowUs(), { kind: 'shutdown' });
    this.#sendRest();
  }

  /** Polls whatever else is under way: it may be called from inside of a listener, and then nothing goes on there. */
  #sendRest(): void {
    for (let outputs = 0; outputs < outputsAtEnd && !this.#links.blocked; outputs++) {
      const kind = this.stack.poll(nowUs(), this.#output);
      if (kind === 'idle') break;
      if (kind === 'transmit') this.#transmit();
    }
    this.#flush();
  }

  /** As `endNow`, then lets everything go. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.endNow();
    this.#closed = true;
    unfollowExit(this);
    this.#timer.close();
    clearTimeout(this.#searchTimer);
    clearImmediate(this.#immediate);
    this.#addresses.close();
    this.#stopStatus?.();
    this.#multicast?.close();
    this.#peerProbe.close();
    await this.#links.closeAll();
  }

  async #start(): Promise<void> {
    // The offload link is bound already: then the stack knows its locators before anyone can use it.
    if (this.locals().length > 0) this.#onBound();
    await this.#links.main.ready;
    if (!this.#bound) this.#onBound();
  }

  #onBound(): void {
    this.#bound = true;
    this.#tellBound();
  }

  #tellBound(): void {
    if (!this.#bound) return;
    this.#usable = usableAddresses();
    const interfaces = this.#usable.map(({ name, address }) => ({ name, address }));
    this.handle({ kind: 'bound', locals: this.locals(), links: this.#links.infos(), interfaces });
  }

  #onAddresses(): void {
    this.#multicast?.refresh();
    this.#links.refresh();
    this.#tellBound();
    if (this.#options.wantsLinks?.(this.stack)) this.useInterfaces();
  }

  /** The kernel goes on choosing an interface that has lost its carrier: nothing can be sent from there. */
  #sourceOf(remote: Locator): Uint8Array | undefined {
    const source = this.#links.main.sourceOf?.(remote);
    return source !== undefined && isUsable(source, this.#usable) ? source : undefined;
  }

  #onUnreachable(remote: Locator): void {
    this.handle({ kind: 'unreachable', remote });
  }

  #openMulticast(): Multicast {
    const { multicastGroup } = this.#options;
    const multicast = new Multicast({
      received: (buffer, bytes, remote) => {
        this.#receive(buffer, bytes, remote, 0);
        this.#pump();
      },
      ...(multicastGroup === undefined ? {} : { group: multicastGroup }),
    });
    void multicast.listen();
    return multicast;
  }

  #endSearch(): void {
    clearTimeout(this.#searchTimer);
    this.#searchOver = true;
    const waiting = this.#awaitingRouter;
    this.#awaitingRouter = [];
    for (const callback of waiting) callback();
  }

  readonly #onTick = (): void => {
    this.#scheduled = false;
    this.#pump();
  };

  #receive(buffer: Uint8Array, bytes: number, remote: Locator, link: number): void {
    if (this.#closed) return;
    const input = this.#packets;
    input.buffer = buffer;
    input.bytes = bytes;
    input.remote = remote;
    input.link = link;
    this.stack.handle(nowUs(), input);
    if (++this.#receivedSincePump >= receivedPerPump) this.#pump();
  }

  /** Polls until the stack is idle, the links are full or others should have their turn. */
  #pump(): void {
    if (this.#pumping || this.#closed || this.#links.blocked || !this.#bound) return;
    this.#pumping = true;
    this.#receivedSincePump = 0;
    let idle = false;
    let events = 0;
    try {
      for (let transmits = 0; transmits < transmitsPerPump; ) {
        this.counters.polls++;
        const kind = this.stack.poll(nowUs(), this.#output, !this.#sliced);
        if (kind === 'event') {
          this.#sliced = ++events === eventsPerTurn;
          this.#flush();
          this.#dispatch(this.#output.event);
        } else if (kind === 'transmit') {
          transmits++;
          this.#transmit();
        } else if (kind === 'probe') {
          this.#peerProbe.probe(this.#output.remote);
        } else {
          idle = true;
          break;
        }
        if (this.#links.blocked || this.#closed) return;
      }
    } finally {
      this.#flush();
      this.#pumping = false;
      if (this.#awaitingRouter.length > 0 && !this.#options.searching?.(this.stack)) this.#endSearch();
      // Not idle: the budget is spent, or a listener threw and the rest must not wait for the next input.
      if (!this.#closed && !this.#links.blocked) this.#arm(idle && !this.#sliced ? this.#output.deadlineUs : 0);
    }
  }

  #transmit(): void {
    const { batch, remote } = this.#output;
    if (sameLocator(remote, multicastLocator)) {
      this.counters.multicasts++;
      this.#multicast?.send(batch.buffer, batch.bytes);
      return;
    }
    if (this.#holding && coalesce(this.#other, this.#output)) return;
    this.#flush();
    if (!isJoinable(batch)) return this.#send(this.#output);
    this.#holding = true;
    [this.#output, this.#other] = [this.#other, this.#output];
  }

  /** The batch that others could join leaves. */
  #flush(): void {
    if (!this.#holding || this.#closed) return;
    this.#holding = false;
    this.#send(this.#other);
  }

  #send({ batch, remote, link: number }: Output): void {
    const { buffer, bytes, packetBytes, packets, probe } = batch;
    const link = this.#links.at(number);
    if (link === undefined) {
      this.counters.unlinked++;
      return;
    }
    const result = link.send(buffer, bytes, packetBytes, packets, remote, probe);
    if (result === 'blocked') this.#links.noteFull(number);
    else if (result === 'too-big') this.#onTooBig(link, remote, Math.min(packetBytes || bytes, bytes));
  }

  #onTooBig(link: UdpLink, remote: Locator, refusedBytes: number): void {
    const packetBytes = Math.min(link.maxPacketBytes(remote), refusedBytes - 1);
    this.stack.handle(nowUs(), { kind: 'too-big', remote, packetBytes });
  }

  #dispatch(event: Event): void {
    const { socket } = event;
    const listener = this.#listeners.get(socket);
    if (event.kind === 'closed' || event.kind === 'listen-failed') {
      if (this.#listeners.delete(socket)) this.#references.remove(socket);
    }
    if (listener === undefined) this.counters.unheard++;
    else tellListener(listener, event);
  }

  /** A wake-up that is set a little earlier stays: it finds nothing to do and arms again, which is cheaper under load. */
  #arm(deadlineUs: number): void {
    this.#deadlineUs = deadlineUs;
    const waitUs = deadlineUs - nowUs();
    if (waitUs <= 0 || (waitUs < shortWaitUs && this.#isReferenced())) {
      this.#immediate ??= setImmediate(this.#onTurn);
      return;
    }
    if (this.#timerDueUs <= deadlineUs && deadlineUs < this.#timerDueUs + farUs) return;
    this.#timerDueUs = deadlineUs;
    if (deadlineUs === Infinity) this.#timer.clear();
    else this.#timer.set(waitUs);
  }

  /** The handle of the link is what keeps the process alive; timers never do. */
  #isReferenced(): boolean {
    return this.#references.held || this.#options.keepAlive === true;
  }

  #onTimer(): void {
    this.#timerDueUs = Infinity;
    this.#onDeadline();
  }

  /** A turn of the loop while waiting for something near: packets come in between. */
  readonly #onTurn = (): void => {
    this.#immediate = undefined;
    this.#sliced = false;
    this.#onDeadline();
  };

  #onDeadline(): void {
    if (this.#closed || this.#links.blocked) return;
    const now = nowUs();
    if (now < this.#deadlineUs) {
      this.#arm(this.#deadlineUs);
      return;
    }
    // 0: a pump was cut short; time itself has not come to anything.
    if (this.#deadlineUs > 0) {
      this.counters.ticks++;
      this.stack.handle(now, { kind: 'tick' });
    }
    this.#pump();
  }
}
