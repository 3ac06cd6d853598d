// One received segment (RFC 9293 section 3.10.7.4): acceptance, PAWS (RFC 7323 section 5), RST and SYN (RFC 5961), then
// the ACK, the payload and the FIN. Segments of a batch are handled one by one; `endBatch` then decides once about
// losses, the window, ACKs and timers. Above SAL, RST and SYN are SAL's: here they are dropped and counted.
// Acceptance starts at what was accepted, not at rcvNxt: bytes between them may have to come again.

import { Reason } from '../base/index.ts';
import { createSegment, parseSegment, type Segment, TcpFlag } from '../wire/index.ts';
import { challenge, decideAck, requestAck } from './ack.ts';
import { blockBytes, missingBlocks, poolLoad, writeBlocks } from './blocks.ts';
import { enterTimeWait, receivedFin } from './closing.ts';
import { handleAck } from './delivery.ts';
import { acknowledgesSyn, establish, handlePassive, handleSynSent } from './opening.ts';
import { noteHeard } from './probe.ts';
import { advanceThrough, heldBytes, holdsInterval, insertInterval } from './reassembly.ts';
import { digestAcks } from './recovery.ts';
import { signalSpace } from './send.ts';
import { ackNumber, fail, fromWire, type Tcb, tsvalAt } from './tcb.ts';
import { armTimers } from './timers.ts';
import { Signal } from './types.ts';
import { sampleReceiverRtt } from './window.ts';

const segment: Segment = createSegment();
const leastMss = 536;
/** Out of order, a block may hold this much less than it could; and so many blocks may hold next to nothing. */
const sparseFactor = 4;
const sparseBlocks = 8;
/** Over the limit of the pool what is in order is still taken for a while: it completes records, which gives blocks back. */
const orderedLoad = 1.125;
/** RFC 7323 section 5.5: a timestamp this old says nothing. */
const staleTimestampUs = 24 * 86_400 * 1e6;

/**
 * Handles the segment of `length` bytes at `offset`; `view` and `bytes` show the same memory. Answers OK, or why the
 * segment or a part of it was dropped. An untrusted segment brings payload only: its ACK, window, timestamps and
 * FIN are ignored.
 */
export function handleSegment(
  tcb: Tcb,
  nowUs: number,
  view: DataView,
  bytes: Uint8Array,
  offset: number,
  length: number,
  trusted = true,
): Reason {
  tcb.counters.segmentsIn++;
  const parsed = parseSegment(view, offset, length, segment);
  const reason = parsed === Reason.OK ? dispatch(tcb, nowUs, bytes, offset, length, trusted) : parsed;
  if (reason !== Reason.OK) tcb.counters.drops++;
  return reason;
}

/**
 * `count` segments like the one handled last (untrusted, its payload of `length` at `payload` was the next in order), each
 * `stride` bytes behind the one before. False: nothing was done, and they are to be handled one by one.
 */
export function handleTwins(
  tcb: Tcb,
  bytes: Uint8Array,
  payload: number,
  length: number,
  stride: number,
  count: number,
): boolean {
  const { pool, receiveBuffer, rcvNxt: from } = tcb;
  const to = from + count * length;
  if (fromWire(tcb.irs, segment.seq, from) + length !== from || to > tcb.rcvAdv || tcb.rcvFinAt >= 0) return false;
  if (tcb.reassembly.intervals.count > 0 || !mayBorrow(tcb, from, to, orderedLoad)) return false;
  for (let i = 1; i <= count; i++)
    writeBlocks(pool, receiveBuffer, from + (i - 1) * length, bytes, payload + i * stride, length);
  tcb.counters.segmentsIn += count;
  advance(tcb, to);
  return true;
}

/** After the segments of a batch, and after anything else that may have changed this connection. */
export function endBatch(tcb: Tcb, nowUs: number): void {
  if (tcb.ackPending) {
    digestAcks(tcb, nowUs);
    signalSpace(tcb);
  }
  decideAck(tcb, nowUs);
  armTimers(tcb, nowUs);
}

function dispatch(
  tcb: Tcb,
  nowUs: number,
  bytes: Uint8Array,
  offset: number,
  length: number,
  trusted: boolean,
): Reason {
  if (tcb.state === 'CLOSED' || tcb.state === 'LISTEN') return handlePassive(tcb, nowUs, segment);
  if (tcb.state === 'SYN-SENT') return handleSynSent(tcb, nowUs, segment);
  const payload = offset + segment.dataOffsetBytes;
  return handleSynchronized(tcb, nowUs, bytes, payload, offset + length - payload, trusted);
}

