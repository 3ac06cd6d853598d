// Bytes that are the same wherever they are made, and different at every offset, so that a lost, doubled or misplaced
// block changes the hash. Made a block at a time: a test of 1 GiB must not hold it.

import { createHash, type Hash } from 'node:crypto';
import { seededRandom } from '../../src/core/base/index.ts';

const blockBytes = 64 * 1024;
const stampEvery = 4096;

/** Answers the blocks of `bytes` bytes in order; each is a fresh buffer. */
export function* makeContent(bytes: number, seed: number): Generator<Buffer, void, undefined> {
  const random = seededRandom(seed);
  const base = Buffer.from(Uint32Array.from({ length: blockBytes / 4 }, () => random.uint32()).buffer);
  for (let offset = 0; offset < bytes; offset += blockBytes) {
    const block = Buffer.from(base);
    for (let at = 0; at < blockBytes; at += stampEvery) block.writeDoubleBE(offset + at, at);
    yield block.subarray(0, Math.min(blockBytes, bytes - offset));
  }
}

export function contentHash(bytes: number, seed: number): string {
  const hash = createHash('sha256');
  for (const block of makeContent(bytes, seed)) hash.update(block);
  return hash.digest('hex');
}

/** What arrived on a stream so far. */
export interface Tally {
  bytes: number;
  readonly hash: Hash;
}

export function createTally(): Tally {
  return { bytes: 0, hash: createHash('sha256') };
}

export function addToTally(tally: Tally, chunk: Uint8Array): void {
  tally.bytes += chunk.length;
  tally.hash.update(chunk);
}

/** May be asked again later. */
export function readTally({ bytes, hash }: Tally): { bytes: number; sha256: string } {
  return { bytes, sha256: hash.copy().digest('hex') };
}
