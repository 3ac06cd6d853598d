// Segments handled as twins leave the connection as if each had been handled by itself, or are left to that.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { egress, endBatch, handleSegment, handleTwins, readableBytes, type Tcb, type TcbOptions } from './index.ts';
import { enqueue } from './send.ts';
import { batch, fill, headerBytes, lower, makeWorld, open } from './two-ends.test.ts';

interface Sent {
  readonly to: Tcb;
  readonly bytes: Uint8Array;
  readonly packetBytes: number;
  readonly packets: number;
  readonly nowUs: number;
}

const segmentHeaderBytes = 32;

/** The first flight of a bulk transfer, and whoever it is for. The same for the same options. */
function firstFlight(options: Partial<TcbOptions> = {}): Sent {
  const world = makeWorld(3, {}, options);
  open(world);
  const [a, b] = world.ends;
  const content = new Uint8Array(40_000);
  fill(a.seed, 0, content, content.length);
  enqueue(a.tcb, world.nowUs, content, 0, content.length);
  while (egress(a.tcb, world.nowUs, lower, batch) && batch.packets < 4);
  const { bytes, packetBytes, packets } = batch;
  return { to: b.tcb, bytes: batch.buffer.slice(0, bytes), packetBytes, packets, nowUs: world.nowUs };
}

function one({ to, bytes, packetBytes, nowUs }: Sent, index: number): void {
  const view = new DataView(bytes.buffer);
  const at = index * packetBytes + headerBytes;
  handleSegment(to, nowUs, view, bytes, at, packetBytes - headerBytes, false);
}

/** All of `count` from `index` on, of which the first has been handled. */
function twins({ to, bytes, packetBytes }: Sent, index: number, count: number): boolean {
  const payload = index * packetBytes + headerBytes + segmentHeaderBytes;
  return handleTwins(to, bytes, payload, packetBytes - headerBytes - segmentHeaderBytes, packetBytes, count);
}

function stateOf(to: Tcb, nowUs: number): object {
  endBatch(to, nowUs);
  const { pool, random: _, ...rest } = to as Tcb & { random?: unknown };
  return { ...structuredClone(JSON.parse(JSON.stringify(rest, plain))), blocks: JSON.stringify(pool, plain).length };
}

function plain(_key: string, value: unknown): unknown {
  return ArrayBuffer.isView(value) ? [...new Uint8Array(value.buffer, value.byteOffset, value.byteLength)] : value;
}

test('twins: as if each had come by itself', () => {
  const [each, together] = [firstFlight(), firstFlight()];
  assert.ok(each.packets >= 5, `${each.packets}`);
  const count = each.packets - 2;
  for (let i = 0; i <= count; i++) one(each, i);
  one(together, 0);
  assert.ok(twins(together, 0, count));
  assert.equal(readableBytes(together.to), readableBytes(each.to));
  assert.deepEqual(stateOf(together.to, 0), stateOf(each.to, 0));
});

test('twins: what is not next in order, or does not fit the window, is left to be handled one by one', () => {
  const gap = firstFlight();
  one(gap, 1);
  assert.equal(twins(gap, 1, 2), false);
  const hole = firstFlight();
  one(hole, 3);
  one(hole, 0);
  assert.equal(twins(hole, 0, 2), false);
  const small = firstFlight();
  one(small, 0);
  small.to.rcvAdv = small.to.rcvNxt + 2 * small.packetBytes;
  const before = stateOf(small.to, 0);
  assert.equal(twins(small, 0, 3), false);
  assert.deepEqual(stateOf(small.to, 0), before);
});
