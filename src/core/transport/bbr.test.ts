// BBR on paths in virtual time, with the whole engine around it, as the draft's list of test cases has them; and alone, where
// only its own reactions matter.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { seededRandom } from '../base/index.ts';
import { bbr } from './bbr.ts';
import type { Bbr } from './bbr-model.ts';
import { createAckSample, createSendSample, initialWindowBytes } from './congestion.ts';
import { type Impairments, makeWorld, open, pass, type World } from './two-ends.test.ts';

const mssBytes = 1400;
const packetBytes = 1400;
const rttUs = 20_000;
/** 80 Mbit/s, of which headers take 5%. */
const bytesPerUs = 10;
const bdpBytes = bytesPerUs * rttUs;

interface Flow {
  readonly world: World;
  readonly c: Bbr;
  readonly phases: Set<string>;
}

function flow(link: Partial<Impairments> = {}, seed = 1): Flow {
  const path = { delayUs: rttUs / 2, bytesPerUs, queueBytes: bdpBytes, ...link };
  const world = makeWorld(seed, path, { congestion: 'bbr', packetBytes, maxPacketBytes: packetBytes });
  open(world);
  world.ends[0].toSend = 1e12;
  return { world, c: world.ends[0].tcb.congestion as Bbr, phases: new Set() };
}

/** Runs for `us`; answers the bytes per microsecond that arrived. */
function goOn({ world, c, phases }: Flow, us: number): number {
  const before = world.ends[1].received;
  for (let passed = 0; passed < us; passed += 5_000) {
    pass(world, 5_000);
    phases.add(c.phase);
  }
  return (world.ends[1].received - before) / us;
}

function untilPhase(f: Flow, phase: string, withinUs = 20_000_000): void {
  for (let passed = 0; f.c.phase !== phase; passed += 1_000) {
    assert.ok(passed < withinUs, `no ${phase} within ${withinUs / 1e6} s, but ${[...f.phases]}`);
    goOn(f, 5_000);
  }
}

test('bbr: startup ends when the rate no longer grows, drain empties the queue, and the path is known', () => {
  const f = flow({ queueBytes: 4 * bdpBytes });
  untilPhase(f, 'drain', 2_000_000);
  untilPhase(f, 'cruise', 1_000_000);
  assert.ok(f.c.fullBwReached);
  assert.ok(Math.abs(f.c.bw / bytesPerUs - 0.96) < 0.03, `${f.c.bw}`);
  assert.ok(f.c.minRttUs < 1.02 * rttUs, `${f.c.minRttUs}`);
  goOn(f, 200_000);
  assert.ok(f.world.ends[0].tcb.rtt.srttUs < 1.1 * rttUs, 'no standing queue');
  assert.equal(f.world.ends[0].tcb.counters.retransmits, 0);
});

test('bbr: it goes round, and fills the path', () => {
  const f = flow();
  goOn(f, 1_000_000);
  const rate = goOn(f, 15_000_000);
  assert.ok(rate > 0.88 * bytesPerUs, `${rate}`);
  assert.deepEqual([...f.phases].sort(), ['cruise', 'down', 'drain', 'probe-rtt', 'refill', 'startup', 'up']);
});

test('bbr: every five seconds at most the path is half emptied, for a fifth of a second', () => {
  const f = flow();
  untilPhase(f, 'probe-rtt', 8_000_000);
  const beganUs = f.world.nowUs;
  assert.ok(beganUs > 5_000_000, `${beganUs}`);
  untilPhase(f, 'cruise', 1_000_000);
  assert.ok(f.world.nowUs - beganUs < 300_000, `${f.world.nowUs - beganUs}`);
  assert.ok(f.c.minRttUs < 1.02 * rttUs);
  untilPhase(f, 'probe-rtt', 8_000_000);
  assert.ok(f.world.nowUs - beganUs > 5_000_000);
});

