// Filling a batch with what a connection may send now: control segments (self mode), a path MTU probe alone, lost data,
// new data, then a bare ACK if one is due, as the last and shorter packet. The window, the congestion window and the
// pacer decide how much; called again until it answers false. Data segments carry no SACK, so that all of a batch
// are equal; an ACK that has SACK to tell goes bare behind them. Every batch ends with a trusted segment, so that the
// peer learns once per batch, by something that it believes, what was acknowledged and when it was sent.

import { emitSegment, maxTcpHeaderBytes, TcpFlag } from '../wire/index.ts';
import { ackSent, hasSackInfo } from './ack.ts';
import {
  appendBare,
  appendSegment,
  beginBatch,
  endsTrusted,
  fillHeader,
  finishPacket,
  header,
  headerBytesOf,
  roomFor,
} from './batch.ts';
import { createSendSample } from './congestion.ts';
import { controlOf, repace } from './controllers.ts';
import { noteRetransmission } from './delivery.ts';
import { isUntried, nextProbe } from './mtu-search.ts';
import { emitSyn } from './opening.ts';
import { leastCatchUpUs, nextSendUs, onPaced, pacingBudget } from './pacing.ts';
import { noteRepeat } from './path-mtu.ts';
import { appendSent, firstLost, markRetransmitted, Run, runEnd } from './scoreboard.ts';
import { maySendSmall, unsentBytes, usableWindow } from './send.ts';
import { dataBytes, dataHeaderBytes, isDrained, isSynchronized, pipeBytes, type Tcb, undeliveredBytes } from './tcb.ts';
import { armTimers } from './timers.ts';
import type { Lower, PacketBatch } from './types.ts';
import { chooseWithheld, noteReleased, noteWithheld } from './withhold.ts';

const sample = createSendSample();

/**
 * Fills `batch` for this connection. True: send it and call again. False: nothing to send until the next segment, call
 * or deadline.
 */
export function egress(tcb: Tcb, nowUs: number, lower: Lower, batch: PacketBatch): boolean {
  beginBatch(batch);
  if (tcb.frozenAtUs >= 0) return false;
  if (tcb.resetFlags !== 0) emitReset(tcb, lower, batch);
  else if (tcb.synDue) emitOpening(tcb, nowUs, lower, batch);
  else if (isSynchronized(tcb)) {
    emitStream(tcb, nowUs, lower, batch);
    armTimers(tcb, nowUs);
  }
  return batch.packets > 0;
}

function emitStream(tcb: Tcb, nowUs: number, lower: Lower, batch: PacketBatch): void {
  fillHeader(tcb, nowUs);
  if (hasDataToSend(tcb)) emitData(tcb, nowUs, lower, batch);
  if (endsTrusted()) ackSent(tcb, !hasSackInfo(tcb));
  if (batch.probe) return;
  if (tcb.probeDue) emitProbe(tcb, lower, batch);
  else if (tcb.ackNow || (batch.packets > 0 && !endsTrusted())) emitAck(tcb, lower, batch);
}

function hasDataToSend(tcb: Tcb): boolean {
  const { scoreboard, sndEnd } = tcb;
  return scoreboard.lostBytes > 0 || tcb.tlpDue || scoreboard.end < (tcb.finQueued ? sndEnd + 1 : sndEnd);
}

function emitData(tcb: Tcb, nowUs: number, lower: Lower, batch: PacketBatch): void {
  const priorBytes = pipeBytes(tcb);
  if (priorBytes === 0) restart(tcb, nowUs);
  fillWithData(tcb, nowUs, lower, batch);
  const control = controlOf(tcb.options);
  if (batch.packets === 0 || control.onSent === undefined) return;
  sample.nowUs = nowUs;
  sample.priorBytes = priorBytes;
  sample.inFlightBytes = pipeBytes(tcb);
  sample.drained = isDrained(tcb);
  control.onSent(tcb.congestion, sample);
}

function fillWithData(tcb: Tcb, nowUs: number, lower: Lower, batch: PacketBatch): void {
  const payload = dataBytes(tcb, lower.trustedHeaderBytes);
  if (tcb.tlpDue) emitTailProbe(tcb, nowUs, lower, batch, payload);
  const budget = pacingBudget(tcb.pacer, nowUs);
  tcb.timers.paceUs = budget > 0 ? Infinity : nextSendUs(tcb.pacer, nowUs);
  if (budget <= 0 || batch.packets > 0) return;
  const held = tcb.cwndLimitedEnd === tcb.scoreboard.end;
  if (emitMtuProbe(tcb, nowUs, lower, batch, payload)) return notePaced(tcb, nowUs, batch.bytes, held);
  const repeated = emitLost(tcb, nowUs, lower, batch, payload, budget);
  emitNew(tcb, nowUs, lower, batch, payload, budget - repeated);
  if (batch.bytes > 0) notePaced(tcb, nowUs, batch.bytes, held);
}