function handleSynchronized(
  tcb: Tcb,
  nowUs: number,
  bytes: Uint8Array,
  payload: number,
  length: number,
  trusted: boolean,
): Reason {
  const { flags } = segment;
  const aboveSal = tcb.options.opening === 'lower';
  if (aboveSal && flags & (TcpFlag.SYN | TcpFlag.RST)) {
    tcb.counters.flagDrops++;
    return Reason.TCP_FLAG;
  }
  const seq = fromWire(tcb.irs, segment.seq, tcb.rcvNxt);
  if (flags & TcpFlag.RST) return handleReset(tcb, nowUs, seq);
  if (trusted && isOldTimestamp(tcb, nowUs)) return refuse(tcb, nowUs, Reason.STALE);
  if (trusted && segment.hasTimestamps && ((segment.tsval - tcb.tsNewest) | 0) > 0) tcb.tsNewest = segment.tsval;
  if (!isAcceptable(tcb, seq, length)) return handleUnacceptable(tcb, nowUs, seq, length, trusted);
  if (flags & TcpFlag.SYN) return refuse(tcb, nowUs, Reason.TCP_FLAG);
  if ((flags & TcpFlag.ACK) === 0) return Reason.BAD_SEGMENT;
  // The peer is alive: only what it has vouched for says so.
  if (trusted) noteHeard(tcb, nowUs);
  if (trusted) noteTimestamp(tcb, nowUs, seq, length);
  if (tcb.state === 'SYN-RECEIVED') {
    if (!trusted || !acknowledgesSyn(tcb, nowUs, segment)) return Reason.STALE;
    establish(tcb, nowUs, segment);
  }
  if (trusted) {
    const reason = handleAck(tcb, nowUs, segment, seq, length === 0);
    if (reason !== Reason.OK) return reason;
  }
  const fin = trusted && (flags & TcpFlag.FIN) !== 0;
  return length > 0 || fin ? receive(tcb, nowUs, bytes, payload, seq, length, fin) : Reason.OK;
}

/** RFC 9293 section 3.10.7.4, first step; a bare ACK at the right edge is taken, as all stacks do. */
function isAcceptable(tcb: Tcb, seq: number, length: number): boolean {
  const left = ackNumber(tcb);
  if (length === 0) return seq >= left && seq <= tcb.rcvAdv + 1;
  return seq + length > left && seq < tcb.rcvAdv;
}

/** A repetition of what was acknowledged, a probe, or beyond the window: answered with an ACK that says where we are. */
function handleUnacceptable(tcb: Tcb, nowUs: number, seq: number, length: number, trusted: boolean): Reason {
  if (tcb.state === 'SYN-RECEIVED') return trusted ? handleEarlyProbe(tcb, nowUs, seq) : Reason.STALE;
  const left = ackNumber(tcb);
  const end = seq + length;
  if (length > 0 && end <= left) noteDuplicate(tcb, seq, end);
  const fin = (segment.flags & TcpFlag.FIN) !== 0;
  if (fin && trusted && tcb.state === 'TIME-WAIT') enterTimeWait(tcb, nowUs);
  if (trusted) noteHeard(tcb, nowUs);
  if (length > 0 || (trusted && (fin || seq === left - 1))) tcb.ackNow = true;
  else challenge(tcb, nowUs);
  return length > 0 && end <= left ? Reason.DUPLICATE : Reason.STALE;
}

/**
 * SYN-RECEIVED: the number of the peer's SYN with an ACK of ours is its crossing SYN-ACK, or a probe of a peer whose ACK
 * was lost and which has nothing to send. RFC 9293 answers it; taking it as the ACK that it is saves that round trip.
 */
function handleEarlyProbe(tcb: Tcb, nowUs: number, seq: number): Reason {
  if (seq !== -1 || (segment.flags & TcpFlag.ACK) === 0) return Reason.STALE;
  if (!acknowledgesSyn(tcb, nowUs, segment)) return Reason.STALE;
  establish(tcb, nowUs, segment);
  tcb.ackNow = true;
  return Reason.OK;
}

function refuse(tcb: Tcb, nowUs: number, reason: Reason): Reason {
  challenge(tcb, nowUs);
  return reason;
}

/** RFC 5961 section 3: only the exact number resets; anything else in the window is questioned. */
function handleReset(tcb: Tcb, nowUs: number, seq: number): Reason {
  if (seq === ackNumber(tcb)) {
    fail(tcb, Signal.RESET);
    return Reason.OK;
  }
  if (seq > ackNumber(tcb) && seq < tcb.rcvAdv) challenge(tcb, nowUs);
  return Reason.TCP_FLAG;
}

function isOldTimestamp(tcb: Tcb, nowUs: number): boolean {
  if (!tcb.timestamps) return false;
  if (segment.hasTimestamps) {
    if (((segment.tsval - tcb.tsRecent) | 0) >= 0) return false;
    if (nowUs - tcb.tsRecentUs > staleTimestampUs) return false;
  }
  tcb.counters.pawsDrops++;
  return true;
}

/** RFC 7323 section 4.3, with rcvNxt in the place of the last ACK: it moves on while the layer above checks. */
function noteTimestamp(tcb: Tcb, nowUs: number, seq: number, length: number): void {
  if (!tcb.timestamps) return;
  if (seq <= tcb.lastRcvNxtAcked) {
    tcb.tsRecent = segment.tsval;
    tcb.tsRecentUs = nowUs;
  }
  // Of a bulk transfer only the segment behind the data of a batch is trusted.
  if (Math.max(length, tcb.rcvSinceAck) >= tcb.rcvMss)
    sampleReceiverRtt(tcb, (tsvalAt(tcb, nowUs) - segment.tsecr) | 0);
}

