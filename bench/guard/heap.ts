// Bytes allocated on V8's heap: what stands there after a lap less what stood there before, in a young generation so large
// that no collection comes in between, of code that V8 has long compiled, without threads of its own. Then the figure is the
// same to the byte in every run. Buffers lie beside the heap: only the objects that stand for them are counted.

import { getHeapSpaceStatistics } from 'node:v8';

/** Of the process that measures. */
export const heapFlags = [
  '--expose-gc',
  '--single-threaded',
  '--min-semi-space-size=64',
  '--max-semi-space-size=64',
] as const;

/** Where what code allocates may stand; what V8 itself writes down about code stands elsewhere. */
const spaces = new Set(['new_space', 'new_large_object_space', 'large_object_space']);

export function usedBytes(): number {
  let bytes = 0;
  for (const { space_name, space_used_size } of getHeapSpaceStatistics())
    if (spaces.has(space_name)) bytes += space_used_size;
  return bytes;
}

/** What `usedBytes` itself allocates from one call to the next. */
export function ownBytes(): number {
  const from = usedBytes();
  return usedBytes() - from;
}