test('bbr: a shallow buffer ends startup by losses, and later loses little', () => {
  const f = flow({ queueBytes: 0.05 * bdpBytes });
  untilPhase(f, 'cruise', 2_000_000);
  assert.ok(f.c.inflightLongTermBytes < 3 * bdpBytes, `${f.c.inflightLongTermBytes}`);
  const { counters } = f.world.ends[0].tcb;
  const before = { sent: counters.bytesSent, repeated: counters.bytesRetransmitted };
  const rate = goOn(f, 10_000_000);
  const lost = (counters.bytesRetransmitted - before.repeated) / (counters.bytesSent - before.sent);
  assert.ok(rate > 0.75 * bytesPerUs && lost < 0.02, `${rate}, lost ${lost}`);
});

test('bbr: losses without a queue cost a part of the rate; CUBIC nearly all of it', () => {
  for (const seed of [1, 2, 3]) {
    const f = flow({ loss: 0.01 }, seed);
    goOn(f, 2_000_000);
    const rate = goOn(f, 20_000_000);
    assert.ok(rate > 0.45 * bytesPerUs, `${rate}`);
    assert.equal(f.world.ends[0].tcb.counters.timeouts, 0);
  }
});

test('bbr: a path that becomes ten times as fast is found within seconds, one that becomes as slow too', () => {
  const f = flow();
  goOn(f, 3_000_000);
  for (const link of f.world.links) Object.assign(link, { bytesPerUs: 10 * bytesPerUs, queueBytes: 10 * bdpBytes });
  goOn(f, 10_000_000);
  const fast = goOn(f, 5_000_000);
  assert.ok(fast > 7 * bytesPerUs, `${fast}`);
  for (const link of f.world.links) Object.assign(link, { bytesPerUs, queueBytes: bdpBytes });
  goOn(f, 10_000_000);
  assert.ok(f.c.bw < 1.3 * bytesPerUs, `${f.c.bw}`);
  const slow = goOn(f, 5_000_000);
  assert.ok(slow > 0.8 * bytesPerUs, `${slow}`);
});

test('bbr: an application that sends now and then is not taken for a slow path', () => {
  const f = flow();
  const [a] = f.world.ends;
  goOn(f, 3_000_000);
  const known = f.c.bw;
  a.toSend = a.queued;
  goOn(f, 500_000);
  for (let i = 0; i < 100; i++) {
    a.toSend += 20_000;
    goOn(f, 100_000);
  }
  assert.ok(f.c.bw > 0.9 * known, `${f.c.bw} of ${known}`);
  assert.ok(!f.phases.has('probe-rtt'), 'it was idle often enough to see the empty path');
});

test('bbr: a window of the peer that opens over round trips is not taken for a full pipe', () => {
  const f = flow({ delayUs: 50_000, queueBytes: 1_000_000 });
  goOn(f, 2_500_000);
  assert.ok(f.c.bw > 0.9 * bytesPerUs, `${f.c.bw}`);
});

test('bbr: who got no processor may catch up by a quarter of the round trip, unless it had nothing to send', () => {
  const c = create();
  assert.equal(bbr.catchUpUs?.(c, rttUs), rttUs / 4);
  bbr.onSent?.(c, { nowUs: 1_000, inFlightBytes: 1_000, priorBytes: 0, drained: true });
  assert.equal(bbr.catchUpUs?.(c, rttUs), 0);
});

test('bbr: after a timeout one segment, then the window that it had', () => {
  const f = flow();
  goOn(f, 2_000_000);
  const { tcb } = f.world.ends[0];
  const before = f.c.cwndBytes;
  for (const link of f.world.links) link.drop = () => true;
  goOn(f, 1_000_000);
  assert.ok(tcb.counters.timeouts > 0);
  assert.equal(f.c.cwndBytes, tcb.mssBytes);
  for (const link of f.world.links) link.drop = () => false;
  goOn(f, 2_000_000);
  assert.ok(f.c.cwndBytes > 0.5 * before, `${f.c.cwndBytes} of ${before}`);
});

function create(): Bbr {
  return bbr.create(mssBytes, seededRandom(1)) as Bbr;
}

