// The event queue against a sorted list: order by time, then by scheduling; cancelled timers never run.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { cancel, createClock, nextTimerUs, schedule, step } from './clock.ts';

test('clock: jumps from timer to timer, and those of one instant keep their order', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.nat(20), fc.boolean()), { maxLength: 60 }), (list) => {
      const clock = createClock();
      const ran: number[] = [];
      const timers = list.map(([atUs], i) => schedule(clock, atUs, () => ran.push(i)));
      list.forEach(([, keep], i) => {
        if (!keep) cancel(clock, timers[i]!);
      });
      const expected = list
        .map(([atUs, keep], i) => ({ atUs, keep, i }))
        .filter((entry) => entry.keep)
        .sort((a, b) => a.atUs - b.atUs || a.i - b.i);
      assert.equal(clock.pending, expected.length);
      assert.equal(nextTimerUs(clock), expected[0]?.atUs ?? Infinity);
      while (step(clock));
      assert.deepEqual(
        ran,
        expected.map((entry) => entry.i),
      );
      assert.equal(clock.pending, 0);
      if (expected.length > 0) assert.equal(clock.nowUs, expected.at(-1)?.atUs);
    }),
  );
});

test('clock: a timer may schedule and cancel others, and the past means next', () => {
  const clock = createClock(100);
  const ran: string[] = [];
  const doomed = schedule(clock, 300, () => ran.push('doomed'));
  schedule(clock, 200, () => {
    ran.push('first');
    cancel(clock, doomed);
    schedule(clock, 50, () => ran.push('late'));
  });
  while (step(clock));
  assert.deepEqual(ran, ['first', 'late']);
  assert.equal(clock.nowUs, 200);
});
