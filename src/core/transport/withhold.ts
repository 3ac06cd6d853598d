// Finding out a peer that acknowledges what it has not received, in order to be sent to faster than the path allows (Savage
// et al., "TCP Congestion Control with a Misbehaving Receiver"; skipped packet numbers in RFC 9000 section 21.4). Now and
// then one segment of a batch counts as sent and does not leave. An honest peer reports the hole, loss detection finds it as
// it finds any other, blames nobody, and the segment leaves; a peer that acknowledges it before that lies.
// The evidence, not a share of the round trip, ends the wait: the round trip is measured by the ACKs of the one under
// suspicion, who makes it as short as it likes. A peer without SACK reports no hole: there half a round trip must do.

import { type Random, randomBelow } from '../base/index.ts';
import { mark, Run } from './scoreboard.ts';
import type { Tcb } from './tcb.ts';

const firstBytes = 512 * 1024;
const leastGapBytes = 16 * 1024 * 1024;
const gapSpreadBytes = 32 * 1024 * 1024;
/** The wait may cost a round trip of what a small window holds, so large windows are tried less often. */
const gapWindows = 128;
/** Bytes behind a hole wait for it, so it is closed in time whatever the peer reports. */
const longestHoldUs = 300_000;
const holdMarginUs = 10_000;

/** After about a megabyte, before there is much to gain by lying. */
export function firstWithheldAt(random: Random): number {
  return firstBytes + randomBelow(random, 2 * firstBytes);
}

/**
 * Which of `count` full segments that could leave now is withheld, never the last; -1: none. Only while all is calm, and
 * while more is queued than this batch: at the end of a transfer the wait would be seen.
 */
export function chooseWithheld(tcb: Tcb, count: number, payload: number, unsent: number): number {
  const { scoreboard, timers } = tcb;
  if (scoreboard.end < tcb.withholdAt || count < 2 || unsent < 2 * count * payload) return -1;
  if (timers.withheldUs !== Infinity || tcb.recovery !== 'open' || scoreboard.lostBytes > 0) return -1;
  return randomBelow(tcb.random, count - 1);
}

export function noteWithheld(tcb: Tcb, nowUs: number): void {
  const { rtt, random, scoreboard, congestion } = tcb;
  const gapBytes = leastGapBytes + randomBelow(random, gapSpreadBytes);
  tcb.withholdAt = scoreboard.end + Math.max(gapBytes, gapWindows * congestion.cwndBytes);
  const holdUs = tcb.sackPermitted ? 2 * rtt.srttUs + holdMarginUs : rtt.srttUs / 2;
  tcb.timers.withheldUs = nowUs + Math.min(longestHoldUs, holdUs);
  tcb.counters.withheld++;
}

/** It leaves now. */
export function noteReleased(tcb: Tcb): void {
  tcb.timers.withheldUs = Infinity;
}

/** The wait is over without a report of the hole: what was withheld is sent like a repetition. */
export function releaseWithheld(tcb: Tcb): void {
  const { scoreboard } = tcb;
  const { runs } = scoreboard;
  tcb.timers.withheldUs = Infinity;
  for (let at = runs.first; at < runs.first + runs.count; at++)
    if (runs.marks[at]! & Run.WITHHELD) mark(scoreboard, at, runs.marks[at]! | Run.LOST);
}
