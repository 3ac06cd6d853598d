// What may join what, and that every byte leaves in the order in which it came.

import { strict as assert } from 'node:assert';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Locator } from '../core/base/index.ts';
import { Coalescer } from './coalescer.ts';
import { maxBatchBytes } from './udp-link.ts';

const near: Locator = { address: Uint8Array.of(192, 0, 2, 1), port: 4000 };
const sameAsNear: Locator = { address: Uint8Array.of(192, 0, 2, 1), port: 4000 };
const far: Locator = { address: Uint8Array.of(192, 0, 2, 1), port: 4001 };

/** `packets` of `size` bytes and a last one of `lastBytes`. */
function batchOf(packets: number, size: number, lastBytes = size, fill = 1, probe = false) {
  const bytes = (packets - 1) * size + lastBytes;
  const buffer = new Uint8Array(bytes).fill(fill);
  return { buffer, view: new DataView(buffer.buffer), bytes, packetBytes: size, packets, probe };
}

test('coalescer: packets of one size to one place become one batch, in order', () => {
  const held = new Coalescer();
  assert.ok(held.take(batchOf(1, 80, 80, 1), near));
  assert.ok(held.take(batchOf(2, 80, 80, 2), sameAsNear));
  assert.ok(held.take(batchOf(1, 80, 80, 3), near));
  assert.deepEqual([held.bytes, held.packets, held.packetBytes], [320, 4, 80]);
  assert.deepEqual(
    [0, 80, 160, 240].map((at) => held.buffer[at]),
    [1, 2, 2, 3],
  );
});

test('coalescer: a shorter packet ends the batch, a longer one and another place begin a new one', () => {
  const held = new Coalescer();
  assert.ok(held.take(batchOf(1, 80), near));
  assert.equal(held.take(batchOf(1, 81), near), false);
  assert.equal(held.take(batchOf(1, 80), far), false);
  assert.equal(held.take(batchOf(2, 70), near), false, 'two packets of another size');
  assert.ok(held.take(batchOf(1, 70), near));
  assert.equal(held.take(batchOf(1, 70), near), false, 'behind a shorter one');
  held.clear();
  assert.ok(held.take(batchOf(3, 80, 10), far), 'the last of a batch may be shorter');
  assert.equal(held.take(batchOf(1, 80), far), false);
});

test('coalescer: never more than one call may hold; what is large, or a probe, goes by itself', () => {
  const held = new Coalescer();
  assert.equal(held.take(batchOf(1, 1_400, 1_400, 1, true), near), false);
  assert.equal(held.take(batchOf(40, 1_400), near), false);
  for (let i = 0; i < 64; i++) assert.ok(held.take(batchOf(1, 80), near));
  assert.equal(held.take(batchOf(1, 80), near), false, 'the 65th');
  held.clear();
  let taken = 0;
  while (held.take(batchOf(1, 1_400), near)) taken++;
  assert.equal(taken, Math.floor(maxBatchBytes / 1_400));
});

test('coalescer: whatever comes, each batch is held whole, in order, or not at all', () => {
  const batches = fc.array(
    fc.record({ packets: fc.integer({ min: 1, max: 4 }), size: fc.integer({ min: 1, max: 6 }), last: fc.nat(5) }),
    { maxLength: 30 },
  );
  fc.assert(
    fc.property(batches, (list) => {
      const held = new Coalescer();
      const expected: number[] = [];
      for (const [i, { packets, size, last }] of list.entries()) {
        const batch = batchOf(packets, size, Math.min(size, last + 1), i + 1);
        if (!held.take(batch, near)) continue;
        expected.push(...batch.buffer);
        // A receiver that cuts at packetBytes finds as many packets as were put in.
        assert.equal(Math.ceil(held.bytes / held.packetBytes), held.packets);
      }
      assert.deepEqual([...held.buffer.subarray(0, held.bytes)], expected);
    }),
  );
});