/** `held`: not the pacer, nor a late timer, but the window has held it back. */
function notePaced(tcb: Tcb, nowUs: number, bytes: number, held: boolean): void {
  const catchUpUs = held ? undefined : controlOf(tcb.options).catchUpUs?.(tcb.congestion, tcb.rtt.srttUs);
  onPaced(tcb.pacer, nowUs, bytes, Math.max(leastCatchUpUs, catchUpUs ?? 0));
}

/** Nothing is in flight: the window may have gone stale (RFC 2861). */
function restart(tcb: Tcb, nowUs: number): void {
  if (undeliveredBytes(tcb) > 0) return;
  tcb.lastProgressUs = nowUs;
  if (tcb.lastSentUs < 0) return;
  controlOf(tcb.options).onIdle(tcb.congestion, nowUs, nowUs - tcb.lastSentUs, tcb.rtt.rtoUs);
  repace(tcb);
}

/**
 * Repeats lost data as far as the window of congestion goes; answers the payload sent. In trusted segments: their times
 * are echoed, which tells a repetition that arrived from an original that was late.
 */
function emitLost(tcb: Tcb, nowUs: number, lower: Lower, batch: PacketBatch, payload: number, budget: number): number {
  const { scoreboard } = tcb;
  let sent = 0;
  for (;;) {
    const at = firstLost(scoreboard);
    if (at < 0) return sent;
    const start = scoreboard.runs.starts[at]!;
    const wanted = Math.min(payload, runEnd(scoreboard, at) - start);
    if (sent + wanted > budget && sent > 0) return sent;
    if (!fitsWindow(tcb, wanted) || !fits(tcb, lower, batch, wanted)) return sent;
    repeat(tcb, nowUs, lower, batch, at, start, start + wanted);
    sent += wanted;
  }
}

function repeat(
  tcb: Tcb,
  nowUs: number,
  lower: Lower,
  batch: PacketBatch,
  at: number,
  start: number,
  end: number,
): void {
  if (tcb.scoreboard.runs.marks[at]! & Run.WITHHELD) noteReleased(tcb);
  else noteRetransmission(tcb, nowUs, start, end - start);
  noteRepeat(tcb, nowUs, start);
  markRetransmitted(tcb.scoreboard, at, start, end, nowUs);
  appendStretch(tcb, lower, batch, start, end);
  tcb.lastSentUs = nowUs;
}

/** One trusted segment of [start, end), whose last number may be our FIN. */
function appendStretch(tcb: Tcb, lower: Lower, batch: PacketBatch, start: number, end: number): void {
  const dataEnd = Math.min(end, tcb.sndEnd);
  let flags: number = dataEnd === tcb.sndEnd ? TcpFlag.ACK | TcpFlag.PSH : TcpFlag.ACK;
  if (end > tcb.sndEnd) flags = TcpFlag.ACK | TcpFlag.FIN;
  appendSegment(tcb, lower, batch, start, dataEnd - start, flags, true);
}

/** New data in equal segments, then perhaps a shorter one, then perhaps the FIN. */
function emitNew(tcb: Tcb, nowUs: number, lower: Lower, batch: PacketBatch, payload: number, budget: number): void {
  const { scoreboard } = tcb;
  const start = scoreboard.end;
  const unsent = unsentBytes(tcb);
  const window = usableWindow(tcb);
  // Equal sizes: behind repetitions, which are trusted, and alone a full segment is trusted, too.
  const alone = Math.min(unsent, window) < 2 * payload || roomFor(batch, packetBytesOf(tcb, lower, payload, false)) < 2;
  const trusted = batch.packets > 0 || alone;
  // Behind segments that nobody has to believe comes one that the peer will.
  const behindBytes = trusted ? 0 : lower.trustedHeaderBytes + maxTcpHeaderBytes;
  const room = roomFor(batch, packetBytesOf(tcb, lower, payload, trusted), behindBytes);
  let count = Math.min(Math.floor(Math.min(unsent, window) / payload), room);
  if (count > 0) count = Math.min(count, countInWindow(tcb, payload), Math.max(1, Math.floor(budget / payload)));
  if (budget <= 0) count = 0;
  const withheld = chooseWithheld(tcb, count, payload, unsent);
  for (let i = 0; i < count; i++) {
    const at = start + i * payload;
    if (i !== withheld) appendSegment(tcb, lower, batch, at, payload, dataFlags(tcb, at + payload), trusted);
  }
  const bytes = count * payload;
  if (withheld < 0) noteSent(tcb, nowUs, bytes);
  else noteSentAround(tcb, nowUs, bytes, withheld * payload, payload);
  const rest = Math.min(unsent, window) - bytes;
  if (rest < payload && budget - bytes > 0) emitTail(tcb, nowUs, lower, batch, rest);
  noteWhatLimits(tcb, payload);
  if (scoreboard.end > start) tcb.timers.tlpUs = Infinity;
}