test('bbr: a recovery that was needless is taken back', () => {
  const c = create();
  Object.assign(c, {
    phase: 'up',
    cwndBytes: 100_000,
    inflightLongTermBytes: 200_000,
    bwShortTerm: 5,
    lossInRound: false,
  });
  bbr.onLost?.(c, 1_000, 500, mssBytes);
  bbr.onLoss(c, 1_000, 90_000);
  c.undo.phase = 'up';
  Object.assign(c, { phase: 'down', inflightLongTermBytes: 70_000, bwShortTerm: 3, cwndBytes: 60_000 });
  bbr.onUndo(c);
  assert.deepEqual([c.phase, c.inflightLongTermBytes, c.cwndBytes], ['refill', 200_000, 100_000]);
  assert.equal(c.bwShortTerm, Infinity);
});

test('bbr: who is told of a path goes on at its rate, without a startup', () => {
  const model = { bytesPerUs, minRttUs: rttUs, inflightBytes: 2 * bdpBytes };
  const known = { cwndBytes: bdpBytes, ssthreshBytes: Infinity, peakBytes: 0, model };
  const c = bbr.create(mssBytes, seededRandom(1), known) as Bbr;
  assert.equal(c.phase, 'cruise');
  assert.ok(bbr.pace(c, rttUs) > 0.98 * bytesPerUs);
  assert.deepEqual(bbr.describe(c), known);
});

test('bbr: of a path that nothing is known of, nothing is told but the window', () => {
  const { cwndBytes, model } = bbr.describe(create());
  assert.equal(cwndBytes, initialWindowBytes(mssBytes));
  assert.deepEqual(model, { bytesPerUs: 0, minRttUs: 0, inflightBytes: Infinity });
});

test('bbr: any order of events keeps a usable window of whole bytes and a rate', () => {
  const event = fc.record({
    kind: fc.constantFrom('ack', 'sent', 'lost', 'loss', 'recovered', 'rto', 'undo', 'idle', 'mss'),
    bytes: fc.nat(200_000),
    us: fc.integer({ min: 0, max: 3_000_000 }),
  });
  fc.assert(
    fc.property(fc.array(event, { maxLength: 200 }), (events) => {
      const c = create();
      const ack = createAckSample();
      let nowUs = 1_000;
      let sentAtUs = 1_000;
      for (const { kind, bytes, us } of events) {
        nowUs += us;
        if (kind === 'sent') {
          sentAtUs = nowUs;
          const drained = bytes % 3 === 0;
          bbr.onSent?.(c, { ...createSendSample(), nowUs, inFlightBytes: bytes + 1000, priorBytes: bytes, drained });
        } else if (kind === 'lost') bbr.onLost?.(c, nowUs, sentAtUs, bytes);
        else if (kind === 'loss') bbr.onLoss(c, nowUs, bytes);
        else if (kind === 'recovered') bbr.onRecovered(c, nowUs);
        else if (kind === 'rto') bbr.onRto(c, nowUs, bytes);
        else if (kind === 'undo') bbr.onUndo(c);
        else if (kind === 'idle') bbr.onIdle(c, nowUs, us, 200_000);
        else if (kind === 'mss') bbr.setMss(c, 1000 + (bytes % 8000));
        else {
          const rtt = Math.max(1, nowUs - sentAtUs);
          Object.assign(ack, { nowUs, sentAtUs, deliveredBytes: bytes, inFlightBytes: bytes });
          Object.assign(ack, { rttUs: rtt, srttUs: rtt, minRttUs: Math.min(rtt, 10_000), drained: bytes % 5 === 0 });
          ack.appLimited = bytes % 2 === 0;
          ack.inRecovery = c.recovering;
          bbr.onAck(c, ack);
        }
        assert.ok(Number.isInteger(c.cwndBytes) && c.cwndBytes >= 1000, `${kind}: ${c.cwndBytes}`);
        const rate = bbr.pace(c, rttUs);
        assert.ok(rate >= 0 && Number.isFinite(rate), `${kind}: ${rate}`);
      }
    }),
    { numRuns: 300 },
  );
});
