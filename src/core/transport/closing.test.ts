// The ends of connections: every order of closing, in both modes, with and without losses; TIME-WAIT and resets.

import { strict as assert } from 'node:assert';
import { test } from 'node:test';
import { Reason } from '../base/index.ts';
import { createSegment, emitSegment, TcpFlag } from '../wire/index.ts';
import { abort, destroyTcb, finish, finished, handleSegment, Signal, type Tcb } from './index.ts';
import { deliver, type End, isOver, makeWorld, open, pass, run, type World, watch } from './two-ends.test.ts';

type Mode = 'lower' | 'self';

function openWorld(mode: Mode, loss = 0): World {
  const world = makeWorld(11, { loss }, { opening: mode });
  open(world);
  return world;
}

function end(world: World, which: End): void {
  which.ended = true;
  finish(which.tcb, world.nowUs);
}

for (const mode of ['lower', 'self'] as const) {
  test(`${mode}: the client ends first, the server goes on sending, then ends`, () => {
    const world = openWorld(mode);
    const [a, b] = world.ends;
    deliver(world, 0, 2000);
    end(world, a);
    run(world, () => (b.signals & Signal.FIN_RECEIVED) !== 0);
    pass(world, 100_000);
    assert.equal(a.tcb.state, 'FIN-WAIT-2');
    assert.equal(b.tcb.state, 'CLOSE-WAIT');
    deliver(world, 1, 50_000);
    end(world, b);
    run(world, () => isOver(a) && isOver(b));
    assert.equal(a.tcb.state, 'TIME-WAIT');
    assert.equal(b.tcb.state, 'CLOSED');
    assert.ok(finished(a.tcb) && finished(b.tcb));
  });

  test(`${mode}: both end at once: CLOSING, then TIME-WAIT on both sides`, () => {
    const world = openWorld(mode);
    const [a, b] = world.ends;
    end(world, a);
    end(world, b);
    const states = new Set<string>();
    run(world, () => {
      states.add(a.tcb.state);
      return isOver(a) && isOver(b);
    });
    assert.ok(states.has('CLOSING'));
    assert.deepEqual([a.tcb.state, b.tcb.state], ['TIME-WAIT', 'TIME-WAIT']);
  });

  test(`${mode}: the FIN rides on the last data, and is repeated with it`, () => {
    const world = openWorld(mode);
    const [a, b] = world.ends;
    let lost = 0;
    const sent = watch(world, 0, ({ flags }) => (flags & TcpFlag.FIN) !== 0 && lost++ < 2);
    a.toSend = 5000;
    a.ends = true;
    run(world, () => (b.signals & Signal.FIN_RECEIVED) !== 0);
    assert.equal(b.received, 5000);
    const fins = sent.filter(({ flags }) => flags & TcpFlag.FIN);
    assert.ok(fins.length >= 3 && fins.every(({ seq, bytes }) => seq + bytes === 5000));
  });

  test(`${mode}: 40% loss while closing in every order`, () => {
    for (const order of ['ab', 'ba', 'both'] as const) {
      const world = openWorld(mode);
      const [a, b] = world.ends;
      world.links[0].loss = world.links[1].loss = 0.4;
      deliver(world, 0, 10_000);
      deliver(world, 1, 10_000);
      if (order !== 'ba') end(world, a);
      if (order !== 'ab') end(world, b);
      run(world, () => order === 'both' || ((order === 'ab' ? b : a).signals & Signal.FIN_RECEIVED) !== 0);
      if (order === 'ab') end(world, b);
      if (order === 'ba') end(world, a);
      run(world, () => isOver(a) && isOver(b));
      assert.ok(isOver(a) && isOver(b), order);
    }
  });
}

test('a FIN waits for the bytes before it to be accepted', () => {
  const world = openWorld('lower');
  const [a, b] = world.ends;
  b.accepting = false;
  a.toSend = 5000;
  a.ends = true;
  const sent = watch(world, 0);
  pass(world, 1_000_000);
  assert.equal(b.signals & Signal.FIN_RECEIVED, 0);
  assert.equal(b.tcb.rcvNxt, 5000);
  assert.equal(sent.filter(({ bytes }) => bytes > 0).length, 5, 'nothing is sent again meanwhile');
  assert.equal(a.tcb.counters.timeouts, 0);
  b.accepting = true;
  run(world, () => (a.signals & Signal.FIN_ACKED) !== 0);
  assert.ok(b.signals & Signal.FIN_RECEIVED);
});