/** The rest that is shorter than a segment, with the FIN if that comes next; or the FIN alone. */
function emitTail(tcb: Tcb, nowUs: number, lower: Lower, batch: PacketBatch, bytes: number): void {
  const fin = tcb.finQueued && bytes === unsentBytes(tcb) && tcb.scoreboard.end <= tcb.sndEnd;
  if (bytes === 0 && !fin) return;
  if (bytes > 0 && !maySendSmall(tcb, bytes)) return;
  if (!fits(tcb, lower, batch, bytes) || !(fitsWindow(tcb, bytes) || (fin && bytes === 0))) return;
  tcb.overrideSws = false;
  const start = tcb.scoreboard.end;
  appendStretch(tcb, lower, batch, start, start + bytes + (fin ? 1 : 0));
  noteSent(tcb, nowUs, bytes + (fin ? 1 : 0));
  tcb.sndSml = tcb.scoreboard.end;
}

/** All of `bytes` but `length` of them at `from`, which count as sent and follow later. */
function noteSentAround(tcb: Tcb, nowUs: number, bytes: number, from: number, length: number): void {
  noteSent(tcb, nowUs, from);
  noteSent(tcb, nowUs, length, Run.WITHHELD | Run.BLAMELESS);
  noteSent(tcb, nowUs, bytes - from - length);
  noteWithheld(tcb, nowUs);
}

function noteSent(tcb: Tcb, nowUs: number, bytes: number, flags = 0): void {
  if (bytes === 0) return;
  appendSent(tcb.scoreboard, tcb.pool.columns, bytes, nowUs, flags);
  tcb.counters.bytesSent += bytes;
  tcb.lastSentUs = nowUs;
}

/** Why there is unsent data left: the window of congestion, or the peer's. */
function noteWhatLimits(tcb: Tcb, payload: number): void {
  const unsent = unsentBytes(tcb);
  tcb.windowBlocked = unsent > 0 && usableWindow(tcb) < Math.min(unsent, payload);
  if (unsent > 0 && !tcb.windowBlocked && pipeBytes(tcb) + payload > tcb.congestion.cwndBytes)
    tcb.cwndLimitedEnd = tcb.scoreboard.end;
}

function dataFlags(tcb: Tcb, end: number): number {
  return end === tcb.sndEnd ? TcpFlag.ACK | TcpFlag.PSH : TcpFlag.ACK;
}

/** Full segments that the window of congestion leaves; one when nothing is in flight. */
function countInWindow(tcb: Tcb, payload: number): number {
  const pipe = pipeBytes(tcb);
  const count = Math.floor((tcb.congestion.cwndBytes - pipe) / payload);
  return pipe <= 0 ? Math.max(1, count) : Math.max(0, count);
}

function fitsWindow(tcb: Tcb, bytes: number): boolean {
  const pipe = pipeBytes(tcb);
  return pipe <= 0 || pipe + bytes <= tcb.congestion.cwndBytes;
}

function fits(tcb: Tcb, lower: Lower, batch: PacketBatch, bytes: number): boolean {
  return roomFor(batch, packetBytesOf(tcb, lower, bytes, true)) > 0;
}

function packetBytesOf(tcb: Tcb, lower: Lower, bytes: number, trusted: boolean): number {
  return headerBytesOf(lower, trusted) + dataHeaderBytes(tcb) + bytes;
}

/** RFC 8985 section 7.3: new data if the window allows it, otherwise the last segment once more; cwnd or not. */
function emitTailProbe(tcb: Tcb, nowUs: number, lower: Lower, batch: PacketBatch, payload: number): void {
  const { scoreboard } = tcb;
  tcb.tlpDue = false;
  if (undeliveredBytes(tcb) === 0) return;
  const fresh = Math.min(payload, unsentBytes(tcb), usableWindow(tcb));
  tcb.tlpRetransmitted = fresh === 0;
  if (fresh > 0) {
    appendSegment(tcb, lower, batch, scoreboard.end, fresh, dataFlags(tcb, scoreboard.end + fresh), true);
    noteSent(tcb, nowUs, fresh);
  } else repeatTail(tcb, nowUs, lower, batch, payload);
  tcb.tlpEnd = scoreboard.end;
  tcb.counters.tailLossProbes++;
}

