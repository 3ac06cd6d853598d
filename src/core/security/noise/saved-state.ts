// A handshake state between two messages as bytes: whoever waits for many answers keeps 130 bytes for each instead of a
// dozen objects. Held are the secrets and the place in the pattern; not held are keys that no message still to come asks
// for: the other end's ephemeral key and our static one (in NX and XX, once our static key was sent).

import { type HandshakeState, keyBytes } from './handshake-state.ts';
import { type PatternName, patterns } from './patterns.ts';
import type { NoisePrimitives } from './symmetric-state.ts';

/** Chaining key 32, hash 32, cipher's key 32, own ephemeral scalar 32, cipher's counter 1, messages done 1. */
export const savedBytes = 4 * keyBytes + 2;

const nothing = new Uint8Array(0);

/** Holds copies: the state may be abandoned. */
export function saveState({ symmetric, ephemeralKey, next }: HandshakeState): Uint8Array {
  const { chainingKey, hash, cipher } = symmetric;
  const saved = new Uint8Array(savedBytes);
  saved.set(chainingKey);
  saved.set(hash, keyBytes);
  if (cipher.key !== undefined) saved.set(cipher.key, 2 * keyBytes);
  saved.set(ephemeralKey.scalar, 3 * keyBytes);
  saved[savedBytes - 2] = cipher.counter;
  saved[savedBytes - 1] = next;
  return saved;
}

/** The responder's state as it was saved; shares no memory with `saved`. */
export function restoreResponder(primitives: NoisePrimitives, pattern: PatternName, saved: Uint8Array): HandshakeState {
  const part = (index: number): Uint8Array => saved.slice(index * keyBytes, (index + 1) * keyBytes);
  return {
    symmetric: {
      primitives,
      chainingKey: part(0),
      hash: part(1),
      cipher: { key: part(2), counter: saved[savedBytes - 2] ?? 0 },
    },
    pattern: patterns[pattern],
    initiator: false,
    staticKey: undefined,
    ephemeralKey: { scalar: part(3), publicKey: nothing },
    remoteStatic: undefined,
    remoteEphemeral: undefined,
    next: saved[savedBytes - 1] ?? 0,
    closed: false,
  };
}
