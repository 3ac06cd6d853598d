// Losses: fast recovery by RACK, tail loss probes, timeouts and giving up, reordering without harm, needless recoveries
// undone.

import { strict as assert } from 'node:assert';
import { test } from 'node:test';
import { Signal } from './index.ts';
import { deliver, makeWorld, open, pass, run, type Seen, type World, watch } from './two-ends.test.ts';

const mss = 1132;

/** Open, with an estimate of the round trip (20 ms) and nothing in flight. */
function warm(...args: Parameters<typeof makeWorld>): World {
  const world = makeWorld(...args);
  open(world);
  deliver(world, 0, 200_000);
  pass(world, 500_000);
  return world;
}

/** Loses the segments whose first byte is one of `starts`, once each. */
function loseOnce(starts: readonly number[]): (seen: Seen) => boolean {
  const left = new Set(starts);
  return ({ seq, bytes }) => bytes > 0 && left.delete(seq);
}

test('fast recovery: one lost segment is repeated after a round trip, the window shrinks once', () => {
  const world = warm();
  const { tcb } = world.ends[0];
  const startUs = world.nowUs;
  const sent = watch(world, 0, loseOnce([200_000 + 5 * mss]));
  assert.equal(tcb.congestion.ssthreshBytes, Infinity);
  deliver(world, 0, 30 * mss);
  assert.ok(world.nowUs - startUs < 80_000, `${world.nowUs - startUs} us`);
  assert.equal(tcb.counters.retransmits, 1);
  assert.equal(tcb.counters.recoveries, 1);
  assert.equal(tcb.counters.timeouts + tcb.counters.tailLossProbes, 0);
  assert.equal(sent.filter(({ seq }) => seq === 200_000 + 5 * mss).length, 2);
  pass(world, 200_000);
  assert.equal(tcb.recovery, 'open');
  assert.ok(tcb.congestion.ssthreshBytes < Infinity);
  assert.equal(tcb.congestion.cwndBytes, tcb.congestion.ssthreshBytes);
});

test('fast recovery: a retransmission that is lost too is repeated without a timeout', () => {
  const world = warm();
  const { tcb } = world.ends[0];
  let losses = 0;
  watch(world, 0, ({ seq, bytes }) => bytes > 0 && seq === 200_000 + 3 * mss && losses++ < 3);
  deliver(world, 0, 400 * mss);
  assert.equal(losses, 4);
  assert.equal(tcb.counters.timeouts, 0);
});

test('tail loss: the last segments are probed for after two round trips, not after a timeout', () => {
  const world = warm();
  const { tcb } = world.ends[0];
  const startUs = world.nowUs;
  watch(world, 0, loseOnce([200_000 + 8 * mss, 200_000 + 9 * mss]));
  deliver(world, 0, 10 * mss);
  assert.equal(tcb.counters.tailLossProbes, 1);
  assert.equal(tcb.counters.timeouts, 0);
  assert.ok(world.nowUs - startUs < 150_000, `${world.nowUs - startUs} us`);
});

test('tail loss: a probe that repaired the only loss still answers for it', () => {
  const world = warm();
  const { tcb } = world.ends[0];
  watch(world, 0, loseOnce([200_000 + 9 * mss]));
  deliver(world, 0, 10 * mss);
  assert.equal(tcb.counters.tailLossProbes, 1);
  assert.equal(tcb.congestion.ssthreshBytes, Infinity);
  deliver(world, 0, 10 * mss);
  pass(world, 100_000);
  assert.ok(tcb.congestion.ssthreshBytes < Infinity);
});

test('tail loss: a probe that was needless costs nothing', () => {
  const world = warm();
  const { tcb } = world.ends[0];
  let held = 0;
  // Only the ACK was lost; the answer to the probe reports a duplicate.
  watch(world, 1, () => held++ < 1);
  deliver(world, 0, 2 * mss);
  pass(world, 200_000);
  assert.equal(tcb.counters.tailLossProbes, 1);
  deliver(world, 0, 4 * mss);
  pass(world, 200_000);
  assert.equal(tcb.congestion.ssthreshBytes, Infinity);
});

