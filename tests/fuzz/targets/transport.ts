// Fuzz target: a sequence of segments, calls and pauses against one live connection of the stream engine, above SAL or by
// itself. Segments are short choices around the numbers that matter, or raw bytes; some are not trusted. In every state
// the engine's own definitions hold (RFC 9293 section 3.3.1, scoreboard, reassembly), nothing is NaN, memory is bounded;
// what is received and sent is the content that belongs at its offset; sending ends, and no deadline stays due.

import { strict as assert } from 'node:assert';
import { Reason, seededRandom } from '../../../src/core/base/index.ts';
import {
  acceptBytes,
  type BlockPool,
  blockBytes,
  connect,
  consumeBytes,
  copyReadable,
  createBlockPool,
  createTcb,
  destroyTcb,
  egress,
  emitSyn,
  endBatch,
  enqueue,
  finish,
  freeze,
  handleSegment,
  handleTimeout,
  type Lower,
  listen,
  nextDeadlineUs,
  type PacketBatch,
  pathChanged,
  pipeBytes,
  readableBytes,
  rejectBytes,
  resume,
  sendSpace,
  setOptions,
  setPathLimit,
  type Tcb,
  tooBig,
} from '../../../src/core/transport/index.ts';
import { createSegment, emitSegment, parseSegment, TcpFlag } from '../../../src/core/wire/index.ts';
import { fillContent, firstStrange } from '../content.ts';
import { below, createOperations, more, oneOf, open, take, u8, u16 } from '../operations.ts';
import { checkNumbers, checkTcb } from '../tcb-invariants.ts';

export const maxBytes = 384;

export function fuzz(data: Uint8Array): void {
  open(operations, data);
  const world = createWorld();
  openConnection(world);
  checkTcb(world.tcb);
  while (more(operations)) {
    oneOf(operations, steps)(world);
    checkTcb(world.tcb);
    checkMemory(world);
  }
  checkNumbers(world.tcb);
  destroyTcb(world.tcb);
  assert.equal(world.pool.lent, 0, 'every block comes back');
}

interface World {
  readonly tcb: Tcb;
  readonly pool: BlockPool;
  nowUs: number;
}

const operations = createOperations();
const headerBytes = 16;
const tagBytes = 20;
const buffer = new Uint8Array(65_536);
const batch: PacketBatch = {
  buffer,
  view: new DataView(buffer.buffer),
  bytes: 0,
  packetBytes: 0,
  packets: 0,
  probe: false,
};
const room = new Uint8Array(8192);
const roomView = new DataView(room.buffer);
const segment = createSegment();
const parsed = createSegment();
const pausesUs = [1, 500, 1_000, 10_000, 25_000, 200_000, 1_000_000, 60_000_000];
const mostBatches = 3000;
const mostPackets = 64;
/** Streams of content. */
const ours = 1;
const theirs = 2;
const forgedByte = 0xee;

/** As above SAL, where a tag in front of some segments is what the peer trusts them for; and as plain TCP. */
const lower: Lower = {
  headerBytes,
  trustedHeaderBytes: headerBytes + tagBytes,
  opening: 'lower',
  pads: false,
  emitHeader,
};
const self: Lower = { headerBytes, trustedHeaderBytes: headerBytes, opening: 'self', pads: false, emitHeader };

const steps = [
  receive,
  receive,
  receive,
  receive,
  receiveRaw,
  settle,
  settle,
  pause,
  jump,
  jump,
  send,
  send,
  write,
  write,
  end,
  judge,
  consume,
  reject,
  move,
  change,
];

function createWorld(): World {
  const choice = u8(operations);
  const pool = createBlockPool();
  const options = {
    opening: choice & 1 ? 'self' : 'lower',
    iss: choice & 2 ? 0xfffffff0 : 1000,
    packetBytes: 1200,
    maxPacketBytes: choice & 4 ? 9000 : 1200,
    headerBytes,
    sendBufferBytes: choice & 8 ? 4096 : 262_144,
    receiveBufferBytes: choice & 16 ? 2048 : 262_144,
    nagle: (choice & 32) !== 0,
    ...(choice & 64 ? { keepAlive: { idleUs: 5_000_000, intervalUs: 1_000_000, probes: 3 } } : {}),
    ...(choice & 128 ? { timeoutUs: 20_000_000 } : {}),
    // No bit is left for it.
    ...((choice & 96) === 96 ? { congestion: 'bbr' as const } : {}),
  } as const;
  return { tcb: createTcb(options, pool, seededRandom(choice)), pool, nowUs: 1_000_000 };
}

