// What core asks of the outside, from Node: cryptography, the system's randomness by the pool (one call of
// randomFillSync per 1,024 words), memory for received data (chunk-memory.ts), and the date.

import { randomFillSync } from 'node:crypto';
import type { Primitives, Random } from '../core/base/index.ts';
import { createCrypto } from './choose-crypto.ts';
import { createAllocator } from './chunk-memory.ts';

const poolWords = 1_024;

export function createPrimitives(): Primitives {
  return {
    ...createCrypto(),
    random: systemRandom(),
    allocate: createAllocator(),
    unixSeconds: () => Math.floor(Date.now() / 1000),
  };
}

/** The system's generator, bought in bulk. */
export function systemRandom(): Random {
  const pool = new Uint32Array(poolWords);
  let next = poolWords;
  return {
    uint32() {
      if (next === poolWords) {
        randomFillSync(pool);
        next = 0;
      }
      const word = pool[next] ?? 0;
      // A word that was given out is a secret or part of a name: it does not stay in memory.
      pool[next++] = 0;
      return word;
    },
  };
}
