// Cryptography and the system's randomness for work on files: a handful of operations per command, so each word is asked
// of the system anew; the pool in io serves the stack.

import { randomBytes } from 'node:crypto';
import type { Crypto, Random } from '../core/base/index.ts';
import { createCrypto } from '../crypto/index.ts';

export const primitives: Crypto & { readonly random: Random } = {
  ...createCrypto(),
  random: { uint32: () => randomBytes(4).readUInt32BE() },
};

/** Seconds since 1970. */
export function unixSeconds(): number {
  return Math.floor(Date.now() / 1000);
}
