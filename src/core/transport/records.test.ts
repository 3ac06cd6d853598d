// What the layer above accepts, consumes and rejects: ACKs stop at accepted bytes, SACK tells of the others, the sender
// stays calm meanwhile, and what is rejected comes again.

import { strict as assert } from 'node:assert';
import { test } from 'node:test';
import { readableBytes } from './index.ts';
import { deliver, makeWorld, open, pass, run, transfer, type World, watch } from './two-ends.test.ts';

function openWorld(...args: Parameters<typeof makeWorld>): World {
  const world = makeWorld(...args);
  open(world);
  return world;
}

test('gating: the ACK stops at what was accepted, the rest is SACKed, and nothing is sent again', () => {
  const world = openWorld();
  const [a, b] = world.ends;
  b.accepting = false;
  const acks = watch(world, 1);
  a.toSend = 30_000;
  pass(world, 20_000_000);
  assert.equal(readableBytes(b.tcb), 30_000);
  assert.ok(acks.length > 3);
  assert.ok(acks.every(({ ack }) => ack === 0));
  assert.deepEqual(acks.at(-1)?.blocks, [[0, 30_000]]);
  const { counters } = a.tcb;
  assert.deepEqual([counters.retransmits, counters.timeouts, counters.tailLossProbes, counters.reneged], [0, 0, 0, 0]);
  assert.ok(counters.probesOut >= 3 && counters.probesOut <= 8, `${counters.probesOut} probes`);
  assert.ok(a.tcb.congestion.cwndBytes > 11_520, 'SACKed data lets the window grow');
  b.accepting = true;
  run(world, () => a.tcb.sndUna === 30_000);
  assert.equal(a.tcb.sndUna, 30_000);
});

test('gating: SACKed data leaves room for new data', () => {
  const world = openWorld();
  const [a, b] = world.ends;
  b.recordBytes = 60_000;
  a.toSend = 60_000;
  run(world, () => b.received === 60_000, 2_000_000);
  assert.equal(b.received, 60_000, 'a record of five initial windows');
  assert.equal(a.tcb.counters.retransmits, 0);
});

test('gating: a window that ends within a record is no trouble', () => {
  const world = openWorld(1, {}, { receiveBufferBytes: 40_000 });
  const [a, b] = world.ends;
  b.recordBytes = 15_000;
  b.reading = false;
  a.toSend = 90_000;
  pass(world, 30_000_000);
  assert.equal(b.received, 30_000);
  assert.equal(b.tcb.rcvNxt, 40_000);
  assert.equal(a.tcb.counters.timeouts, 0);
  b.reading = true;
  run(world, () => b.received === 90_000, 120_000_000);
  assert.equal(b.received, 90_000);
});

test('gating: a lost last ACK is asked for, not answered with data', () => {
  const world = openWorld();
  const [a, b] = world.ends;
  b.accepting = false;
  a.toSend = 5000;
  pass(world, 200_000);
  // The record is accepted now, but the ACKs that say so are lost.
  let lost = 0;
  watch(world, 1, () => lost++ < 2);
  b.accepting = true;
  run(world, () => a.tcb.sndUna === 5000, 10_000_000);
  assert.equal(a.tcb.sndUna, 5000);
  assert.equal(a.tcb.counters.retransmits, 0);
});

test('reject: the bytes come again, the window of congestion does not shrink', () => {
  const world = openWorld();
  const [a, b] = world.ends;
  deliver(world, 0, 100_000);
  b.recordBytes = 10_000;
  b.refuse.add(100_000).add(120_000);
  deliver(world, 0, 60_000, 5_000_000);
  assert.equal(b.tcb.counters.rejectedBytes, 20_000);
  assert.ok(a.tcb.counters.reneged >= 1);
  assert.equal(a.tcb.counters.timeouts, 0);
  assert.equal(a.tcb.congestion.ssthreshBytes, Infinity);
});

test('reject: what stands above stays, and only the record is sent again', () => {
  const world = openWorld();
  const [a, b] = world.ends;
  b.accepting = false;
  b.recordBytes = 8_000;
  a.toSend = 10_000;
  pass(world, 500_000);
  b.refuse.add(0);
  b.accepting = true;
  run(world, () => b.received >= 8_000, 5_000_000);
  assert.equal(b.received, 10_000);
  assert.ok(a.tcb.counters.bytesRetransmitted <= 10_000 + 1152, `${a.tcb.counters.bytesRetransmitted}`);
});

test('reject: the last record with the FIN behind it', () => {
  const world = openWorld();
  const [, b] = world.ends;
  b.recordBytes = 4_000;
  b.refuse.add(8_000).add(12_000);
  transfer(world, 13_000);
  assert.equal(b.tcb.counters.rejectedBytes, 5_000);
});

test('consume: accepted bytes count against the window until the application takes them', () => {
  const world = openWorld(1, {}, { receiveBufferBytes: 64_000 });
  const [a, b] = world.ends;
  b.reading = false;
  a.toSend = 200_000;
  pass(world, 1_000_000);
  assert.equal(b.tcb.rcvAcked, 64_000);
  assert.equal(b.pool.lent > 0, true);
  b.reading = true;
  run(world, () => b.received === 200_000);
  pass(world, 1_000_000);
  assert.equal(b.pool.lent, 0, 'idle: no block is held');
});

test('memory: an accepted record gives its blocks back although nobody consumed it', () => {
  const world = openWorld(1, {}, { receiveBufferBytes: 64_000 });
  const [a, b] = world.ends;
  b.reading = false;
  a.toSend = 60_000;
  pass(world, 2_000_000);
  assert.equal(b.tcb.rcvAcked, 60_000);
  assert.equal(b.tcb.receiveBuffer.end - b.tcb.receiveBuffer.start, 0);
});
