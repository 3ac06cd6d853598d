// The ACK field, the SACK blocks and the window of one segment (RFC 9293 section 3.10.7.4, RFC 2018, RFC 2883). Only the
// bookkeeping is done per segment; what the ACKs of a batch mean for loss detection and congestion is worked out once
// by `digestAcks` (recovery.ts). SACKed bytes count as delivered: with a receiver that checks records, the cumulative
// ACK says what was verified, not what arrived.

import { Reason } from '../base/index.ts';
import type { Segment } from '../wire/index.ts';
import { challenge } from './ack.ts';
import { releaseBlocks } from './blocks.ts';
import { finWasAcked, reset } from './closing.ts';
import { acknowledge, markSacked, raiseHighest } from './scoreboard.ts';
import { deliveredEdge, fail, fromWire, type Tcb, tsvalAt, wireSeq } from './tcb.ts';
import { Signal } from './types.ts';

const minRenegeUs = 10_000;
/** Reports of single bytes would cut the scoreboard into as many runs; those of an honest peer end where segments do. */
const runsPerSegment = 2;
const spareRuns = 1024;

/** `pure`: the segment carries no payload. */
export function handleAck(tcb: Tcb, nowUs: number, segment: Segment, seq: number, pure: boolean): Reason {
  const ack = fromWire(tcb.iss, segment.ack, tcb.sndUna);
  if (ack > tcb.scoreboard.end || ack < tcb.sndUna - Math.max(tcb.maxSndWnd, 1)) {
    challenge(tcb, nowUs);
    return Reason.STALE;
  }
  const advanced = ack > tcb.sndUna;
  if (advanced) advance(tcb, nowUs, ack, segment);
  if (segment.sackBlocks > 0) handleSack(tcb, segment, ack);
  if (tcb.delivery.unsent) return giveUpLiar(tcb);
  if (tcb.delivery.ambiguous) resolveAmbiguity(tcb, segment);
  watchForReneging(tcb, nowUs, segment, ack, pure);
  handleWindow(tcb, segment, seq, advanced, ack);
  return Reason.OK;
}

/** Plain TCP tells the peer by a reset; above SAL that is SAL's to do. */
function giveUpLiar(tcb: Tcb): Reason {
  const { end } = tcb.scoreboard;
  fail(tcb, Signal.HOSTILE);
  if (tcb.options.opening === 'self') reset(tcb, wireSeq(tcb.iss, end));
  return Reason.MISBEHAVING;
}

function advance(tcb: Tcb, nowUs: number, ack: number, segment: Segment): void {
  const { scoreboard, pool } = tcb;
  acknowledge(scoreboard, pool.columns, ack, tcb.delivery);
  detectSpuriousRetransmission(tcb, ack, segment);
  tcb.counters.bytesAcked += Math.min(ack, tcb.sndEnd) - Math.min(tcb.sndUna, tcb.sndEnd);
  tcb.sndUna = ack;
  tcb.ackPending = true;
  releaseBlocks(pool, tcb.sendBuffer, Math.min(ack, tcb.sndEnd));
  if (ack > tcb.sndEnd) finWasAcked(tcb, nowUs);
}

/** RFC 3522: the ACK of what was sent again echoes a time before it was sent again, so the original arrived. */
function detectSpuriousRetransmission(tcb: Tcb, ack: number, segment: Segment): void {
  if (tcb.undoTsval < 0 || ack <= tcb.undoStart) return;
  if (segment.hasTimestamps && ((segment.tsecr - tcb.undoTsval) | 0) < 0) tcb.undoBytes = 0;
  tcb.undoTsval = -2;
}

/** Karn's rule, and how timestamps lift it (RFC 7323 section 4.1): the echo shows which sending of a segment arrived. */
function resolveAmbiguity(tcb: Tcb, segment: Segment): void {
  if (!segment.hasTimestamps) return;
  if (((segment.tsecr - tsvalAt(tcb, tcb.delivery.sentAtUs)) | 0) >= 0) tcb.delivery.ambiguous = false;
}

