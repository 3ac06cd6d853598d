import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { createQueue, peek, push, queued, queueLength, shift } from './queue.ts';

test('queue: whatever is done to it, it is what an array would be', () => {
  const step = fc.oneof({ weight: 3, arbitrary: fc.nat({ max: 40 }) }, { weight: 2, arbitrary: fc.constant('shift') });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
      const queue = createQueue<number>();
      const model: number[] = [];
      for (const step of steps) {
        if (typeof step === 'number')
          for (let i = 0; i < step; i++) {
            push(queue, model.length + i);
            model.push(model.length + i);
          }
        else assert.equal(shift(queue), model.shift());
        assert.equal(queueLength(queue), model.length);
        assert.equal(peek(queue), model[0]);
      }
      assert.deepEqual([...queued(queue)], model);
    }),
  );
});

test('queue: a burst leaves no memory behind, a steady state makes none', () => {
  const queue = createQueue<number>();
  for (let i = 0; i < 5000; i++) push(queue, i);
  for (let i = 0; i < 5000; i++) assert.equal(shift(queue), i);
  assert.equal(queue.items.length, 0);
  push(queue, 1);
  const { items } = queue;
  for (let i = 0; i < 5000; i++) {
    push(queue, i);
    shift(queue);
  }
  assert.equal(queue.items, items);
});
