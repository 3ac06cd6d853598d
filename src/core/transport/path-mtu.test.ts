// The path MTU under a live connection: probes up, black holes down, what the link says.

import { strict as assert } from 'node:assert';
import { test } from 'node:test';
import { readableBytes, rejectBytes, setPathLimit, tooBig } from './index.ts';
import { deliver, makeWorld, open, pass, run, settle, type World } from './two-ends.test.ts';

function openWorld(...args: Parameters<typeof makeWorld>): World {
  const world = makeWorld(...args);
  world.log = [];
  open(world);
  return world;
}

test('probe: one packet finds that the path carries the maximum', () => {
  const world = openWorld(1, {}, { maxPacketBytes: 1472 });
  const { tcb } = world.ends[0];
  deliver(world, 0, 100_000);
  assert.equal(tcb.mtu.currentBytes, 1472);
  assert.equal(tcb.mssBytes, 1472 - 36 - 32);
  assert.equal(world.log?.filter(({ probe }) => probe).length, 1);
  assert.ok(world.log?.some(({ bytes, probe }) => bytes === 1472 && !probe));
});

test('probe: a path in between is found by search, and lost probes shrink no window', () => {
  const world = openWorld(1, { mtu: 3_000, bytesPerUs: 10, queueBytes: 1e7 }, { maxPacketBytes: 9_000 });
  const { tcb } = world.ends[0];
  deliver(world, 0, 8_000_000);
  assert.ok(tcb.mtu.currentBytes > 2_900 && tcb.mtu.currentBytes <= 3_000, `${tcb.mtu.currentBytes}`);
  assert.equal(tcb.congestion.ssthreshBytes, Infinity);
  assert.equal(tcb.counters.timeouts, 0);
  assert.ok(world.log?.every(({ bytes, probe }) => probe || bytes <= 3_000));
});

test('probe: an idle connection and small messages send none', () => {
  const world = openWorld(1, {}, { maxPacketBytes: 9_000 });
  for (let i = 0; i < 10; i++) {
    deliver(world, 0, 800);
    pass(world, 100_000);
  }
  assert.equal(world.log?.filter(({ probe }) => probe).length, 0);
});

test('probe: a message that takes two packets fills up one of the largest size, once, and the next ones go in one', () => {
  const world = openWorld(1, {}, { maxPacketBytes: 1472 });
  for (let i = 0; i < 3; i++) {
    deliver(world, 0, 1_250);
    pass(world, 100_000);
  }
  assert.deepEqual(
    world.log?.filter(({ bytes }) => bytes > 200).map(({ bytes, probe }) => [bytes, probe]),
    [
      [1472, true],
      [1250 + 36 + 32, false],
      [1250 + 36 + 32, false],
    ],
  );
});

test('probe: a filled-up one that is lost is not tried again, and its data arrives', () => {
  const world = openWorld(1, { mtu: 1_400 }, { maxPacketBytes: 1472 });
  const { tcb } = world.ends[0];
  for (let i = 0; i < 10; i++) deliver(world, 0, 1_250, 2_000_000);
  assert.equal(world.log?.filter(({ probe }) => probe).length, 1);
  assert.equal(tcb.congestion.ssthreshBytes, Infinity);
});

test('black hole: the MTU falls in the middle of a flow, which goes on at the base, then searches again', () => {
  const world = openWorld(1, { bytesPerUs: 5, queueBytes: 1e6 }, { maxPacketBytes: 1472 });
  const { tcb } = world.ends[0];
  deliver(world, 0, 200_000);
  assert.equal(tcb.mtu.currentBytes, 1472);
  for (const link of world.links) link.mtu = 1300;
  const startUs = world.nowUs;
  deliver(world, 0, 4_000_000, 20_000_000);
  assert.ok(world.nowUs - startUs < 5_000_000, `${world.nowUs - startUs}`);
  assert.ok(tcb.mtu.currentBytes > 1270 && tcb.mtu.currentBytes <= 1300, `${tcb.mtu.currentBytes}`);
});

