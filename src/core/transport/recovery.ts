// Loss detection and recovery: RACK-TLP (RFC 8985) over the scoreboard, the pipe of RFC 6675, undo by timestamps
// (RFC 3522) and D-SACK (RFC 3708). A batch of ACKs is digested once. Loss is time: what was sent a reordering window
// before something delivered is lost. Runs stand in order of first sending, so the search stops at the first run that was
// sent once and later than that. Reneging is not congestion: the bytes are sent again, the window stays.

import { type AckSample, createAckSample } from './congestion.ts';
import { controlOf, repace } from './controllers.ts';
import { probeArrived, probeLost } from './path-mtu.ts';
import { resetBackOff, sampleRtt } from './rtt.ts';
import { clearDelivery, mark, markAllLost, Run, runEnd, unmarkLost, withdrawSacked } from './scoreboard.ts';
import { deliveredEdge, isDrained, pipeBytes, type Tcb, undeliveredBytes } from './tcb.ts';

const sample: AckSample = createAckSample();
/** RFC 8985: this many segments delivered past a hole are as good as a reordering window. */
const dupThreshold = 3;

/** Works out what the segments since the last call have acknowledged. */
export function digestAcks(tcb: Tcb, nowUs: number): void {
  const { delivery, rtt } = tcb;
  tcb.ackPending = false;
  const edge = deliveredEdge(tcb);
  sample.drained = isDrained(tcb);
  const rttUs = delivery.sentAtUs >= 0 && !delivery.ambiguous ? Math.max(1, nowUs - delivery.sentAtUs) : 0;
  if (rttUs > 0) sampleRtt(rtt, rttUs, nowUs);
  updateRack(tcb, nowUs);
  if (delivery.probe) probeArrived(tcb, nowUs);
  const before = tcb.recovery;
  undoIfSpurious(tcb);
  detectLosses(tcb, nowUs);
  finishTailLossProbe(tcb, nowUs, edge);
  sample.recoveryStart = before === 'open' && tcb.recovery === 'fast';
  if (delivery.bytes > 0) tellCongestion(tcb, nowUs, rttUs, edge);
  if (edge > tcb.lastEdge) noteProgress(tcb, nowUs, edge);
  if (edge > tcb.farEdge) {
    tcb.farEdge = edge;
    tcb.farRepeats = 0;
  }
  if (delivery.sentAtUs >= 0) tcb.timers.tlpUs = Infinity;
  if (tcb.recovery !== 'open' && edge >= tcb.recoveryEnd) leaveRecovery(tcb, nowUs);
  repace(tcb);
  clearDelivery(delivery);
}

/** Marks as lost what was sent long enough before something delivered; the reordering timer calls it, too. */
export function detectLosses(tcb: Tcb, nowUs: number): void {
  const { rack, scoreboard, timers } = tcb;
  const { runs } = scoreboard;
  timers.reorderUs = Infinity;
  if (rack.xmitUs < 0 || undeliveredBytes(tcb) === 0) return;
  const overdueUs = nowUs - rack.rttUs - reorderingWindowUs(tcb);
  let blame = false;
  for (let at = runs.first; at < runs.first + runs.count; at++) {
    const flags = runs.marks[at]!;
    const sentUs = runs.values[at]!;
    if (sentUs > rack.xmitUs && (flags & Run.RETRANSMITTED) === 0) break;
    if (flags & (Run.SACKED | Run.LOST) || sentUs > rack.xmitUs) continue;
    if (sentUs === rack.xmitUs && runEnd(scoreboard, at) > rack.end) continue;
    if (sentUs > overdueUs)
      timers.reorderUs = Math.max(finite(timers.reorderUs), nowUs + Math.ceil(sentUs - overdueUs));
    else blame = lose(tcb, nowUs, at, flags) || blame;
  }
  // While the peer seems to withdraw SACKs, the end of what it refused looks like a loss.
  if (blame && timers.renegeUs === Infinity) enterRecovery(tcb, nowUs);
}

/** Answers whether the network is to blame. */
function lose(tcb: Tcb, nowUs: number, at: number, flags: number): boolean {
  const { scoreboard } = tcb;
  const { runs } = scoreboard;
  mark(scoreboard, at, flags | Run.LOST);
  if (flags & Run.PROBE) probeLost(tcb, nowUs);
  if ((flags & (Run.BLAMELESS | Run.COUNTED)) !== 0) return false;
  const bytes = runEnd(scoreboard, at) - runs.starts[at]!;
  controlOf(tcb.options).onLost?.(tcb.congestion, nowUs, runs.values[at]!, bytes);
  return true;
}

/** RFC 8985 section 6.2, step 4. */
function reorderingWindowUs(tcb: Tcb): number {
  const { rack, rtt, scoreboard } = tcb;
  if (!rack.reorderingSeen) {
    const sackedPastHole = scoreboard.sackedBytes - (deliveredEdge(tcb) - tcb.sndUna);
    if (tcb.recovery !== 'open' || sackedPastHole >= dupThreshold * tcb.mssBytes) return 0;
  }
  return Math.min(rtt.srttUs, (rack.reoWndMult * rtt.minRttUs) / 4);
}

