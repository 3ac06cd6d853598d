import assert from 'node:assert/strict';
import { test } from 'node:test';
import { distribution, longestGapMs, quantile, rates, rounded, summarize } from './statistics.ts';

test('statistics: quantiles are interpolated, whatever the order', () => {
  assert.equal(quantile([3, 1, 2], 0.5), 2);
  assert.equal(quantile([4, 1, 2, 3], 0.5), 2.5);
  assert.equal(quantile([10, 20], 0.25), 12.5);
  assert.equal(quantile([7], 0.99), 7);
  assert.ok(Number.isNaN(quantile([], 0.5)));
  assert.deepEqual(summarize([1.234, 5.678, 2.345]), { median: 2.35, max: 5.68 });
});

test('statistics: a distribution rises to 1 over the sorted values', () => {
  assert.deepEqual(distribution([3, 1, 1, 2]), [
    [1, 0.25],
    [1, 0.5],
    [2, 0.75],
    [3, 1],
  ]);
});

test('statistics: rates count each sample once, in its bin, and an empty bin is zero', () => {
  const samples = [
    [99, 1e9],
    [100, 1000],
    [149, 250],
    [200, 500],
    [250, 1e9],
  ] as const;
  assert.deepEqual(rates(samples, 50, 100, 250), [
    [125, 0.2],
    [175, 0],
    [225, 0.08],
  ]);
});

test('statistics: the longest gap ends within the window', () => {
  const times = [0, 10, 50, 55, 200];
  assert.equal(longestGapMs(times), 145);
  assert.equal(longestGapMs(times, 20, 100), 40);
  assert.equal(longestGapMs(times, 50, 100), 5);
  assert.equal(longestGapMs([5]), 0);
});

test('statistics: rounding', () => {
  assert.equal(rounded(1.005, 1), 1);
  assert.equal(rounded(0.12345, 4), 0.1235);
});
