// Ends of a connection: half-close in both orders, both at once, abort by either end and at any moment, lost FINs, a peer
// that vanishes.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { makeLocator, rebind } from '../../src/sim/index.ts';
import type { Endpoint } from './endpoint.ts';
import { dropFirst, kindOf, sentOf } from './packets.ts';
import type { Abort, Script } from './plan.ts';
import {
  allClosed,
  assertIntact,
  assertNoFlows,
  createWorld,
  dialFrom,
  type Listening,
  listenOn,
  reasonOf,
  runFor,
  scriptsFor,
  type World,
} from './world.ts';

const delayUs = 20_000;

interface Run {
  readonly world: World;
  readonly client: Endpoint;
  readonly listening: Listening;
}

function open(clientScript: Script, serverScript: Script): Run {
  const world = createWorld({ delayUs });
  const listening = listenOn(world, world.server, serverScript);
  return { world, listening, client: dialFrom(world, world.client, clientScript) };
}

/** Until both ends are closed, or `forUs` passed. */
function finish({ world, client, listening }: Run, forUs = 120_000_000): boolean {
  return runFor(world, forUs, () => listening.accepted.length > 0 && allClosed(client, ...listening.accepted));
}

test('closing: either end may end first and still receive everything', () => {
  for (const first of ['client', 'server']) {
    const [clientScript, serverScript] = scriptsFor(300_000, 500_000);
    const waiting = { endWhen: 'peer-ended' } as const;
    const run = open(
      first === 'client' ? clientScript : { ...clientScript, ...waiting },
      first === 'client' ? { ...serverScript, ...waiting } : serverScript,
    );
    assert.ok(finish(run), first);
    assertIntact(run.client);
    assertIntact(run.listening.accepted[0]);
    assertNoFlows(run.world);
  }
});

test('closing: what is written in answer carries the ACKs: opened and ended, a connection costs seven packets', () => {
  const [clientScript, serverScript] = scriptsFor(0, 0);
  const run = open(clientScript, { ...serverScript, endWhen: 'peer-ended' });
  assert.ok(finish(run));
  const sent = run.world.simulation.trace.records.filter(({ verdict }) => verdict === 'sent');
  const kinds = sent.map(({ bytes }) => kindOf(bytes)).filter((kind) => kind !== 'named');
  assert.deepEqual(kinds.slice(kinds.indexOf('SYN')), ['SYN', 'SYN', 'SYN|ACK', 'ACK', 'data', 'FIN', 'FIN|ACK']);
});

test('closing: both ends at once, with nothing sent and with data under way', () => {
  for (const bytes of [0, 1, 100_000]) {
    const run = open(...scriptsFor(bytes, bytes));
    assert.ok(finish(run), `${bytes}`);
    assertIntact(run.client);
    assertIntact(run.listening.accepted[0]);
    assertNoFlows(run.world);
  }
});

test('closing: a lost FIN or FIN|ACK is repeated', () => {
  for (const kind of ['FIN', 'FIN|ACK']) {
    const run = open(...scriptsFor(1_000, 1_000));
    const dropped = [run.world.up, run.world.down].map((link) => dropFirst(link, kind, 2));
    assert.ok(finish(run), kind);
    assertIntact(run.client);
    assertIntact(run.listening.accepted[0]);
    assertNoFlows(run.world);
    assert.ok(
      dropped.some((count) => count() > 0),
      `no ${kind} was ever sent`,
    );
  }
});

test('closing: FIN is answered where it came from: a NAT has made another mapping since', () => {
  const [clientScript, serverScript] = scriptsFor(1_000, 1_000);
  // The client sends FIN, the server answers it.
  const run = open(clientScript, { ...serverScript, endWhen: 'peer-ended' });
  const { simulation, client, down } = run.world;
  const lost = dropFirst(down, 'FIN|ACK', 1);
  assert.ok(runFor(run.world, 10_000_000, () => lost() === 1));
  rebind(simulation.network, client.station, [makeLocator('100.64.0.1', 7_000)]);
  const fromUs = simulation.clock.nowUs;
  assert.ok(finish(run));
  assertIntact(run.client);
  assertIntact(run.listening.accepted[0]);
  assert.ok(run.client.closedUs - fromUs < 1_000_000, 'the repeated FIN was answered');
  assertNoFlows(run.world);
});

test('closing: FIN has its own patience: a keep-alive that nobody answers makes no error of an orderly end', () => {
  const [clientScript, serverScript] = scriptsFor(1_000, 1_000, { keepAliveUs: 1_000_000 });
  const run = open(clientScript, { ...serverScript, endWhen: 'peer-ended' });
  const { client, simulation, up, down } = run.world;
  const { values } = client.stack.state.flows;
  const waiting = () => values.find((each) => each?.kind === 'connection' && each.state === 'FIN-SENT');
  assert.ok(runFor(run.world, 10_000_000, () => waiting() !== undefined));
  for (const link of [up, down]) link.options.up = false;
  // As if the close record had arrived without the transport's FIN, which is sent again later.
  const flow = waiting();
  assert.ok(flow?.kind === 'connection' && flow.tcb);
  flow.tcb.state = 'FIN-WAIT-2';
  flow.tcb.timers.keepAliveUs = simulation.clock.nowUs + 1_000_000;
  assert.ok(runFor(run.world, 120_000_000, () => run.client.reason !== undefined));
  assertIntact(run.client);
});

