// The windows: scale and right edge, closed windows and probes, silly windows, autotuning, Nagle, delayed ACKs.

import { strict as assert } from 'node:assert';
import { test } from 'node:test';
import { delayedAckUs, Signal, sendSpace, setOptions } from './index.ts';
import { deliver, describe, jump, makeWorld, open, pass, run, transfer, type World, watch } from './two-ends.test.ts';

function openWorld(...args: Parameters<typeof makeWorld>): World {
  const world = makeWorld(...args);
  open(world);
  return world;
}

test('window: a reader that stops closes it, probes go out with back-off, and its return opens it again', () => {
  const world = openWorld(1, {}, { receiveBufferBytes: 100_000 });
  const [a, b] = world.ends;
  b.reading = false;
  a.toSend = 300_000;
  pass(world, 2_000_000);
  assert.equal(b.received, 100_000, 'exactly what was advertised');
  assert.equal(a.tcb.sndWnd, 0);
  const sent = watch(world, 0);
  pass(world, 60_000_000);
  assert.ok(sent.length >= 4 && sent.length <= 12, `${sent.length} probes in a minute`);
  assert.ok(sent.every(({ seq, bytes }) => bytes === 0 && seq === 99_999));
  assert.equal(a.tcb.counters.timeouts, 0);
  b.reading = true;
  run(world, () => b.received === 300_000);
  assert.equal(b.received, 300_000);
});

test('window: a lost update is found out by the probe', () => {
  const world = openWorld(1, {}, { receiveBufferBytes: 100_000 });
  const [a, b] = world.ends;
  b.reading = false;
  a.toSend = 200_000;
  pass(world, 1_000_000);
  let lost = 0;
  watch(world, 1, () => lost++ < 1);
  b.reading = true;
  run(world, () => b.received === 200_000, 10_000_000);
  assert.ok(lost > 1);
});

test('window: a peer that answers no probe is given up', () => {
  const world = openWorld(1, {}, { receiveBufferBytes: 100_000 });
  const [a, b] = world.ends;
  b.reading = false;
  a.toSend = 200_000;
  pass(world, 1_000_000);
  world.links[0].loss = 1;
  run(world, () => (a.signals & Signal.TIMED_OUT) !== 0, 1e10);
  assert.ok(a.signals & Signal.TIMED_OUT);
  assert.equal(a.tcb.state, 'CLOSED');
});

test('window: the right edge never moves left, whatever is read when', () => {
  const world = openWorld(5, {}, { receiveBufferBytes: 150_000 });
  const [a, b] = world.ends;
  let edge = 0;
  watch(world, 1, ({ ack, windowRaw }) => {
    const right = ack + windowRaw * 2 ** b.tcb.rcvScale;
    assert.ok(right >= edge, `${right} < ${edge}`);
    edge = right;
    return false;
  });
  a.toSend = 2_000_000;
  for (let i = 0; b.received < a.toSend && i < 1000; i++) {
    b.reading = i % 3 === 0;
    pass(world, 7_000);
  }
  assert.equal(b.received, a.toSend);
});

test('silly windows: a reader of small bites draws no small segments', () => {
  const world = openWorld(1, {}, { receiveBufferBytes: 50_000 });
  const [a, b] = world.ends;
  b.reading = false;
  a.toSend = 200_000;
  pass(world, 1_000_000);
  const sent = watch(world, 0);
  for (let i = 0; i < 400; i++) {
    b.tcb.rcvConsumed = Math.min(b.tcb.rcvAcked, b.tcb.rcvConsumed + 300);
    pass(world, 5_000);
  }
  const small = sent.filter(({ bytes }) => bytes > 0 && bytes < 1132);
  assert.ok(sent.some(({ bytes }) => bytes === 1132));
  assert.ok(small.length <= 1, `${small.length} small segments`);
});

test('autotuning: 16 MiB of window on a path of 1 Gbit/s and 100 ms', () => {
  const world = openWorld(
    3,
    { bytesPerUs: 125, delayUs: 50_000, queueBytes: 3e6, gatherUs: 500 },
    { maxPacketBytes: 9000, packetBytes: 9000 },
  );
  const [a, b] = world.ends;
  assert.ok(b.tcb.rcvBufBytes <= 256 * 1024);
  a.toSend = 1e12;
  pass(world, 2_000_000);
  const before = b.received;
  pass(world, 1_000_000);
  assert.ok(b.tcb.rcvBufBytes >= 16_000_000, `${b.tcb.rcvBufBytes}`);
  assert.ok(b.received - before > 0.8 * 125e6, `${(b.received - before) / 1e6} MB in the third second`);
  assert.equal(a.tcb.counters.timeouts, 0);
});

test('autotuning: a slow path keeps small buffers', () => {
  const world = openWorld(3, { bytesPerUs: 1, delayUs: 5_000, queueBytes: 20_000 });
  deliver(world, 0, 2_000_000);
  assert.ok(world.ends[1].tcb.rcvBufBytes <= 264 * 1024);
  assert.ok(sendSpace(world.ends[0].tcb) <= 512 * 1024);
});

