// Asking the peer for an ACK: a segment without data just below the window, which every TCP must answer. Three occasions
// share it: a closed window (RFC 9293 section 3.8.6.1), data that was all SACKed but is not acknowledged (a record is
// being checked, or an ACK was lost), and keep-alive (section 3.8.4). None of them repeats data: while everything
// sent is SACKed, a retransmission would only be noise, and the answer tells if the peer withdrew its SACKs.

import { maxRtoUs } from './rtt.ts';
import { fail, isSynchronized, type Tcb, undeliveredBytes } from './tcb.ts';
import { Signal } from './types.ts';

/** Probes without any answer, after which the peer is given up. */
const unansweredLimit = 15;

/** Whether nothing but an answer of the peer can help. */
export function waitsForPeer(tcb: Tcb): boolean {
  if (undeliveredBytes(tcb) > 0) return false;
  return tcb.sndUna < tcb.scoreboard.end || tcb.windowBlocked;
}

/** Whether something was sent that the peer has yet to answer. */
export function awaitsPeer(tcb: Tcb): boolean {
  return undeliveredBytes(tcb) > 0 || waitsForPeer(tcb);
}

/** When the peer last gave a sign of life that nobody else could give. */
export function lastHeardUs(tcb: Tcb): number {
  return tcb.lastReceivedUs;
}

/** The layer above has such a sign: a record that verified, an answer to its challenge. */
export function noteHeard(tcb: Tcb, nowUs: number): void {
  tcb.lastReceivedUs = nowUs;
  tcb.unanswered = 0;
}

/** Grows with whatever the two ends get done. */
export function movedBytes({ counters }: Tcb): number {
  return counters.bytesAcked + counters.bytesReceived;
}

export function armProbe(tcb: Tcb, nowUs: number): void {
  const { timers, rtt } = tcb;
  if (!waitsForPeer(tcb)) {
    timers.probeUs = Infinity;
    tcb.probeBackoff = 0;
    return;
  }
  if (timers.probeUs === Infinity) timers.probeUs = nowUs + Math.min(maxRtoUs, rtt.rtoUs * 2 ** tcb.probeBackoff);
}

export function probeTimedOut(tcb: Tcb, nowUs: number): void {
  tcb.timers.probeUs = Infinity;
  const tooLong = tcb.unanswered > 0 && nowUs - tcb.lastReceivedUs >= (tcb.options.timeoutUs ?? Infinity);
  if (++tcb.unanswered > unansweredLimit || tooLong) return fail(tcb, Signal.TIMED_OUT);
  tcb.probeBackoff++;
  tcb.probeDue = true;
  tcb.overrideSws = tcb.windowBlocked;
}

/** Something unproven says that the peer is gone: whether it is, the peer alone can tell. */
export function requestProbe(tcb: Tcb): void {
  if (isSynchronized(tcb)) tcb.probeDue = true;
}

export function armKeepAlive(tcb: Tcb, nowUs: number): void {
  const { keepAlive } = tcb.options;
  if (keepAlive === undefined) tcb.timers.keepAliveUs = Infinity;
  else if (tcb.timers.keepAliveUs === Infinity) tcb.timers.keepAliveUs = nowUs + keepAlive.idleUs;
}

/** The timer runs from the last segment received; arrivals do not move it, so it may come too early and goes on. */
export function keepAliveTimedOut(tcb: Tcb, nowUs: number): void {
  const { keepAlive } = tcb.options;
  tcb.timers.keepAliveUs = Infinity;
  if (keepAlive === undefined) return;
  const quietUs = nowUs - tcb.lastReceivedUs;
  if (quietUs < keepAlive.idleUs || undeliveredBytes(tcb) > 0) {
    tcb.timers.keepAliveUs = nowUs + keepAlive.idleUs - (quietUs % keepAlive.idleUs);
    return;
  }
  if (tcb.unanswered >= keepAlive.probes) return fail(tcb, Signal.TIMED_OUT);
  tcb.unanswered++;
  tcb.probeDue = true;
  tcb.timers.keepAliveUs = nowUs + keepAlive.intervalUs;
}
