// Whether a path is late: when what was sent should have been acknowledged, its jitter allowed for. It is no loss and no
// timeout, and changes nothing here: a connection with several flows sends its data on another one meanwhile, which costs
// a few bytes where the path is only slow. The retransmission timer waits five times as long, for on one path it must not
// be wrong.

import { Run } from './scoreboard.ts';
import { isSynchronized, type Tcb, undeliveredBytes } from './tcb.ts';

const leastMarginUs = 5_000;
/** A peer may sit on the ACK of a single segment (delayed ACK), and its timer may be late. */
const singleMarginUs = 50_000;

/** When the oldest data in flight is overdue, unless something is heard before; Infinity: nothing is awaited. */
export function overdueAtUs(tcb: Tcb): number {
  const { scoreboard, rtt } = tcb;
  const { runs } = scoreboard;
  if (tcb.frozenAtUs >= 0 || rtt.srttUs === 0 || !isSynchronized(tcb) || undeliveredBytes(tcb) === 0) return Infinity;
  const delivered = (runs.marks[runs.first]! & Run.SACKED) !== 0 && runs.count > 1;
  const sentUs = runs.values[runs.first + (delivered ? 1 : 0)]!;
  const jitterUs = Math.max(leastMarginUs, Math.min(rtt.srttUs, 4 * rtt.rttVarUs));
  const single = undeliveredBytes(tcb) <= tcb.mssBytes ? singleMarginUs : 0;
  return Math.max(sentUs + rtt.srttUs, tcb.lastReceivedUs) + jitterUs + single;
}

/** How long newly queued bytes take to be acknowledged, if all goes well. */
export function deliveryUs(tcb: Tcb): number {
  const { rtt, congestion } = tcb;
  const waitingBytes = tcb.sndEnd - Math.max(0, tcb.sndUna);
  return rtt.srttUs * Math.max(1, waitingBytes / congestion.cwndBytes);
}
