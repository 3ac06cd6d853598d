// A peer that has the keys and breaks the rules: it acknowledges what it did not receive, splits its ACKs, reports
// crumbs, offers crumbs, sends holes, or keeps its window shut. None of it may earn it a rate, our memory or our time.

import { strict as assert } from 'node:assert';
import { test } from 'node:test';
import { Reason } from '../base/index.ts';
import { createSegment, emitSegment, type Segment, TcpFlag } from '../wire/index.ts';
import { blockBytes, createBlockPool, createTcb, emitSyn, endBatch, handleSegment, Signal, type Tcb } from './index.ts';
import {
  deliver,
  describe,
  makeWorld,
  open,
  pass,
  pump,
  run,
  settle,
  tcbOptions,
  type World,
  watch,
} from './two-ends.test.ts';

const packet = new Uint8Array(2048);
const view = new DataView(packet.buffer);

function openWorld(...args: Parameters<typeof makeWorld>): World {
  const world = makeWorld(...args);
  open(world);
  return world;
}

/** What the peer of `tcb` makes up: a segment of `bytes` of payload that passes every check but those under test. */
function give(tcb: Tcb, nowUs: number, changes: Partial<Segment>, bytes = 0): Reason {
  const segment = Object.assign(createSegment(), {
    flags: TcpFlag.ACK,
    seq: (tcb.irs + 1 + tcb.rcvNxt) >>> 0,
    ack: (tcb.iss + 1 + tcb.sndUna) >>> 0,
    windowRaw: 65_535,
    hasTimestamps: tcb.timestamps,
    tsval: tcb.tsRecent,
    ...changes,
  });
  return handleSegment(tcb, nowUs, view, packet, 0, emitSegment(view, 0, segment) + bytes);
}

const wire = (tcb: Tcb, offset: number): number => (tcb.iss + 1 + offset) >>> 0;

function sackOf(tcb: Tcb, start: number, end: number): Partial<Segment> {
  const { sackStart, sackEnd } = createSegment();
  sackStart[0] = wire(tcb, start);
  sackEnd[0] = wire(tcb, end);
  return { sackBlocks: 1, sackStart, sackEnd };
}

/** The first end has sent a flight into the void: what the peer says of it is up to the test. */
function flight(bytes: number): World {
  const world = openWorld();
  const [a] = world.ends;
  a.tcb.congestion.cwndBytes = bytes;
  a.tcb.pacer.bytesPerUs = 0;
  a.tcb.sndWnd = bytes;
  a.tcb.withholdAt = Infinity;
  world.links[0].loss = 1;
  a.toSend = bytes;
  pump(world, 0);
  assert.equal(a.tcb.scoreboard.end, bytes);
  world.nowUs += 20_000;
  return world;
}

/** The first end sends into the void; every 2 ms the peer vouches for what was sent up to then. */
function lie(world: World, changes: (tcb: Tcb) => Partial<Segment>, limitBytes: number): void {
  const [a] = world.ends;
  const { tcb } = a;
  world.links[0].loss = 1;
  a.toSend = 1e9;
  for (let i = 0; i < 20_000 && (a.signals & Signal.HOSTILE) === 0 && tcb.scoreboard.end < limitBytes; i++) {
    pump(world, 0);
    world.nowUs += 2_000;
    give(tcb, world.nowUs, changes(tcb));
    settle(world, 0);
  }
}

test('optimistic ACKs: who acknowledges a segment that never left is given up, above SAL and on plain TCP', () => {
  for (const opening of ['lower', 'self'] as const) {
    const world = openWorld(1, {}, { opening });
    const { tcb } = world.ends[0];
    lie(world, ({ scoreboard }) => ({ ack: wire(tcb, scoreboard.end) }), 8e6);
    assert.ok(world.ends[0].signals & Signal.HOSTILE, `not found out after ${tcb.scoreboard.end} bytes`);
    assert.equal(tcb.state, 'CLOSED');
    assert.equal(tcb.resetFlags !== 0, opening === 'self', 'plain TCP tells it by a reset');
  }
});

