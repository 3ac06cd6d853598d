// A peer that keeps its window shut and answers every probe holds our send buffer as long as it likes (RFC 9293 section
// 3.8.6.1 lets it). So what waits has a time limit of its own, whatever is heard meanwhile; and the layer above may end
// those that have stalled longest when memory is short. Progress is a segment's worth, acknowledged or SACKed: a byte now
// and then would otherwise hold a buffer for ever, too.

import { deliveredEdge, fail, type Tcb } from './tcb.ts';
import { Signal } from './types.ts';

const defaultStallUs = 15 * 60_000_000;

/** Since when data waits without progress; Infinity: none waits. */
export function stalledSinceUs(tcb: Tcb): number {
  return tcb.stalledSinceUs;
}

export function armStall(tcb: Tcb, nowUs: number): void {
  const { timers, options } = tcb;
  if (!dataWaits(tcb)) {
    tcb.stalledSinceUs = Infinity;
    timers.stallUs = Infinity;
    return;
  }
  if (tcb.stalledSinceUs !== Infinity && progress(tcb) - tcb.stallMark < tcb.mssBytes) return;
  tcb.stalledSinceUs = nowUs;
  tcb.stallMark = progress(tcb);
  timers.stallUs = nowUs + (options.stallUs ?? defaultStallUs);
}

export function stallTimedOut(tcb: Tcb): void {
  fail(tcb, Signal.TIMED_OUT);
}

function dataWaits({ sndUna, sndEnd, finQueued }: Tcb): boolean {
  return sndUna < (finQueued ? sndEnd + 1 : sndEnd);
}

/** Grows with what is SACKed and with what is acknowledged. */
function progress(tcb: Tcb): number {
  return tcb.sndUna + deliveredEdge(tcb);
}
