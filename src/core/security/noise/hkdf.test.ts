import assert from 'node:assert/strict';
import { hkdfSync } from 'node:crypto';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { createCrypto } from '../../../crypto/index.ts';
import { deriveKey, hkdf2 } from './hkdf.ts';

const primitives = createCrypto();
const bytes32 = fc.uint8Array({ minLength: 32, maxLength: 32 });
const labels = fc.string({ unit: 'grapheme-ascii', minLength: 1, maxLength: 31 });

describe('hkdf', () => {
  it("is RFC 5869's, the chaining key as salt and no info", () => {
    fc.assert(
      fc.property(bytes32, fc.uint8Array({ maxLength: 64 }), (chainingKey, input) => {
        const expected = Buffer.from(hkdfSync('sha256', input, chainingKey, '', 64));
        assert.deepEqual(Buffer.concat(hkdf2(primitives, chainingKey, input)), expected);
      }),
    );
  });

  it('a labelled key is its first output, with the label as input', () => {
    fc.assert(
      fc.property(bytes32, labels, (chainingKey, label) => {
        const expected = Buffer.from(hkdfSync('sha256', label, chainingKey, '', 32));
        assert.deepEqual(Buffer.from(deriveKey(primitives, chainingKey, label)), expected);
      }),
    );
  });

  it('each label gives another key, and none of those of Split or of the chaining key itself', () => {
    fc.assert(
      fc.property(bytes32, fc.uniqueArray(labels, { minLength: 2, maxLength: 8 }), (chainingKey, several) => {
        const derived = several.map((label) => deriveKey(primitives, chainingKey, label));
        const all = [...derived, ...hkdf2(primitives, chainingKey, new Uint8Array(0)), chainingKey];
        assert.equal(new Set(all.map((key) => Buffer.from(key).toString('hex'))).size, all.length);
      }),
    );
  });

  it('a label may be neither empty, nor as long as a shared secret, nor of letters that do not stay apart', () => {
    const chainingKey = new Uint8Array(32).fill(1);
    deriveKey(primitives, chainingKey, 'a'.repeat(31));
    for (const label of ['', 'a'.repeat(32), 'é', 'š', 'a\n', 'a\0'])
      assert.throws(() => deriveKey(primitives, chainingKey, label), { name: 'RangeError', code: 'ERR_OUT_OF_RANGE' });
  });
});
