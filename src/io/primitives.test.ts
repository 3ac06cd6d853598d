import { strict as assert } from 'node:assert';
import { test } from 'node:test';
import { createPrimitives, systemRandom } from './primitives.ts';

test('primitives: pieces of memory never overlap', () => {
  const { allocate } = createPrimitives();
  const pieces = Array.from({ length: 400 }, (_, i) => allocate((i * 977) % 20_000));
  for (const [i, piece] of pieces.entries()) piece.fill(i % 251);
  for (const [i, piece] of pieces.entries()) {
    assert.equal(piece.length, (i * 977) % 20_000);
    assert.ok(piece.every((byte) => byte === i % 251));
  }
});

test('primitives: sha256 of "abc" (FIPS 180-2)', () => {
  const digest = Buffer.from(createPrimitives().sha256(Buffer.from('abc')));
  assert.equal(digest.toString('hex'), 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad');
});

test('random: words are 32 bits, differ, and the pool refills', () => {
  const random = systemRandom();
  const words = new Set(Array.from({ length: 5_000 }, () => random.uint32()));
  assert.ok(words.size > 4_990);
  for (const word of words) assert.ok(Number.isInteger(word) && word >= 0 && word < 2 ** 32);
});
