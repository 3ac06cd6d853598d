// The commit test of a move: is the id that the peer last committed among the ancestors that are still in question?

import { strict as assert } from 'node:assert';
import { test } from 'node:test';
import { createFlowIds, createLineage, emitFlowIds, emitLineage, lineageHas, maxLineageIds } from './index.ts';

test('lineage: the committed move and those sent since are ancestors, nothing else is', () => {
  const lineage = createLineage();
  lineage.committedHi = 1;
  lineage.committedLo = 2;
  lineage.sent.count = 2;
  lineage.sent.hi.set([3, 5, 7]);
  lineage.sent.lo.set([4, 6, 8]);
  assert.ok(lineageHas(lineage, 1, 2));
  assert.ok(lineageHas(lineage, 3, 4));
  assert.ok(lineageHas(lineage, 5, 6));
  assert.ok(!lineageHas(lineage, 3, 6), 'halves of two ids are no id');
  assert.ok(!lineageHas(lineage, 7, 8), 'past the count');
});

test('lineage: the 65th id cannot be emitted: the connection must end before', () => {
  const lineage = createLineage();
  const view = new DataView(new ArrayBuffer(2000));
  lineage.sent.count = maxLineageIds;
  assert.equal(emitLineage(view, 0, lineage), 524);
  lineage.sent.count = maxLineageIds + 1;
  assert.throws(() => emitLineage(view, 0, lineage), RangeError);
});

test('flow-ids: an empty list cannot be emitted', () => {
  assert.throws(() => emitFlowIds(new DataView(new ArrayBuffer(8)), 0, createFlowIds()), RangeError);
});
