// The cryptography that core asks of the outside: X25519, Ed25519, SHA-256, HMAC, AES-256-GCM. Synchronous, no key
// objects: long-lived keys of the data path are indices into a slab that the implementation owns, so that a connection
// costs 32 bytes per key and nothing for the garbage collector. Sealing and opening are streams of pieces, from the
// application's bytes into the send buffer's blocks and back, so that encryption is the copy that must be made anyway.
// One operation at a time: `begin`, any number of `update`, one `finish`; nothing in core nests them.

export interface Crypto {
  /** SHA-256: 32 bytes. */
  sha256(data: Uint8Array): Uint8Array;
  /** HMAC-SHA-256: 32 bytes. For key derivation; packets use `mac`. */
  hmac(key: Uint8Array, data: Uint8Array): Uint8Array;
  /** The 32-byte public key of a 32-byte X25519 scalar. */
  x25519Public(scalar: Uint8Array): Uint8Array;
  /** The shared secret, 32 bytes; undefined if it would be all zero (a point of low order). RFC 7748. */
  x25519(scalar: Uint8Array, publicKey: Uint8Array): Uint8Array | undefined;
  /** The 32-byte public key of a 32-byte Ed25519 seed. */
  ed25519Public(seed: Uint8Array): Uint8Array;
  /** 64 bytes. RFC 8032. */
  sign(seed: Uint8Array, message: Uint8Array): Uint8Array;
  /** False for whatever is not a signature of `message` by `publicKey`; never throws. */
  verify(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean;
  readonly aead: Aead;
  readonly mac: Mac;
}

/** Index of a key in a slab. */
export type KeyIndex = number;

export const aeadKeyBytes = 32;
export const aeadTagBytes = 16;

/** AES-256-GCM. The 96-bit nonce is 32 zero bits and a 64-bit big-endian counter, as Noise has it. */
export interface Aead {
  importKey(key: Uint8Array): KeyIndex;
  /** The key is overwritten; the index may be given out again. */
  releaseKey(key: KeyIndex): void;
  /** A copy of the key, for a connection that goes on in another process. */
  exportKey(key: KeyIndex): Uint8Array;
  /** `counter` is below 2^53 and never repeated under one key. */
  beginSeal(key: KeyIndex, counter: number, associatedData: Uint8Array): void;
  beginOpen(key: KeyIndex, counter: number, associatedData: Uint8Array): void;
  /** Transforms `length` bytes; source and target may be the same bytes, but not overlap otherwise. */
  update(source: Uint8Array, sourceOffset: number, target: Uint8Array, targetOffset: number, length: number): void;
  /** Writes the 16-byte tag. */
  finishSeal(tag: Uint8Array, offset: number): void;
  /** False: not authentic, and what `update` gave must not be used. */
  finishOpen(tag: Uint8Array, offset: number): boolean;
}

/** HMAC-SHA-256 cut to 16 bytes: the tag of packets. No nonce, so nothing is lost if a state is copied. */
export interface Mac {
  importKey(key: Uint8Array): KeyIndex;
  releaseKey(key: KeyIndex): void;
  exportKey(key: KeyIndex): Uint8Array;
  /** Over `length` bytes from `offset`, into 16 bytes at `tagOffset`, which may lie outside or be the same array. */
  tag(key: KeyIndex, bytes: Uint8Array, offset: number, length: number, tag: Uint8Array, tagOffset: number): void;
}