test('optimistic ACKs: SACK of a segment that never left is a lie, too, and so is one without SACK agreed upon', () => {
  const world = openWorld();
  const { tcb } = world.ends[0];
  // As one that has yet to accept the latest record.
  let ack = 0;
  const vouch = ({ scoreboard: { end } }: Tcb): Partial<Segment> => {
    const changes = { ack: wire(tcb, ack), ...sackOf(tcb, ack, end) };
    ack = end;
    return changes;
  };
  lie(world, vouch, 8e6);
  assert.ok(world.ends[0].signals & Signal.HOSTILE);
  const without = openWorld();
  without.ends[0].tcb.sackPermitted = false;
  lie(without, ({ scoreboard, iss }) => ({ ack: (iss + 1 + scoreboard.end) >>> 0 }), 200e6);
  assert.ok(without.ends[0].signals & Signal.HOSTILE);
});

test('optimistic ACKs: to find a liar costs an honest peer less than 1%, no window and no recovery', (t) => {
  const link = { bytesPerUs: 12.5, delayUs: 10_000, queueBytes: 8e6 };
  const took = [false, true].map((trying) => {
    const world = openWorld(3, link, { receiveBufferBytes: 700_000 });
    const { tcb } = world.ends[0];
    if (!trying) tcb.withholdAt = Infinity;
    const startUs = world.nowUs;
    deliver(world, 0, 60e6);
    const { withheld, recoveries, timeouts, retransmits, undos } = tcb.counters;
    if (trying) assert.ok(withheld >= 1, `${withheld} trials`);
    if (trying) assert.deepEqual([retransmits, recoveries, timeouts, undos], [0, 0, 0, 0]);
    return world.nowUs - startUs;
  });
  t.diagnostic(`${took[0]} us without trials, ${took[1]} us with them`);
  assert.ok(took[1]! < 1.01 * took[0]!, `${took}`);
});

test('optimistic ACKs: an honest peer without SACK is not suspected, nor one on a path that loses and reorders', () => {
  for (const seed of [1, 2, 3]) {
    const world = openWorld(seed, { loss: 0.01, reordering: 0.05, lateUs: 8_000, duplication: 0.02, bytesPerUs: 12.5 });
    const { tcb } = world.ends[0];
    if (seed === 3) tcb.sackPermitted = false;
    for (let i = 1; i <= 20; i++) {
      tcb.withholdAt = 0;
      deliver(world, 0, 300_000);
    }
    assert.ok(tcb.counters.withheld >= 5, `${tcb.counters.withheld} trials`);
    assert.equal(tcb.state, 'ESTABLISHED', describe(world));
  }
});

test('split ACKs: a segment acknowledged byte by byte earns what it earns at once', () => {
  const grown = [1132, 1].map((step) => {
    const { ends, nowUs } = flight(200 * 1132);
    const { tcb } = ends[0];
    // A full window that is in use grows; the application has more.
    tcb.cwndLimitedEnd = tcb.scoreboard.end;
    for (let ack = step; ack <= 20 * 1132; ack += step) {
      give(tcb, nowUs, { ack: wire(tcb, ack) });
      endBatch(tcb, nowUs);
    }
    return tcb.congestion.cwndBytes;
  });
  assert.equal(grown[0], 220 * 1132);
  assert.equal(grown[1], grown[0]);
});

test('split ACKs: nor beyond slow start', () => {
  const grown = [1132, 1].map((step) => {
    const { ends, nowUs } = flight(200 * 1132);
    const { tcb } = ends[0];
    tcb.cwndLimitedEnd = tcb.scoreboard.end;
    tcb.congestion.ssthreshBytes = 100_000;
    for (let ack = step; ack <= 100 * 1132; ack += step) {
      const atUs = nowUs + Math.floor((ack / 1132) * 100);
      give(tcb, atUs, { ack: wire(tcb, ack) });
      endBatch(tcb, atUs);
    }
    return tcb.congestion.cwndBytes - 200 * 1132;
  });
  assert.ok(grown[1]! <= 1.01 * grown[0]! + 1, `${grown[1]} bytes against ${grown[0]}`);
});

test('duplicate ACKs: a hundred thousand of them earn nothing and send nothing', () => {
  const world = flight(200 * 1132);
  const { tcb } = world.ends[0];
  give(tcb, world.nowUs, { ack: wire(tcb, 1132) });
  endBatch(tcb, world.nowUs);
  const { cwndBytes } = tcb.congestion;
  const { segmentsOut } = tcb.counters;
  for (let i = 0; i < 100_000; i++) {
    give(tcb, world.nowUs, { ack: wire(tcb, 1132) });
    endBatch(tcb, world.nowUs);
  }
  pump(world, 0);
  assert.ok(tcb.congestion.cwndBytes <= cwndBytes);
  assert.equal(tcb.counters.segmentsOut, segmentsOut);
});

