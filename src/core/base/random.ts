// Randomness is an argument of core, as time is: `Random` is a source of 32-bit words. The io driver gives the
// system's entropy, the simulator and the tests a seeded generator, so that a seed replays a run.

export interface Random {
  /** A uniform unsigned 32-bit integer. */
  uint32(): number;
}

/** xoshiro128** seeded by splitmix32: small, quick, good enough for simulations, never for secrets. */
export function seededRandom(seed: number): Random {
  let s = seed >>> 0;
  const split = (): number => {
    s = (s + 0x9e3779b9) >>> 0;
    let z = s;
    z = Math.imul(z ^ (z >>> 16), 0x85ebca6b);
    z = Math.imul(z ^ (z >>> 13), 0xc2b2ae35);
    return (z ^ (z >>> 16)) >>> 0;
  };
  let a = split();
  let b = split();
  let c = split();
  let d = split() | 1;
  return {
    uint32() {
      const product = Math.imul(b, 5);
      const result = Math.imul((product << 7) | (product >>> 25), 9);
      const t = b << 9;
      c ^= a;
      d ^= b;
      b ^= c;
      a ^= d;
      c ^= t;
      d = (d << 11) | (d >>> 21);
      return result >>> 0;
    },
  };
}

/** A uniform number in [0, 1). */
export function randomFraction(random: Random): number {
  return random.uint32() / 2 ** 32;
}

/** A uniform integer in [0, bound), bound at most 2^32; the bias is below 2^-20 for bounds below 2^12. */
export function randomBelow(random: Random, bound: number): number {
  return Math.floor(randomFraction(random) * bound);
}

/** Secrets, if `random` is the system's. */
export function randomBytes(random: Random, length: number): Uint8Array {
  const words = new Uint32Array(Math.ceil(length / 4));
  for (let i = 0; i < words.length; i++) words[i] = random.uint32();
  return new Uint8Array(words.buffer, 0, length);
}
