// The search against paths of any size; a probe passes exactly when it is not larger than the path.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  adoptFindings,
  createMtuSearch,
  isUntried,
  type MtuSearch,
  nextProbe,
  onBlackHole,
  onProbeAcked,
  onProbeLost,
  onProbeUnsent,
  onTooBig,
} from './mtu-search.ts';

/** Probes until the search rests; answers the sizes tried. */
function settle(s: MtuSearch, pathBytes: number, nowUs = 0): number[] {
  const tried: number[] = [];
  for (let size = nextProbe(s, nowUs); size > 0; size = nextProbe(s, nowUs)) {
    tried.push(size);
    assert.ok(tried.length < 100, 'the search ends');
    if (size <= pathBytes) onProbeAcked(s, size, nowUs);
    else onProbeLost(s, size, nowUs);
  }
  return tried;
}

test('mtu search: the first probe goes to the maximum, and its ACK ends the search', () => {
  const s = createMtuSearch(1200, 1472);
  assert.deepEqual(settle(s, 1472), [1472]);
  assert.equal(s.currentBytes, 1472);
  assert.equal(s.deadlineUs, Infinity);
});

test('mtu search: three losses refute a size, not two', () => {
  const s = createMtuSearch(1200, 1472);
  for (let i = 0; i < 2; i++) onProbeLost(s, nextProbe(s, 0), 0);
  assert.equal(nextProbe(s, 0), 1472);
  onProbeLost(s, 1472, 0);
  assert.equal(nextProbe(s, 0), (1200 + 1472) >>> 1);
});

test('mtu search: one probe at a time, and one that could not leave is offered again', () => {
  const s = createMtuSearch(1200, 1472);
  assert.equal(nextProbe(s, 0), 1472);
  assert.equal(nextProbe(s, 0), 0);
  onProbeUnsent(s);
  assert.equal(nextProbe(s, 0), 1472);
});

test('mtu search: nothing to search when the link carries no more than the base', () => {
  const s = createMtuSearch(1200, 1200);
  assert.equal(nextProbe(s, 0), 0);
  assert.equal(s.deadlineUs, Infinity);
  assert.equal(createMtuSearch(1200, 1000).currentBytes, 1000);
});

test('mtu search: any path is found to within 16 bytes and never overestimated', () => {
  const sizes = fc
    .integer({ min: 1201, max: 65_000 })
    .chain((max) => fc.tuple(fc.constant(max), fc.integer({ min: 1200, max })));
  fc.assert(
    fc.property(sizes, ([max, path]) => {
      const s = createMtuSearch(1200, max);
      settle(s, path);
      assert.ok(s.currentBytes <= path);
      assert.ok(path - s.currentBytes < 16);
      assert.equal(s.deadlineUs, s.currentBytes < max ? 600_000_000 : Infinity);
    }),
  );
});

test('mtu search: ten minutes later a larger path is found', () => {
  const s = createMtuSearch(1200, 1472);
  settle(s, 1300);
  assert.equal(nextProbe(s, 599_999_999), 0);
  assert.deepEqual(settle(s, 1472, 600_000_000), [1472]);
  assert.equal(s.currentBytes, 1472);
});

test('mtu search: a black hole falls back to the base and searches again', () => {
  const s = createMtuSearch(1200, 1472);
  settle(s, 1472);
  onBlackHole(s, 5);
  assert.equal(s.currentBytes, 1200);
  settle(s, 1400, 5);
  assert.ok(s.currentBytes > 1384 && s.currentBytes <= 1400);
});

test('mtu search: a black hole at the base falls to what every host accepts', () => {
  const s = createMtuSearch(1200, 1472);
  onBlackHole(s, 5);
  assert.equal(s.currentBytes, 576);
});

test('mtu search: told a limit below the current size, it is taken at once', () => {
  const s = createMtuSearch(1200, 1472);
  settle(s, 1472);
  onTooBig(s, 1300, 7);
  assert.equal(s.currentBytes, 1300);
  assert.equal(nextProbe(s, 8), 0);
  assert.equal(s.deadlineUs, 600_000_007);
  onTooBig(s, 100, 9);
  assert.equal(s.currentBytes, 576);
});

test('mtu search: told a limit above the current size, that size is probed next, not believed', () => {
  const s = createMtuSearch(1200, 1472);
  nextProbe(s, 0);
  onTooBig(s, 1400, 1);
  assert.equal(s.currentBytes, 1200);
  assert.equal(nextProbe(s, 1), 1400);
  onProbeAcked(s, 1400, 2);
  assert.equal(s.currentBytes, 1400);
  assert.equal(nextProbe(s, 3), 0);
});

test('mtu search: a late verdict on an older size changes nothing', () => {
  const s = createMtuSearch(1200, 1472);
  settle(s, 1300);
  const before = structuredClone(s);
  onProbeAcked(s, 1472, 1);
  onProbeLost(s, 1350, 1);
  assert.deepEqual(s, before);
});

test('mtu search: what another found is begun with, and only what it left open is tried', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1200, max: 9000 }), fc.integer({ min: 0, max: 30 }), (pathBytes, steps) => {
      const first = createMtuSearch(1200, 9000);
      for (let i = 0; i < steps; i++) {
        const size = nextProbe(first, 0);
        if (size === 0) break;
        if (size <= pathBytes) onProbeAcked(first, size, 0);
        else onProbeLost(first, size, 0);
      }
      const second = createMtuSearch(1200, 9000);
      adoptFindings(second, first, 0);
      assert.equal(second.currentBytes, first.currentBytes);
      assert.equal(isUntried(second), isUntried(first));
      for (const size of settle(second, pathBytes)) assert.ok(size > first.currentBytes && size < first.refutedBytes);
      assert.ok(second.currentBytes <= pathBytes && second.currentBytes > pathBytes - 16);
    }),
  );
});

test('mtu search: what another found beyond the own limit, or below what is known, changes nothing', () => {
  const s = createMtuSearch(1200, 1472);
  adoptFindings(s, { currentBytes: 9000, refutedBytes: 9001, losses: 0 }, 0);
  assert.deepEqual(settle(s, 1472), [1472]);
  adoptFindings(s, { currentBytes: 1300, refutedBytes: 1400, losses: 1 }, 0);
  assert.equal(s.currentBytes, 1472);
});
