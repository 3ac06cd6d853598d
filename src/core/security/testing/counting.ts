// Primitives that count the keys in their slab, and X25519's points of low order, for the tests of the key exchange.

import { createCrypto } from '../../../crypto/index.ts';
import { type Aead, type Primitives, seededRandom } from '../../base/index.ts';

export interface CountingPrimitives extends Primitives {
  readonly aead: Aead & { readonly held: number; readonly imported: number };
}

/** `held` keys were imported and not yet released. */
export function countingPrimitives(seed: number): CountingPrimitives {
  const inner = createCrypto();
  let imported = 0;
  const held = new Set<number>();
  const aead = {
    ...inner.aead,
    get held() {
      return held.size;
    },
    get imported() {
      return imported;
    },
    importKey(key: Uint8Array) {
      const index = inner.aead.importKey(key);
      imported++;
      held.add(index);
      return index;
    },
    releaseKey(index: number) {
      if (!held.delete(index)) throw new Error(`key ${index} is not held`);
      inner.aead.releaseKey(index);
    },
  };
  return {
    ...inner,
    aead,
    random: seededRandom(seed),
    allocate: (bytes) => new Uint8Array(bytes),
    unixSeconds: () => 1_800_000_000,
  };
}

const lowOrder = [
  '0000000000000000000000000000000000000000000000000000000000000000',
  '0100000000000000000000000000000000000000000000000000000000000000',
  'e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800',
  '5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157',
  'ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
  'edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
  'eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
];

/** All of them: those below 2^255, and each with the bit that X25519 ignores. */
export const lowOrderPoints: readonly Uint8Array[] = lowOrder.flatMap((hex) => {
  const point = Uint8Array.from(hex.match(/../g) ?? [], (digits) => Number.parseInt(digits, 16));
  return [point, point.map((byte, i) => (i === 31 ? byte | 0x80 : byte))];
});