/** The other end's half of the opening, with the options that the bytes choose. */
function openConnection(world: World): void {
  const { tcb, nowUs } = world;
  const choice = u8(operations);
  const active = (choice & 1) !== 0;
  const alone = tcb.options.opening === 'self';
  if (active && alone) connect(tcb);
  else if (active) emitSyn(tcb, nowUs, roomView, 0);
  else if (alone) listen(tcb);
  if (active && alone) send(world);
  blankSegment();
  segment.seq = peerStart - 1;
  segment.flags = active ? TcpFlag.SYN | TcpFlag.ACK : TcpFlag.SYN;
  segment.ack = (tcb.iss + 1) >>> 0;
  segment.windowRaw = choice & 2 ? 65_535 : 1000;
  segment.mss = choice & 4 ? 1460 : choice & 8 ? 100 : 0;
  segment.windowScale = choice & 16 ? 3 : -1;
  segment.sackPermitted = (choice & 32) !== 0;
  segment.hasTimestamps = (choice & 64) !== 0;
  segment.tsval = 100;
  assert.equal(deliver(world, 0, 0, true), Reason.OK);
  if (choice & 128) return;
  if (!active && alone) send(world);
  else if (!active) emitSyn(tcb, world.nowUs, roomView, 0);
  blankSegment();
  segment.hasTimestamps = tcb.timestamps;
  segment.tsval = 101;
  segment.seq = peerStart;
  segment.ack = (tcb.iss + 1) >>> 0;
  segment.windowRaw = 65_535;
  deliver(world, 0, 0, true);
  settle(world);
}

/** Sequence number of the other end's first byte: few segments before it wraps. */
const peerStart = 0xffff_f000;

function blankSegment(): void {
  segment.flags = TcpFlag.ACK;
  segment.mss = 0;
  segment.windowScale = -1;
  segment.sackPermitted = false;
  segment.hasTimestamps = false;
  segment.sackBlocks = 0;
  segment.tsecr = 0;
}

/** `tcb.iss` and `irs` are the numbers of the SYNs. */
function wire(initial: number, offset: number): number {
  return (initial + 1 + offset) >>> 0;
}

/** Small, either way, or some thousands. */
function near(): number {
  const value = u8(operations) - 128;
  return value >= 64 ? (value - 64) * 200 : value <= -64 ? (value + 64) * 200 : value;
}

function receive(world: World): void {
  const { tcb } = world;
  const choice = u8(operations);
  blankSegment();
  const bases = [tcb.rcvNxt, tcb.rcvAcked, tcb.rcvAdv, tcb.rcvNxt] as const;
  const seq = bases[choice & 3]! + (choice & 4 ? near() : 0);
  const acks = [tcb.scoreboard.end, tcb.sndUna] as const;
  segment.seq = wire(tcb.irs, seq);
  segment.ack = wire(tcb.iss, acks[(choice >> 3) & 1]! + (choice & 16 ? near() : 0));
  segment.windowRaw = choice & 32 ? u16(operations) : 2000;
  if (choice & 64) segment.flags = u8(operations);
  segment.hasTimestamps = tcb.timestamps;
  readOptions(world, choice);
  const length = u8(operations) << (choice & 3 ? 4 : 0);
  deliver(world, seq, Math.min(length, 4000), true);
}

/** Timestamps around the newest, SACK blocks around what was sent. */
function readOptions({ tcb, nowUs }: World, choice: number): void {
  segment.tsval = (tcb.tsRecent + 1) >>> 0;
  segment.tsecr = (Math.floor(nowUs / 1000) + tcb.tsOffset - 10) >>> 0;
  if ((choice & 128) === 0) return;
  const more = u8(operations);
  if (more & 4) segment.tsval = (tcb.tsRecent + near()) >>> 0;
  if (more & 8) segment.tsecr = (segment.tsecr + near()) >>> 0;
  segment.sackBlocks = more & 3;
  for (let i = 0; i < segment.sackBlocks; i++) {
    const start = tcb.sndUna + (u8(operations) - 8) * 256;
    segment.sackStart[i] = wire(tcb.iss, start);
    segment.sackEnd[i] = wire(tcb.iss, start + u8(operations) * 64 + (more >> 4));
  }
}

/** The segment with `length` bytes of the content that belongs at `seq`; every eighth is forged and not trusted. */
function deliver(world: World, seq: number, length: number, trusted: boolean): Reason {
  const header = emitSegment(roomView, 0, segment);
  const forged = trusted && length > 0 && (length & 7) === 7;
  if (forged) room.fill(forgedByte, header, header + length);
  else fillContent(room, header, length, theirs, seq);
  return handleSegment(world.tcb, world.nowUs, roomView, room, 0, header + length, trusted && !forged);
}

function receiveRaw(world: World): void {
  const bytes = take(operations, u8(operations));
  room.set(bytes);
  const trusted = (u8(operations) & 1) === 0;
  handleSegment(world.tcb, world.nowUs, roomView, room, 0, bytes.length, trusted);
}

function settle({ tcb, nowUs }: World): void {
  endBatch(tcb, nowUs);
  tcb.signals = 0;
}

function pause(world: World): void {
  world.nowUs += oneOf(operations, pausesUs);
  if (nextDeadlineUs(world.tcb) <= world.nowUs) expire(world);
}

function jump(world: World): void {
  const deadlineUs = nextDeadlineUs(world.tcb);
  if (deadlineUs === Infinity) return;
  world.nowUs = Math.max(world.nowUs, Math.ceil(deadlineUs));
  expire(world);
}

