// The block buffer against a plain array: any order of writes, reads and releases; every block comes back.

import { strict as assert } from 'node:assert';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  blockBytes,
  copyBlocks,
  createBlockBuffer,
  createBlockPool,
  createPiece,
  dropBlocks,
  pieceAt,
  releaseBlocks,
  writeBlocks,
} from './blocks.ts';

test('property: what was written is read back, at any offset and across blocks', () => {
  const chunk = fc.record({ gap: fc.integer({ min: 0, max: 40_000 }), bytes: fc.integer({ min: 1, max: 50_000 }) });
  fc.assert(
    fc.property(fc.array(chunk, { maxLength: 12 }), fc.integer({ min: 0, max: 2 ** 45 }), (chunks, base) => {
      const pool = createBlockPool();
      const buffer = createBlockBuffer();
      releaseBlocks(pool, buffer, base);
      const written: { at: number; bytes: Uint8Array }[] = [];
      let at = base;
      for (const { gap, bytes } of chunks) {
        at += gap;
        const content = Uint8Array.from({ length: bytes }, (_, i) => (i * 7 + written.length) & 255);
        written.push({ at, bytes: content });
        at += bytes;
      }
      for (const { at: offset, bytes } of written.toReversed())
        writeBlocks(pool, buffer, offset, bytes, 0, bytes.length);
      for (const { at: offset, bytes } of written) {
        const out = new Uint8Array(bytes.length + 3);
        copyBlocks(buffer, offset, out, 3, bytes.length);
        assert.deepEqual(out.subarray(3), bytes);
        releaseBlocks(pool, buffer, offset + bytes.length);
      }
      assert.equal(pool.lent, 0, 'all read: nothing is held');
    }),
    { numRuns: 100 },
  );
});

test('a buffer holds only the blocks that its bytes stand in', () => {
  const pool = createBlockPool();
  const buffer = createBlockBuffer();
  const bytes = new Uint8Array(10 * blockBytes);
  writeBlocks(pool, buffer, 0, bytes, 0, bytes.length);
  assert.equal(pool.lent, 10);
  releaseBlocks(pool, buffer, 3 * blockBytes - 1);
  assert.equal(pool.lent, 8);
  releaseBlocks(pool, buffer, 3 * blockBytes);
  assert.equal(pool.lent, 7);
  dropBlocks(pool, buffer);
  assert.equal(pool.lent, 0);
  assert.equal(pool.free.length, 10);
});

test('the pool keeps no more than it was told to', () => {
  const pool = createBlockPool(Infinity, 2 * blockBytes);
  const buffer = createBlockBuffer();
  writeBlocks(pool, buffer, 0, new Uint8Array(5 * blockBytes), 0, 5 * blockBytes);
  dropBlocks(pool, buffer);
  assert.equal(pool.free.length, 2);
});

test('pieces show the bytes in place', () => {
  const pool = createBlockPool();
  const buffer = createBlockBuffer();
  const bytes = Uint8Array.from({ length: 40_000 }, (_, i) => i & 255);
  writeBlocks(pool, buffer, 100, bytes, 0, bytes.length);
  const piece = createPiece();
  let at = 100;
  while (at < 40_100) {
    pieceAt(buffer, at, 40_100 - at, piece);
    for (let i = 0; i < piece.length; i++) assert.equal(piece.block[piece.start + i], (at - 100 + i) & 255);
    at += piece.length;
  }
  assert.equal(at, 40_100);
});
