import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createAllocator, findCollector } from './chunk-memory.ts';

const chunkBytes = 64 * 1024;
const mebibyte = 1 << 20;

interface Rig {
  readonly give: (bytes: number, tookUs: number) => void;
  collections: number;
}

/** An allocator on a clock that stands still but for what is said; a collection takes `collectUs`. */
function createRig(collectUs: number): Rig {
  let clockUs = 1_000_000;
  const rig = {
    collections: 0,
    give(bytes: number, tookUs: number): void {
      for (let left = bytes; left > 0; left -= chunkBytes) {
        clockUs += (tookUs * chunkBytes) / bytes;
        allocate(chunkBytes);
      }
    },
  };
  const collect = (): void => {
    rig.collections++;
    clockUs += collectUs;
  };
  const allocate = createAllocator(
    () => collect,
    () => clockUs,
  );
  return rig;
}

test('a bulk transfer has its chunks collected every 8 MiB', () => {
  const rig = createRig(100);
  rig.give(8 * mebibyte, 10_000);
  assert.equal(rig.collections, 0, 'the first step has no beginning that its speed could be told from');
  rig.give(80 * mebibyte, 100_000);
  assert.equal(rig.collections, 10);
});

test('a slow transfer is left to the collector', () => {
  const rig = createRig(100);
  rig.give(800 * mebibyte, 20e6);
  assert.equal(rig.collections, 0);
});

test('where much is alive it is collected less often', () => {
  const rig = createRig(5_000);
  rig.give(808 * mebibyte, 808_000);
  assert.ok(rig.collections > 800 / 16 - 2 && rig.collections < 800 / 16 + 4, `${rig.collections} collections`);
});

test('the real collector frees what nobody holds', () => {
  const allocate = createAllocator();
  // What the tests before have left may stand there still.
  const beforeBytes = process.memoryUsage().arrayBuffers;
  for (let given = 0; given < 256 * mebibyte; given += chunkBytes) allocate(chunkBytes).fill(1);
  assert.ok(process.memoryUsage().arrayBuffers < beforeBytes + 48 * mebibyte);
  assert.equal(globalThis.gc, undefined);
});

test('it has freed all of it when it returns', () => {
  const collect = findCollector();
  assert.ok(collect !== undefined);
  const used = (): number => process.memoryUsage().arrayBuffers;
  for (let round = 0; round < 10; round++) {
    collect();
    const beforeBytes = used();
    for (let given = 0; given < 6 * mebibyte; given += chunkBytes) Buffer.allocUnsafeSlow(chunkBytes).fill(1);
    collect();
    assert.ok(used() < beforeBytes + 2 * chunkBytes, `${used()} bytes of ArrayBuffers after ${beforeBytes}`);
  }
});
