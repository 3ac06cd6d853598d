// The engine's side of the path MTU search (mtu-search.ts, RFC 8899): probes that arrive or vanish, black holes, and what
// the link says. A packet that was too big says nothing of congestion, so what is repeated because of it does not
// touch the window. Runs of the scoreboard are cut afresh when they are sent again, so a smaller MTU just applies.

import { tcpHeaderBytes } from '../wire/index.ts';
import {
  adoptFindings,
  createMtuSearch,
  onBlackHole,
  onProbeAcked,
  onProbeLost,
  onTooBig,
  type PathFindings,
} from './mtu-search.ts';
import { mark, Run } from './scoreboard.ts';
import { applyMss, deliveredEdge, type Tcb } from './tcb.ts';
import { Signal } from './types.ts';

/** Consecutive timeouts of large segments that make a black hole likely; and much later the base is doubted too. */
const blackHoleTimeouts = 2;
const baseDoubtTimeouts = 6;
/** So often what comes first has been sent again without arriving: timeouts do not add up while smaller segments do arrive. */
const blackHoleRepeats = 4;

export function probeArrived(tcb: Tcb, nowUs: number): void {
  onProbeAcked(tcb.mtu, tcb.mtuProbeBytes, nowUs);
  noteFindings(tcb);
}

export function probeLost(tcb: Tcb, nowUs: number): void {
  onProbeLost(tcb.mtu, tcb.mtuProbeBytes, nowUs);
  tcb.signals |= Signal.PATH_MTU;
}

/** Another flow that goes the same way has found this. */
export function adoptPathMtu(tcb: Tcb, nowUs: number, found: PathFindings): void {
  adoptFindings(tcb.mtu, found, nowUs);
  applyMss(tcb);
}

function noteFindings(tcb: Tcb): void {
  applyMss(tcb);
  tcb.signals |= Signal.PATH_MTU;
}

/** After a retransmission timeout. */
export function suspectBlackHole(tcb: Tcb, nowUs: number): void {
  const { mtu, timeouts } = tcb;
  if (!mayBeTooBig(tcb, deliveredEdge(tcb)) || (timeouts !== blackHoleTimeouts && timeouts !== baseDoubtTimeouts))
    return;
  if (timeouts === blackHoleTimeouts && mtu.currentBytes <= mtu.baseBytes) return;
  onBlackHole(mtu, nowUs);
  noteFindings(tcb);
}

/** What begins at `start` is sent again. */
export function noteRepeat(tcb: Tcb, nowUs: number, start: number): void {
  const { mtu } = tcb;
  if (start !== tcb.farEdge || ++tcb.farRepeats !== blackHoleRepeats) return;
  if (mtu.currentBytes <= mtu.baseBytes || !mayBeTooBig(tcb, start)) return;
  onBlackHole(mtu, nowUs);
  noteFindings(tcb);
}

/** What is outstanding went in a segment that the base would have cut, the last of a stream among them; or, at the base, in a full one. */
function mayBeTooBig({ mtu, mssBytes, scoreboard }: Tcb, edge: number): boolean {
  const outstandingBytes = scoreboard.end - edge;
  const surplusBytes = mtu.currentBytes - mtu.baseBytes;
  return surplusBytes > 0 ? outstandingBytes > mssBytes - surplusBytes : outstandingBytes >= mssBytes;
}

/** The outgoing link allows packets of `maxPacketBytes`, as when it turns out where the peer is. The search restarts. */
export function setPathLimit(tcb: Tcb, maxPacketBytes: number): void {
  if (maxPacketBytes === tcb.maxPacketBytes) return;
  tcb.maxPacketBytes = maxPacketBytes;
  searchPathMtu(tcb, tcb.options.packetBytes);
}

/** Begins with `packetBytes`, and goes up to what the link and the peer allow. */
export function searchPathMtu(tcb: Tcb, packetBytes: number): void {
  const limit = Math.min(tcb.maxPacketBytes, tcb.peerMss + tcpHeaderBytes + tcb.options.headerBytes);
  tcb.mtu = createMtuSearch(Math.min(packetBytes, limit), limit);
  applyMss(tcb);
}

/** The link refused packets above `packetBytes`: what is in flight and does not fit is sent again at once. */
export function tooBig(tcb: Tcb, nowUs: number, packetBytes: number): void {
  const before = tcb.mtu.currentBytes;
  onTooBig(tcb.mtu, packetBytes, nowUs);
  noteFindings(tcb);
  loseTooBig(tcb, tcb.mtu.currentBytes < before, packetBytes);
}

/** Runs do not know the size of their segments: when the size in use was too big, everything in flight may be gone. */
function loseTooBig(tcb: Tcb, all: boolean, packetBytes: number): void {
  const { scoreboard } = tcb;
  const { runs } = scoreboard;
  for (let at = runs.first; at < runs.first + runs.count; at++) {
    const flags = runs.marks[at]!;
    const probe = (flags & Run.PROBE) !== 0 && tcb.mtuProbeBytes > packetBytes;
    if (flags & (Run.SACKED | Run.LOST) || !(all || probe)) continue;
    mark(scoreboard, at, (flags & ~Run.PROBE) | Run.LOST | Run.BLAMELESS);
  }
}
