// Two engines and a network between them, in virtual time: what the tests of this folder share. Deterministic from a
// seed. Each end may demand records: bytes are then accepted only in whole records, as the layer above does, and chosen
// records can be refused once. Content is a function of the offset, so that every byte is checked on arrival.

import { strict as assert } from 'node:assert';
import { type Random, randomBelow, randomFraction, seededRandom } from '../base/index.ts';
import { createSegment, parseSegment } from '../wire/index.ts';
import { type Flight, popFlight, pushFlight } from './flights.test.ts';
import {
  acceptBytes,
  type BlockPool,
  blockBytes,
  connect,
  consumeBytes,
  copyReadable,
  createBlockPool,
  createTcb,
  egress,
  emitSyn,
  endBatch,
  enqueue,
  finish,
  handleSegment,
  handleTimeout,
  type Lower,
  listen,
  nextDeadlineUs,
  type PacketBatch,
  readableBytes,
  rejectBytes,
  Signal,
  sendSpace,
  type Tcb,
  type TcbOptions,
} from './index.ts';

export interface Impairments {
  delayUs: number;
  /** 0: no limit. */
  bytesPerUs: number;
  queueBytes: number;
  loss: number;
  duplication: number;
  /** Share of packets that are late by up to `lateUs`. */
  reordering: number;
  lateUs: number;
  /** Larger packets vanish. */
  mtu: number;
  /** Arrivals are gathered to multiples of this, as by GRO. */
  gatherUs: number;
  /** Answers true to drop this packet. */
  drop?: (packet: Uint8Array, index: number) => boolean;
}

export interface End {
  readonly name: string;
  readonly tcb: Tcb;
  readonly pool: BlockPool;
  readonly seed: number;
  /** How much the application wants to send in all, and whether it ends then. */
  toSend: number;
  ends: boolean;
  queued: number;
  received: number;
  /** Reads nothing while false. */
  reading: boolean;
  /** Accepts nothing while false, as when a record is not whole. */
  accepting: boolean;
  /** Bytes per record that the other end sends; 0: every byte is accepted as it comes. */
  recordBytes: number;
  /** Offsets of records that are refused once. */
  readonly refuse: Set<number>;
  /** All signals so far. */
  signals: number;
  ended: boolean;
}

export interface World {
  nowUs: number;
  readonly ends: readonly [End, End];
  readonly links: readonly [Impairments, Impairments];
  readonly random: Random;
  readonly flights: Flight[];
  readonly freeAtUs: [number, number];
  readonly sent: [number, number];
  order: number;
  packets: number;
  /** Every packet offered to the network, for inspection; undefined: not kept. */
  log: { readonly atUs: number; readonly from: number; readonly bytes: number; readonly probe: boolean }[] | undefined;
}

export const headerBytes = 16;
const maxBatchBytes = 65_507;

/** As above SAL: trusted segments have a longer header, and say so. */
export const lower: Lower = {
  headerBytes,
  trustedHeaderBytes: headerBytes + 20,
  opening: 'lower',
  pads: true,
  emitHeader({ view }, offset, segmentBytes, trusted) {
    view.setUint16(offset, segmentBytes);
    view.setUint8(offset + 2, trusted ? 1 : 0);
  },
};

export function headerBytesAt(view: DataView, offset: number): number {
  return view.getUint8(offset + 2) === 1 ? lower.trustedHeaderBytes : lower.headerBytes;
}

export const calm: Impairments = {
  delayUs: 10_000,
  bytesPerUs: 0,
  queueBytes: Infinity,
  loss: 0,
  duplication: 0,
  reordering: 0,
  lateUs: 0,
  mtu: 65_535,
  gatherUs: 0,
};

export function tcbOptions(changes: Partial<TcbOptions> = {}): TcbOptions {
  return {
    opening: 'lower',
    iss: 12_345,
    packetBytes: 1200,
    maxPacketBytes: 1200,
    headerBytes: lower.trustedHeaderBytes,
    sendBufferBytes: 16 * 1024 * 1024,
    receiveBufferBytes: 16 * 1024 * 1024,
    nagle: false,
    ...changes,
  };
}

export function makeWorld(
  seed = 1,
  link: Partial<Impairments> = {},
  options: Partial<TcbOptions> = {},
  others: Partial<TcbOptions> = {},
): World {
  const random = seededRandom(seed);
  const pool = createBlockPool();
  const a = makeEnd('a', createTcb(tcbOptions(options), pool, random), pool, seed * 2 + 1);
  const b = makeEnd('b', createTcb(tcbOptions({ iss: 99, ...options, ...others }), pool, random), pool, seed * 2 + 2);
  return {
    nowUs: 1_000_000,
    ends: [a, b],
    links: [
      { ...calm, ...link },
      { ...calm, ...link },
    ],
    random,
    flights: [],
    freeAtUs: [0, 0],
    sent: [0, 0],
    order: 0,
    packets: 0,
    log: undefined,
  };
}