test('black hole: the last segment of a stream falls into it, too large for the base and not full', () => {
  for (const bytes of [1_240, 1_300, 1_400]) {
    const world = openWorld(1, { bytesPerUs: 5, queueBytes: 1e6 }, { maxPacketBytes: 1472 });
    const { tcb } = world.ends[0];
    deliver(world, 0, 200_000);
    assert.equal(tcb.mtu.currentBytes, 1472);
    for (const link of world.links) link.mtu = 1300;
    const startUs = world.nowUs;
    deliver(world, 0, bytes, 20_000_000);
    assert.ok(world.nowUs - startUs < 5_000_000, `${world.nowUs - startUs}`);
  }
});

test('black hole: what comes before it arrives, and is thrown away and sent again before timeouts can add up', () => {
  const world = openWorld(1, {}, { maxPacketBytes: 1472 });
  const [a, b] = world.ends;
  deliver(world, 0, 200_000);
  assert.equal(a.tcb.mtu.currentBytes, 1472);
  pass(world, 100_000);
  for (const link of world.links) link.mtu = 1300;
  b.accepting = false;
  a.toSend += 40;
  pass(world, 100_000);
  a.toSend += 2_800;
  // A record that does not get longer is refused.
  for (let i = 0; i < 40 && readableBytes(b.tcb) < 2_840; i++) {
    pass(world, 200_000);
    const readable = readableBytes(b.tcb);
    if (readable === 40) {
      rejectBytes(b.tcb, world.nowUs, readable);
      settle(world, 1);
    }
  }
  assert.equal(readableBytes(b.tcb), 2_840);
  assert.ok(a.tcb.mtu.currentBytes <= 1300, `${a.tcb.mtu.currentBytes}`);
});

test('black hole: a path below the base is survived too', () => {
  const world = openWorld(1, { mtu: 700 });
  const { tcb } = world.ends[0];
  deliver(world, 0, 50_000, 120_000_000);
  assert.ok(tcb.mtu.currentBytes <= 700);
});

test('too big: the link refuses the size in use: smaller at once, no window lost', () => {
  const world = openWorld(1, {}, { maxPacketBytes: 1472 });
  const [a, b] = world.ends;
  deliver(world, 0, 200_000);
  for (const link of world.links) link.mtu = 1300;
  a.toSend += 300_000;
  pass(world, 5_000);
  tooBig(a.tcb, world.nowUs, 1300);
  const startUs = world.nowUs;
  run(world, () => b.received === a.toSend);
  assert.equal(b.received, a.toSend);
  assert.equal(a.tcb.mtu.currentBytes, 1300);
  assert.equal(a.tcb.counters.timeouts, 0);
  assert.equal(a.tcb.congestion.ssthreshBytes, Infinity);
  assert.ok(world.nowUs - startUs < 400_000, `${world.nowUs - startUs}`);
});

test('too big: of a probe: the search goes on below, the data of the probe is sent again', () => {
  const world = openWorld(1, { mtu: 1400 }, { maxPacketBytes: 9_000 });
  const [a, b] = world.ends;
  a.toSend = 300_000;
  pass(world, 0);
  assert.ok(world.log?.some(({ probe }) => probe));
  tooBig(a.tcb, world.nowUs, 1400);
  run(world, () => b.received === a.toSend);
  assert.equal(a.tcb.mtu.currentBytes, 1400);
  assert.equal(a.tcb.congestion.ssthreshBytes, Infinity);
});

test('path limit: where the peer is turns out late', () => {
  const world = openWorld();
  const { tcb } = world.ends[0];
  deliver(world, 0, 20_000);
  setPathLimit(tcb, 8_000);
  deliver(world, 0, 200_000);
  assert.equal(tcb.mtu.currentBytes, 8_000);
});
