// What may join what, and that every byte leaves in the order in which it came.

import { strict as assert } from 'node:assert';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Locator } from '../core/base/index.ts';
import type { Output } from '../core/stack/index.ts';
import { coalesce, isJoinable } from './coalesce.ts';
import { maxBatchBytes } from './udp-link.ts';

const near: Locator = { address: Uint8Array.of(192, 0, 2, 1), port: 4000 };
const sameAsNear: Locator = { address: Uint8Array.of(192, 0, 2, 1), port: 4000 };
const far: Locator = { address: Uint8Array.of(192, 0, 2, 1), port: 4001 };

/** `packets` of `size` bytes and a last one of `lastBytes`, with room behind. */
function batchOf(packets: number, size: number, lastBytes = size, fill = 1, probe = false): Output['batch'] {
  const bytes = (packets - 1) * size + lastBytes;
  const buffer = new Uint8Array(maxBatchBytes).fill(fill, 0, bytes);
  return { buffer, view: new DataView(buffer.buffer), bytes, packetBytes: size, packets, probe };
}

function outputOf(batch: Output['batch'], remote = near, link = 0): Output {
  return { batch, remote, link, event: { kind: 'writable', socket: 0 }, deadlineUs: 0 };
}

function joins(held: Output['batch'], batch: Output['batch'], remote = near, link = 0): boolean {
  return coalesce(outputOf(held), outputOf(batch, remote, link));
}

test('coalesce: packets of one size to one place become one batch, in order', () => {
  const held = batchOf(1, 80, 80, 1);
  assert.ok(joins(held, batchOf(2, 80, 80, 2), sameAsNear));
  assert.ok(joins(held, batchOf(1, 80, 80, 3)));
  assert.deepEqual([held.bytes, held.packets, held.packetBytes], [320, 4, 80]);
  assert.deepEqual(
    [0, 80, 160, 240, 320].map((at) => held.buffer[at]),
    [1, 2, 2, 3, 0],
  );
});

test('coalesce: a shorter packet ends the batch; a longer one, another place, or another link does not join', () => {
  const held = batchOf(1, 80);
  assert.equal(joins(held, batchOf(1, 81)), false);
  assert.equal(joins(held, batchOf(1, 80), far), false);
  assert.equal(joins(held, batchOf(1, 80), near, 1), false);
  assert.equal(joins(held, batchOf(2, 70)), false, 'two packets of another size');
  assert.ok(joins(held, batchOf(1, 70)));
  assert.equal(joins(held, batchOf(1, 70)), false, 'behind a shorter one');
  assert.equal(joins(batchOf(3, 80, 10), batchOf(1, 80)), false, 'the last of a batch may be shorter');
});

test('coalesce: never more than one call may hold; what is large, or a probe, goes by itself', () => {
  assert.equal(isJoinable(batchOf(1, 1_400, 1_400, 1, true)), false);
  assert.equal(isJoinable(batchOf(40, 1_400)), false);
  assert.ok(isJoinable(batchOf(5, 1_400)));
  assert.equal(joins(batchOf(1, 1_400), batchOf(1, 1_400, 1_400, 1, true)), false);
  assert.equal(joins(batchOf(1, 1_400, 1_400, 1, true), batchOf(1, 1_400)), false);
  const small = batchOf(1, 80);
  while (joins(small, batchOf(1, 80)));
  assert.equal(small.packets, 64);
  const large = batchOf(1, 1_400);
  while (joins(large, batchOf(1, 1_400)));
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
        if (!joins(held, batch)) continue;
        expected.push(...batch.buffer.subarray(0, batch.bytes));
        // A receiver that cuts at packetBytes finds as many packets as were put in.
        assert.equal(Math.ceil(held.bytes / held.packetBytes), held.packets);
      }
      assert.deepEqual([...held.buffer.subarray(0, held.bytes)], expected);
    }),
    { numRuns: 50 },
  );
});
