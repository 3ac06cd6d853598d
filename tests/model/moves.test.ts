// The implemented rule of moves in every order of events (every-order.ts), and at the cap, where ids are random.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { noFlow, sameFlow, seededRandom } from '../../src/core/base/index.ts';
import {
  commitMove,
  createMoves,
  currentMove,
  isSuperseded,
  judgeMove,
  lineageOf,
  mintMove,
  untoldMoves,
} from '../../src/core/stack/testing/moves.ts';
import { lineageHas, maxLineageIds } from '../../src/core/wire/index.ts';
import { exploreMoves } from './every-order.ts';

test('moves: two ends, two moves each, in every order: what the reference says, and never back', () => {
  const { states, judged, superseded } = exploreMoves({ a: 2, b: 0, s: 2 });
  assert.ok(states > 1_000, `${states} states`);
  assert.ok(judged.commit > 0 && judged.same > 0 && judged.refused > 0, JSON.stringify(judged));
  assert.equal(superseded, 0);
});

test('moves: an end, its copy and the other end, in every order: one copy wins, and only the other one is told', () => {
  for (const counts of [
    { a: 1, b: 1, s: 1 },
    { a: 1, b: 2, s: 1 },
  ]) {
    const { states, superseded } = exploreMoves(counts);
    assert.ok(states > 1_000, `${states} states`);
    assert.ok(superseded > 0);
  }
});

test('moves: as many as a lineage has room for may be missed, and whatever is known is always among those told', () => {
  const random = seededRandom(1);
  const [mover, peer] = [createMoves(), createMoves()];
  for (let round = 0; round < 40; round++) {
    const missed = round === 0 ? maxLineageIds : 1 + (round % maxLineageIds);
    while (untoldMoves(mover) < missed) assert.ok(mintMove(mover, random));
    const lineage = lineageOf(mover);
    assert.ok(lineageHas(lineage, peer.peerMove.hi, peer.peerMove.lo));
    assert.ok(lineage.sent.count <= maxLineageIds);
    assert.equal(judgeMove(peer, lineage, noFlow), 'commit');
    commitMove(peer, lineage, noFlow);
    assert.ok(sameFlow(peer.peerMove, currentMove(mover)));
    mover.known = mover.own.length - 1;
  }
});

test('moves: one more than a lineage has room for is not minted, and the peer still commits what was', () => {
  const random = seededRandom(2);
  const [mover, peer] = [createMoves(), createMoves()];
  for (let i = 0; i < 100; i++) {
    assert.ok(mintMove(mover, random));
    mover.known = mover.own.length - 1;
  }
  commitMove(peer, lineageOf(mover), noFlow);
  for (let i = 0; i < maxLineageIds; i++) assert.ok(mintMove(mover, random));
  const before = currentMove(mover);
  assert.equal(mintMove(mover, random), false);
  assert.ok(sameFlow(currentMove(mover), before));
  assert.equal(judgeMove(peer, lineageOf(mover), noFlow), 'commit');
});

test('moves: a refusal counts from the peer that is committed, not from a copy of it', () => {
  const random = seededRandom(3);
  const [end, peer, itsCopy, twin] = [createMoves(), createMoves(), createMoves(), createMoves()];
  assert.ok(mintMove(peer, random) && mintMove(itsCopy, random));
  commitMove(end, lineageOf(peer), noFlow);
  assert.ok(mintMove(end, random) && mintMove(twin, random));
  const refused = currentMove(end);
  assert.ok(isSuperseded(end, refused, lineageOf(peer), currentMove(twin)));
  assert.equal(isSuperseded(end, refused, lineageOf(itsCopy), currentMove(twin)), false);
  assert.equal(isSuperseded(end, refused, lineageOf(peer), refused), false);
  assert.equal(isSuperseded(end, noFlow, lineageOf(peer), currentMove(twin)), false);
});
