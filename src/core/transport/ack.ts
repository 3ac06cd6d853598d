// When to acknowledge, and what to say (RFC 9293 section 3.8.6.3, RFC 2018, RFC 2883). At most one ACK per batch: at once
// for every second full-sized segment, for anything out of order, a filled hole or a duplicate; for a FIN, an opening or
// a grown window at the next deadline, which is now; otherwise after 25 ms; data carries it before. The ACK number stops
// at what the layer above accepted; the contiguous bytes past it are always among the SACK blocks, because a sender
// tells from their absence that they were refused.

import { maxSackBlocks, type Segment } from '../wire/index.ts';
import { latestBefore } from './reassembly.ts';
import { ackNumber, type Tcb, wireSeq } from './tcb.ts';
import { windowUpdateDue } from './window.ts';

export const delayedAckUs = 25_000;
const challengeIntervalUs = 1_000_000;
/** RFC 5961 section 7, per connection. */
const challengesPerInterval = 10;

/** After a batch, a read or a change of the window. */
export function decideAck(tcb: Tcb, nowUs: number): void {
  if (tcb.ackNow) return;
  const unacknowledged = Math.max(tcb.rcvSinceAck, ackNumber(tcb) - tcb.lastAckSent);
  if (unacknowledged >= 2 * tcb.rcvMss) tcb.ackNow = true;
  else if (unacknowledged > 0 && tcb.timers.ackUs === Infinity) tcb.timers.ackUs = nowUs + delayedAckUs;
}

/**
 * An ACK that is owed but not hurried: its deadline is now. Until the caller has come round to deadlines, what the
 * application writes in answer carries it.
 */
export function requestAck(tcb: Tcb, nowUs: number): void {
  tcb.timers.ackUs = Math.min(tcb.timers.ackUs, nowUs);
}

/** The peer learns by other means that everything arrived. */
export function forgetAck(tcb: Tcb): void {
  tcb.ackNow = false;
  tcb.timers.ackUs = Infinity;
}

export function updateWindowIfDue(tcb: Tcb, nowUs: number): void {
  if (windowUpdateDue(tcb)) requestAck(tcb, nowUs);
}

/** An answer to a segment that was refused: limited, so that forged ones cannot make us flood the peer. */
export function challenge(tcb: Tcb, nowUs: number): void {
  if (nowUs - tcb.challengeWindowUs >= challengeIntervalUs) {
    tcb.challengeWindowUs = nowUs;
    tcb.challenges = 0;
  }
  if (tcb.challenges >= challengesPerInterval) return;
  tcb.challenges++;
  tcb.ackNow = true;
}

/** Whether an ACK sent now has something to say in SACK blocks; data segments carry none. */
export function hasSackInfo(tcb: Tcb): boolean {
  return tcb.sackPermitted && (tcb.rcvNxt > tcb.rcvAcked || tcb.reassembly.intervals.count > 0 || tcb.dsackStart >= 0);
}

/** An ACK left, alone or with data. `complete`: it had the SACK blocks if there were any. */
export function ackSent(tcb: Tcb, complete: boolean): void {
  tcb.lastAckSent = ackNumber(tcb);
  // A peer that has ended stands one past its FIN.
  tcb.lastRcvNxtAcked = tcb.rcvNxt === tcb.rcvFinAt ? tcb.rcvNxt + 1 : tcb.rcvNxt;
  if (!complete) return;
  tcb.ackNow = false;
  tcb.rcvSinceAck = 0;
  tcb.timers.ackUs = Infinity;
  tcb.dsackStart = -1;
}

/** D-SACK first, then by time of change, most recent first; the contiguous block takes the last place if need be. */
export function fillSack(tcb: Tcb, segment: Segment): void {
  segment.sackBlocks = 0;
  if (!hasSackInfo(tcb)) return;
  const limit = tcb.timestamps ? maxSackBlocks - 1 : maxSackBlocks;
  if (tcb.dsackStart >= 0) addBlock(tcb, segment, tcb.dsackStart, tcb.dsackEnd);
  let contiguousDue = tcb.rcvNxt > tcb.rcvAcked;
  let below = 2 ** 32;
  while (segment.sackBlocks < limit) {
    const at = latestBefore(tcb.reassembly, below);
    const mark = at < 0 ? -1 : tcb.reassembly.intervals.marks[at]!;
    if (contiguousDue && (mark < tcb.contiguousMark || segment.sackBlocks === limit - 1)) {
      addBlock(tcb, segment, tcb.rcvAcked, tcb.rcvNxt);
      contiguousDue = false;
    } else if (at < 0) return;
    else {
      below = mark;
      addBlock(tcb, segment, tcb.reassembly.intervals.starts[at]!, tcb.reassembly.intervals.values[at]!);
    }
  }
}

/** A FIN right after the block counts as part of it, so that it is not sent again while its record is checked. */
function addBlock(tcb: Tcb, segment: Segment, start: number, end: number): void {
  const at = segment.sackBlocks++;
  segment.sackStart[at] = wireSeq(tcb.irs, start);
  segment.sackEnd[at] = wireSeq(tcb.irs, end === tcb.rcvFinAt ? end + 1 : end);
}
