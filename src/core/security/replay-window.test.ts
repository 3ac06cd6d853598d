import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { createReplayWindow, isFresh, noteReceived } from './replay-window.ts';

test('replay window: a number passes once, in any order, and never when it is too old to tell', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 1, max: 3000 }), { maxLength: 400 }), (numbers) => {
      const window = createReplayWindow();
      const seen = new Set<number>();
      let newest = 0;
      for (const number of numbers) {
        const fresh = isFresh(window, number);
        if (seen.has(number)) assert.ok(!fresh, `${number} twice`);
        else if (number > newest - 990) assert.ok(fresh, `${number} after ${newest}`);
        if (!fresh) continue;
        noteReceived(window, number);
        seen.add(number);
        newest = Math.max(newest, number);
      }
    }),
  );
});

test('replay window: a jump forgets what it passed, and keeps no bit of it', () => {
  const window = createReplayWindow();
  for (let number = 1; number <= 40; number++) noteReceived(window, number);
  noteReceived(window, 1_000_000);
  assert.ok(!isFresh(window, 40));
  assert.ok(isFresh(window, 999_999));
  assert.ok(!isFresh(window, 1_000_000));
  assert.ok(!isFresh(window, 0));
  noteReceived(window, 2 ** 45);
  assert.ok(isFresh(window, 2 ** 45 - 990));
});
