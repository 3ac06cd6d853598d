// Keep-alive, and connections that stand still: freeze, resume, another path.

import { strict as assert } from 'node:assert';
import { test } from 'node:test';
import { freeze, nextDeadlineUs, pathChanged, resume, Signal, setOptions } from './index.ts';
import { deliver, makeWorld, open, pass, run, type World, watch } from './two-ends.test.ts';

const keepAlive = { idleUs: 10_000_000, intervalUs: 1_000_000, probes: 5 };

function openWorld(...args: Parameters<typeof makeWorld>): World {
  const world = makeWorld(...args);
  open(world);
  deliver(world, 0, 300_000);
  pass(world, 1_000_000);
  return world;
}

test('idle: without keep-alive no timer runs', () => {
  const world = openWorld();
  for (const { tcb } of world.ends) assert.equal(nextDeadlineUs(tcb), Infinity);
});

test('keep-alive: an idle peer that answers is left alone', () => {
  const world = openWorld(1, {}, { keepAlive });
  const probes = watch(world, 0);
  pass(world, 60_000_000);
  assert.ok(probes.length >= 4 && probes.length <= 13, `${probes.length}`);
  assert.ok(world.ends.every(({ tcb }) => tcb.state === 'ESTABLISHED'));
});

test('keep-alive: a peer that is gone is noticed after idle and the probes', () => {
  const world = openWorld(1, {}, { keepAlive });
  const [a] = world.ends;
  const startUs = world.nowUs;
  world.links[0].loss = world.links[1].loss = 1;
  run(world, () => (a.signals & Signal.TIMED_OUT) !== 0, 60_000_000);
  const tookUs = world.nowUs - startUs;
  assert.ok(a.signals & Signal.TIMED_OUT);
  assert.ok(tookUs > 10_000_000 && tookUs < 26_000_000, `${tookUs}`);
});

test('keep-alive: turned on and off on a live connection', () => {
  const world = openWorld();
  const { tcb } = world.ends[0];
  const sent = watch(world, 0);
  setOptions(tcb, { keepAlive });
  deliver(world, 0, 100);
  pass(world, 30_000_000);
  assert.ok(tcb.counters.probesOut >= 2);
  setOptions(tcb, { keepAlive: null });
  pass(world, 1_000_000);
  const before = sent.length;
  pass(world, 60_000_000);
  assert.equal(sent.length, before);
});

test('freeze: nothing is sent, no deadline runs, and the data in flight is neither lost nor blamed', () => {
  const world = openWorld();
  const [a, b] = world.ends;
  const { counters } = a.tcb;
  deliver(world, 0, 1000);
  const cwnd = a.tcb.congestion.cwndBytes;
  a.toSend += 40_000;
  pass(world, 2_000);
  // The outage: what is in flight both ways is gone.
  world.links[0].loss = world.links[1].loss = 1;
  world.flights.length = 0;
  for (const { tcb } of world.ends) freeze(tcb, world.nowUs);
  const sentBefore = counters.segmentsOut;
  assert.equal(nextDeadlineUs(a.tcb), Infinity);
  pass(world, 100_000_000);
  assert.equal(counters.segmentsOut, sentBefore);
  world.links[0].loss = world.links[1].loss = 0;
  const startUs = world.nowUs;
  for (const { tcb } of world.ends) resume(tcb, world.nowUs);
  run(world, () => b.received === a.toSend);
  assert.equal(b.received, a.toSend);
  assert.ok(world.nowUs - startUs < 120_000, `${world.nowUs - startUs}`);
  assert.equal(counters.timeouts, 0);
  assert.equal(a.tcb.congestion.ssthreshBytes, Infinity, 'no slow start, no reduction');
  assert.ok(a.tcb.congestion.cwndBytes >= cwnd);
  assert.ok(a.tcb.rtt.srttUs < 40_000, `${a.tcb.rtt.srttUs}`);
});

test('freeze: idle on both sides, resumed, and on', () => {
  const world = openWorld();
  for (const { tcb } of world.ends) freeze(tcb, world.nowUs);
  pass(world, 5_000_000);
  for (const { tcb } of world.ends) resume(tcb, world.nowUs);
  deliver(world, 0, 10_000);
  deliver(world, 1, 10_000);
});

test('path changed, fresh: the initial window, no estimate, and the base packet size', () => {
  const world = openWorld(1, {}, { maxPacketBytes: 1472 });
  const { tcb } = world.ends[0];
  assert.equal(tcb.mtu.currentBytes, 1472);
  pathChanged(tcb, world.nowUs, 1200, true);
  assert.equal(tcb.mtu.currentBytes, 1200);
  assert.equal(tcb.congestion.cwndBytes, 10 * tcb.mssBytes);
  assert.equal(tcb.rtt.srttUs, 0);
  deliver(world, 0, 200_000);
  assert.equal(tcb.mtu.currentBytes, 1472);
});

test('path changed, not fresh: window and estimate stay', () => {
  const world = openWorld();
  const { tcb } = world.ends[0];
  const { congestion, rtt } = tcb;
  pathChanged(tcb, world.nowUs, 1200, false);
  assert.equal(tcb.congestion, congestion);
  assert.equal(tcb.rtt, rtt);
  deliver(world, 0, 20_000);
});

test('path changed in the middle of a flow whose packets are lost: it goes on at once', () => {
  const world = openWorld();
  const [a, b] = world.ends;
  a.toSend += 500_000;
  pass(world, 15_000);
  world.flights.length = 0;
  const startUs = world.nowUs;
  for (const { tcb } of world.ends) pathChanged(tcb, world.nowUs, 1200, true);
  run(world, () => b.received === a.toSend);
  assert.equal(b.received, a.toSend);
  assert.equal(a.tcb.counters.timeouts, 0);
  assert.ok(world.nowUs - startUs < 500_000, `${world.nowUs - startUs}`);
});
