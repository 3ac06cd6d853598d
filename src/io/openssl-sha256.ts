// SHA-256 and HMAC-SHA-256 on Node's own OpenSSL. What makes it quick is that a SHA256_CTX is plain memory with a layout
// fixed since OpenSSL 0.9.8: an HMAC key is two states, of its inner and its outer pad, written straight into the
// context, so that a tag is three calls and no object (0.2 us and the hashing, 2.5-4.5 us by node:crypto). The outer hash
// is one block whose padding never changes: it needs the compression function alone.

import type { KeyIndex, Mac } from '../core/base/index.ts';
import { KeySlab } from '../crypto/index.ts';
import type { Address, Libcrypto } from './libcrypto.ts';
import { checkKey, checkLength, checkRange, Pin } from './pin.ts';

const digestBytes = 32;
const blockBytes = 64;
const macKeyBytes = 32;
const macTagBytes = 16;

/** SHA256_CTX in 32-bit words: h[8], Nl and Nh (bits so far), data[16], num (bytes in data), md_len. */
const stateWords = 8;
const bitsLowAt = 8;
const bitsHighAt = 9;
const bytesHeldAt = 26;
const contextBytes = 112;

/** Offsets in the native memory; the context has room for a build that made it larger. */
const outerBlockAt = 256;
const padAt = outerBlockAt + blockBytes;
const copyAt = padAt + blockBytes;
const mostCopiedBytes = 512;

const innerPad = 0x36;
const outerPad = 0x5c;

/** Inner and outer state of an HMAC key, in words. */
const midstateWords = 2 * stateWords;
/** An entry of the slab: the states, and the key behind them. */
const entryWords = midstateWords + macKeyBytes / 4;

export class Sha256 {
  readonly #library: Libcrypto;
  readonly #memory = new Uint8Array(copyAt + mostCopiedBytes);
  readonly #context = new Uint32Array(this.#memory.buffer, 0, contextBytes / 4);
  readonly #address: Address;
  readonly #initial: Uint32Array;
  readonly #midstates = new Uint32Array(midstateWords);
  readonly #data: Pin;

