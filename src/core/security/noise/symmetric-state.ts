// The symmetric state (Noise rev. 34 section 5.2): chaining key, handshake hash, and a cipher once there is a key. The
// cipher's key stands in the slab of the primitives; every path that ends an exchange gives it back.

import { aeadTagBytes, type Crypto, type KeyIndex } from '../../base/index.ts';
import { hkdf2 } from './hkdf.ts';

export interface SymmetricState {
  readonly primitives: Crypto;
  chainingKey: Uint8Array;
  hash: Uint8Array;
  /** -1: no key yet, messages are in the clear. */
  key: KeyIndex;
  counter: number;
}

export function createSymmetricState(primitives: Crypto, protocolName: string): SymmetricState {
  const name = Uint8Array.from(protocolName, (character) => character.charCodeAt(0));
  const hash = new Uint8Array(32);
  if (name.length <= hash.length) hash.set(name);
  else hash.set(primitives.sha256(name));
  return { primitives, chainingKey: hash.slice(), hash, key: -1, counter: 0 };
}

export function mixHash(state: SymmetricState, data: Uint8Array): void {
  const both = new Uint8Array(32 + data.length);
  both.set(state.hash);
  both.set(data, 32);
  state.hash = state.primitives.sha256(both);
}

export function mixKey(state: SymmetricState, input: Uint8Array): void {
  const { primitives } = state;
  const [chainingKey, key] = hkdf2(primitives, state.chainingKey, input);
  state.chainingKey.fill(0);
  state.chainingKey = chainingKey;
  releaseKey(state);
  state.key = primitives.aead.importKey(key);
  state.counter = 0;
  key.fill(0);
}

/** Bytes that encryption adds now. */
export function overheadBytes(state: SymmetricState): number {
  return state.key < 0 ? 0 : aeadTagBytes;
}

export function encryptAndHash(state: SymmetricState, plain: Uint8Array): Uint8Array {
  const sealed = new Uint8Array(plain.length + overheadBytes(state));
  if (state.key < 0) sealed.set(plain);
  else {
    const { aead } = state.primitives;
    aead.beginSeal(state.key, state.counter++, state.hash);
    aead.update(plain, 0, sealed, 0, plain.length);
    aead.finishSeal(sealed, plain.length);
  }
  mixHash(state, sealed);
  return sealed;
}

/** Undefined: not authentic; the state has not changed. */
export function decryptAndHash(state: SymmetricState, sealed: Uint8Array): Uint8Array | undefined {
  const length = sealed.length - overheadBytes(state);
  if (length < 0) return undefined;
  const plain = new Uint8Array(length);
  if (state.key < 0) plain.set(sealed);
  else {
    const { aead } = state.primitives;
    aead.beginOpen(state.key, state.counter, state.hash);
    aead.update(sealed, 0, plain, 0, length);
    if (!aead.finishOpen(sealed, length)) return undefined;
    state.counter++;
  }
  mixHash(state, sealed);
  return plain;
}

export function releaseKey(state: SymmetricState): void {
  if (state.key >= 0) state.primitives.aead.releaseKey(state.key);
  state.key = -1;
}
