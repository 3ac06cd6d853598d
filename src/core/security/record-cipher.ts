// AES-256-GCM for records (docs/protocol.md, "Records"): the nonce is the record number, the header is authenticated with
// the body. The next key is what the present one makes of 32 zero bytes under a number that no record ever has (Noise's
// REKEY), so nothing but the key itself is kept, and an old key cannot be had from a new one. Under other such numbers it
// makes its branches, drawn by chance: two processes that have the same key, because one was handed it or is a copy of
// the other, go on under different ones.

import { type Aead, aeadKeyBytes, aeadTagBytes, type KeyIndex, type Random } from '../base/index.ts';
import { branchNumbers, recordNumberEnd } from '../wire/index.ts';
import type { RecordCipher } from './records.ts';

/** The bound for AES-GCM is 2^32; changing keys a thousand times as often costs nothing. */
const recordsPerKey = 2 ** 20;
const rekeyCounter = Number.MAX_SAFE_INTEGER;
const noData = new Uint8Array(0);

/** Takes over `key`, which stands for one direction of one connection. */
export function createRecordCipher(aead: Aead, key: KeyIndex): RecordCipher {
  return new GcmCipher(aead, key);
}

/** The number of a branch that nobody else takes: neither a record's nor that of the next key. */
export function drawBranch(random: Random): number {
  return recordNumberEnd + (random.uint32() % (branchNumbers / 2 ** 32)) * 2 ** 32 + random.uint32();
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

/** A class, so that two ciphers per connection share their functions. Its fields are plain, as those of any record. */
class GcmCipher implements RecordCipher {
  readonly tagBytes = aeadTagBytes;
  readonly recordLimit = recordsPerKey;
  readonly aead: Aead;
  key: KeyIndex;

  constructor(aead: Aead, key: KeyIndex) {
    this.aead = aead;
    this.key = key;
  }

  beginSeal(header: Uint8Array, recordNumber: number): void {
    this.aead.beginSeal(this.key, recordNumber, header);
  }

  beginOpen(header: Uint8Array, recordNumber: number): void {
    this.aead.beginOpen(this.key, recordNumber, header);
  }

  update(source: Uint8Array, sourceOffset: number, target: Uint8Array, targetOffset: number, length: number): void {
    this.aead.update(source, sourceOffset, target, targetOffset, length);
  }

  finishSeal(tag: Uint8Array): void {
    this.aead.finishSeal(tag, 0);
  }

  finishOpen(tag: Uint8Array): boolean {
    return this.aead.finishOpen(tag, 0);
  }

  nextKey(): void {
    this.key = rekey(this.aead, this.key);
  }

  branch(number: number): RecordCipher {
    return new GcmCipher(this.aead, derive(this.aead, this.key, number));
  }

  exportKey(): Uint8Array {
    return this.aead.exportKey(this.key);
  }

  release(): void {
    this.aead.releaseKey(this.key);
  }
}
