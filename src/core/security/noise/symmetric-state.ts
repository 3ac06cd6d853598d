// The symmetric state (Noise rev. 34 section 5.2): the chaining key, which all shared secrets go into and keys come from,
// and the hash of the transcript, which every sealed text vouches for. The hash is public, the chaining key never is.

import { asciiBytes, type Crypto } from '../../base/index.ts';
import { type CipherState, decryptWithAd, encryptWithAd } from './cipher-state.ts';
import { hkdf2 } from './hkdf.ts';

/** All that a handshake asks of the primitives. */
export type NoisePrimitives = Pick<Crypto, 'sha256' | 'hmac' | 'x25519' | 'aead'>;

const hashBytes = 32;

export interface SymmetricState {
  readonly primitives: NoisePrimitives;
  chainingKey: Uint8Array;
  hash: Uint8Array;
  readonly cipher: CipherState;
}

/** A name longer than a hash is hashed (section 5.2, InitializeSymmetric). */
export function createSymmetricState(primitives: NoisePrimitives, protocolName: string): SymmetricState {
  const hash = new Uint8Array(hashBytes);
  if (protocolName.length > hashBytes) hash.set(primitives.sha256(asciiBytes(protocolName)));
  else for (let i = 0; i < protocolName.length; i++) hash[i] = protocolName.charCodeAt(i);
  return { primitives, chainingKey: hash.slice(), hash, cipher: { key: undefined, counter: 0 } };
}

/** Shares no memory that `wipe` or `mixKey` overwrites. */
export function copySymmetricState({ primitives, chainingKey, hash, cipher }: SymmetricState): SymmetricState {
  return {
    primitives,
    chainingKey: chainingKey.slice(),
    hash,
    cipher: { key: cipher.key?.slice(), counter: cipher.counter },
  };
}

/** Overwrites the secrets; the state is not to be used again. */
export function wipe({ chainingKey, cipher }: SymmetricState): void {
  chainingKey.fill(0);
  cipher.key?.fill(0);
}

export function mixHash(state: SymmetricState, data: Uint8Array): void {
  const both = new Uint8Array(hashBytes + data.length);
  both.set(state.hash);
  both.set(data, hashBytes);
  state.hash = state.primitives.sha256(both);
}

/** The counter begins anew with each key. */
export function mixKey(state: SymmetricState, secret: Uint8Array): void {
  const { primitives, cipher } = state;
  const [chainingKey, key] = hkdf2(primitives, state.chainingKey, secret);
  wipe(state);
  state.chainingKey = chainingKey;
  cipher.key = key;
  cipher.counter = 0;
}

export function encryptAndHash(state: SymmetricState, plain: Uint8Array): Uint8Array {
  const sealed = encryptWithAd(state.primitives.aead, state.cipher, state.hash, plain);
  mixHash(state, sealed);
  return sealed;
}

/** Undefined: not authentic, and the state has not changed. */
export function decryptAndHash(state: SymmetricState, sealed: Uint8Array): Uint8Array | undefined {
  const plain = decryptWithAd(state.primitives.aead, state.cipher, state.hash, sealed);
  if (plain !== undefined) mixHash(state, sealed);
  return plain;
}
