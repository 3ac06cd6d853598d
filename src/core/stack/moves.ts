// Who has moved where, as two ends agree on it (docs/protocol.md, "Moves"): lineage fencing. A move is a random id, minted
// when it is first told. The other end commits it only if the last move of ours that it committed is among those that
// we list; so of two copies of an end the one that moves first wins. Each message echoes which move of its receiver its
// sender has committed: that acknowledges it, and an id that its receiver never minted betrays a copy. The last 65 own ids are
// kept, acknowledged or not: a copy that took over may know less than its twin did. `models/` checks the rules. Rejected,
// each by a counterexample: a counter of moves, forgetting what was acknowledged, taking an unknown echo for an own id.

import { type FlowId, noFlow, type Random, randomId, sameFlow } from '../base/index.ts';
import { createLineage, type Lineage, lineageHas, maxLineageIds } from '../wire/index.ts';

export interface Moves {
  /** Own moves, oldest first; the last is where this end is. `noFlow`: where the connection was opened. */
  readonly own: FlowId[];
  /** Index in `own` of the last one that the peer is known to have committed. */
  known: number;
  /** The peer's move that this end has committed. */
  peerMove: FlowId;
}

/** `refused`: of a copy that lost, of one that is behind, or older than what is committed. */
export type Judgement = 'same' | 'commit' | 'refused';

export function createMoves(): Moves {
  return { own: [noFlow], known: 0, peerMove: noFlow };
}

/** Where this end is, as far as it has told. */
export function currentMove({ own }: Moves): FlowId {
  return own.at(-1) ?? noFlow;
}

/** How many moves the peer is not known to have committed. */
export function untoldMoves({ own, known }: Moves): number {
  return own.length - 1 - known;
}

/** False: the peer can have missed no more moves than the lineage has room for. */
export function mintMove(moves: Moves, random: Random): boolean {
  if (untoldMoves(moves) >= maxLineageIds) return false;
  moves.own.push(randomId(random));
  if (moves.own.length <= maxLineageIds + 1) return true;
  moves.own.shift();
  moves.known--;
  return true;
}

/** What an RSYN with this lineage and echo is worth. */
export function judgeMove({ own, peerMove }: Moves, lineage: Readonly<Lineage>, echo: FlowId): Judgement {
  if (sameFlow(newest(lineage), peerMove)) return 'same';
  if (!lineageHas(lineage, peerMove.hi, peerMove.lo)) return 'refused';
  return indexOf(own, echo) < 0 ? 'refused' : 'commit';
}

/** Its sender has committed `echo` of ours, even if that is older than what was known: a copy took over. */
export function commitMove(moves: Moves, lineage: Readonly<Lineage>, echo: FlowId): void {
  moves.peerMove = newest(lineage);
  moves.known = indexOf(moves.own, echo);
}

/** The committed peer says that it has committed `echo` of ours; what is older than what is known is old news. */
export function acknowledgeMove(moves: Moves, echo: FlowId): void {
  moves.known = Math.max(moves.known, indexOf(moves.own, echo));
}

/** Whether FAIL for the move `rejected` counts: it speaks for the peer that is committed here, and of a twin of this end. */
export function isSuperseded(moves: Moves, rejected: FlowId, lineage: Readonly<Lineage>, echo: FlowId): boolean {
  const { own, peerMove } = moves;
  const speaksForPeer = lineageHas(lineage, peerMove.hi, peerMove.lo);
  return sameFlow(rejected, currentMove(moves)) && speaksForPeer && indexOf(own, echo) < 0;
}

/** What is told of an end: all that it keeps. */
export function lineageOf({ own }: Moves): Lineage {
  const lineage = createLineage();
  const [oldest = noFlow, ...later] = own;
  lineage.committedHi = oldest.hi;
  lineage.committedLo = oldest.lo;
  lineage.sent.count = later.length;
  for (const [i, { hi, lo }] of later.entries()) {
    lineage.sent.hi[i] = hi;
    lineage.sent.lo[i] = lo;
  }
  return lineage;
}

/** The move that a lineage is told for. */
export function newest({ committedHi, committedLo, sent }: Readonly<Lineage>): FlowId {
  const last = sent.count - 1;
  return last < 0 ? { hi: committedHi, lo: committedLo } : { hi: sent.hi[last]!, lo: sent.lo[last]! };
}

function indexOf(own: readonly FlowId[], id: FlowId): number {
  return own.findLastIndex((known) => sameFlow(known, id));
}
