// The simulated driver: a stack, its station on the network and its one timer on the virtual clock. It keeps the same
// contract as the real one (core/stack, Driver): inputs go in at once, outputs are polled later in the same instant,
// batches are cut into packets by `packetBytes`. On receiving it may join consecutive packets of one sender, equal in
// size but for the last, as the kernel's GRO does.
// A stack that never answers `idle`, or asks for the same instant for ever, is a bug: the driver throws instead of hanging.

import { type Locator, noLocator, sameLocator } from '../core/base/index.ts';
import {
  createOutput,
  type Driver,
  type Event,
  type EventListener,
  type Input,
  type Output,
  type OutputKind,
  type SocketId,
  tellListener,
} from '../core/stack/index.ts';
import { cancel, schedule, type Timer } from './clock.ts';
import type { Packet } from './link.ts';
import { detachStation, type Network, probePort, type Station, send } from './network.ts';

/** What the driver needs of a stack. */
export interface DrivenStack {
  handle(nowUs: number, input: Input): number;
  poll(nowUs: number, output: Output): OutputKind;
  hasDirectory?(): boolean;
}

export interface SimDriver extends Driver {
  readonly stack: DrivenStack;
  /** Sockets that still have a listener attached. */
  readonly listeners: ReadonlyMap<SocketId, EventListener>;
  readonly counters: DriverCounters;
  /** To be called by the station. */
  receive(packet: Packet): void;
  /** Detaches without telling the stack or the peers: a crash. `refuses`: of the process only, its machine answers probes. */
  kill(refuses?: boolean): void;
}

export interface DriverCounters {
  packetsSent: number;
  packetsReceived: number;
  /** What the stack was handed: packets, joined. */
  batchesReceived: number;
  polls: number;
  /** Events of sockets that nobody listens to. */
  unheard: number;
}

export interface DriverOptions {
  /** Join packets that arrive within this time; 0 joins those of one instant, undefined none. */
  readonly coalesceUs?: number | undefined;
}

interface State {
  readonly network: Network;
  readonly station: Station;
  readonly stack: DrivenStack;
  readonly options: DriverOptions;
  readonly listeners: Map<SocketId, EventListener>;
  readonly counters: DriverCounters;
  readonly output: Output;
  readonly joined: Joined;
  pump: Timer | undefined;
  tick: Timer | undefined;
  ticksAtOnce: number;
  lastTickUs: number;
  alive: boolean;
}

interface Joined {
  readonly buffer: Uint8Array;
  bytes: number;
  /** Size of the first packet; a shorter one ends the batch. */
  packetBytes: number;
  ended: boolean;
  remote: Locator;
  link: number;
  flush: Timer | undefined;
}

const batchBytes = 65_536;
const outputsPerPoll = 1_000_000;
const ticksPerInstant = 1_000;

/** Tells the stack its locators at once. */
export function createDriver(
  network: Network,
  station: Station,
  stack: DrivenStack,
  options: DriverOptions = {},
): SimDriver {
  const state: State = {
    network,
    station,
    stack,
    options,
    listeners: new Map(),
    counters: { packetsSent: 0, packetsReceived: 0, batchesReceived: 0, polls: 0, unheard: 0 },
    output: createOutput(new Uint8Array(batchBytes)),
    joined: {
      buffer: new Uint8Array(batchBytes),
      bytes: 0,
      packetBytes: 0,
      ended: false,
      remote: noLocator,
      link: 0,
      flush: undefined,
    },
    pump: undefined,
    tick: undefined,
    ticksAtOnce: 0,
    lastTickUs: -1,
    alive: true,
  };
  handle(state, { kind: 'bound', locals: station.locals });
  return expose(state);
}

function expose(state: State): SimDriver {
  const { listeners } = state;
  return {
    stack: state.stack,
    listeners,
    counters: state.counters,
    nowUs: () => state.network.clock.nowUs,
    handle: (input) => handle(state, input),
    attach: (socket, listener) => void listeners.set(socket, listener),
    hasDirectory: () => state.stack.hasDirectory?.() ?? false,
    ref() {},
    unref() {},
    receive: (packet) => receive(state, packet),
    kill: (refuses = false) => kill(state, refuses),
    close() {
      state.listeners.clear();
      poll(state);
      handle(state, { kind: 'shutdown' });
      poll(state);
      kill(state, false);
      return Promise.resolve();
    },
  };
}

