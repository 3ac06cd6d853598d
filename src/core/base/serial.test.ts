import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { unwrap32, wrap32 } from './serial.ts';

const span = 2 ** 32;

describe('serial arithmetic', () => {
  it('wrap32 keeps the low 32 bits, also below zero', () => {
    assert.deepEqual([0, 1, span - 1, span, span + 5, 3 * span - 1].map(wrap32), [0, 1, span - 1, 0, 5, span - 1]);
    assert.deepEqual([wrap32(-1), Math.abs(wrap32(-span)), wrap32(-span - 1)], [span - 1, 0, span - 1]);
  });

  it('unwrap32 crosses the wrap in both directions', () => {
    assert.equal(unwrap32(2, span - 3), span + 2);
    assert.equal(unwrap32(span - 2, span + 3), span - 2);
    assert.equal(unwrap32(span - 1, 0), -1);
    assert.equal(unwrap32(0, 5 * span), 5 * span);
  });

  it('any number is recovered from its low bits and a reference less than 2^31 away', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 2 ** 52 }),
        fc.integer({ min: -(2 ** 31) + 1, max: 2 ** 31 - 1 }),
        (value, away) => assert.equal(unwrap32(wrap32(value), value + away), value),
      ),
    );
  });
});