/** Payload within the window, and perhaps a FIN behind it. */
function receive(
  tcb: Tcb,
  nowUs: number,
  bytes: Uint8Array,
  payload: number,
  seq: number,
  length: number,
  fin: boolean,
): Reason {
  const end = seq + length;
  if (fin) noteFin(tcb, end);
  let reason: Reason = Reason.OK;
  if (length > 0) {
    noteSegmentSize(tcb, length);
    const from = Math.max(seq, tcb.rcvNxt);
    const to = Math.min(end, tcb.rcvAdv, finLimit(tcb, end));
    if (from > seq) noteDuplicate(tcb, seq, Math.min(end, from));
    if (from >= to) reason = Reason.DUPLICATE;
    else reason = store(tcb, bytes, payload + from - seq, from, to);
  }
  if (fin) requestAck(tcb, nowUs);
  if (tcb.rcvAcked === tcb.rcvFinAt && !tcb.finReceived) receivedFin(tcb, nowUs);
  return reason;
}

/** A segment without PSH has more behind it, so it is as large as its sender makes them. */
function noteSegmentSize(tcb: Tcb, length: number): void {
  const last = (segment.flags & (TcpFlag.PSH | TcpFlag.FIN)) !== 0;
  tcb.rcvMss = Math.max(length, last ? tcb.rcvMss : leastMss);
}

/** Above SAL a FIN is believed only with the bytes before it: data past it shows that it was forged. */
function finLimit(tcb: Tcb, end: number): number {
  if (tcb.rcvFinAt < 0 || end <= tcb.rcvFinAt) return Infinity;
  if (tcb.options.opening === 'self' || tcb.finReceived) return tcb.rcvFinAt;
  tcb.rcvFinAt = -1;
  return Infinity;
}

function noteFin(tcb: Tcb, at: number): void {
  if (tcb.finReceived || at < tcb.rcvNxt || at > tcb.rcvAdv) return;
  if (tcb.rcvFinAt < 0) tcb.rcvFinAt = at;
}

function store(tcb: Tcb, bytes: Uint8Array, at: number, from: number, to: number): Reason {
  const { pool, reassembly, receiveBuffer } = tcb;
  if (from !== tcb.rcvNxt) return storeOutOfOrder(tcb, bytes, at, from, to);
  if (!mayBorrow(tcb, from, to, orderedLoad)) return Reason.LIMIT;
  writeBlocks(pool, receiveBuffer, from, bytes, at, to - from);
  advance(tcb, to);
  if (reassembly.intervals.count === 0) return Reason.OK;
  tcb.contiguousMark = ++reassembly.changes;
  tcb.rcvNxt = advanceThrough(reassembly, pool.columns, to);
  tcb.counters.bytesReceived += tcb.rcvNxt - to;
  tcb.ackNow = true;
  return Reason.OK;
}

/** What is next in order stands in the buffer up to `to`. */
function advance(tcb: Tcb, to: number): void {
  const bytes = to - tcb.rcvNxt;
  tcb.rcvNxt = to;
  tcb.rcvSinceAck += bytes;
  tcb.counters.bytesReceived += bytes;
  tcb.signals |= Signal.READABLE;
}

function storeOutOfOrder(tcb: Tcb, bytes: Uint8Array, at: number, from: number, to: number): Reason {
  tcb.counters.outOfOrderIn++;
  tcb.ackNow = true;
  if (holdsInterval(tcb.reassembly, from, to)) {
    noteDuplicate(tcb, from, to);
    return Reason.DUPLICATE;
  }
  if (!mayBorrow(tcb, from, to, 1) || !isDense(tcb, from, to)) return Reason.LIMIT;
  if (!insertInterval(tcb.reassembly, tcb.pool.columns, from, to)) return Reason.LIMIT;
  writeBlocks(tcb.pool, tcb.receiveBuffer, from, bytes, at, to - from);
  return Reason.OK;
}

/** Whether the pool may give what [from, to) needs, up to `load`. The sender repeats what is refused. */
function mayBorrow({ pool, receiveBuffer }: Tcb, from: number, to: number, load: number): boolean {
  return poolLoad(pool) < load || missingBlocks(receiveBuffer, from, to - from) === 0;
}

/** Whether what is held out of order is worth its blocks: a byte in each would hold 16,384 times its size. */
function isDense({ receiveBuffer, reassembly, rcvNxt, rcvAcked }: Tcb, from: number, to: number): boolean {
  const blocks = receiveBuffer.held + missingBlocks(receiveBuffer, from, to - from);
  if (blocks <= sparseBlocks || blocks === receiveBuffer.held) return true;
  const bytes = rcvNxt - rcvAcked + heldBytes(reassembly) + to - from;
  return blocks <= sparseBlocks + (sparseFactor * bytes) / blockBytes;
}

/** To be reported as D-SACK in the next ACK, which leaves at once. */
function noteDuplicate(tcb: Tcb, start: number, end: number): void {
  tcb.counters.duplicatesIn++;
  tcb.dsackStart = start;
  tcb.dsackEnd = end;
  tcb.ackNow = true;
}