test('lower: no timer runs in TIME-WAIT, and a repeated FIN is still answered', () => {
  const world = openWorld('lower');
  const [a, b] = world.ends;
  // The last ACK of a is lost, so that b repeats its FIN.
  let acks = 0;
  watch(world, 0, ({ ack, flags }) => ack === 1 && (flags & TcpFlag.FIN) === 0 && acks++ === 0);
  end(world, a);
  run(world, () => (b.signals & Signal.FIN_RECEIVED) !== 0);
  end(world, b);
  run(world, () => isOver(a) && isOver(b));
  assert.ok(acks >= 2);
  assert.ok(isOver(b));
});

test('self: TIME-WAIT ends after two segment lifetimes', () => {
  const world = openWorld('self');
  const [a, b] = world.ends;
  end(world, a);
  run(world, () => (b.signals & Signal.FIN_RECEIVED) !== 0);
  end(world, b);
  run(world, () => isOver(a) && isOver(b));
  assert.equal(a.tcb.state, 'TIME-WAIT');
  pass(world, 59_000_000);
  assert.equal(a.tcb.state, 'TIME-WAIT');
  pass(world, 2_000_000);
  assert.equal(a.tcb.state, 'CLOSED');
});

test('self: abort resets the peer', () => {
  const world = openWorld('self');
  const [a, b] = world.ends;
  deliver(world, 0, 2000);
  abort(a.tcb);
  run(world, () => (b.signals & Signal.RESET) !== 0);
  assert.ok(b.signals & Signal.RESET);
  assert.deepEqual([a.tcb.state, b.tcb.state], ['CLOSED', 'CLOSED']);
});

test('self: what arrives after the end is answered with RST', () => {
  const world = openWorld('self');
  const [a, b] = world.ends;
  deliver(world, 0, 2000);
  destroyTcb(b.tcb);
  a.toSend += 5000;
  run(world, () => (a.signals & Signal.RESET) !== 0);
  assert.ok(a.signals & Signal.RESET);
});

function give(tcb: Tcb, nowUs: number, flags: number, seq: number): Reason {
  const packet = new Uint8Array(64);
  const view = new DataView(packet.buffer);
  const segment = Object.assign(createSegment(), {
    flags,
    seq: (tcb.irs + 1 + seq) >>> 0,
    ack: (tcb.iss + 1 + tcb.sndUna) >>> 0,
    hasTimestamps: true,
    tsval: tcb.tsRecent,
  });
  return handleSegment(tcb, nowUs, view, packet, 0, emitSegment(view, 0, segment));
}

test('self: RFC 5961: a RST that is not exact, or a SYN, draws a limited number of challenge ACKs', () => {
  const world = openWorld('self');
  const { tcb } = world.ends[0];
  const before = tcb.challenges;
  assert.equal(give(tcb, world.nowUs, TcpFlag.RST, tcb.rcvNxt + 5), Reason.TCP_FLAG);
  assert.equal(give(tcb, world.nowUs, TcpFlag.SYN, tcb.rcvNxt), Reason.TCP_FLAG);
  assert.equal(tcb.challenges, before + 2);
  assert.equal(tcb.state, 'ESTABLISHED');
  for (let i = 0; i < 50; i++) give(tcb, world.nowUs, TcpFlag.RST, tcb.rcvNxt + 5);
  assert.equal(tcb.challenges, 10);
  assert.equal(give(tcb, world.nowUs, TcpFlag.RST, tcb.rcvNxt + 2 ** 30), Reason.TCP_FLAG);
  assert.equal(give(tcb, world.nowUs, TcpFlag.RST, tcb.rcvNxt), Reason.OK);
  assert.ok(tcb.signals & Signal.RESET);
});
