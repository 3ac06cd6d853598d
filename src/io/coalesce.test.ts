// What may join what, and that every byte leaves in the order in which it came.

import { strict as assert } from 'node:assert';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Locator } from '../core/base/index.ts';
import { coalesce, isJoinable } from './coalesce.ts';
import { maxBatchBytes } from './udp-link.ts';

const near: Locator = { address: Uint8Array.of(192, 0, 2, 1), port: 4000 };
const sameAsNear: Locator = { address: Uint8Array.of(192, 0, 2, 1), port: 4000 };
const far: Locator = { address: Uint8Array.of(192, 0, 2, 1), port: 4001 };

/** `packets` of `size` bytes and a last one of `lastBytes`, with room behind. */
function batchOf(packets: number, size: number, lastBytes = size, fill = 1, probe = false) {
  const bytes = (packets - 1) * size + lastBytes;
  const buffer = new Uint8Array(maxBatchBytes).fill(fill, 0, bytes);
  return { buffer, view: new DataView(buffer.buffer), bytes, packetBytes: size, packets, probe };
}

test('coalesce: packets of one size to one place become one batch, in order', () => {
  const held = batchOf(1, 80, 80, 1);
  assert.ok(coalesce(held, near, batchOf(2, 80, 80, 2), sameAsNear));
  assert.ok(coalesce(held, near, batchOf(1, 80, 80, 3), near));
  assert.deepEqual([held.bytes, held.packets, held.packetBytes], [320, 4, 80]);
  assert.deepEqual(
    [0, 80, 160, 240, 320].map((at) => held.buffer[at]),
    [1, 2, 2, 3, 0],
  );
});

test('coalesce: a shorter packet ends the batch; a longer one, or another place, does not join', () => {
  const held = batchOf(1, 80);
  assert.equal(coalesce(held, near, batchOf(1, 81), near), false);
  assert.equal(coalesce(held, near, batchOf(1, 80), far), false);
  assert.equal(coalesce(held, near, batchOf(2, 70), near), false, 'two packets of another size');
  assert.ok(coalesce(held, near, batchOf(1, 70), near));
  assert.equal(coalesce(held, near, batchOf(1, 70), near), false, 'behind a shorter one');
  assert.equal(coalesce(batchOf(3, 80, 10), near, batchOf(1, 80), near), false, 'the last of a batch may be shorter');
});

test('coalesce: never more than one call may hold; what is large, or a probe, goes by itself', () => {
  assert.equal(isJoinable(batchOf(1, 1_400, 1_400, 1, true)), false);
  assert.equal(isJoinable(batchOf(40, 1_400)), false);
  assert.ok(isJoinable(batchOf(5, 1_400)));
  assert.equal(coalesce(batchOf(1, 1_400), near, batchOf(1, 1_400, 1_400, 1, true), near), false);
  assert.equal(coalesce(batchOf(1, 1_400, 1_400, 1, true), near, batchOf(1, 1_400), near), false);
  const small = batchOf(1, 80);
  while (coalesce(small, near, batchOf(1, 80), near));
  assert.equal(small.packets, 64);
  const large = batchOf(1, 1_400);
  while (coalesce(large, near, batchOf(1, 1_400), near));
  assert.equal(large.packets, Math.floor(maxBatchBytes / 1_400));
});

test('coalesce: whatever comes, each batch is held whole, in order, or not at all', () => {
  const batches = fc.array(
    fc.record({ packets: fc.integer({ min: 1, max: 4 }), size: fc.integer({ min: 1, max: 6 }), last: fc.nat(5) }),
    { minLength: 1, maxLength: 30 },
  );
  fc.assert(
    fc.property(batches, ([first, ...rest]) => {
      const made = ({ packets, size, last }: NonNullable<typeof first>, i: number) =>
        batchOf(packets, size, Math.min(size, last + 1), i + 1);
      const held = made(first!, 0);
      const expected = [...held.buffer.subarray(0, held.bytes)];
      for (const [i, description] of rest.entries()) {
        const batch = made(description, i + 1);
        if (!coalesce(held, near, batch, near)) continue;
        expected.push(...batch.buffer.subarray(0, batch.bytes));
        // A receiver that cuts at packetBytes finds as many packets as were put in.
        assert.equal(Math.ceil(held.bytes / held.packetBytes), held.packets);
      }
      assert.deepEqual([...held.buffer.subarray(0, held.bytes)], expected);
    }),
    { numRuns: 50 },
  );
});
