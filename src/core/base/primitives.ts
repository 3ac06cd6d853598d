// What core asks of the outside besides time: randomness, hashing and memory. Synchronous by contract.
// The security layer extends this with in-place seal and open on (arena, offset, length); keeping the whole list in
// one place is what lets a simulated host and a real one run the same stack.

import type { Random } from './random.ts';

export interface Primitives {
  readonly random: Random;
  /** SHA-256 of `data`: 32 bytes. */
  sha256(data: Uint8Array): Uint8Array;
  /** `bytes` of memory whose content does not matter and that will be handed to the application. */
  allocate(bytes: number): Uint8Array;
}