test('crumbs of SACK: every second byte reported leaves no more runs than a few for each segment', (t) => {
  const world = flight(1000 * 1132);
  const { tcb } = world.ends[0];
  const startedAt = process.hrtime.bigint();
  for (let i = 0; i < 30_000; i++) {
    give(tcb, world.nowUs, sackOf(tcb, 2 * i + 1, 2 * i + 2));
    if (i % 60 === 0) endBatch(tcb, world.nowUs);
  }
  t.diagnostic(`${Number(process.hrtime.bigint() - startedAt) / 30_000} ns for each`);
  assert.ok(tcb.scoreboard.runs.count <= 3_100, `${tcb.scoreboard.runs.count} runs`);
  // Honest reports still count.
  give(tcb, world.nowUs, { ack: wire(tcb, 500 * 1132) });
  give(tcb, world.nowUs, sackOf(tcb, 600 * 1132, 1000 * 1132));
  assert.equal(tcb.scoreboard.sackedBytes, 400 * 1132);
});

function mssAfter(opening: 'lower' | 'self', mss: number): number {
  const tcb = createTcb(tcbOptions({ opening, headerBytes: 40, packetBytes: 1500 }), createBlockPool());
  emitSyn(tcb, 0, view, 0);
  const changes = { flags: TcpFlag.SYN | TcpFlag.ACK, seq: 7, ack: wire(tcb, 0), mss, hasTimestamps: true };
  assert.equal(give(tcb, 0, changes), Reason.OK);
  return tcb.peerMss;
}

test('tiny MSS: below what any host takes it is not believed; where plain TCP gives none, the default counts', () => {
  assert.deepEqual([mssAfter('lower', 1), mssAfter('lower', 535), mssAfter('lower', 9000)], [536, 536, 9000]);
  assert.deepEqual([mssAfter('self', 1), mssAfter('self', 256), mssAfter('self', 1460)], [256, 256, 1460]);
  assert.equal(mssAfter('self', 0), 536);
});

test('tiny windows: a peer that offers crumbs draws a segment for each probe, not for each ACK', () => {
  const world = openWorld(1, {}, {}, { receiveBufferBytes: 10 });
  const [a, b] = world.ends;
  a.tcb.maxSndWnd = 10;
  a.tcb.sndWnd = 10;
  const sent = watch(world, 0, () => true);
  a.toSend = 100_000;
  const acks = 5_000;
  for (let i = 0; i < acks; i++) {
    pass(world, 1_000);
    const { end } = a.tcb.scoreboard;
    give(a.tcb, world.nowUs, {
      ack: wire(a.tcb, end),
      windowRaw: 10 >> a.tcb.sndScale,
      seq: (a.tcb.irs + 1 + a.tcb.rcvNxt) >>> 0,
    });
    a.tcb.sndWnd = 10;
    settle(world, 0);
  }
  const withData = sent.filter(({ bytes }) => bytes > 0);
  assert.ok(withData.length >= 2 && withData.length <= 26, `${withData.length} segments in ${acks} ms`);
  assert.equal(b.received, 0);
});

test('tiny windows: an honest peer with a buffer of 600 bytes is served at its pace', () => {
  const world = openWorld(1, { delayUs: 1_000 }, {}, { receiveBufferBytes: 600 });
  deliver(world, 0, 20_000, 5_000_000);
});

test('holes: one byte in every block is not worth the blocks, and what is denser is kept', () => {
  const world = openWorld();
  const [, b] = world.ends;
  const { tcb, pool } = b;
  tcb.rcvBufBytes = 16 * 1024 * 1024;
  tcb.rcvAdv = tcb.rcvBufBytes;
  const sparse = (at: number, bytes: number): Reason =>
    give(tcb, world.nowUs, { seq: (tcb.irs + 1 + at) >>> 0 }, bytes);
  for (let i = 1; i < 1000; i++) sparse(i * blockBytes, 1);
  assert.ok(pool.lent <= 9, `${pool.lent} blocks for as many bytes`);
  assert.equal(sparse(500 * blockBytes, 1), Reason.LIMIT);
  // What lies near is still taken, and a stretch with a hole before it is dense enough.
  for (let at = blockBytes + 1; at < 100 * blockBytes; at += 1024) assert.equal(sparse(at, 1024), Reason.OK);
  assert.ok(pool.lent <= 110);
  for (let at = 100 * blockBytes; at < 900 * blockBytes; at += 4 * 1024) sparse(at, 1024);
  assert.ok(pool.lent <= 400, `${pool.lent}`);
});

