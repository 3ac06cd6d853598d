// Integer hashing for the tables: 32-bit words in, 32-bit hash out (the construction of MurmurHash3, which is in the
// public domain). Quick and well mixed, not secret: where an attacker chooses the input, start from a random seed.

/** Folds one 32-bit word into a running hash. */
export function mixWord(hash: number, word: number): number {
  word = Math.imul(word, 0xcc9e2d51);
  word = Math.imul((word << 15) | (word >>> 17), 0x1b873593);
  hash ^= word;
  return (Math.imul((hash << 13) | (hash >>> 19), 5) + 0xe6546b64) | 0;
}

/** Spreads a running hash over all its bits; a signed 32-bit integer. */
export function finishHash(hash: number): number {
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return hash ^ (hash >>> 16);
}
