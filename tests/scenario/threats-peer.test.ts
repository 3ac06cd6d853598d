// The threat table, row by row: a peer that has the keys and keeps no rule, and what strangers can learn from answers or
// from silence. A hostile peer is an honest stack whose packets are changed, or made, and tagged anew with its own keys.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { randomBelow, randomBytes, randomId, seededRandom } from '../../src/core/base/index.ts';
import {
  baseHeaderBytes,
  challengeBytes,
  Direction,
  emitBase,
  emitChallenge,
  emitMac,
  macBytes,
} from '../../src/core/wire/index.ts';
import { schedule } from '../../src/sim/index.ts';
import { addAttacker, forgeControl, forgeSegment, forgeSyn, spoof } from './attackers.ts';
import { type Connection, connectionsOf, flowOf, isOver, type LiveFlow, openFlow } from './live-flow.ts';
import { mangleAcks, retag } from './mangle.ts';
import { readPacket } from './packets.ts';
import { assertIntact, createWorld, dialFrom, listenOn, runFor, scriptsFor, service, serviceOf } from './world.ts';

const link = { delayUs: 20_000, bitsPerSecond: 50e6, queueBytes: 400_000 };
const random = seededRandom(16);
const noTag = new Uint8Array(16);

function secondsOf(flow: LiveFlow): number {
  const startUs = flow.world.simulation.clock.nowUs;
  assert.ok(
    runFor(flow.world, 120_000_000, () => isOver(flow)),
    'over in time',
  );
  assertIntact(flow.listening.accepted[0]);
  return (flow.client.closedUs - startUs) / 1e6;
}

test('threat: hostile receiver acknowledges what was never sent: ignored, and the transfer completes', () => {
  const flow = openFlow(link, scriptsFor(100, 2_000_000));
  mangleAcks(flow, (ack) => [(ack + 50_000_000) >>> 0, ack]);
  secondsOf(flow);
  assertIntact(flow.client);
});

test('threat: hostile receiver splits its ACKs: it is sent nothing sooner than an honest one', () => {
  const honest = secondsOf(openFlow(link, scriptsFor(100, 4_000_000)));
  const flow = openFlow(link, scriptsFor(100, 4_000_000));
  let last: number | undefined;
  mangleAcks(flow, (ack) => {
    const from = last ?? ack;
    const step = (ack - from) | 0;
    last = ack;
    if (step <= 20) return [ack];
    return Array.from({ length: 10 }, (_, i) => (from + Math.ceil((step * (i + 1)) / 10)) >>> 0);
  });
  const seconds = secondsOf(flow);
  assert.ok(seconds >= 0.95 * honest, `${seconds} s, honestly ${honest} s`);
});

test('threat: hostile sender leaves holes: a few hundred are kept, the rest is refused', () => {
  const flow = openFlow(link, scriptsFor(100, 100, { endWhen: 'peer-ended' }));
  const { world, clientSide, serverSide } = flow;
  runFor(world, 1_000_000);
  const { tcb } = serverSide;
  assert.ok(tcb !== undefined);
  const lentBefore = world.server.stack.state.blocks.lent;
  for (let i = 1; i <= 10_000; i++) {
    const seq = (tcb.irs + 1 + tcb.rcvNxt + 20 * i) >>> 0;
    const values = { seq, ack: (tcb.iss + 1 + tcb.sndUna) >>> 0, hasTimestamps: true, tsval: tcb.tsNewest };
    const bytes = retag(
      flow,
      clientSide,
      forgeSegment(serverSide.localFlow, values, randomBytes(random, 1), { tag: noTag }),
    );
    const input = { kind: 'packets', buffer: bytes, bytes: bytes.length, remote: serverSide.peer } as const;
    world.server.driver.handle(input);
    if (i % 100 === 0) runFor(world, 1_000);
  }
  assert.ok(tcb.reassembly.intervals.count <= 256, `${tcb.reassembly.intervals.count} intervals`);
  assert.ok(world.server.stack.state.blocks.lent - lentBefore <= 8, 'blocks for what was kept only');
});

test('threat: challenges are answered at most once in 10 ms, to each flow by itself', () => {
  const world = createWorld({ delayUs: 1_000 }, 1, undefined, false);
  const [clientScript, serverScript] = scriptsFor(100, 100, { endWhen: 'peer-ended' });
  listenOn(world, world.server, serverScript);
  const sockets = [1, 2].map(() => dialFrom(world, world.client, clientScript).socket);
  runFor(world, 1_000_000);
  const attacker = addAttacker(world.simulation);
  const flows = connectionsOf(world.client);
  assert.equal(flows.length, sockets.length);
  const { mac } = world.server.stack.state.options.primitives;
  const peers = connectionsOf(world.server);
  const ask = (flow: Connection) => {
    const bytes = new Uint8Array(baseHeaderBytes + challengeBytes + macBytes);
    const view = new DataView(bytes.buffer);
    const { hi, lo } = flow.localFlow;
    emitBase(view, 0, bytes.length, 0, bytes.length, hi, lo);
    const { hi: tokenHi, lo: tokenLo } = randomId(random);
    emitChallenge(view, baseHeaderBytes, { direction: Direction.REQUEST, tokenHi, tokenLo });
    emitMac(view, bytes.length - macBytes, 0);
    const peer = peers.find((other) => other.remoteFlow.lo === lo && other.remoteFlow.hi === hi);
    mac.tag(peer!.keys!.tagKey, bytes, 0, bytes.length, bytes, bytes.length - 16);
    const [destination] = world.client.station.locals;
    spoof(world.simulation, attacker, { source: attacker.locator, destination: destination!, bytes });
  };
  const before = world.client.driver.counters.packetsSent;
  const answers = () => world.client.driver.counters.packetsSent - before;
  for (let i = 0; i < 1_000; i++) {
    ask(flows[0]!);
    runFor(world, 100);
  }
  runFor(world, 10_000);
  const ofOne = answers();
  assert.ok(ofOne >= 5 && ofOne <= 12, `${ofOne} answers in 0.1 s`);
  ask(flows[1]!);
  runFor(world, 5_000);
  assert.equal(answers(), ofOne + 1, 'what one flow was asked does not show in another');
});