test('send buffer: WRITABLE comes when a quarter of it is free again', () => {
  const world = openWorld();
  const [a, b] = world.ends;
  a.toSend = sendSpace(a.tcb);
  pass(world, 0);
  assert.equal(sendSpace(a.tcb), 0);
  assert.equal(a.signals & Signal.WRITABLE, 0);
  run(world, () => (a.signals & Signal.WRITABLE) !== 0);
  assert.ok(a.signals & Signal.WRITABLE);
  assert.ok(b.received >= a.toSend / 4 && b.received < a.toSend);
  assert.ok(sendSpace(a.tcb) >= a.toSend / 4);
});

/** Small writes: 100 bytes every 2 ms. */
function writeSmall(nagle: boolean): { sent: number; world: World } {
  const world = openWorld(1, { delayUs: 20_000 }, { nagle });
  const [a, b] = world.ends;
  deliver(world, 0, 10_000);
  pass(world, 1_000_000);
  const sent = watch(world, 0);
  for (let i = 0; i < 50; i++) {
    a.toSend += 100;
    pass(world, 2_000);
  }
  run(world, () => b.received === a.toSend);
  return { sent: sent.filter(({ bytes }) => bytes > 0).length, world };
}

test('nagle: off, each small write is a segment; on, one small segment per round trip', () => {
  assert.equal(writeSmall(false).sent, 50);
  const { sent, world } = writeSmall(true);
  assert.ok(sent <= 8, `${sent}`);
  setOptions(world.ends[0].tcb, { nagle: false });
  assert.equal(world.ends[0].tcb.options.nagle, false);
});

test('nagle: the rest of a record leaves although nothing of it is acknowledged yet', () => {
  const world = openWorld(1, {}, { nagle: true });
  const [a, b] = world.ends;
  b.recordBytes = 1700;
  a.toSend = 500;
  pass(world, 100);
  a.toSend = 1000;
  pass(world, 100);
  a.toSend = 1700;
  run(world, () => b.received === 1700, 2_000_000);
  assert.equal(b.received, 1700, describe(world));
});

test('acks: every second full segment at once, a single one within 25 ms, and at most one per batch', () => {
  const world = openWorld(1, { delayUs: 100 });
  pass(world, 1_000_000);
  const acks = watch(world, 1);
  deliver(world, 0, 9 * 1132);
  pass(world, 100_000);
  assert.deepEqual([acks.length, acks[0]?.ack], [1, 9 * 1132]);
  const startUs = world.nowUs;
  deliver(world, 0, 2 * 1132);
  run(world, () => acks.length === 2);
  assert.ok(world.nowUs - startUs < 1_000);
  pass(world, 200_000);
  const singleUs = world.nowUs;
  deliver(world, 0, 1000);
  run(world, () => acks.length === 3);
  assert.equal(world.nowUs - singleUs, 100 + delayedAckUs);
});

test('acks: data carries them', () => {
  const world = openWorld(1, { delayUs: 1_000 });
  const [a, b] = world.ends;
  pass(world, 1_000_000);
  const sent = watch(world, 1);
  a.toSend = 1000;
  run(world, () => b.received === 1000);
  b.toSend = 800;
  run(world, () => a.received === 800);
  pass(world, 10_000);
  assert.deepEqual(
    sent.map(({ bytes, ack }) => [bytes, ack]),
    [[800, 1000]],
  );
});

test('sequence numbers wrap: 32 bits in the middle of a transfer, in both directions', () => {
  const world = openWorld(1, { loss: 0.02 }, { iss: 2 ** 32 - 200_000 }, { iss: 2 ** 32 - 7 });
  transfer(world, 1_000_000, 500_000);
});

test('sequence numbers wrap: past 4 GiB, 2^31 and far beyond', () => {
  for (const by of [2 ** 31 - 100_000, 2 ** 32 - 100_000, 2 ** 32 + 2 ** 31, 2 ** 45 + 12_345]) {
    const world = openWorld(2, { loss: 0.03, reordering: 0.05, lateUs: 5_000 });
    for (const end of world.ends) end.recordBytes = 9_000;
    jump(world, by);
    transfer(world, 600_000, 300_000);
    assert.equal(world.ends[0].tcb.sndUna, by + 600_001);
  }
});

test('timestamps: an old duplicate is refused by PAWS', () => {
  const world = openWorld();
  const [a, b] = world.ends;
  const kept: Uint8Array[] = [];
  world.links[0].drop = (packet) => {
    // Only trusted segments are believed to be old.
    if (packet[2] === 1) kept.push(packet.slice());
    return false;
  };
  deliver(world, 0, 50_000);
  pass(world, 5_000_000);
  deliver(world, 0, 50_000);
  pass(world, 1_000_000);
  const before = b.tcb.counters.pawsDrops;
  // The numbers of the first segments come round again, by a jump of exactly 2^32.
  jump(world, 2 ** 32 - 100_000);
  world.flights.push({ atUs: world.nowUs, order: 0, to: 1, packet: kept[0]! });
  pass(world, 1_000);
  assert.equal(b.tcb.counters.pawsDrops, before + 1);
  deliver(world, 0, 20_000);
  assert.ok(a.tcb.sndUna > 2 ** 32 - 1);
});
