// What core asks of the outside, from Node: cryptography, the system's randomness by the pool (one call of
// randomFillSync per 1,024 words), and memory for received data. Measured, allocated and filled: 64 KB on its own 2.2 us, from a slab
// 1.4-2.8 us; 16 KB 1.3 against 0.7; 1.4 KB 0.9 against 0.1. So small pieces share a slab and large ones do not; a slab is
// 64 KB, since the smallest piece that an application keeps also keeps its slab.

import { randomFillSync } from 'node:crypto';
import type { Primitives, Random } from '../core/base/index.ts';
import { createCrypto } from './choose-crypto.ts';

const poolWords = 1_024;
const slabBytes = 65_536;
const largestShared = 16_384;
const alignment = 8;

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

/** Answers Buffers, which streams take as they are. */
function createAllocator(): (bytes: number) => Buffer {
  let slab = Buffer.allocUnsafeSlow(slabBytes).buffer;
  let used = 0;
  return (bytes) => {
    if (bytes > largestShared) return Buffer.allocUnsafeSlow(bytes);
    if (used + bytes > slabBytes) {
      slab = Buffer.allocUnsafeSlow(slabBytes).buffer;
      used = 0;
    }
    const piece = Buffer.from(slab, used, bytes);
    used += (bytes + alignment - 1) & -alignment;
    return piece;
  };
}