test('holes: the time for each segment does not grow with what is held', (t) => {
  const world = openWorld();
  const { tcb } = world.ends[1];
  tcb.rcvAdv = tcb.rcvBufBytes = 4 * 1024 * 1024;
  const startedAt = process.hrtime.bigint();
  for (let i = 1; i <= 100_000; i++) {
    give(tcb, world.nowUs, { seq: (tcb.irs + 1 + 2 * i) >>> 0 }, 1);
    if (i % 64 === 0) endBatch(tcb, world.nowUs);
  }
  t.diagnostic(`${Number(process.hrtime.bigint() - startedAt) / 100_000} ns for each`);
  assert.ok(tcb.reassembly.intervals.count <= 256);
});

test('memory: over the limit of the pool nothing is taken out of order; what is in order is, a little longer', () => {
  const pool = createBlockPool(16 * blockBytes);
  const tcb = createTcb(tcbOptions(), pool);
  give(tcb, 0, { flags: TcpFlag.SYN, ack: 0, windowScale: 7, sackPermitted: true });
  emitSyn(tcb, 0, view, 0);
  give(tcb, 0, { seq: (tcb.irs + 1) >>> 0, ack: wire(tcb, 0) });
  const take = (at: number, bytes = 1024): Reason => give(tcb, 0, { seq: (tcb.irs + 1 + at) >>> 0 }, bytes);
  tcb.rcvAdv = tcb.rcvBufBytes = 100 * blockBytes;
  for (let at = 4096; at < 16 * blockBytes; at += 1024) assert.equal(take(at), Reason.OK);
  assert.equal(take(16 * blockBytes), Reason.LIMIT);
  for (let at = 0; at < 4096; at += 1024) assert.equal(take(at), Reason.OK);
  for (let at = 16 * blockBytes; at < 18 * blockBytes; at += 1024) assert.equal(take(at), Reason.OK);
  assert.equal(take(18 * blockBytes), Reason.LIMIT);
  pool.elsewhereBytes = 1;
  assert.equal(pool.lent, 18);
});

/** A peer that shuts its window after `bytes` and answers every probe. */
function shutWindow(stallUs?: number): World {
  const options = stallUs === undefined ? {} : { stallUs };
  const world = openWorld(1, {}, { receiveBufferBytes: 100_000, ...options });
  const [a, b] = world.ends;
  b.reading = false;
  a.toSend = 300_000;
  pass(world, 2_000_000);
  return world;
}

test('zero window: a peer that answers probes and takes nothing is given up when it was said, and otherwise waited for', () => {
  const world = shutWindow(120e6);
  const [a] = world.ends;
  pass(world, 110e6);
  assert.equal(a.tcb.state, 'ESTABLISHED');
  pass(world, 10e6);
  assert.equal(a.tcb.state, 'CLOSED');
  assert.ok(a.signals & Signal.TIMED_OUT);
  const paused = shutWindow();
  pass(paused, 3600e6);
  assert.equal(paused.ends[0].tcb.state, 'ESTABLISHED');
});

test('zero window: a byte now and then is no progress, a segment is', () => {
  const world = shutWindow(120e6);
  const [a, b] = world.ends;
  for (let i = 0; i < 20; i++) {
    pass(world, 5e6);
    a.tcb.sndWnd += 1;
    b.tcb.rcvAdv += 1;
  }
  pass(world, 20e6);
  assert.equal(a.tcb.state, 'CLOSED');
  const slow = shutWindow(120e6);
  for (let i = 0; i < 10; i++) {
    const { received } = slow.ends[1];
    slow.ends[0].toSend += 10_000;
    slow.ends[1].reading = true;
    run(slow, () => slow.ends[1].received > received, 100e6);
    slow.ends[1].reading = false;
    pass(slow, 50e6);
  }
  assert.equal(slow.ends[0].tcb.state, 'ESTABLISHED');
});

test('zero window: idle connections, and those that send now and then, are not counted as stalled', () => {
  const world = openWorld(1, {}, { stallUs: 60e6 });
  const { tcb } = world.ends[0];
  for (let i = 0; i < 10; i++) {
    deliver(world, 0, 10);
    pass(world, 100e6);
    assert.equal(tcb.stalledSinceUs, Infinity);
  }
  assert.equal(tcb.state, 'ESTABLISHED');
});