function handle(state: State, input: Input): number {
  if (!state.alive) return 0;
  const { clock } = state.network;
  const answer = state.stack.handle(clock.nowUs, input);
  state.pump ??= schedule(clock, clock.nowUs, () => {
    state.pump = undefined;
    poll(state);
  });
  return answer;
}

function poll(state: State): void {
  const { stack, output, counters, network } = state;
  const { nowUs } = network.clock;
  for (let i = 0; i < outputsPerPoll; i++) {
    counters.polls++;
    const kind = stack.poll(nowUs, output);
    if (kind === 'idle') {
      setTick(state, output.deadlineUs);
      return;
    }
    if (kind === 'transmit') transmit(state);
    else if (kind === 'probe') probe(state);
    else dispatch(state, output.event);
    if (!state.alive) return;
  }
  throw new Error(`the stack of ${state.station.name} gave ${outputsPerPoll} outputs and is not idle`);
}

function transmit(state: State): void {
  const { batch, remote, link } = state.output;
  const size = batch.packetBytes > 0 ? batch.packetBytes : batch.bytes;
  for (let offset = 0; offset < batch.bytes; offset += size) {
    state.counters.packetsSent++;
    const packet = batch.buffer.subarray(offset, Math.min(offset + size, batch.bytes));
    send(state.network, state.station, remote, packet, link);
  }
}

function probe(state: State): void {
  const { remote, link } = state.output;
  probePort(state.network, state.station, remote, link, () => handle(state, { kind: 'unreachable', remote }));
}

function dispatch(state: State, event: Event): void {
  const listener = state.listeners.get(event.socket);
  if (event.kind === 'closed' || event.kind === 'listen-failed') state.listeners.delete(event.socket);
  if (listener === undefined) state.counters.unheard++;
  else tellListener(listener, event);
}

function setTick(state: State, deadlineUs: number): void {
  const { clock } = state.network;
  if (state.tick !== undefined) cancel(clock, state.tick);
  state.tick = undefined;
  if (deadlineUs === Infinity) return;
  state.tick = schedule(clock, Math.ceil(deadlineUs), () => {
    state.tick = undefined;
    countTick(state, clock.nowUs);
    handle(state, { kind: 'tick' });
  });
}

function countTick(state: State, nowUs: number): void {
  state.ticksAtOnce = nowUs === state.lastTickUs ? state.ticksAtOnce + 1 : 0;
  state.lastTickUs = nowUs;
  if (state.ticksAtOnce > ticksPerInstant)
    throw new Error(`the stack of ${state.station.name} asks for a tick at ${nowUs} us again and again`);
}

function receive(state: State, packet: Packet): void {
  const { joined, options, network } = state;
  state.counters.packetsReceived++;
  const { bytes, source } = packet;
  const link = linkOf(state.station, packet.destination);
  const joins =
    joined.bytes > 0 &&
    !joined.ended &&
    bytes.length <= joined.packetBytes &&
    joined.bytes + bytes.length <= batchBytes &&
    joined.link === link &&
    sameLocator(joined.remote, source);
  if (!joins) {
    flush(state);
    joined.packetBytes = bytes.length;
    joined.remote = source;
    joined.link = link;
  }
  joined.buffer.set(bytes, joined.bytes);
  joined.bytes += bytes.length;
  joined.ended = bytes.length < joined.packetBytes;
  if (options.coalesceUs === undefined) flush(state);
  else joined.flush ??= schedule(network.clock, network.clock.nowUs + options.coalesceUs, () => flush(state));
}

function linkOf({ links }: Station, destination: Locator): number {
  if (links === undefined) return 0;
  for (const [link, local] of links) if (sameLocator(local, destination)) return link;
  return 0;
}

function flush(state: State): void {
  const { joined } = state;
  if (joined.flush !== undefined) cancel(state.network.clock, joined.flush);
  joined.flush = undefined;
  const { bytes } = joined;
  joined.bytes = 0;
  joined.ended = false;
  if (bytes === 0) return;
  state.counters.batchesReceived++;
  handle(state, { kind: 'packets', buffer: joined.buffer, bytes, remote: joined.remote, link: joined.link });
}

function kill(state: State, refuses: boolean): void {
  const { clock } = state.network;
  state.alive = false;
  state.listeners.clear();
  for (const timer of [state.pump, state.tick, state.joined.flush]) if (timer !== undefined) cancel(clock, timer);
  detachStation(state.network, state.station, refuses);
}
