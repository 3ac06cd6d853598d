// Twins are what they are called: reading each of them by itself tells the same.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { baseHeaderBytes, createSegment, emitBase, emitSegment, TcpFlag } from './index.ts';
import { countTwins } from './twins.ts';

const segmentHeaderBytes = 32;

/** `count` data packets of `payloadBytes` each, the first at sequence number `seq`. */
function makeRun(count: number, payloadBytes: number, seq: number): { view: DataView; totalBytes: number } {
  const totalBytes = baseHeaderBytes + segmentHeaderBytes + payloadBytes;
  const view = new DataView(new ArrayBuffer(count * totalBytes));
  const segment = Object.assign(createSegment(), { flags: TcpFlag.ACK, ack: 7, windowRaw: 99, hasTimestamps: true });
  for (let i = 0; i < count; i++) {
    segment.seq = (seq + i * payloadBytes) >>> 0;
    emitSegment(view, i * totalBytes + baseHeaderBytes, segment);
    emitBase(view, i * totalBytes, baseHeaderBytes, 6, totalBytes, 0x12345678, 0x9abcdef0);
  }
  return { view, totalBytes };
}

test('twins: all packets of a run, over the end of the sequence space too', () => {
  for (const seq of [0, 1_000, 2 ** 32 - 2_000]) {
    const { view, totalBytes } = makeRun(40, 1_000, seq);
    assert.equal(countTwins(view, 0, totalBytes, segmentHeaderBytes, view.byteLength, 100), 39);
    assert.equal(countTwins(view, totalBytes, totalBytes, segmentHeaderBytes, view.byteLength, 100), 38);
  }
});

test('twins: no more than asked for, and none that is cut off', () => {
  const { view, totalBytes } = makeRun(10, 100, 5);
  const count = (end: number, most: number): number => countTwins(view, 0, totalBytes, segmentHeaderBytes, end, most);
  assert.equal(count(view.byteLength, 4), 4);
  assert.equal(count(view.byteLength - 1, 100), 8);
  assert.equal(count(totalBytes, 100), 0);
  assert.equal(count(totalBytes - 1, 100), 0);
});

test('twins: any other bit of a header ends them', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 9 }),
      fc.integer({ min: 0, max: (baseHeaderBytes + segmentHeaderBytes) * 8 - 1 }),
      (which, bit) => {
        const { view, totalBytes } = makeRun(10, 100, 5);
        const at = which * totalBytes + (bit >>> 3);
        view.setUint8(at, view.getUint8(at) ^ (1 << (bit & 7)));
        assert.equal(countTwins(view, 0, totalBytes, segmentHeaderBytes, view.byteLength, 100), which - 1);
      },
    ),
  );
});