function makeEnd(name: string, tcb: Tcb, pool: BlockPool, seed: number): End {
  return {
    name,
    tcb,
    pool,
    seed,
    toSend: 0,
    ends: false,
    queued: 0,
    received: 0,
    reading: true,
    accepting: true,
    recordBytes: 0,
    refuse: new Set(),
    signals: 0,
    ended: false,
  };
}

/** Opens as SAL does: SYN and SYN-ACK travel outside of this network. Self mode: by the network, with its losses. */
export function open(world: World): void {
  const [a, b] = world.ends;
  if (a.tcb.options.opening === 'self') {
    listen(b.tcb);
    connect(a.tcb);
    run(world, () => (a.signals & b.signals & Signal.ESTABLISHED) !== 0);
    return;
  }
  const packet = new Uint8Array(64);
  const view = new DataView(packet.buffer);
  const length = emitSyn(a.tcb, world.nowUs, view, 0);
  world.nowUs += world.links[0].delayUs;
  handleSegment(b.tcb, world.nowUs, view, packet, 0, length);
  world.nowUs += world.links[1].delayUs;
  handleSegment(a.tcb, world.nowUs, view, packet, 0, emitSyn(b.tcb, world.nowUs, view, 0));
  run(world, () => (b.signals & Signal.ESTABLISHED) !== 0);
}

/** Runs until `done`, or until nothing can happen any more, or fails after `limitUs`. */
export function run(world: World, done: () => boolean, limitUs = 600_000_000): void {
  const untilUs = world.nowUs + limitUs;
  let idleTurns = 0;
  for (;;) {
    pump(world, 0);
    pump(world, 1);
    if (done()) return;
    const next = nextTime(world);
    if (next === Infinity) return;
    assert.ok(next <= untilUs, `not done after ${limitUs / 1e6} s of virtual time: ${describe(world)}`);
    idleTurns = next > world.nowUs ? 0 : idleTurns + 1;
    assert.ok(idleTurns < 1000, `time stands still: ${describe(world)}`);
    advance(world, next);
  }
}

/** Moves both ends `by` bytes on, as if so much had been exchanged: offsets beyond 32 bits without the wait. */
export function jump(world: World, by: number): void {
  for (const end of world.ends) {
    const { tcb } = end;
    const { scoreboard, sendBuffer, receiveBuffer } = tcb;
    tcb.sndUna += by;
    tcb.sndEnd += by;
    tcb.lastEdge += by;
    scoreboard.end += by;
    scoreboard.highest += by;
    tcb.rcvNxt += by;
    tcb.rcvAcked += by;
    tcb.rcvConsumed += by;
    tcb.rcvAdv += by;
    tcb.lastAckSent += by;
    tcb.lastRcvNxtAcked += by;
    tcb.sndWl1 += by;
    end.queued += by;
    end.toSend += by;
    for (const buffer of [sendBuffer, receiveBuffer]) {
      buffer.start += by;
      buffer.end += by;
      buffer.firstBlock = Math.floor(buffer.start / blockBytes);
    }
  }
}

/** Runs for `us`. */
export function pass(world: World, us: number): void {
  const untilUs = world.nowUs + us;
  for (;;) {
    pump(world, 0);
    pump(world, 1);
    const next = nextTime(world);
    if (next > untilUs) break;
    advance(world, next);
  }
  world.nowUs = untilUs;
}

function nextTime(world: World): number {
  const [a, b] = world.ends;
  const timers = Math.min(nextDeadlineUs(a.tcb), nextDeadlineUs(b.tcb));
  return Math.min(timers, world.flights[0]?.atUs ?? Infinity);
}

/** Lets the clock reach `nowUs`: arrivals first, as one batch, then timeouts. */
function advance(world: World, nowUs: number): void {
  const { flights, ends } = world;
  world.nowUs = Math.max(world.nowUs, nowUs);
  while (flights.length > 0 && flights[0]!.atUs <= world.nowUs) arrive(world, popFlight(flights));
  for (let index = 0; index < 2; index++) {
    const { tcb } = ends[index]!;
    if (nextDeadlineUs(tcb) <= world.nowUs) handleTimeout(tcb, world.nowUs);
    settle(world, index);
  }
}

