// The ring against a plain list of all bytes.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { KeptBytes } from './kept-bytes.ts';

function readFrom(kept: KeptBytes, offset: number): number[] {
  const bytes: number[] = [];
  for (;;) {
    const piece = kept.peek(offset + bytes.length);
    if (piece.length === 0) return bytes;
    bytes.push(...piece);
  }
}

test('kept bytes: the last ones are there, from any offset, and none before', () => {
  const sizes = fc.oneof(fc.integer({ min: 0, max: 40 }), fc.integer({ min: 0, max: 20_000 }));
  fc.assert(
    fc.property(fc.oneof(fc.integer({ min: 0, max: 50 }), fc.constant(9_000)), fc.array(sizes), (most, lengths) => {
      const kept = new KeptBytes(most);
      const all: number[] = [];
      for (const length of lengths) {
        const bytes = Uint8Array.from({ length }, (_, i) => (all.length + i) % 251);
        kept.add(bytes);
        for (const byte of bytes) all.push(byte);
        assert.deepEqual([kept.end, kept.from], [all.length, Math.max(0, all.length - most)]);
        for (const offset of [kept.from, (kept.from + kept.end) >> 1, kept.end])
          assert.deepEqual(readFrom(kept, offset), all.slice(offset));
        if (kept.from > 0) assert.equal(kept.peek(kept.from - 1).length, 0);
      }
    }),
    { numRuns: 60 },
  );
});
