// The cipher state (Noise rev. 34 section 5.1): a key and a counter, which is the nonce. Without a key, text passes as it
// is. The key lies in the slab of the primitives only while one text is sealed or opened, so that an exchange that ends
// at whatever point has nothing to give back. A place in the slab for each exchange was rejected: copying 32 bytes costs
// nothing beside the cipher, and every path out of an exchange would have to release.

import { type Aead, aeadTagBytes, type KeyIndex } from '../../base/index.ts';

export interface CipherState {
  /** 32 bytes; undefined: no key yet. */
  key: Uint8Array | undefined;
  counter: number;
}

/** Bytes that sealing adds now. */
export function overheadBytes({ key }: CipherState): number {
  return key === undefined ? 0 : aeadTagBytes;
}

/** The text, sealed if there is a key, in fresh memory. */
export function encryptWithAd(
  aead: Aead,
  cipher: CipherState,
  associatedData: Uint8Array,
  plain: Uint8Array,
): Uint8Array {
  const { key } = cipher;
  if (key === undefined) return new Uint8Array(plain);
  return withKey(aead, key, (index) => {
    const sealed = new Uint8Array(plain.length + aeadTagBytes);
    aead.beginSeal(index, cipher.counter++, associatedData);
    aead.update(plain, 0, sealed, 0, plain.length);
    aead.finishSeal(sealed, plain.length);
    return sealed;
  });
}

/** The text in fresh memory; undefined: too short or not authentic, and the counter stays. */
export function decryptWithAd(
  aead: Aead,
  cipher: CipherState,
  associatedData: Uint8Array,
  sealed: Uint8Array,
): Uint8Array | undefined {
  const { key } = cipher;
  if (key === undefined) return new Uint8Array(sealed);
  const plainBytes = sealed.length - aeadTagBytes;
  if (plainBytes < 0) return undefined;
  return withKey(aead, key, (index) => {
    const plain = new Uint8Array(plainBytes);
    aead.beginOpen(index, cipher.counter, associatedData);
    aead.update(sealed, 0, plain, 0, plainBytes);
    if (!aead.finishOpen(sealed, plainBytes)) return undefined;
    cipher.counter++;
    return plain;
  });
}

function withKey<T>(aead: Aead, key: Uint8Array, use: (index: KeyIndex) => T): T {
  const index = aead.importKey(key);
  try {
    return use(index);
  } finally {
    aead.releaseKey(index);
  }
}
