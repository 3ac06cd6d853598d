// Memory of the bytes that the application is given. It keeps them as long as it likes, so each chunk is fresh memory,
// and only the garbage collector learns when one is done with. V8 looks for dead ArrayBuffers once 32 MiB of new ones
// stand there, which in a process with a small heap is past the limit of its old generation: every such look then ends
// in a full collection, and a bulk transfer spends a third of its time there. So while chunks are given out fast we ask
// for a young collection ourselves, earlier: it finds next to nothing alive, and the memory comes back while caches
// still hold it; and it frees before it returns, since memory that another thread has yet to free still counts towards
// that limit. Rejected: a ring of our own (chunks have no end that we hear of; weak references are looked at by
// full collections only), V8 flags for the semi-space (they belong to whoever starts the process).

import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { nowUs } from './clock.ts';

/**
 * Small chunks share a slab, which the last of them holds. Measured, allocated and filled: 64 KB on its own 2.2 us, from a
 * slab 1.4-2.8 us; 16 KB 1.3 against 0.7; 1.4 KB 0.9 against 0.1.
 */
const slabBytes = 65_536;
const largestShared = 16_384;
const alignment = 8;

/** Given out between two young collections: at first, and at least. */
const leastBytes = 8 << 20;
/** With more the limit of a small heap is passed. */
const mostBytes = 16 << 20;
/** Slower than `leastBytes` in this time is no bulk transfer: the collector finds the time by itself. */
const bulkUs = 100_000;
/** A collection may take this share of the time; where much is alive it is asked for less often. */
const largestShare = 1 / 4;

/** Answers Buffers, which streams take as they are. */
export function createAllocator(collect = findCollector, now = nowUs): (bytes: number) => Buffer {
  const noteBytes = createPace(collect, now);
  let slab = Buffer.allocUnsafeSlow(slabBytes).buffer;
  let used = 0;
  return (bytes) => {
    if (bytes > largestShared) {
      noteBytes(bytes);
      return Buffer.allocUnsafeSlow(bytes);
    }
    if (used + bytes > slabBytes) {
      noteBytes(slabBytes);
      slab = Buffer.allocUnsafeSlow(slabBytes).buffer;
      used = 0;
    }
    const piece = Buffer.from(slab, used, bytes);
    used += (bytes + alignment - 1) & -alignment;
    return piece;
  };
}

/**
 * Decides when to collect, from what is given out and from what the last collection took. A share of a quarter sounds like
 * much, but what a look of V8's own costs instead is more, until so much is alive that the young collection is no quicker.
 */
function createPace(find: () => (() => void) | undefined, now: () => number): (bytes: number) => void {
  let collect: (() => void) | undefined;
  let stepBytes = leastBytes;
  let givenBytes = 0;
  let fromUs = 0;
  return (bytes) => {
    givenBytes += bytes;
    if (givenBytes < stepBytes) return;
    givenBytes = 0;
    const startUs = now();
    const passedUs = startUs - fromUs;
    fromUs = startUs;
    if (passedUs > bulkUs) {
      stepBytes = leastBytes;
      return;
    }
    collect ??= find() ?? nothing;
    collect();
    fromUs = now();
    const share = (fromUs - startUs) / passedUs;
    if (share > largestShare) stepBytes = Math.min(2 * stepBytes, mostBytes);
    else if (share < largestShare / 4) stepBytes = leastBytes;
  };
}

function nothing(): void {}

/** V8's own function, as `node --expose-gc` gives it to everyone; here it is seen by nobody else, and the flag is put back. */
export function findCollector(): (() => void) | undefined {
  const exposed = globalThis.gc;
  if (exposed === undefined) setFlagsFromString('--expose-gc');
  try {
    const gc = exposed ?? (runInNewContext('gc') as NodeJS.GCFunction);
    const collect = (): void => void gc({ type: 'minor' });
    return hasChosenSweeping() ? collect : () => sweepingHere(collect);
  } catch {
    return undefined;
  } finally {
    if (exposed === undefined) setFlagsFromString('--no-expose-gc');
  }
}

/** Dead ArrayBuffers are freed by this thread meanwhile, not by another one later. */
function sweepingHere(collect: () => void): void {
  setFlagsFromString('--no-concurrent-array-buffer-sweeping');
  collect();
  setFlagsFromString('--concurrent-array-buffer-sweeping');
}

/** Whoever started the process has said who frees: that stays. */
function hasChosenSweeping(): boolean {
  return /array[-_]buffer[-_]sweeping|single[-_]threaded/.test(
    [process.env['NODE_OPTIONS'], ...process.execArgv].join(' '),
  );
}