/** What a driver does at a deadline; afterwards none may be due, or it would come again at once and for ever. */
function expire(world: World): void {
  const { tcb, nowUs } = world;
  handleTimeout(tcb, nowUs);
  settle(world);
  send(world);
  assert.ok(nextDeadlineUs(tcb) > nowUs, 'a deadline that has come does not come again at once');
}

/** Says how long it is, so that the segment behind it is found. */
function emitHeader({ view }: PacketBatch, offset: number, _segmentBytes: number, trusted: boolean): void {
  view.setUint8(offset, trusted ? 1 : 0);
}

function send({ tcb, nowUs }: World): void {
  for (let batches = 0; egress(tcb, nowUs, tcb.options.opening === 'self' ? self : lower, batch); batches++) {
    assert.ok(batches < mostBatches, 'sending ends');
    checkBatch(tcb);
  }
}

function checkBatch(tcb: Tcb): void {
  assert.ok(batch.bytes <= buffer.length && batch.packets > 0);
  const size = batch.packetBytes;
  const extra = tcb.options.opening === 'lower' ? tagBytes : 0;
  let at = 0;
  let trusted = false;
  for (let i = 0; i < batch.packets; i++) {
    const bytes = Math.min(size, batch.bytes - at);
    trusted = buffer[at] === 1;
    const header = headerBytes + (trusted ? extra : 0);
    checkSegment(tcb, at + header, bytes - header);
    at += bytes;
  }
  assert.equal(at, batch.bytes, 'equal packets, the last one may be shorter');
  assert.ok(
    trusted || extra === 0 || batch.packets === mostPackets,
    'the last one is trusted, if there is room for it',
  );
}

function checkSegment(tcb: Tcb, at: number, bytes: number): void {
  assert.equal(parseSegment(batch.view, at, bytes, parsed), Reason.OK);
  const length = bytes - parsed.dataOffsetBytes;
  if (length === 0) return;
  const offset = tcb.sndUna + ((parsed.seq - wire(tcb.iss, tcb.sndUna)) | 0);
  assert.ok(offset >= Math.max(0, tcb.sndUna) && offset + length <= tcb.sndEnd, 'only what waits for an ACK is sent');
  assert.equal(
    firstStrange(buffer, at + parsed.dataOffsetBytes, length, ours, offset),
    -1,
    'what is sent is what was queued',
  );
}

function write({ tcb, nowUs }: World): void {
  const length = Math.min(u8(operations) << 4, sendSpace(tcb));
  fillContent(room, 0, length, ours, tcb.sndEnd);
  const before = tcb.sndEnd;
  assert.equal(enqueue(tcb, nowUs, room, 0, length), tcb.sndEnd - before);
}

function end({ tcb, nowUs }: World): void {
  if (u8(operations) > 200) finish(tcb, nowUs);
}

/** The layer above: takes what is authentic, refuses what is forged, up to as many bytes as the input says. */
function judge({ tcb, nowUs }: World): void {
  const length = Math.min(readableBytes(tcb), u16(operations), room.length);
  const first = tcb.rcvAcked;
  copyReadable(tcb, 0, room, 0, length);
  const strange = firstStrange(room, 0, length, theirs, first);
  if (strange < 0) return acceptBytes(tcb, nowUs, length);
  assert.equal(room[strange], forgedByte, 'a byte that nobody sent');
  rejectBytes(tcb, nowUs, length);
}

function consume({ tcb, nowUs }: World): void {
  consumeBytes(tcb, nowUs, u16(operations));
}

function reject({ tcb, nowUs }: World): void {
  rejectBytes(tcb, nowUs, u8(operations) << 2);
}

function move(world: World): void {
  const { tcb, nowUs } = world;
  const choice = u8(operations);
  if (choice & 1) freeze(tcb, nowUs);
  if (choice & 2) world.nowUs += oneOf(operations, pausesUs);
  if (choice & 4) pathChanged(tcb, world.nowUs, 1100, (choice & 8) !== 0);
  if ((choice & 16) === 0) resume(tcb, world.nowUs);
}

function change({ tcb, nowUs }: World): void {
  const choice = u8(operations);
  if (choice & 1) tooBig(tcb, nowUs, 64 * below(operations, 64));
  if (choice & 2) setPathLimit(tcb, 600 + 100 * below(operations, 90));
  if (choice & 4) setOptions(tcb, { nagle: (choice & 8) !== 0 });
  if (choice & 16)
    setOptions(tcb, { keepAlive: choice & 32 ? { idleUs: 1_000_000, intervalUs: 1000, probes: 2 } : null });
}

/** Blocks for what is queued and for what the window lets in, and the ends of both. */
function checkMemory({ tcb, pool }: World): void {
  const held = tcb.sndEnd - Math.max(0, tcb.sndUna) + Math.max(0, tcb.rcvAdv - tcb.rcvAcked);
  assert.ok(pool.lent * blockBytes <= held + 4 * blockBytes, `${pool.lent} blocks for ${held} bytes`);
  assert.ok(pipeBytes(tcb) <= tcb.scoreboard.end - Math.max(0, tcb.sndUna));
}
