// Standing still while no address is usable, and going on elsewhere (DESIGN section 4, "Migration"). Frozen, nothing is
// sent and no deadline runs. On resuming the lost time is taken out of every clock, one probe asks at once what arrived,
// and what was in flight is without blame: its loss was the outage, not congestion. A path whose state is of no use
// begins with the initial window and a fresh estimate; one that merely changed its port keeps both.

import { controlOf, repace } from './controllers.ts';
import { createPacer } from './pacing.ts';
import { searchPathMtu } from './path-mtu.ts';
import { createRtt, resetBackOff } from './rtt.ts';
import { delaySent, flagOutstanding, markAllLost, Run } from './scoreboard.ts';
import { createRack, isSynchronized, type Tcb, type Timers, undeliveredBytes } from './tcb.ts';
import { armTimers } from './timers.ts';

export function freeze(tcb: Tcb, nowUs: number): void {
  if (tcb.frozenAtUs < 0) tcb.frozenAtUs = nowUs;
}

export function isFrozen({ frozenAtUs }: Tcb): boolean {
  return frozenAtUs >= 0;
}

export function resume(tcb: Tcb, nowUs: number): void {
  if (tcb.frozenAtUs < 0) return;
  const lostUs = nowUs - tcb.frozenAtUs;
  tcb.frozenAtUs = -1;
  delaySent(tcb.scoreboard, lostUs);
  if (tcb.rack.xmitUs >= 0) tcb.rack.xmitUs += lostUs;
  delayTimers(tcb.timers, lostUs);
  tcb.lastReceivedUs += lostUs;
  tcb.lastProgressUs += lostUs;
  tcb.stalledSinceUs += lostUs;
  if (tcb.lastSentUs >= 0) tcb.lastSentUs += lostUs;
  askAtOnce(tcb, nowUs);
}

/**
 * Packets go another way from now on. `packetBytes` is what it carries to begin with; `fresh`: nothing is known of it.
 * `lost`: what is in flight went where nobody is any more. Call it frozen or not; a frozen connection still needs `resume`.
 */
export function pathChanged(tcb: Tcb, nowUs: number, packetBytes: number, fresh: boolean, lost = false): void {
  searchPathMtu(tcb, packetBytes);
  if (fresh) {
    tcb.congestion = controlOf(tcb.options).create(tcb.mssBytes, tcb.random);
    tcb.rtt = createRtt();
    tcb.pacer = createPacer();
    Object.assign(tcb.rack, createRack());
    tcb.recovery = 'open';
    tcb.undoTsval = -2;
    flagOutstanding(tcb.scoreboard, Run.ELSEWHERE);
  }
  if (tcb.frozenAtUs < 0) askAtOnce(tcb, nowUs);
  if (lost) loseOutstanding(tcb);
}

/**
 * The peer, which had no address, is back where it was: the timeouts meanwhile were not congestion, and what was in flight
 * has gone nowhere.
 */
export function peerReturned(tcb: Tcb, nowUs: number): void {
  if (tcb.timeouts === 0) return;
  controlOf(tcb.options).onUndo(tcb.congestion);
  repace(tcb);
  tcb.recovery = 'open';
  tcb.undoTsval = -2;
  askAtOnce(tcb, nowUs);
  loseOutstanding(tcb);
}

/** Sent again from the first byte on, as far as the window goes; a probe of the tail would say nothing more. */
function loseOutstanding(tcb: Tcb): void {
  markAllLost(tcb.scoreboard);
  tcb.tlpDue = false;
}

/** A tail probe, or an ACK, tells the peer that we are back and us what arrived. */
function askAtOnce(tcb: Tcb, nowUs: number): void {
  if (!isSynchronized(tcb)) return;
  tcb.timeouts = 0;
  tcb.timers.rtoUs = Infinity;
  tcb.timers.tlpUs = Infinity;
  tcb.timers.probeUs = Infinity;
  resetBackOff(tcb.rtt);
  flagOutstanding(tcb.scoreboard, Run.BLAMELESS | Run.RETRANSMITTED);
  tcb.pacer.dueUs = nowUs;
  tcb.tlpDue = undeliveredBytes(tcb) > 0;
  tcb.ackNow = true;
  armTimers(tcb, nowUs);
}

function delayTimers(timers: Timers, byUs: number): void {
  timers.rtoUs += byUs;
  timers.tlpUs += byUs;
  timers.reorderUs += byUs;
  timers.probeUs += byUs;
  timers.renegeUs += byUs;
  timers.withheldUs += byUs;
  timers.ackUs += byUs;
  timers.keepAliveUs += byUs;
  timers.stallUs += byUs;
  timers.paceUs += byUs;
  timers.stateUs += byUs;
}
