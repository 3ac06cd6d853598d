// A peer that keeps its window shut and answers every probe holds our send buffer as long as it likes (RFC 9293 section
// 3.8.6.1 lets it, and RFC 1122 has us wait). So what waits may have a time limit of its own, whatever is heard meanwhile:
// none by default, since a reader that was paused is no enemy. Progress is a segment's worth, acknowledged or SACKed: a
// byte now and then would otherwise hold a buffer for ever, too.

import { deliveredEdge, fail, type Tcb } from './tcb.ts';
import { Signal } from './types.ts';

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
  timers.stallUs = nowUs + (options.stallUs ?? Infinity);
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