function updateRack(tcb: Tcb, nowUs: number): void {
  const { delivery, rack, rtt } = tcb;
  const { sentAtUs, end } = delivery;
  if (delivery.reordered) rack.reorderingSeen = true;
  if (sentAtUs < 0) return;
  const rttUs = nowUs - sentAtUs;
  // Quicker than the path allows: the ACK is of the original, and says nothing of when the repetition was sent.
  if (delivery.ambiguous && rttUs < rtt.minRttUs) return;
  rack.rttUs = rttUs;
  if (sentAtUs < rack.xmitUs || (sentAtUs === rack.xmitUs && end <= rack.end)) return;
  rack.xmitUs = sentAtUs;
  rack.end = end;
}

function enterRecovery(tcb: Tcb, nowUs: number): void {
  tcb.tlpEnd = -1;
  if (tcb.recovery !== 'open') return;
  tcb.recovery = 'fast';
  tcb.recoveryEnd = tcb.scoreboard.end;
  tcb.undoTsval = -1;
  tcb.undoBytes = 0;
  tcb.counters.recoveries++;
  controlOf(tcb.options).onLoss(tcb.congestion, nowUs, pipeBytes(tcb));
}

/** The retransmission timer expired (RFC 6298 section 5.4 to 5.6; the caller backs off). */
export function enterTimeoutRecovery(tcb: Tcb, nowUs: number): void {
  controlOf(tcb.options).onRto(tcb.congestion, nowUs, pipeBytes(tcb));
  if (tcb.recovery !== 'timeout') {
    tcb.undoTsval = -1;
    tcb.undoBytes = 0;
  }
  tcb.recovery = 'timeout';
  tcb.recoveryEnd = tcb.scoreboard.end;
  tcb.tlpEnd = -1;
  markAllLost(tcb.scoreboard);
  tcb.lastEdge = deliveredEdge(tcb);
  tcb.pacer.dueUs = nowUs;
}

/** The receiver withdrew SACKs, and no later ACK contradicted. */
export function repairReneging(tcb: Tcb): void {
  tcb.timers.renegeUs = Infinity;
  if (!withdrawSacked(tcb.scoreboard, tcb.withdrawnStart, tcb.withdrawnEnd)) return;
  tcb.counters.reneged++;
  tcb.lastEdge = deliveredEdge(tcb);
  tcb.timers.rtoUs = Infinity;
}

function leaveRecovery(tcb: Tcb, nowUs: number): void {
  const { rack } = tcb;
  // Nothing was sent again, so everything thought lost was only late.
  if (tcb.undoTsval === -1) controlOf(tcb.options).onUndo(tcb.congestion);
  else controlOf(tcb.options).onRecovered(tcb.congestion, nowUs);
  tcb.recovery = 'open';
  tcb.undoTsval = -2;
  if (rack.reoWndPersist > 0 && --rack.reoWndPersist === 0) rack.reoWndMult = 1;
  if (tcb.scoreboard.lostBytes > 0) enterRecovery(tcb, nowUs);
}

/** What was sent again had arrived the first time: the network was late, not full. */
function undoIfSpurious(tcb: Tcb): void {
  if (tcb.recovery === 'open' || tcb.undoTsval === -1 || tcb.undoBytes > 0) return;
  tcb.recovery = 'open';
  tcb.undoTsval = -2;
  tcb.rack.reorderingSeen = true;
  tcb.counters.undos++;
  unmarkLost(tcb.scoreboard);
  controlOf(tcb.options).onUndo(tcb.congestion);
}

/** RFC 8985 section 7.4: a probe that repeated data repaired a loss, unless a D-SACK says that it was needless. */
function finishTailLossProbe(tcb: Tcb, nowUs: number, edge: number): void {
  if (tcb.tlpEnd < 0 || edge < tcb.tlpEnd) return;
  if (tcb.tlpRetransmitted && edge === tcb.tlpEnd) return;
  tcb.tlpEnd = -1;
  if (!tcb.tlpRetransmitted || tcb.recovery !== 'open') return;
  controlOf(tcb.options).onLoss(tcb.congestion, nowUs, pipeBytes(tcb));
  controlOf(tcb.options).onRecovered(tcb.congestion, nowUs);
}

function tellCongestion(tcb: Tcb, nowUs: number, rttUs: number, edge: number): void {
  sample.nowUs = nowUs;
  sample.deliveredBytes = tcb.delivery.bytes;
  sample.inFlightBytes = pipeBytes(tcb);
  sample.rttUs = rttUs;
  sample.minRttUs = tcb.rtt.minRttUs;
  sample.srttUs = tcb.rtt.srttUs;
  sample.roundStart = edge > tcb.roundEnd;
  if (sample.roundStart) tcb.roundEnd = tcb.scoreboard.end;
  sample.appLimited = tcb.lastEdge >= tcb.cwndLimitedEnd;
  sample.inRecovery = tcb.recovery === 'fast';
  sample.sentAtUs = tcb.delivery.sentAtUs;
  controlOf(tcb.options).onAck(tcb.congestion, sample);
}

function noteProgress(tcb: Tcb, nowUs: number, edge: number): void {
  tcb.lastEdge = edge;
  tcb.lastProgressUs = nowUs;
  tcb.timeouts = 0;
  tcb.timers.rtoUs = Infinity;
  resetBackOff(tcb.rtt);
}

function finite(us: number): number {
  return us === Infinity ? 0 : us;
}
