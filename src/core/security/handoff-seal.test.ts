import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { createImportKey, openState, sealState } from './handoff-seal.ts';
import { countingPrimitives, lowOrderPoints } from './testing/counting.ts';

const primitives = countingPrimitives(12);
const state = new Uint8Array(1_000).map((_, i) => i);

describe('sealed state', () => {
  it('opens for the key that it was sealed to, whatever it is, and holds no key after', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 2_000 }), (bytes) => {
        const key = createImportKey(primitives);
        const sealed = sealState(primitives, key.publicKey, bytes)!;
        assert.equal(sealed.length, bytes.length + 64);
        assert.deepEqual(openState(primitives, key, sealed), bytes);
      }),
      { numRuns: 50 },
    );
    assert.equal(primitives.aead.held, 0);
  });

  it('opens once: its key is gone then', () => {
    const key = createImportKey(primitives);
    const { scalar } = key;
    const sealed = sealState(primitives, key.publicKey, state)!;
    assert.ok(openState(primitives, key, sealed));
    assert.deepEqual(scalar, new Uint8Array(32));
    assert.equal(openState(primitives, key, sealed), undefined);
    assert.equal(openState(primitives, key, sealState(primitives, key.publicKey, state)!), undefined);
  });

  it('opens for no other key; what does not open leaves the key usable', () => {
    const [key, other] = [createImportKey(primitives), createImportKey(primitives)];
    const sealed = sealState(primitives, key.publicKey, state)!;
    assert.equal(openState(primitives, other, sealed), undefined);
    assert.equal(openState(primitives, key, sealed.subarray(0, 63)), undefined);
    for (let i = 0; i < sealed.length; i += 7) {
      const changed = sealed.map((byte, at) => (at === i ? byte ^ 1 : byte));
      assert.equal(openState(primitives, key, changed), undefined, `byte ${i}`);
    }
    assert.deepEqual(openState(primitives, key, sealed), state);
  });

  it('the same state is never sealed to the same bytes, and nothing is sealed to a point of low order', () => {
    const { publicKey } = createImportKey(primitives);
    const [one, two] = [sealState(primitives, publicKey, state)!, sealState(primitives, publicKey, state)!];
    assert.notDeepEqual(one.subarray(48), two.subarray(48));
    for (const point of lowOrderPoints) assert.equal(sealState(primitives, point, state), undefined);
  });
});
