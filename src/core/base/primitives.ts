// What core asks of the outside besides time: randomness, cryptography, memory, and the calendar. Synchronous by
// contract. Keeping the whole list in one place is what lets a simulated host and a real one run the same stack.

import type { Crypto } from './crypto.ts';
import type { Random } from './random.ts';

export interface Primitives extends Crypto {
  readonly random: Random;
  /** `bytes` of memory whose content does not matter and that will be handed to the application. */
  allocate(bytes: number): Uint8Array;
  /** Seconds since 1970: for the validity of certificates only. Everything else counts on the monotonic clock. */
  unixSeconds(): number;
}