function handleSack(tcb: Tcb, segment: Segment, ack: number): void {
  const { scoreboard } = tcb;
  const segments = Math.ceil((scoreboard.end - tcb.sndUna) / tcb.mssBytes);
  const mostRuns = spareRuns + runsPerSegment * segments;
  let highest = 0;
  for (let i = 0; i < segment.sackBlocks; i++) {
    const start = fromWire(tcb.iss, segment.sackStart[i]!, tcb.sndUna);
    const end = fromWire(tcb.iss, segment.sackEnd[i]!, tcb.sndUna);
    if (i === 0 && isDuplicateReport(tcb, segment, start, end, ack)) {
      handleDuplicateReport(tcb, start, end);
      continue;
    }
    if (start >= end || end > scoreboard.end || end <= tcb.sndUna) continue;
    markSacked(scoreboard, Math.max(start, tcb.sndUna), end, tcb.delivery, mostRuns);
    highest = Math.max(highest, end);
  }
  raiseHighest(scoreboard, highest);
  tcb.ackPending = true;
}

/** RFC 2883: below the cumulative ACK, or within the second block. */
function isDuplicateReport(tcb: Tcb, segment: Segment, start: number, end: number, ack: number): boolean {
  if (start >= end) return false;
  if (end <= ack) return true;
  if (segment.sackBlocks < 2) return false;
  const secondStart = fromWire(tcb.iss, segment.sackStart[1]!, tcb.sndUna);
  const secondEnd = fromWire(tcb.iss, segment.sackEnd[1]!, tcb.sndUna);
  return start >= secondStart && end <= secondEnd;
}

/** What was sent again arrived twice: needless, so reordering is wider than thought (RFC 8985 section 6.2). */
function handleDuplicateReport(tcb: Tcb, start: number, end: number): void {
  const { rack } = tcb;
  const ofProbe = tcb.tlpRetransmitted && end === tcb.tlpEnd;
  if (ofProbe) tcb.tlpEnd = -1;
  if (tcb.undoBytes === 0 && !ofProbe) return;
  tcb.undoBytes = Math.max(0, tcb.undoBytes - (end - start));
  if (tcb.sndUna < rack.dsackRoundEnd) return;
  rack.dsackRoundEnd = tcb.scoreboard.end;
  rack.reoWndMult++;
  rack.reoWndPersist = 16;
}

/**
 * The receiver SACKed bytes from sndUna on, which makes sense only while its layer above has yet to accept them, and such
 * a receiver repeats that block, whole, in each ACK. An ACK without it says that the bytes were refused, or that it was
 * overtaken: a short wait tells. What it still reports above stands.
 */
function watchForReneging(tcb: Tcb, nowUs: number, segment: Segment, ack: number, pure: boolean): void {
  if (ack < tcb.sndUna || !pure) return;
  const edge = deliveredEdge(tcb);
  let start = ack;
  let end = edge;
  for (let i = 0; i < segment.sackBlocks; i++) {
    const blockStart = fromWire(tcb.iss, segment.sackStart[i]!, ack);
    const blockEnd = fromWire(tcb.iss, segment.sackEnd[i]!, ack);
    if (blockStart <= ack) start = Math.max(start, blockEnd);
    else end = Math.min(end, blockStart);
  }
  if (start >= edge) {
    tcb.timers.renegeUs = Infinity;
    return;
  }
  tcb.withdrawnStart = start;
  tcb.withdrawnEnd = end;
  if (tcb.timers.renegeUs === Infinity) tcb.timers.renegeUs = nowUs + Math.max(minRenegeUs, tcb.rtt.srttUs / 2);
}

/** Takes the window of a newer segment; of two that cannot be told apart, the larger one. */
function handleWindow(tcb: Tcb, segment: Segment, seq: number, advanced: boolean, ack: number): void {
  const windowBytes = segment.windowRaw << tcb.sndScale;
  const newer = advanced || seq > tcb.sndWl1 || (seq === tcb.sndWl1 && windowBytes > tcb.sndWnd);
  if (ack < tcb.sndUna || !newer) return;
  if (windowBytes > tcb.sndWnd) tcb.ackPending = true;
  tcb.sndWnd = windowBytes;
  tcb.sndWl1 = seq;
  tcb.maxSndWnd = Math.max(tcb.maxSndWnd, windowBytes);
}

/** Remembers the first retransmission of a recovery, for `detectSpuriousRetransmission`. */
export function noteRetransmission(tcb: Tcb, nowUs: number, start: number, bytes: number): void {
  tcb.counters.retransmits++;
  tcb.counters.bytesRetransmitted += bytes;
  if (tcb.recovery === 'open') return;
  tcb.undoBytes += bytes;
  if (tcb.undoTsval !== -1) return;
  tcb.undoTsval = tcb.timestamps ? tsvalAt(tcb, nowUs) : -2;
  tcb.undoStart = start;
}
