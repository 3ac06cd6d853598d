// Whether nothing goes on in an engine, and may not for hours: then its record holds nothing but numbers, and whoever keeps
// it may keep it in another form. What comes next, from whichever side, finds it as it was.

import { dropEmptyRing } from './blocks.ts';
import { noColumns } from './columns.ts';
import { controlOf } from './controllers.ts';
import type { Tcb } from './tcb.ts';

/** Open, everything said is acknowledged, nothing waits for anybody, and no timer runs but that of keep-alive. */
export function isIdle(tcb: Tcb): boolean {
  if (tcb.state !== 'ESTABLISHED' || tcb.frozenAtUs >= 0 || tcb.recovery !== 'open') return false;
  return isSaid(tcb) && isHeard(tcb) && isTimeless(tcb);
}

/** Gives back what an idle connection keeps for the next bytes. */
export function shrink(tcb: Tcb): void {
  dropEmptyRing(tcb.sendBuffer);
  dropEmptyRing(tcb.receiveBuffer);
  controlOf(tcb.options).shrink?.(tcb.congestion);
}

function isSaid({ sndUna, sndEnd, scoreboard, sendBuffer, finQueued, ackPending, probeDue, tlpDue }: Tcb): boolean {
  if (sndUna !== sndEnd || scoreboard.end !== sndEnd || scoreboard.runs !== noColumns || sendBuffer.held > 0)
    return false;
  return !finQueued && !ackPending && !probeDue && !tlpDue;
}

function isHeard({ rcvNxt, rcvAcked, rcvFinAt, reassembly, receiveBuffer, ackNow, dsackStart, signals }: Tcb): boolean {
  if (rcvNxt !== rcvAcked || rcvFinAt >= 0 || reassembly.intervals !== noColumns || receiveBuffer.held > 0)
    return false;
  return !ackNow && dsackStart < 0 && signals === 0;
}

function isTimeless({ timers: t }: Tcb): boolean {
  const recoveryUs = Math.min(t.rtoUs, t.tlpUs, t.reorderUs, t.renegeUs, t.withheldUs);
  return Math.min(recoveryUs, t.probeUs, t.ackUs, t.stallUs, t.paceUs, t.stateUs) === Infinity;
}