test('timeout: a whole flight is lost; one segment is tried, then slow start', () => {
  const world = warm();
  const { tcb } = world.ends[0];
  const startUs = world.nowUs;
  watch(world, 0, () => world.nowUs - startUs < 400_000);
  deliver(world, 0, 20 * mss);
  assert.ok(tcb.counters.timeouts >= 1);
  assert.ok(world.nowUs - startUs < 1_500_000);
  assert.equal(tcb.timeouts, 0);
});

test('timeout: the intervals double, and after 15 the connection is given up', () => {
  const world = warm();
  const [a] = world.ends;
  const times: number[] = [];
  watch(world, 0, ({ bytes }) => {
    if (bytes > 0) times.push(world.nowUs);
    return true;
  });
  a.toSend += mss;
  run(world, () => (a.signals & Signal.TIMED_OUT) !== 0, 2e9);
  assert.ok(a.signals & Signal.TIMED_OUT);
  assert.equal(a.tcb.counters.timeouts, 16);
  const gaps = times.slice(2).map((time, i) => time - times[i + 1]!);
  for (let i = 1; i < 6; i++) assert.ok(Math.abs(gaps[i]! / gaps[i - 1]! - 2) < 0.1, `${gaps}`);
  assert.ok(gaps.every((gap) => gap <= 60_000_001));
});

test('timeout: `timeoutUs` gives up sooner', () => {
  const world = warm(1, {}, { timeoutUs: 3_000_000 });
  const [a] = world.ends;
  const startUs = world.nowUs;
  world.links[0].loss = 1;
  a.toSend += mss;
  run(world, () => (a.signals & Signal.TIMED_OUT) !== 0, 2e9);
  assert.ok(world.nowUs - startUs >= 3_000_000 && world.nowUs - startUs < 10_000_000);
});

test('a long pause of the network is no loss: the timeout is undone', () => {
  const world = warm();
  const { tcb } = world.ends[0];
  const { counters } = tcb;
  deliver(world, 0, 10 * mss);
  const cwnd = tcb.congestion.cwndBytes;
  world.links[0].delayUs += 600_000;
  world.ends[0].toSend += 20 * mss;
  pass(world, 400_000);
  world.links[0].delayUs -= 600_000;
  run(world, () => world.ends[1].received === world.ends[0].toSend);
  pass(world, 2_000_000);
  assert.ok(counters.timeouts >= 1);
  assert.ok(counters.undos >= 1);
  assert.ok(tcb.congestion.cwndBytes >= 0.9 * cwnd, `${tcb.congestion.cwndBytes} of ${cwnd}`);
});

test('reordering: within a quarter of the round trip it soon costs neither window nor timeouts', () => {
  const world = warm(4, { reordering: 0.2, lateUs: 4_000 });
  const { tcb } = world.ends[0];
  deliver(world, 0, 4_000_000);
  assert.equal(tcb.counters.timeouts, 0);
  assert.ok(tcb.rack.reorderingSeen);
  assert.ok(tcb.counters.retransmits < 100, `${tcb.counters.retransmits}`);
  assert.ok(tcb.congestion.cwndBytes > 100_000, `${tcb.congestion.cwndBytes}`);
});

test('round trips: neither repeated data nor lost ACKs spoil the estimate', () => {
  const world = warm(9, { loss: 0.2 });
  const { tcb } = world.ends[0];
  deliver(world, 0, 500_000);
  assert.ok(tcb.rtt.srttUs < 60_000, `${tcb.rtt.srttUs}`);
  assert.ok(tcb.rtt.minRttUs >= 20_000);
});

test('idle: after a pause longer than the timeout the window begins anew', () => {
  const world = warm();
  const { tcb } = world.ends[0];
  const cwnd = tcb.congestion.cwndBytes;
  assert.ok(cwnd > 50_000);
  pass(world, 30_000_000);
  deliver(world, 0, mss);
  assert.ok(tcb.congestion.cwndBytes < cwnd);
});