function arrive(world: World, flight: Flight): void {
  const { tcb } = world.ends[flight.to]!;
  const { packet } = flight;
  const view = new DataView(packet.buffer);
  const at = headerBytesAt(view, 0);
  handleSegment(tcb, world.nowUs, view, packet, at, view.getUint16(0), at !== headerBytes);
}

/** The application: reads what it may, writes what fits. */
export function settle(world: World, index: number): void {
  const end = world.ends[index]!;
  const other = world.ends[1 - index]!;
  const { tcb } = end;
  judge(world, end, other);
  endBatch(tcb, world.nowUs);
  end.signals |= tcb.signals;
  tcb.signals = 0;
}

const scratch = new Uint8Array(131_072);

function judge(world: World, end: End, other: End): void {
  const { tcb } = end;
  while (end.accepting) {
    const readable = readableBytes(tcb);
    const left = other.toSend - tcb.rcvAcked;
    const bytes = end.recordBytes === 0 ? Math.min(readable, scratch.length) : Math.min(end.recordBytes, left);
    if (bytes === 0 || readable < bytes) break;
    if (end.refuse.delete(tcb.rcvAcked)) {
      rejectBytes(tcb, world.nowUs, bytes);
      break;
    }
    copyReadable(tcb, 0, scratch, 0, bytes);
    checkContent(other, tcb.rcvAcked, scratch, bytes);
    acceptBytes(tcb, world.nowUs, bytes);
  }
  end.received = tcb.rcvAcked;
  if (end.reading && tcb.rcvConsumed < tcb.rcvAcked) consumeBytes(tcb, world.nowUs, tcb.rcvAcked - tcb.rcvConsumed);
}

export function fill(seed: number, offset: number, target: Uint8Array, bytes: number): void {
  for (let i = 0; i < bytes; i++) target[i] = contentAt(seed, offset + i);
}

function contentAt(seed: number, offset: number): number {
  return (offset * 31 + (offset >>> 8) * 17 + (offset >>> 16) * 7 + seed) & 255;
}

function checkContent(from: End, offset: number, bytes: Uint8Array, length: number): void {
  for (let i = 0; i < length; i++)
    if (bytes[i] !== contentAt(from.seed, offset + i)) assert.fail(`wrong byte ${offset + i} of ${from.name}`);
}

/** Queues what the application wants to send and what fits, then sends all that may leave. */
export function pump(world: World, index: number): void {
  const end = world.ends[index]!;
  const { tcb } = end;
  for (;;) {
    const bytes = Math.min(scratch.length, end.toSend - end.queued, sendSpace(tcb));
    if (bytes <= 0) break;
    fill(end.seed, end.queued, scratch, bytes);
    assert.equal(enqueue(tcb, world.nowUs, scratch, 0, bytes), bytes);
    end.queued += bytes;
  }
  if (end.ends && end.queued === end.toSend && !end.ended) {
    end.ended = true;
    finish(tcb, world.nowUs);
  }
  for (let batches = 0; egress(tcb, world.nowUs, lower, batch); batches++) {
    assert.ok(batches < 10_000, `sends for ever: ${describe(world)}`);
    transmit(world, index);
  }
}

const batchBuffer = new Uint8Array(maxBatchBytes);
export const batch: PacketBatch = {
  buffer: batchBuffer,
  view: new DataView(batchBuffer.buffer),
  bytes: 0,
  packetBytes: 0,
  packets: 0,
  probe: false,
};

const parsed = createSegment();

/** Checks that the batch is well formed, and hands its packets to the network. */
function transmit(world: World, from: number): void {
  assert.ok(batch.packets >= 1 && batch.packets <= 64 && batch.bytes <= maxBatchBytes);
  assert.ok(!batch.probe || batch.packets === 1, 'a probe travels alone');
  const { sent, links } = world;
  for (let i = 0; i < batch.packets; i++) {
    const start = i * batch.packetBytes;
    const end = Math.min(batch.bytes, start + batch.packetBytes);
    const packet = batchBuffer.slice(start, end);
    const view = new DataView(packet.buffer);
    const at = headerBytesAt(view, 0);
    const segmentBytes = view.getUint16(0);
    assert.ok(segmentBytes === packet.length - at || batch.probe, 'equal sizes but for the last');
    assert.equal(parseSegment(view, at, segmentBytes, parsed), 0);
    world.log?.push({ atUs: world.nowUs, from, bytes: packet.length, probe: batch.probe });
    if (links[from]!.drop?.(packet, sent[from]!++)) continue;
    offer(world, from, packet);
  }
}

