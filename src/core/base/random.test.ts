import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { formatFlowId, randomId } from './flow-id.ts';
import { randomBelow, randomFraction, seededRandom } from './random.ts';

describe('seeded random', () => {
  it('a seed replays, another seed differs', () => {
    const words = (seed: number) => {
      const random = seededRandom(seed);
      return Array.from({ length: 8 }, () => random.uint32());
    };
    assert.deepEqual(words(1), words(1));
    assert.notDeepEqual(words(1), words(2));
    assert.notDeepEqual(words(0), words(2 ** 31));
  });

  it('words are unsigned 32-bit integers and every bit is set about half of the time', () => {
    const random = seededRandom(3);
    const ones = new Array<number>(32).fill(0);
    for (let i = 0; i < 4000; i++) {
      const word = random.uint32();
      assert.ok(Number.isInteger(word) && word >= 0 && word < 2 ** 32);
      for (let bit = 0; bit < 32; bit++) ones[bit]! += (word >>> bit) & 1;
    }
    for (const count of ones) assert.ok(Math.abs(count - 2000) < 150, `${count}`);
  });

  it('randomBelow covers its range and nothing else; randomFraction stays below 1', () => {
    const random = seededRandom(4);
    const seen = new Set(Array.from({ length: 500 }, () => randomBelow(random, 7)));
    assert.deepEqual([...seen].sort(), [0, 1, 2, 3, 4, 5, 6]);
    const extremes = [randomFraction({ uint32: () => 0 }), randomFraction({ uint32: () => 2 ** 32 - 1 })];
    assert.equal(extremes[0], 0);
    assert.ok(extremes[1]! < 1);
  });

  it('randomId is never zero and prints as 16 digits', () => {
    const words = [0, 0, 0, 0xab];
    const id = randomId({ uint32: () => words.shift() ?? 0 });
    assert.deepEqual(id, { hi: 0, lo: 0xab });
    assert.equal(formatFlowId(id), '00000000000000ab');
  });
});
