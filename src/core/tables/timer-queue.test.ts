import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { cancel, createTimerQueue, deadlineOf, nextDeadlineUs, popExpired, schedule } from './timer-queue.ts';

describe('timer queue', () => {
  it('an empty queue has no deadline', () => {
    const queue = createTimerQueue();
    assert.equal(nextDeadlineUs(queue), Infinity);
    assert.equal(popExpired(queue, 1e18), -1);
    assert.equal(deadlineOf(queue, 1_000_000), Infinity);
  });

  it('hands out what has expired in order, and only that', () => {
    const queue = createTimerQueue();
    for (const [handle, deadlineUs] of [300, 100, 200, 400].entries()) schedule(queue, handle, deadlineUs);
    assert.equal(nextDeadlineUs(queue), 100);
    assert.deepEqual([popExpired(queue, 300), popExpired(queue, 300), popExpired(queue, 300)], [1, 2, 0]);
    assert.equal(popExpired(queue, 300), -1);
    assert.equal(nextDeadlineUs(queue), 400);
  });

  it('a deadline moved later, earlier or cancelled replaces the old one', () => {
    const queue = createTimerQueue(1);
    schedule(queue, 0, 100);
    schedule(queue, 1, 200);
    schedule(queue, 0, 300);
    assert.equal(nextDeadlineUs(queue), 200);
    schedule(queue, 0, 50);
    assert.equal(nextDeadlineUs(queue), 50);
    cancel(queue, 0);
    assert.equal(popExpired(queue, 150), -1);
    schedule(queue, 1, Infinity);
    assert.equal(nextDeadlineUs(queue), Infinity);
    schedule(queue, 0, 10);
    assert.equal(popExpired(queue, 10), 0);
  });

  it('agrees with a naive queue under random operations', () => {
    const step = fc.record({
      kind: fc.constantFrom('schedule', 'schedule', 'schedule', 'cancel', 'pop'),
      handle: fc.nat(40),
      inUs: fc.nat(50),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 300 }), (steps) => {
        const queue = createTimerQueue(1);
        const naive = new Map<number, number>();
        let nowUs = 0;
        for (const { kind, handle, inUs } of steps) {
          if (kind === 'schedule') {
            schedule(queue, handle, nowUs + inUs);
            naive.set(handle, nowUs + inUs);
          } else if (kind === 'cancel') {
            cancel(queue, handle);
            naive.delete(handle);
          } else {
            nowUs += inUs;
            for (;;) {
              const earliest = Math.min(Infinity, ...naive.values());
              const popped = popExpired(queue, nowUs);
              if (popped < 0) {
                assert.ok(earliest > nowUs);
                break;
              }
              assert.equal(naive.get(popped), earliest);
              naive.delete(popped);
            }
          }
          assert.equal(deadlineOf(queue, handle), naive.get(handle) ?? Infinity);
          assert.equal(nextDeadlineUs(queue), Math.min(Infinity, ...naive.values()));
        }
      }),
      { numRuns: 200, seed: 4 },
    );
  });
});