function offer(world: World, from: number, packet: Uint8Array): void {
  const link = world.links[from]!;
  const { random } = world;
  world.packets++;
  if (packet.length > link.mtu || randomFraction(random) < link.loss) return;
  let atUs = world.nowUs;
  if (link.bytesPerUs > 0) {
    const startUs = Math.max(world.freeAtUs[from]!, world.nowUs);
    if ((startUs - world.nowUs) * link.bytesPerUs > link.queueBytes) return;
    atUs = world.freeAtUs[from] = startUs + packet.length / link.bytesPerUs;
  }
  send(world, from, packet, atUs);
  if (randomFraction(random) < link.duplication) send(world, from, packet, atUs);
}

function send(world: World, from: number, packet: Uint8Array, leavesUs: number): void {
  const link = world.links[from]!;
  let atUs = leavesUs + link.delayUs;
  if (randomFraction(world.random) < link.reordering) atUs += 1 + randomBelow(world.random, link.lateUs);
  if (link.gatherUs > 0) atUs = Math.ceil(atUs / link.gatherUs) * link.gatherUs;
  pushFlight(world.flights, { atUs, order: world.order++, to: 1 - from, packet });
}

export function describe(world: World): string {
  return world.ends
    .map(({ name, tcb, received, queued, toSend }) => {
      const { timers, scoreboard: sb, congestion } = tcb;
      const running = Object.entries(timers).filter(([, us]) => us !== Infinity);
      const text = running.map(([timer, us]) => `${timer}=+${us - world.nowUs}`).join(' ');
      return (
        `${name}: ${tcb.state} una=${tcb.sndUna} nxt=${sb.end} queued=${queued}/${toSend} sacked=${sb.sackedBytes} ` +
        `lost=${sb.lostBytes} cwnd=${Math.round(congestion.cwndBytes)} wnd=${tcb.sndWnd} ${tcb.recovery} ` +
        `received=${received} rcvNxt=${tcb.rcvNxt} rcvAcked=${tcb.rcvAcked} adv=${tcb.rcvAdv} ${text}`
      );
    })
    .join('\n');
}

/** Sends `bytes` more from the first end (and `back` from the second), ends both, and checks that all of it arrived. */
export function transfer(world: World, bytes: number, back = 0, limitUs = 600_000_000): void {
  const [a, b] = world.ends;
  a.toSend += bytes;
  b.toSend += back;
  a.ends = b.ends = true;
  run(world, () => isOver(a) && isOver(b), limitUs);
  assert.ok(isOver(a) && isOver(b), `stuck: ${describe(world)}`);
  assert.equal(b.received, a.toSend);
  assert.equal(a.received, b.toSend);
}

/** Sends `bytes` more from one end and runs until the other has taken them. */
export function deliver(world: World, from: 0 | 1, bytes: number, limitUs?: number): void {
  const end = world.ends[from];
  const other = world.ends[1 - from]!;
  end.toSend += bytes;
  run(world, () => other.received === end.toSend, limitUs);
  assert.equal(other.received, end.toSend, describe(world));
}

/** What a packet of the log says; offsets are relative to the stream it belongs to. */
export interface Seen {
  readonly seq: number;
  readonly bytes: number;
  readonly flags: number;
  readonly ack: number;
  readonly windowRaw: number;
  readonly blocks: readonly (readonly [number, number])[];
}

/** Reads a packet that `from` sent. */
export function read(world: World, from: number, packet: Uint8Array): Seen {
  const view = new DataView(packet.buffer);
  const at = headerBytesAt(view, 0);
  parseSegment(view, at, packet.length - at, parsed);
  const { iss } = world.ends[from]!.tcb;
  const other = world.ends[1 - from]!.tcb.iss;
  const blocks: [number, number][] = [];
  for (let i = 0; i < parsed.sackBlocks; i++)
    blocks.push([(parsed.sackStart[i]! - other - 1) | 0, (parsed.sackEnd[i]! - other - 1) | 0]);
  return {
    seq: (parsed.seq - iss - 1) | 0,
    bytes: packet.length - at - parsed.dataOffsetBytes,
    flags: parsed.flags,
    ack: (parsed.ack - other - 1) | 0,
    windowRaw: parsed.windowRaw,
    blocks,
  };
}

/** Watches what one end sends; `drop` decides what is lost. Answers the list, which grows. */
export function watch(world: World, from: 0 | 1, drop: (seen: Seen, index: number) => boolean = () => false): Seen[] {
  const list: Seen[] = [];
  world.links[from].drop = (packet) => {
    const seen = read(world, from, packet);
    list.push(seen);
    return drop(seen, list.length - 1);
  };
  return list;
}

export function isOver(end: End): boolean {
  return (end.signals & (Signal.FIN_ACKED | Signal.FIN_RECEIVED)) === (Signal.FIN_ACKED | Signal.FIN_RECEIVED);
}
