// Opening in both modes: what the SYNs agree on, simultaneous open, refusals, repetition of lost SYNs.

import { strict as assert } from 'node:assert';
import { test } from 'node:test';
import { Reason } from '../base/index.ts';
import { createSegment, emitSegment, parseSegment, type Segment, TcpFlag } from '../wire/index.ts';
import {
  connect,
  createBlockPool,
  createTcb,
  egress,
  emitSyn,
  finish,
  handleSegment,
  handleTimeout,
  listen,
  nextDeadlineUs,
  Signal,
  type Tcb,
  type TcbOptions,
} from './index.ts';
import { deliver, isOver, makeWorld, open, run, tcbOptions, transfer, watch } from './two-ends.test.ts';

const packet = new Uint8Array(128);
const view = new DataView(packet.buffer);
const scratch = createSegment();

function makeTcb(changes: Partial<TcbOptions> = {}): Tcb {
  return createTcb(tcbOptions(changes), createBlockPool());
}

function give(tcb: Tcb, changes: Partial<Segment>): Reason {
  const segment = Object.assign(createSegment(), changes);
  return handleSegment(tcb, 1000, view, packet, 0, emitSegment(view, 0, segment));
}

test('above SAL: SYN, SYN-ACK, then the first ACK establishes the server', () => {
  const world = makeWorld();
  open(world);
  const [a, b] = world.ends;
  assert.equal(a.tcb.state, 'ESTABLISHED');
  assert.equal(b.tcb.state, 'ESTABLISHED');
  assert.ok(a.tcb.timestamps && a.tcb.sackPermitted);
  assert.equal(a.tcb.sndScale, b.tcb.rcvScale);
  assert.ok(65_535 * 2 ** a.tcb.rcvScale >= 16 * 1024 * 1024);
});

test('above SAL: the server is established by data as well as by a bare ACK', () => {
  const world = makeWorld();
  const [a, b] = world.ends;
  handleSegment(b.tcb, world.nowUs, view, packet, 0, emitSyn(a.tcb, world.nowUs, view, 0));
  handleSegment(a.tcb, world.nowUs, view, packet, 0, emitSyn(b.tcb, world.nowUs, view, 0));
  deliver(world, 0, 5000);
  assert.equal(b.tcb.state, 'ESTABLISHED');
});

test('above SAL: a client whose ACK was lost and which has nothing to send establishes the server by its keep-alive', () => {
  const keepAlive = { idleUs: 5_000_000, intervalUs: 1_000_000, probes: 5 };
  const world = makeWorld(1, {}, { keepAlive });
  let lost = 0;
  world.links[0].drop = () => lost++ < 1;
  const [, b] = world.ends;
  open(world);
  assert.equal(b.tcb.state, 'ESTABLISHED');
  assert.ok(lost > 1);
  deliver(world, 1, 5000);
});

test('above SAL: a repeated SYN is the same but for its time', () => {
  const tcb = makeTcb();
  const segment = createSegment();
  const first = emitSyn(tcb, 0, view, 0);
  parseSegment(view, 0, first, segment);
  const before = { seq: segment.seq, mss: segment.mss, flags: segment.flags };
  assert.equal(emitSyn(tcb, 5_000_000, view, 0), first);
  parseSegment(view, 0, first, segment);
  assert.deepEqual({ seq: segment.seq, mss: segment.mss, flags: segment.flags }, before);
  assert.equal(tcb.state, 'SYN-SENT');
});

test('above SAL: SYN and RST of an established connection are dropped and counted', () => {
  const world = makeWorld();
  open(world);
  const { tcb } = world.ends[0];
  for (const flags of [TcpFlag.SYN, TcpFlag.RST, TcpFlag.RST | TcpFlag.ACK, TcpFlag.SYN | TcpFlag.ACK])
    assert.equal(give(tcb, { flags, seq: tcb.irs + 1 }), Reason.TCP_FLAG);
  assert.equal(tcb.counters.flagDrops, 4);
  assert.equal(tcb.state, 'ESTABLISHED');
  transfer(world, 1000);
});

test('above SAL: nothing but a SYN opens', () => {
  const tcb = makeTcb();
  for (const flags of [TcpFlag.ACK, TcpFlag.RST, TcpFlag.FIN, TcpFlag.SYN | TcpFlag.ACK, 0])
    assert.notEqual(give(tcb, { flags }), Reason.OK);
  assert.equal(tcb.state, 'CLOSED');
  assert.equal(give(tcb, { flags: TcpFlag.SYN }), Reason.OK);
  assert.equal(tcb.state, 'SYN-RECEIVED');
});

test('self: a SYN that was to be repeated when the answer came is not sent any more', () => {
  const batch = { buffer: packet, view, bytes: 0, packetBytes: 0, packets: 0, probe: false };
  const lower = { headerBytes: 16, trustedHeaderBytes: 16, opening: 'self', pads: false, emitHeader() {} } as const;
  const repeating = () => {
    const tcb = makeTcb({ opening: 'self' });
    connect(tcb);
    assert.ok(egress(tcb, 0, lower, batch));
    handleTimeout(tcb, nextDeadlineUs(tcb));
    return tcb;
  };
  const refused = repeating();
  assert.equal(give(refused, { flags: TcpFlag.RST | TcpFlag.ACK, ack: refused.iss + 1 }), Reason.OK);
  assert.equal(refused.state, 'CLOSED');
  assert.equal(egress(refused, 0, lower, batch), false);
  const tcb = repeating();
  assert.equal(give(tcb, { flags: TcpFlag.SYN | TcpFlag.ACK, seq: 7, ack: tcb.iss + 1 }), Reason.OK);
  assert.equal(tcb.state, 'ESTABLISHED');
  assert.equal(egress(tcb, 0, lower, batch), false);
  handleTimeout(tcb, nextDeadlineUs(tcb));
  assert.ok(egress(tcb, 0, lower, batch), 'the ACK, at a deadline that is now');
  assert.equal(parseSegment(view, 16, batch.bytes - 16, scratch), Reason.OK);
  assert.equal(scratch.flags, TcpFlag.ACK);
  assert.equal(egress(tcb, 0, lower, batch), false);
});

