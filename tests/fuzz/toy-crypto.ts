// Cryptography that protects nothing and costs next to nothing: what the stateful targets run on, because a real handshake
// takes longer than all else in a sequence. It keeps the promises that core relies on: both sides of an exchange agree,
// what was sealed opens, and whatever was changed on the way is noticed. No fuzzer finds a collision by changing bytes.

import type { Crypto } from '../../src/core/base/index.ts';

export interface ToyCrypto extends Crypto {
  /** Imported and not released. */
  keysHeld(): number;
}

export function createToyCrypto(): ToyCrypto {
  const sealing = createKeys();
  const tagging = createKeys();
  return {
    keysHeld: () => sealing.held() + tagging.held(),
    sha256: (data) => digest(1, data, none),
    hmac: (key, data) => digest(2, key, data),
    x25519Public: (scalar) => encodePoint(power(generator, exponentOf(scalar))),
    x25519(scalar, publicKey) {
      const point = pointOf(publicKey);
      return point === 0 ? undefined : encodePoint(power(point, exponentOf(scalar)));
    },
    ed25519Public: (seed) => digest(3, seed, none),
    sign: (seed, message) => signatureOf(digest(3, seed, none), message),
    verify(publicKey, message, signature) {
      return signature.length === 64 && sameAs(signatureOf(publicKey, message), signature, 0);
    },
    aead: createToyAead(sealing),
    mac: createToyMac(tagging),
  };
}

const none = new Uint8Array(0);
const prime32 = 0x01000193;
/** The largest prime below 2^26: products of two numbers below it are exact. */
const groupPrime = 67_108_859;
const generator = 5;

/** 32 bytes from two arrays, by 64 bits of state; `purpose` keeps uses apart. */
function digest(purpose: number, a: Uint8Array, b: Uint8Array): Uint8Array {
  let one = Math.imul(0x811c9dc5 ^ purpose, prime32) + a.length;
  let two = Math.imul(0x9e3779b9 ^ purpose, prime32) - a.length;
  for (let i = 0; i < a.length; i++) {
    one = step(one, a[i]!);
    two = step(two + i, a[i]!);
  }
  for (let i = 0; i < b.length; i++) {
    one = step(one, b[i]!);
    two = step(two + i, b[i]!);
  }
  const words = new Int32Array(8);
  for (let i = 0; i < 8; i += 2) {
    words[i] = finish(one + i);
    words[i + 1] = finish(two + i);
  }
  return new Uint8Array(words.buffer);
}

function step(sum: number, byte: number): number {
  const mixed = Math.imul(sum ^ byte, prime32);
  return mixed ^ (mixed >>> 15);
}

function finish(sum: number): number {
  sum = Math.imul(sum ^ (sum >>> 16), 0x85ebca6b);
  return sum ^ (sum >>> 13);
}

function exponentOf(scalar: Uint8Array): number {
  const [a = 0, b = 0, c = 0, d = 0] = scalar;
  return 2 + (((a | (b << 8) | (c << 16) | (d << 24)) >>> 0) % (groupPrime - 3));
}

function power(base: number, exponent: number): number {
  let result = 1;
  for (; exponent > 0; exponent = Math.floor(exponent / 2)) {
    if (exponent % 2 === 1) result = (result * base) % groupPrime;
    base = (base * base) % groupPrime;
  }
  return result;
}

function encodePoint(point: number): Uint8Array {
  const bytes = new Uint8Array(32);
  new DataView(bytes.buffer).setUint32(0, point);
  return bytes;
}

function pointOf(publicKey: Uint8Array): number {
  return new DataView(publicKey.buffer, publicKey.byteOffset).getUint32(0) % groupPrime;
}

function signatureOf(publicKey: Uint8Array, message: Uint8Array): Uint8Array {
  const signature = new Uint8Array(64);
  signature.set(digest(4, publicKey, message));
  signature.set(digest(5, publicKey, message), 32);
  return signature;
}

function sameAs(expected: Uint8Array, bytes: Uint8Array, offset: number): boolean {
  let difference = 0;
  for (let i = 0; i < expected.length; i++) difference |= expected[i]! ^ (bytes[offset + i] ?? 0x100);
  return difference === 0;
}

interface Keys {
  importKey(key: Uint8Array): number;
  releaseKey(index: number): void;
  exportKey(index: number): Uint8Array;
  at(index: number): Uint8Array;
  held(): number;
}

/** Keys by index, never given out twice, so that the use of a released one is noticed. */
function createKeys(): Keys {
  const keys = new Map<number, Uint8Array>();
  let next = 0;
  const at = (index: number): Uint8Array => {
    const key = keys.get(index);
    if (key === undefined) throw new Error('a key is used that is not there');
    return key;
  };
  return {
    importKey(key) {
      if (key.length !== 32) throw new RangeError(`a key has 32 bytes, not ${key.length}`);
      keys.set(next, key.slice());
      return next++;
    },
    releaseKey(index) {
      if (!keys.delete(index)) throw new Error('a key is released that is not there');
    },
    exportKey: (index) => at(index).slice(),
    at,
    held: () => keys.size,
  };
}

function createToyAead({ importKey, releaseKey, exportKey, at }: Keys): Crypto['aead'] {
  const counterBytes = new Uint8Array(8);
  let stream = 0;
  let sum = 0;
  let opening = false;
  const begin = (key: number, counter: number, data: Uint8Array, opens: boolean) => {
    new DataView(counterBytes.buffer).setFloat64(0, counter);
    const seed = digest(6, at(key), counterBytes);
    const words = new DataView(seed.buffer);
    stream = words.getInt32(0) | 1;
    sum = words.getInt32(4);
    for (let i = 0; i < data.length; i++) sum = step(sum, data[i]!);
    opening = opens;
  };
  const tagOf = () => digest(7, Uint8Array.of(sum, sum >> 8, sum >> 16, sum >> 24), none).subarray(0, 16);
  return {
    importKey,
    releaseKey,
    exportKey,
    beginSeal: (key, counter, data) => begin(key, counter, data, false),
    beginOpen: (key, counter, data) => begin(key, counter, data, true),
    update(source, sourceOffset, target, targetOffset, length) {
      for (let i = 0; i < length; i++) {
        stream ^= stream << 13;
        stream ^= stream >>> 17;
        stream ^= stream << 5;
        const before = source[sourceOffset + i]!;
        const after = before ^ (stream & 0xff);
        sum = step(sum, opening ? before : after);
        target[targetOffset + i] = after;
      }
    },
    finishSeal: (tag, offset) => tag.set(tagOf(), offset),
    finishOpen: (tag, offset) => sameAs(tagOf(), tag, offset),
  };
}

function createToyMac({ importKey, releaseKey, exportKey, at }: Keys): Crypto['mac'] {
  return {
    importKey,
    releaseKey,
    exportKey,
    tag(key, bytes, offset, length, tag, tagOffset) {
      tag.set(digest(8, at(key), bytes.subarray(offset, offset + length)).subarray(0, 16), tagOffset);
    },
  };
}
