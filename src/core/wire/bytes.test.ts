import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { skipZeros, writeZeros } from './bytes.ts';

const bounds = fc.tuple(fc.nat({ max: 40 }), fc.nat({ max: 40 })).map(([a, b]) => [Math.min(a, b), Math.max(a, b)]);

test('bytes: zeros are written from the start to the end, and nowhere else', () => {
  fc.assert(
    fc.property(bounds, ([start = 0, end = 0]) => {
      const bytes = new Uint8Array(41).fill(0xff);
      writeZeros(new DataView(bytes.buffer), start, end);
      assert.deepEqual(
        [...bytes],
        [...bytes.keys()].map((at) => (at >= start && at < end ? 0 : 0xff)),
      );
    }),
  );
});

test('bytes: zeros are skipped up to the first other byte, whatever stands behind it, and no further than the end', () => {
  const contents = fc.array(fc.constantFrom(0, 0, 0, 0, 0, 1, 0x80), { minLength: 41, maxLength: 41 });
  fc.assert(
    fc.property(bounds, contents, ([start = 0, end = 0], content) => {
      const found = content.findIndex((byte, at) => at >= start && byte !== 0);
      const expected = found < 0 || found > end ? end : found;
      assert.equal(skipZeros(new DataView(Uint8Array.from(content).buffer), start, end), expected);
    }),
  );
});