test('syn-sent: SYN without ACK opens simultaneously', () => {
  const world = makeWorld();
  const [a, b] = world.ends;
  const other = new Uint8Array(64);
  const otherView = new DataView(other.buffer);
  const length = emitSyn(a.tcb, world.nowUs, view, 0);
  const otherLength = emitSyn(b.tcb, world.nowUs, otherView, 0);
  handleSegment(b.tcb, world.nowUs, view, packet, 0, length);
  handleSegment(a.tcb, world.nowUs, otherView, other, 0, otherLength);
  assert.equal(a.tcb.state, 'SYN-RECEIVED');
  assert.equal(b.tcb.state, 'SYN-RECEIVED');
  const answer = emitSyn(a.tcb, world.nowUs, view, 0);
  parseSegment(view, 0, answer, scratch);
  assert.equal(scratch.flags, TcpFlag.SYN | TcpFlag.ACK);
});

test('self: both ends open at once, over the network', () => {
  const world = makeWorld(1, {}, { opening: 'self' });
  const [a, b] = world.ends;
  connect(a.tcb);
  connect(b.tcb);
  run(world, () => (a.signals & b.signals & Signal.ESTABLISHED) !== 0);
  transfer(world, 10_000, 20_000);
});

test('self: lost SYNs and SYN-ACKs are repeated', () => {
  const world = makeWorld(1, {}, { opening: 'self' });
  const sent = watch(world, 0, (_seen, index) => index < 2);
  const answers = watch(world, 1, (_seen, index) => index < 1);
  open(world);
  assert.equal(sent.filter(({ flags }) => flags === TcpFlag.SYN).length >= 3, true);
  assert.equal(answers.filter(({ flags }) => flags === (TcpFlag.SYN | TcpFlag.ACK)).length >= 2, true);
  transfer(world, 1000);
});

test('self: a SYN that nobody answers times out', () => {
  const world = makeWorld(1, { loss: 1 }, { opening: 'self' });
  const { tcb } = world.ends[0];
  connect(tcb);
  run(world, () => (world.ends[0].signals & Signal.TIMED_OUT) !== 0);
  assert.ok(world.ends[0].signals & Signal.TIMED_OUT);
  assert.equal(tcb.state, 'CLOSED');
});

test('self: syn-sent: an ACK of something never sent is answered with RST', () => {
  const tcb = makeTcb({ opening: 'self' });
  connect(tcb);
  emitSyn(tcb, 0, view, 0);
  assert.equal(give(tcb, { flags: TcpFlag.SYN | TcpFlag.ACK, ack: tcb.iss + 77 }), Reason.STALE);
  assert.equal(tcb.resetFlags, TcpFlag.RST);
  assert.equal(tcb.resetSeq, tcb.iss + 77);
  assert.equal(tcb.state, 'SYN-SENT');
});

test('self: syn-sent: RST with the right ACK refuses, any other is ignored', () => {
  const tcb = makeTcb({ opening: 'self' });
  connect(tcb);
  emitSyn(tcb, 0, view, 0);
  give(tcb, { flags: TcpFlag.RST });
  give(tcb, { flags: TcpFlag.RST | TcpFlag.ACK, ack: tcb.iss });
  assert.equal(tcb.state, 'SYN-SENT');
  give(tcb, { flags: TcpFlag.RST | TcpFlag.ACK, ack: tcb.iss + 1 });
  assert.equal(tcb.state, 'CLOSED');
  assert.ok(tcb.signals & Signal.RESET);
});

test('self: listen: an ACK is answered with RST, a RST with nothing', () => {
  const tcb = makeTcb({ opening: 'self' });
  listen(tcb);
  give(tcb, { flags: TcpFlag.RST });
  assert.equal(tcb.resetFlags, 0);
  give(tcb, { flags: TcpFlag.ACK, ack: 5000 });
  assert.equal(tcb.resetSeq, 5000);
  assert.equal(tcb.state, 'LISTEN');
});

test('self: a peer without window scale, SACK and timestamps is served without them', () => {
  const tcb = makeTcb({ opening: 'self' });
  listen(tcb);
  give(tcb, { flags: TcpFlag.SYN, seq: 1000, windowRaw: 4000, mss: 536 });
  emitSyn(tcb, 1000, view, 0);
  parseSegment(view, 0, 60, scratch);
  assert.deepEqual([scratch.windowScale, scratch.sackPermitted, scratch.hasTimestamps], [-1, false, false]);
  assert.equal(give(tcb, { flags: TcpFlag.ACK, seq: 1001, ack: tcb.iss + 1, windowRaw: 4000 }), Reason.OK);
  assert.equal(tcb.state, 'ESTABLISHED');
  assert.deepEqual([tcb.sndScale, tcb.rcvScale, tcb.sndWnd, tcb.mssBytes], [0, 0, 4000, 536]);
});

test('finish before the opening ends: the FIN follows the data', () => {
  const world = makeWorld();
  const [a, b] = world.ends;
  a.toSend = 3000;
  a.ends = b.ends = true;
  open(world);
  finish(a.tcb, world.nowUs);
  run(world, () => isOver(a) && isOver(b));
  assert.equal(b.received, 3000);
});