test('closing: an abort reaches the other end as a reset, wherever it happens', () => {
  const aborts: Abort[] = [
    { kind: 'sent', bytes: 0 },
    { kind: 'sent', bytes: 100_000 },
    { kind: 'received', bytes: 50_000 },
    { kind: 'time', afterUs: 150_000 },
  ];
  for (const abort of aborts) {
    for (const who of [0, 1]) {
      const scripts = scriptsFor(1_000_000, 1_000_000);
      scripts[who] = { ...(scripts[who] as Script), abort };
      const run = open(...scripts);
      finish(run);
      const [server] = run.listening.accepted;
      const label = `${JSON.stringify(abort)} by ${who === 0 ? 'client' : 'server'}`;
      assert.notEqual(reasonOf(run.client), 'open', label);
      // Also of a connection that ends the moment it is open: as with TCP, whose ACK has left by then.
      assert.ok(server, label);
      assert.equal(reasonOf(who === 0 ? server : run.client), 'aborted', label);
      assert.ok(server.receivedBytes <= server.sentBytes + 1_000_000 && server.wrongAt === -1);
      assertNoFlows(run.world);
    }
  }
});

test('closing: a client gives up the moment it is connected, and its reset is lost: what the server sends finds that out', () => {
  const [clientScript, serverScript] = scriptsFor(1_000, 1_000);
  const run = open({ ...clientScript, abort: { kind: 'sent', bytes: 0 } }, serverScript);
  const resets = dropFirst(run.world.up, 'RST', 1);
  assert.ok(finish(run, 10_000_000));
  assert.equal(resets(), 1);
  assert.equal(reasonOf(run.listening.accepted[0]), 'aborted');
  assertNoFlows(run.world);
});

test('closing: a connecting socket that is aborted leaves nothing behind on either side', () => {
  for (const afterUs of [0, 500, 5_000, 22_000, 30_000, 45_000]) {
    const [clientScript, serverScript] = scriptsFor(1_000, 1_000);
    const run = open({ ...clientScript, abort: { kind: 'time', afterUs } }, serverScript);
    runFor(run.world, 60_000_000);
    assert.notEqual(reasonOf(run.client), 'open', `${afterUs}`);
    for (const endpoint of run.listening.accepted) assert.notEqual(reasonOf(endpoint), 'open', `${afterUs}`);
    assertNoFlows(run.world);
  }
});

test('closing: a lost RST is made up for by the next packet of the other end', () => {
  const [clientScript, serverScript] = scriptsFor(5_000_000, 0);
  const run = open(clientScript, { ...serverScript, abort: { kind: 'received', bytes: 200_000 } });
  const dropped = dropFirst(run.world.down, 'RST', 2);
  assert.ok(finish(run, 10_000_000));
  assert.equal(dropped(), 2);
  assert.equal(reasonOf(run.client), 'aborted');
  assertNoFlows(run.world);
});

test('closing: data for an end that was told of its peer is never cut short', () => {
  // The server reads slowly: everything is acknowledged and closed long before the application took it.
  const [clientScript, serverScript] = scriptsFor(400_000, 0);
  const run = open(clientScript, { ...serverScript, readBytes: 10_000, pauseUs: 100_000 });
  assert.ok(finish(run));
  assertIntact(run.client);
  assertIntact(run.listening.accepted[0]);
  assertNoFlows(run.world);
});

test('closing: a peer that vanishes, and the router with it, is noticed by keep-alive, and by whoever still sends', () => {
  for (const upBytes of [1_000, 50_000_000]) {
    const [clientScript, serverScript] = scriptsFor(upBytes, 0);
    const waiting = { endWhen: 'peer-ended' } as const;
    const run = open({ ...clientScript, ...waiting }, { ...serverScript, ...waiting });
    runFor(run.world, 300_000);
    run.world.server.driver.kill();
    run.world.router.driver.kill();
    assert.ok(
      runFor(run.world, 3_600_000_000, () => allClosed(run.client)),
      `${upBytes}`,
    );
    assert.equal(reasonOf(run.client), 'timed-out');
    runFor(run.world, 60_000_000);
    assert.deepEqual(run.world.client.stack.inspect().flows, []);
  }
});

test('closing: a listener that closes leaves its connections alone', () => {
  const run = open(...scriptsFor(2_000_000, 2_000_000));
  runFor(run.world, 100_000);
  assert.equal(run.listening.accepted.length, 1);
  run.world.server.driver.handle({ kind: 'close', socket: run.listening.socket });
  assert.ok(finish(run));
  assert.equal(run.listening.reason, 0);
  assertIntact(run.client);
  assertIntact(run.listening.accepted[0]);
  assertNoFlows(run.world);
});

test('closing: an orderly close takes one exchange of FIN, sent directly', () => {
  const run = open(...scriptsFor(5_000, 5_000));
  assert.ok(finish(run));
  const { records } = run.world.simulation.trace;
  const fins = sentOf(records, 'FIN');
  assert.ok(fins.length >= 1 && fins.length <= 2, `${fins.length}`);
  assert.ok(sentOf(records, 'FIN|ACK').length >= 1);
  assert.equal(sentOf(records, 'RST').length, 0);
});
