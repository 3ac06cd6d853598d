// AES-256-GCM for records (docs/protocol.md, "Records"): the nonce is the record number, the header is authenticated with
// the body. The next key is what the present one makes of 32 zero bytes under a number that no record ever has (Noise's
// REKEY), so nothing but the key itself is kept, and an old key cannot be had from a new one. Under another such number it
// makes its branch: the key of an end that gave the next one away and goes on itself all the same.

import { type Aead, aeadKeyBytes, aeadTagBytes, type KeyIndex } from '../base/index.ts';
import type { RecordCipher } from './records.ts';

/** The bound for AES-GCM is 2^32; changing keys a thousand times as often costs nothing. */
const recordsPerKey = 2 ** 20;
/** Record numbers stay below them. */
const rekeyCounter = Number.MAX_SAFE_INTEGER;
const branchCounter = rekeyCounter - 1;
const noData = new Uint8Array(0);

/** Takes over `key`, which stands for one direction of one connection. */
export function createRecordCipher(aead: Aead, key: KeyIndex): RecordCipher {
  return new GcmCipher(aead, key);
}

/** The key that follows `key`; `key` is released. */
export function rekey(aead: Aead, key: KeyIndex): KeyIndex {
  const next = derive(aead, key, rekeyCounter);
  aead.releaseKey(key);
  return next;
}

function derive(aead: Aead, key: KeyIndex, counter: number): KeyIndex {
  const derived = new Uint8Array(aeadKeyBytes);
  aead.beginSeal(key, counter, noData);
  aead.update(derived, 0, derived, 0, aeadKeyBytes);
  aead.finishSeal(new Uint8Array(aeadTagBytes), 0);
  const index = aead.importKey(derived);
  derived.fill(0);
  return index;
}

/** A class, so that two ciphers per connection share their functions. */
class GcmCipher implements RecordCipher {
  readonly tagBytes = aeadTagBytes;
  readonly recordLimit = recordsPerKey;
  readonly #aead: Aead;
  #key: KeyIndex;

  constructor(aead: Aead, key: KeyIndex) {
    this.#aead = aead;
    this.#key = key;
  }

  beginSeal(header: Uint8Array, recordNumber: number): void {
    this.#aead.beginSeal(this.#key, recordNumber, header);
  }

  beginOpen(header: Uint8Array, recordNumber: number): void {
    this.#aead.beginOpen(this.#key, recordNumber, header);
  }

  update(source: Uint8Array, sourceOffset: number, target: Uint8Array, targetOffset: number, length: number): void {
    this.#aead.update(source, sourceOffset, target, targetOffset, length);
  }

  finishSeal(tag: Uint8Array): void {
    this.#aead.finishSeal(tag, 0);
  }

  finishOpen(tag: Uint8Array): boolean {
    return this.#aead.finishOpen(tag, 0);
  }

  nextKey(): void {
    this.#key = rekey(this.#aead, this.#key);
  }

  branch(): RecordCipher {
    return new GcmCipher(this.#aead, derive(this.#aead, this.#key, branchCounter));
  }

  exportKey(): Uint8Array {
    return this.#aead.exportKey(this.#key);
  }

  release(): void {
    this.#aead.releaseKey(this.#key);
  }
}
