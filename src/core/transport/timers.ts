// The deadlines of a connection and what happens at each: retransmission (RFC 6298), tail loss probe and reordering
// (RFC 8985), probes for an answer, delayed ACK, pacing, SYN and TIME-WAIT. They are plain times in the record;
// `nextDeadlineUs` is their minimum and the stack owns the one real timer. Arming is idempotent: a timer that runs is
// left alone, and what must restart is first set to Infinity where the reason is known.

import { probeLost, suspectBlackHole } from './path-mtu.ts';
import { armKeepAlive, armProbe, keepAliveTimedOut, probeTimedOut } from './probe.ts';
import { detectLosses, enterTimeoutRecovery, repairReneging } from './recovery.ts';
import { backOff } from './rtt.ts';
import { mark, Run } from './scoreboard.ts';
import { armStall, stallTimedOut } from './stall.ts';
import { deliveredEdge, fail, isSynchronized, type Tcb, undeliveredBytes } from './tcb.ts';
import { Signal } from './types.ts';
import { releaseWithheld } from './withhold.ts';

/** RFC 9293 section 3.8.3: R2 as a number of attempts, for data and for SYNs. */
const retransmissionLimit = 15;
const synLimit = 6;
const tlpMarginUs = 2_000;
/** How long the peer may sit on the ACK of a single segment: ours 25 ms, other stacks up to 200. */
const worstAckDelayUs = { lower: 50_000, self: 200_000 } as const;

/** When `handleTimeout` is due; Infinity: nothing to wait for. */
export function nextDeadlineUs(tcb: Tcb): number {
  if (tcb.frozenAtUs >= 0) return Infinity;
  const t = tcb.timers;
  const recoveryUs = Math.min(t.rtoUs, t.tlpUs, t.reorderUs, t.renegeUs, t.withheldUs);
  return Math.min(recoveryUs, t.probeUs, t.ackUs, t.keepAliveUs, t.stallUs, t.paceUs, t.stateUs);
}

/** Handles every deadline that has come; `egress` has something to send afterwards, or `signals` say what ended. */
export function handleTimeout(tcb: Tcb, nowUs: number): void {
  const { timers } = tcb;
  if (tcb.frozenAtUs >= 0) return;
  if (nowUs >= timers.stateUs) stateTimedOut(tcb);
  if (nowUs >= timers.stallUs) stallTimedOut(tcb);
  if (nowUs >= timers.reorderUs) detectLosses(tcb, nowUs);
  if (nowUs >= timers.renegeUs) repairReneging(tcb);
  if (nowUs >= timers.withheldUs) releaseWithheld(tcb);
  if (nowUs >= timers.tlpUs) tailLossTimedOut(tcb, nowUs);
  if (nowUs >= timers.rtoUs) retransmissionTimedOut(tcb, nowUs);
  if (nowUs >= timers.probeUs) probeTimedOut(tcb, nowUs);
  if (nowUs >= timers.keepAliveUs) keepAliveTimedOut(tcb, nowUs);
  if (nowUs >= timers.paceUs) timers.paceUs = Infinity;
  if (nowUs >= timers.ackUs) {
    timers.ackUs = Infinity;
    tcb.ackNow = true;
  }
  armTimers(tcb, nowUs);
}

/** After anything was sent, acknowledged or timed out. */
export function armTimers(tcb: Tcb, nowUs: number): void {
  if (!isSynchronized(tcb)) return;
  const { timers } = tcb;
  if (undeliveredBytes(tcb) === 0) {
    timers.rtoUs = Infinity;
    timers.tlpUs = Infinity;
  } else {
    if (timers.rtoUs === Infinity) timers.rtoUs = nowUs + tcb.rtt.rtoUs;
    if (timers.tlpUs === Infinity && mayProbeTail(tcb))
      timers.tlpUs = Math.min(timers.rtoUs, nowUs + probeAfterUs(tcb));
  }
  if (tcb.state === 'TIME-WAIT') return;
  armProbe(tcb, nowUs);
  armStall(tcb, nowUs);
  armKeepAlive(tcb, nowUs);
}

/** RFC 8985 section 7.2: no recovery, no hole, no probe out yet. */
function mayProbeTail(tcb: Tcb): boolean {
  const { scoreboard } = tcb;
  if (tcb.recovery !== 'open' || tcb.tlpEnd >= 0 || tcb.tlpDue || tcb.rtt.srttUs === 0) return false;
  return scoreboard.lostBytes === 0 && scoreboard.sackedBytes === deliveredEdge(tcb) - Math.max(0, tcb.sndUna);
}

function probeAfterUs(tcb: Tcb): number {
  const { mtu, mssBytes, mtuProbeBytes } = tcb;
  const single = undeliveredBytes(tcb) <= (mtu.inFlight ? mtuProbeBytes : mssBytes);
  return 2 * tcb.rtt.srttUs + tlpMarginUs + (single ? worstAckDelayUs[tcb.options.opening] : 0);
}

function tailLossTimedOut(tcb: Tcb, nowUs: number): void {
  const { timers, scoreboard } = tcb;
  timers.tlpUs = Infinity;
  if (undeliveredBytes(tcb) === 0) return;
  timers.rtoUs = nowUs + tcb.rtt.rtoUs;
  const last = scoreboard.runs.first + scoreboard.runs.count - 1;
  const flags = scoreboard.runs.marks[last]!;
  if (flags & Run.PROBE) {
    mark(scoreboard, last, flags | Run.LOST);
    probeLost(tcb, nowUs);
  } else tcb.tlpDue = true;
}

function retransmissionTimedOut(tcb: Tcb, nowUs: number): void {
  const { timers, options } = tcb;
  timers.rtoUs = Infinity;
  if (undeliveredBytes(tcb) === 0) return;
  tcb.counters.timeouts++;
  const tooLong = nowUs - tcb.lastProgressUs >= (options.timeoutUs ?? Infinity);
  if (++tcb.timeouts > retransmissionLimit || tooLong) return fail(tcb, Signal.TIMED_OUT);
  tcb.tlpDue = false;
  timers.tlpUs = Infinity;
  timers.reorderUs = Infinity;
  suspectBlackHole(tcb, nowUs);
  enterTimeoutRecovery(tcb, nowUs);
  backOff(tcb.rtt);
}

/** Self mode: a SYN to repeat, or the end of TIME-WAIT. */
function stateTimedOut(tcb: Tcb): void {
  tcb.timers.stateUs = Infinity;
  if (tcb.state === 'TIME-WAIT') tcb.state = 'CLOSED';
  else if (tcb.synCount >= synLimit) fail(tcb, Signal.TIMED_OUT);
  else tcb.synDue = true;
}