  constructor(library: Libcrypto) {
    this.#library = library;
    this.#data = new Pin(library);
    this.#address = library.addressOf(this.#memory);
    library.sha256Init(this.#address);
    this.#initial = this.#context.slice(0, stateWords);
    const padding = new DataView(this.#memory.buffer, outerBlockAt + digestBytes);
    padding.setUint8(0, 0x80);
    padding.setUint32(28, (blockBytes + digestBytes) * 8);
  }

  /** What is hashed may be a secret, so no copy of it stays. */
  hash(data: Uint8Array): Uint8Array {
    const address = this.#addressOf(data);
    this.#load(this.#initial, 0, 0);
    this.#library.sha256Update(this.#address, address, data.length);
    this.#library.sha256Final(this.#address + padAt, this.#address);
    const digest = this.#memory.slice(padAt, padAt + digestBytes);
    this.#memory.fill(0, padAt, copyAt + Math.min(data.length, mostCopiedBytes));
    return digest;
  }

  /** HMAC with a key of any length. */
  hmac(key: Uint8Array, data: Uint8Array): Uint8Array {
    // In this order: a key longer than a block is hashed, in the place where short data is copied to.
    this.writeMidstates(key, this.#midstates);
    const address = this.#addressOf(data);
    const digest = new Uint8Array(digestBytes);
    this.#authenticate(this.#midstates, 0, address, data.length, digest, 0, digestBytes);
    this.#midstates.fill(0);
    this.#memory.fill(0, copyAt, copyAt + Math.min(data.length, mostCopiedBytes));
    return digest;
  }

  /** Writes `bytes` (a multiple of 4) of the HMAC of data under the key whose states begin at that word. */
  tag(
    midstates: Uint32Array,
    word: number,
    data: Uint8Array,
    offset: number,
    length: number,
    tag: Uint8Array,
    tagOffset: number,
    bytes: number,
  ): void {
    checkRange(tag, tagOffset, bytes);
    const address = length === 0 ? this.#address + copyAt : this.#data.at(data, offset, length);
    this.#authenticate(midstates, word, address, length, tag, tagOffset, bytes);
  }

  writeMidstates(key: Uint8Array, midstates: Uint32Array): void {
    const short = key.length > blockBytes ? this.hash(key) : key;
    this.#writeMidstate(short, innerPad, midstates, 0);
    this.#writeMidstate(short, outerPad, midstates, stateWords);
    this.#memory.fill(0, padAt, padAt + blockBytes);
    this.#load(this.#initial, 0, 0);
  }

  #authenticate(
    midstates: Uint32Array,
    word: number,
    data: Address,
    length: number,
    tag: Uint8Array,
    tagOffset: number,
    bytes: number,
  ): void {
    const context = this.#address;
    this.#load(midstates, word, blockBytes * 8);
    this.#library.sha256Update(context, data, length);
    this.#library.sha256Final(context + outerBlockAt, context);
    this.#load(midstates, word + stateWords, blockBytes * 8);
    this.#library.sha256Transform(context, context + outerBlockAt);
    for (let i = 0, at = tagOffset; at < tagOffset + bytes; i++, at += 4) {
      const value = this.#context[i] ?? 0;
      tag[at] = value >>> 24;
      tag[at + 1] = value >>> 16;
      tag[at + 2] = value >>> 8;
      tag[at + 3] = value;
    }
  }

  #writeMidstate(key: Uint8Array, pad: number, midstates: Uint32Array, word: number): void {
    const memory = this.#memory;
    for (let i = 0; i < blockBytes; i++) memory[padAt + i] = (key[i] ?? 0) ^ pad;
    this.#load(this.#initial, 0, 0);
    this.#library.sha256Transform(this.#address, this.#address + padAt);
    for (let i = 0; i < stateWords; i++) midstates[word + i] = this.#context[i] ?? 0;
  }

  #load(words: Uint32Array, word: number, bits: number): void {
    const context = this.#context;
    for (let i = 0; i < stateWords; i++) context[i] = words[word + i] ?? 0;
    context[bitsLowAt] = bits;
    context[bitsHighAt] = 0;
    context[bytesHeldAt] = 0;
  }

  /** Short data is copied: V8 keeps it on its heap and would first have to move it out. */
  #addressOf(data: Uint8Array): Address {
    if (data.length > mostCopiedBytes) return this.#data.at(data, 0, data.length);
    this.#memory.set(data, copyAt);
    return this.#address + copyAt;
  }
}

export class OpensslMac implements Mac {
  readonly #sha256: Sha256;
  readonly #keys = new KeySlab(entryWords * 4);
  #keysSeen: Uint8Array = this.#keys.bytes;
  #words = wordsOf(this.#keysSeen);
  readonly #entry = new Uint8Array(entryWords * 4);

  constructor(sha256: Sha256) {
    this.#sha256 = sha256;
  }

  importKey(key: Uint8Array): KeyIndex {
    checkLength('a key', key, macKeyBytes);
    this.#sha256.writeMidstates(key, wordsOf(this.#entry));
    this.#entry.set(key, midstateWords * 4);
    const index = this.#keys.add(this.#entry);
    this.#entry.fill(0);
    if (this.#keys.bytes !== this.#keysSeen) {
      this.#keysSeen = this.#keys.bytes;
      this.#words = wordsOf(this.#keysSeen);
    }
    return index;
  }

  releaseKey(key: KeyIndex): void {
    checkKey(this.#keys, key);
    this.#keys.release(key);
  }

  exportKey(key: KeyIndex): Uint8Array {
    checkKey(this.#keys, key);
    return this.#keys.copy(key).slice(midstateWords * 4);
  }

  tag(key: KeyIndex, bytes: Uint8Array, offset: number, length: number, tag: Uint8Array, tagOffset: number): void {
    checkKey(this.#keys, key);
    this.#sha256.tag(this.#words, key * entryWords, bytes, offset, length, tag, tagOffset, macTagBytes);
  }
}

function wordsOf(bytes: Uint8Array): Uint32Array {
  return new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4);
}
