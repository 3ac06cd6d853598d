// The pacer driven by a clock that wakes late: neither slower nor faster than its rate.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { createPacer, nextSendUs, onPaced, pacingBudget, setRate } from './pacing.ts';

/** Sends whenever allowed for `forUs`, each wake-up up to `lateUs` late; answers the bytes sent. */
function run(bytesPerUs: number, srttUs: number, forUs: number, lateUs: number, catchUpUs?: number): number {
  const p = createPacer();
  setRate(p, bytesPerUs, srttUs);
  let sent = 0;
  for (let nowUs = 0; nowUs < forUs; nowUs = nextSendUs(p, nowUs) + lateUs) {
    for (let budget = pacingBudget(p, nowUs); budget > 0; budget = pacingBudget(p, nowUs)) {
      onPaced(p, nowUs, budget, catchUpUs);
      sent += budget;
    }
  }
  return sent;
}

test('pacing: off without an estimate and below a millisecond', () => {
  const p = createPacer();
  assert.equal(pacingBudget(p, 0), Infinity);
  setRate(p, 100, 900);
  assert.equal(pacingBudget(p, 0), Infinity);
  assert.equal(nextSendUs(p, 5), 5);
});

test('pacing: a quantum is a millisecond of the rate, between two packets and a batch', () => {
  const p = createPacer();
  setRate(p, 12.5, 100_000);
  assert.equal(p.quantumBytes, 12_500);
  setRate(p, 0.175, 100_000);
  assert.equal(p.quantumBytes, 3_000);
  setRate(p, 12_500, 100_000);
  assert.equal(p.quantumBytes, 65_536);
});

test('pacing: a batch closes the gate for as long as it lasts at the rate', () => {
  const p = createPacer();
  setRate(p, 12.5, 100_000);
  p.dueUs = 1_000_000;
  onPaced(p, 1_000_000, 12_500);
  assert.equal(pacingBudget(p, 1_000_999), 0);
  assert.equal(nextSendUs(p, 1_000_500), 1_001_000);
  assert.equal(pacingBudget(p, 1_001_000), 12_500);
});

test('pacing: timers up to a millisecond late do not lower the rate, at 10 Mbit/s nor at 10 Gbit/s', () => {
  for (const bytesPerUs of [1.25, 1250]) {
    const srttUs = 20_000;
    const sent = run(bytesPerUs, srttUs, 1_000_000, 900);
    assert.ok(sent > 0.95 * bytesPerUs * 1_000_000, `${sent} bytes at ${bytesPerUs} B/us`);
  }
});

test('pacing: who wakes 5 ms late keeps the rate if so much may be caught up, and loses most of it otherwise', () => {
  const [bytesPerUs, forUs] = [12.5, 1_000_000];
  assert.ok(run(bytesPerUs, 20_000, forUs, 5_000, 5_000) > 0.95 * bytesPerUs * forUs);
  assert.ok(run(bytesPerUs, 20_000, forUs, 5_000) < 0.5 * bytesPerUs * forUs);
});

test('pacing: never more than the rate, one millisecond of catching up and one quantum', () => {
  fc.assert(
    fc.property(
      fc.double({ min: 0.05, max: 10_000, noNaN: true }),
      fc.integer({ min: 1_000, max: 300_000 }),
      fc.integer({ min: 0, max: 5_000 }),
      (bytesPerUs, srttUs, lateUs) => {
        const forUs = 50_000;
        const sent = run(bytesPerUs, srttUs, forUs, lateUs);
        const quantum = Math.max(3_000, Math.min(65_536, bytesPerUs * 1_000));
        assert.ok(sent <= bytesPerUs * (forUs + 1_000) + quantum + 1, `${sent}`);
      },
    ),
    { numRuns: 50 },
  );
});