test('threat: answers to segments out of the window are counted by flow: no side channel from one to another', () => {
  const counts = [0, 5_000].map((disturbing) => {
    const world = createWorld({ delayUs: 1_000 }, 1, undefined, false);
    const [clientScript, serverScript] = scriptsFor(100, 100, { endWhen: 'peer-ended', keepAliveUs: 60_000_000 });
    listenOn(world, world.server, serverScript);
    for (let i = 0; i < 2; i++) dialFrom(world, world.client, clientScript);
    runFor(world, 1_000_000);
    const [first, second] = connectionsOf(world.server);
    const strike = (flow: Connection, count: number) => {
      for (let i = 0; i < count; i++) {
        const buffer = forgeSegment(flow.localFlow, { seq: (flow.tcb!.irs - 500_000_000) >>> 0 }, new Uint8Array(0));
        world.server.driver.handle({ kind: 'packets', buffer, bytes: buffer.length, remote: flow.peer });
        if (i % 20 === 0) runFor(world, 100);
      }
    };
    strike(first!, disturbing);
    const before = second!.packetsOut;
    strike(second!, 1_000);
    runFor(world, 5_000);
    assert.equal(first!.state, 'ESTABLISHED');
    return second!.packetsOut - before;
  });
  assert.equal(counts[0], counts[1]);
  assert.ok(counts[0]! > 0 && counts[0]! <= 20, `${counts[0]} answers`);
});

test('silence: an instance refuses only who comes through a router, or asks for a name that it closed lately', () => {
  const world = createWorld({ delayUs: 1_000 });
  const attacker = addAttacker(world.simulation);
  const listening = listenOn(world, world.server, scriptsFor(100, 100)[1]);
  const [serverAt] = world.server.station.locals;
  const ask = (name = service) => {
    const bytes = forgeSyn(name, randomId(random), randomId(random), randomBytes(random, 32));
    const before = attacker.received.length;
    spoof(world.simulation, attacker, { source: attacker.locator, destination: serverAt!, bytes });
    runFor(world, 50_000);
    return attacker.received.slice(before).map(({ bytes: answer }) => readPacket(answer).kind);
  };
  assert.deepEqual(ask(serviceOf('nobody')), [], 'to a stranger: silence');
  assert.deepEqual(ask(), ['SYN|ACK']);
  runFor(world, 60_000_000);
  attacker.received.length = 0;
  world.server.driver.handle({ kind: 'close', socket: listening.socket });
  runFor(world, 5_000_000);
  assert.deepEqual(ask(), ['FAIL'], 'a racing dial learns at once');
  // Nothing else is left to happen, and a clock without a timer stands still.
  const { clock } = world.simulation;
  schedule(clock, clock.nowUs + 60_000_000, () => {});
  runFor(world, 60_000_000);
  assert.deepEqual(ask(), [], 'later it is a stranger');
});

test('silence: packets for a flow that is not there are answered by nothing, whatever they are', () => {
  const world = createWorld({ delayUs: 1_000 });
  const attacker = addAttacker(world.simulation);
  const [clientScript, serverScript] = scriptsFor(100, 100);
  listenOn(world, world.server, serverScript);
  dialFrom(world, world.client, clientScript);
  runFor(world, 100_000);
  const gone = flowOf(world.server)?.localFlow ?? randomId(random);
  runFor(world, 60_000_000);
  assert.equal(world.server.stack.state.flows.size, 0);
  const sent = () =>
    world.simulation.trace.records.filter((r) => r.verdict === 'sent' && r.from === 'server' && r.to !== 'router')
      .length;
  const before = sent();
  const [serverAt] = world.server.station.locals;
  for (const to of [gone, randomId(random)])
    for (let flags = 0; flags < 64; flags++)
      for (const tag of [undefined, randomBytes(random, 16)]) {
        const forged = { flags, reason: flags & 31, nonce: randomId(random), from: randomId(random), tag };
        for (const bytes of [
          forgeControl(to, forged),
          forgeSegment(to, { seq: randomBelow(random, 1e9) }, noTag, { tag }),
        ])
          spoof(world.simulation, attacker, { source: attacker.locator, destination: serverAt!, bytes });
      }
  runFor(world, 100_000);
  assert.equal(sent(), before);
  assert.equal(attacker.received.length, 0);
  const { dropped } = world.server.stack.inspect().counters;
  assert.ok((dropped['unknown-flow'] ?? 0) + (dropped['bad-state'] ?? 0) >= 512);
});