function repeatTail(tcb: Tcb, nowUs: number, lower: Lower, batch: PacketBatch, payload: number): void {
  const { scoreboard } = tcb;
  const { runs } = scoreboard;
  let at = runs.first + runs.count - 1;
  while (at > runs.first && runs.marks[at]! & Run.SACKED) at--;
  const end = runEnd(scoreboard, at);
  repeat(tcb, nowUs, lower, batch, at, Math.max(runs.starts[at]!, end - payload), end);
}

/**
 * Data in a packet larger than the path is known to carry, alone; true when it left. Above SAL, padding may make up for
 * data that is missing, where a larger packet is of use: what waits takes two of the size known.
 */
function emitMtuProbe(tcb: Tcb, nowUs: number, lower: Lower, batch: PacketBatch, payload: number): boolean {
  const { mtu } = tcb;
  if (mtu.inFlight || (!mtu.searching && nowUs < mtu.deadlineUs) || tcb.recovery !== 'open') return false;
  const size = mtu.searching ? mtu.candidateBytes : mtu.maxBytes;
  const room = size - lower.trustedHeaderBytes - dataHeaderBytes(tcb);
  const bytes = Math.min(room, unsentBytes(tcb));
  if (bytes < room && !(lower.pads && bytes > payload && isUntried(mtu))) return false;
  if (usableWindow(tcb) < bytes || tcb.scoreboard.lostBytes > 0) return false;
  // It may exceed the window by itself: room for so much at once may never come.
  if (size > batch.buffer.length || pipeBytes(tcb) >= tcb.congestion.cwndBytes) return false;
  tcb.mtuProbeBytes = nextProbe(mtu, nowUs);
  if (tcb.mtuProbeBytes !== size) return false;
  batch.probe = true;
  const { scoreboard } = tcb;
  appendSegment(tcb, lower, batch, scoreboard.end, bytes, dataFlags(tcb, scoreboard.end + bytes), true);
  batch.buffer.fill(0, batch.bytes, size);
  batch.bytes = size;
  batch.packetBytes = size;
  appendSent(scoreboard, tcb.pool.columns, bytes, nowUs, Run.PROBE | Run.BLAMELESS);
  tcb.counters.bytesSent += bytes;
  tcb.lastSentUs = nowUs;
  tcb.timers.tlpUs = Infinity;
  return true;
}

function emitAck(tcb: Tcb, lower: Lower, batch: PacketBatch): void {
  if (batch.packets > 0 && roomFor(batch, lower.trustedHeaderBytes + maxTcpHeaderBytes) === 0) return;
  appendBare(tcb, lower, batch, tcb.scoreboard.end);
  tcb.counters.acksOut++;
  ackSent(tcb, true);
}

/** probe.ts: one number below what the peer expects, so that it must answer. */
function emitProbe(tcb: Tcb, lower: Lower, batch: PacketBatch): void {
  if (batch.packets > 0 && roomFor(batch, lower.trustedHeaderBytes + maxTcpHeaderBytes) === 0) return;
  tcb.probeDue = false;
  appendBare(tcb, lower, batch, tcb.sndUna - 1);
  tcb.counters.probesOut++;
}

function emitOpening(tcb: Tcb, nowUs: number, lower: Lower, batch: PacketBatch): void {
  const segmentBytes = emitSyn(tcb, nowUs, batch.view, lower.trustedHeaderBytes);
  tcb.timers.stateUs = nowUs + tcb.rtt.rtoUs * 2 ** (tcb.synCount - 1);
  finishPacket(tcb, lower, batch, segmentBytes, true);
  tcb.counters.segmentsOut--;
}

function emitReset(tcb: Tcb, lower: Lower, batch: PacketBatch): void {
  fillHeader(tcb, 0);
  header.hasTimestamps = false;
  header.seq = tcb.resetSeq;
  header.ack = tcb.resetFlags & TcpFlag.ACK ? tcb.resetAck : 0;
  header.flags = tcb.resetFlags;
  tcb.resetFlags = 0;
  finishPacket(tcb, lower, batch, emitSegment(batch.view, lower.trustedHeaderBytes, header), true);
}
