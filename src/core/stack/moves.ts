// Who has moved where, as two ends agree on it (docs/protocol.md, "Moves"): lineage fencing. A move is a random id, minted
// when it is first told. It is committed by the other end only if that end's last committed move of ours is among its
// ancestors; so of two copies of an end the one that moves first wins, and the other's moves are foreign from then on.
// Each message echoes which move of its receiver its sender has committed: that acknowledges it, lets ancestors be
// forgotten, and shows when a copy took over that knows less than its twin did. Rejected: a counter of moves (copies
// alternate for ever), and keeping all ancestors (a connection may move any number of times). `models/` proves it.

import { type FlowId, noFlow, type Random, randomId, sameFlow } from '../base/index.ts';
import { createLineage, type Lineage, lineageHas, maxLineageIds } from '../wire/index.ts';

export interface Moves {
  /** The own move that the peer is known to have committed; `noFlow`: where the connection was opened. */
  committed: FlowId;
  /** Minted since, oldest first; the last is where this end is. Empty: the peer knows. */
  sent: FlowId[];
  /** The peer's move that this end has committed, and what its lineage held. */
  peerMove: FlowId;
  peerAncestors: FlowId[];
}

/**
 * `same`: committed already. `commit`: goes on from what is committed. `stale`: older. `foreign`: of a copy that lost, or
 * never was.
 */
export type Judgement = 'same' | 'commit' | 'stale' | 'foreign';

export function createMoves(): Moves {
  return { committed: noFlow, sent: [], peerMove: noFlow, peerAncestors: [] };
}

/** Where this end is, as far as it has told. */
export function currentMove({ committed, sent }: Moves): FlowId {
  return sent.at(-1) ?? committed;
}

/** False: the peer can have missed no more moves than the lineage has room for. */
export function mintMove(moves: Moves, random: Random): boolean {
  if (moves.sent.length >= maxLineageIds) return false;
  moves.sent.push(randomId(random));
  return true;
}

export function judgeMove({ peerMove, peerAncestors }: Moves, lineage: Readonly<Lineage>): Judgement {
  const id = newest(lineage);
  if (sameFlow(id, peerMove)) return 'same';
  if (lineageHas(lineage, peerMove.hi, peerMove.lo)) return 'commit';
  return peerAncestors.some((ancestor) => sameFlow(ancestor, id)) ? 'stale' : 'foreign';
}

export function commitMove(moves: Moves, lineage: Readonly<Lineage>): void {
  moves.peerMove = newest(lineage);
  moves.peerAncestors = idsOf(lineage);
}

/**
 * The peer whose lineage holds has committed `echo` of ours. An unknown one is older than what was acknowledged: a copy
 * took over that never saw the rest, so the lineage must reach back to it. Answers whether the newest has arrived.
 */
export function takeEcho(moves: Moves, echo: FlowId): boolean {
  const at = moves.sent.findLastIndex((id) => sameFlow(id, echo));
  if (at >= 0) {
    moves.committed = echo;
    moves.sent.splice(0, at + 1);
  } else if (!sameFlow(echo, moves.committed) && moves.sent.length < maxLineageIds) {
    moves.sent.unshift(moves.committed);
    moves.committed = echo;
  }
  return moves.sent.length === 0;
}

/** What an RSYN carries. */
export function lineageOf({ committed, sent }: Moves): Lineage {
  const lineage = createLineage();
  lineage.committedHi = committed.hi;
  lineage.committedLo = committed.lo;
  lineage.sent.count = sent.length;
  for (const [i, { hi, lo }] of sent.entries()) {
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

function idsOf({ committedHi, committedLo, sent }: Readonly<Lineage>): FlowId[] {
  const ids = [{ hi: committedHi, lo: committedLo }];
  for (let i = 0; i < sent.count; i++) ids.push({ hi: sent.hi[i]!, lo: sent.lo[i]! });
  return ids;
}
