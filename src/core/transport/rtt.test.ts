// The estimate against RFC 6298's arithmetic, and the windowed minimum against a list of all samples.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { backOff, createRtt, initialRtoUs, maxRtoUs, minRtoUs, resetBackOff, sampleRtt } from './rtt.ts';

test('rtt: before a sample the timeout is one second', () => {
  assert.equal(createRtt().rtoUs, initialRtoUs);
});

test('rtt: the first sample sets the estimate and half of it as variance', () => {
  const rtt = createRtt();
  sampleRtt(rtt, 100_000, 1_000_000);
  assert.equal(rtt.srttUs, 100_000);
  assert.equal(rtt.rttVarUs, 50_000);
  assert.equal(rtt.minRttUs, 100_000);
  assert.equal(rtt.rtoUs, 100_000 + minRtoUs);
});

test('rtt: later samples weigh an eighth in the mean and a quarter in the variance', () => {
  const rtt = createRtt();
  sampleRtt(rtt, 80_000, 0);
  sampleRtt(rtt, 160_000, 100);
  assert.equal(rtt.srttUs, 90_000);
  assert.equal(rtt.rttVarUs, 50_000);
});

test('rtt: a steady path keeps 200 ms above its round trip', () => {
  const rtt = createRtt();
  for (let i = 0; i < 200; i++) sampleRtt(rtt, 300_000, i * 1000);
  assert.ok(Math.abs(rtt.rtoUs - 500_000) < 1, `${rtt.rtoUs}`);
});

test('rtt: back-off doubles up to a minute, and a sample ends it', () => {
  const rtt = createRtt();
  sampleRtt(rtt, 10_000, 0);
  const before = rtt.rtoUs;
  backOff(rtt);
  backOff(rtt);
  assert.equal(rtt.rtoUs, before * 4);
  for (let i = 0; i < 20; i++) backOff(rtt);
  assert.equal(rtt.rtoUs, maxRtoUs);
  assert.equal(rtt.backoff, 22);
  resetBackOff(rtt);
  assert.equal(rtt.rtoUs, before);
  backOff(rtt);
  sampleRtt(rtt, 10_000, 1);
  assert.equal(rtt.backoff, 0);
  assert.ok(rtt.rtoUs <= before);
});

test('rtt: a longer route replaces the old minimum once the window has passed', () => {
  const rtt = createRtt();
  sampleRtt(rtt, 10_000, 0);
  for (let nowUs = 100_000; nowUs <= 9_900_000; nowUs += 100_000) sampleRtt(rtt, 50_000, nowUs);
  assert.equal(rtt.minRttUs, 10_000);
  for (let nowUs = 10_000_000; nowUs <= 10_500_000; nowUs += 100_000) sampleRtt(rtt, 50_000, nowUs);
  assert.equal(rtt.minRttUs, 50_000);
});

test('rtt: the windowed minimum is a recent sample, never below the true minimum of the window', () => {
  const steps = fc.array(
    fc.record({ rttUs: fc.integer({ min: 1, max: 1e6 }), gapUs: fc.integer({ min: 0, max: 3e6 }) }),
    {
      minLength: 1,
      maxLength: 100,
    },
  );
  fc.assert(
    fc.property(steps, (list) => {
      const rtt = createRtt();
      let nowUs = 0;
      const seen: { atUs: number; rttUs: number }[] = [];
      for (const { rttUs, gapUs } of list) {
        nowUs += gapUs;
        seen.push({ atUs: nowUs, rttUs });
        sampleRtt(rtt, rttUs, nowUs);
        const recent = seen.filter((s) => nowUs - s.atUs <= 10_000_000);
        assert.ok(rtt.minRttUs >= Math.min(...recent.map((s) => s.rttUs)));
        assert.ok(recent.some((s) => s.rttUs === rtt.minRttUs));
        assert.ok(rtt.rtoUs >= minRtoUs && rtt.rtoUs <= maxRtoUs);
      }
    }),
    { numRuns: 60 },
  );
});
