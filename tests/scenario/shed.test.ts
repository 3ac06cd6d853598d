// Shedding: a server asks its clients to go on elsewhere, over a network that loses, repeats and forges what it says. The
// flow itself is never touched, whatever becomes of the request; and who is sent on when a listener sheds finds another
// instance, or the same one if there is no other.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Reason, randomBytes, seededRandom } from '../../src/core/base/index.ts';
import { Protocol } from '../../src/core/stack/index.ts';
import { ControlFlag } from '../../src/core/wire/index.ts';
import { joinHosts } from '../../src/sim/index.ts';
import { forgeControl, tapAll } from './attackers.ts';
import { type Endpoint, playScript } from './endpoint.ts';
import { type Connection, isOver, type LiveFlow, openFlow } from './live-flow.ts';
import { retag } from './mangle.ts';
import { dropFirst, kindOf, readPacket, sentOf } from './packets.ts';
import {
  addMember,
  allClosed,
  assertIntact,
  assertNoFlows,
  createWorld,
  dialFrom,
  type Listening,
  listenOn,
  runFor,
  scriptsFor,
  service,
  type World,
} from './world.ts';

const delayUs = 20_000;
const noTag = new Uint8Array(16);

/** A download under way, which takes 8 s. */
function download(resumes = true): LiveFlow {
  const scripts = scriptsFor(100, 2_000_000);
  return openFlow({ delayUs, bitsPerSecond: 2e6, queueBytes: 25_000 }, scripts, 1, { resumes, keepTrace: true });
}

function askToGo({ world, listening }: LiveFlow): number {
  return world.server.driver.handle({ kind: 'shed', socket: listening.accepted[0]!.socket });
}

/** What became of the request has done the stream no harm. */
function complete(flow: LiveFlow): void {
  assert.ok(runFor(flow.world, 120_000_000, () => isOver(flow)));
  assertIntact(flow.client);
  assertIntact(flow.listening.accepted[0]);
  assertNoFlows(flow.world);
}

function sent({ world }: LiveFlow, kind: string): number {
  return sentOf(world.simulation.trace.records, kind).length;
}

test('shed: the client is asked once, answers, and goes on until it wants to go', () => {
  const flow = download();
  const askedUs = flow.world.simulation.clock.nowUs;
  assert.equal(askToGo(flow), 1);
  assert.equal(askToGo(flow), 0, 'asked already');
  complete(flow);
  assert.equal(flow.client.shedUs.length, 1);
  // The request stands in the queue of the link behind the download's data.
  assert.ok(flow.client.shedUs[0]! - askedUs < 200_000);
  assert.deepEqual([sent(flow, 'FAIL'), sent(flow, 'FAIL|ACK')], [1, 1]);
});

test('shed: both ends tell of it, and only what the client said in its first message counts', () => {
  for (const resumes of [true, false]) {
    const flow = download(resumes);
    const told = () => [flow.clientSide, flow.serverSide].map(({ resumes, shedding }) => [resumes, shedding]);
    assert.deepEqual(told(), [
      [resumes, false],
      [resumes, false],
    ]);
    assert.equal(askToGo(flow), resumes ? 1 : 0);
    runFor(flow.world, 1_000_000);
    assert.deepEqual(told(), [
      [resumes, resumes],
      [resumes, resumes],
    ]);
    const infos = [flow.world.client, flow.world.server].flatMap(({ stack }) => stack.inspect().flows);
    assert.ok(infos.every((info) => info.resumes === resumes && info.shedding === resumes));
    if (!resumes) assert.equal(sent(flow, 'FAIL'), 0, 'nothing is sent to a client that cannot go');
    complete(flow);
    assert.equal(flow.client.shedUs.length, resumes ? 1 : 0);
  }
});

test('shed: a lost request is repeated, after 0.2, 0.4, 0.8 s', () => {
  const flow = download();
  const dropped = dropFirst(flow.world.down, 'FAIL', 3);
  const askedUs = flow.world.simulation.clock.nowUs;
  askToGo(flow);
  complete(flow);
  assert.equal(dropped(), 3);
  assert.equal(flow.client.shedUs.length, 1);
  const waitedUs = flow.client.shedUs[0]! - askedUs;
  assert.ok(waitedUs >= 1_400_000 && waitedUs < 1_700_000, `${waitedUs} us`);
});

test('shed: a lost answer is given again, and the application hears of it once', () => {
  const flow = download();
  const dropped = dropFirst(flow.world.up, 'FAIL|ACK', 3);
  askToGo(flow);
  complete(flow);
  assert.equal(dropped(), 3);
  assert.deepEqual([sent(flow, 'FAIL'), sent(flow, 'FAIL|ACK')], [4, 4]);
  assert.equal(flow.client.shedUs.length, 1);
});

test('shed: a client that never hears of it is asked six times, and keeps its connection', () => {
  const flow = download();
  dropFirst(flow.world.down, 'FAIL', 1_000);
  askToGo(flow);
  complete(flow);
  assert.equal(sent(flow, 'FAIL'), 6);
  assert.equal(flow.client.shedUs.length, 0);
});

test('shed: requests and answers that arrive several times, late and in any order change nothing', () => {
  const flow = download();
  tapAll(flow.world.simulation, ['client>server', 'server>client'], (packet) => {
    const { kind } = readPacket(packet.bytes);
    return kind.startsWith('FAIL') ? [packet, packet, packet] : [packet];
  });
  askToGo(flow);
  runFor(flow.world, 1_000_000);
  const requests = flow.world.simulation.trace.records.filter(({ bytes }) => kindOf(bytes).startsWith('FAIL'));
  for (const { bytes } of [...requests, ...requests.reverse()]) {
    const ends = [flow.world.client, flow.world.server] as const;
    for (const { driver } of ends)
      driver.handle({ kind: 'packets', buffer: bytes, bytes: bytes.length, remote: flow.serverSide.peer });
  }
  complete(flow);
  assert.equal(flow.client.shedUs.length, 1);
});

/** FAIL with the reason SHED to the end `side`, as its peer would send it. */
function forgeShed(side: Connection, flags: number, tag: Uint8Array | undefined): Uint8Array {
  const { localFlow, localNonce, remoteFlow } = side;
  return forgeControl(localFlow, { flags, reason: Reason.SHED, nonce: localNonce, from: remoteFlow, tag });
}

function strike({ world }: LiveFlow, host: World['client'], bytes: Uint8Array): void {
  host.driver.handle({ kind: 'packets', buffer: bytes, bytes: bytes.length, remote: world.server.station.seenAs[0]! });
}

test('shed: without the tag of the flow nobody asks for anything, nor answers for the client', () => {
  const flow = download();
  const random = seededRandom(21);
  for (const flags of [ControlFlag.FAIL, ControlFlag.FAIL | ControlFlag.ACK])
    for (const tag of [undefined, randomBytes(random, 16)]) {
      strike(flow, flow.world.client, forgeShed(flow.clientSide, flags, tag));
      strike(flow, flow.world.server, forgeShed(flow.serverSide, flags, tag));
    }
  runFor(flow.world, 1_000_000);
  assert.ok(!flow.clientSide.shedding && !flow.serverSide.shedding);
  // A forged answer does not silence a true request.
  dropFirst(flow.world.up, 'FAIL|ACK', 1_000);
  askToGo(flow);
  strike(flow, flow.world.server, forgeShed(flow.serverSide, ControlFlag.FAIL | ControlFlag.ACK, noTag));
  complete(flow);
  assert.equal(sent(flow, 'FAIL'), 6);
  assert.equal(flow.client.shedUs.length, 1);
});

test('shed: who has the keys and no right to ask is not heard', () => {
  // A server whose client cannot go, a client that asks its server, an answer that nobody asked for.
  const flow = download(false);
  const { client, server } = flow.world;
  const { FAIL, ACK } = ControlFlag;
  strike(flow, client, retag(flow, flow.serverSide, forgeShed(flow.clientSide, FAIL, noTag)));
  strike(flow, server, retag(flow, flow.clientSide, forgeShed(flow.serverSide, FAIL, noTag)));
  strike(flow, server, retag(flow, flow.clientSide, forgeShed(flow.serverSide, FAIL | ACK, noTag)));
  strike(flow, client, retag(flow, flow.serverSide, forgeShed(flow.clientSide, FAIL | ACK, noTag)));
  const dropped = [client, server].map(({ stack }) => stack.inspect().counters.dropped['bad-state']);
  assert.deepEqual(dropped, [2, 2]);
  complete(flow);
  assert.equal(flow.client.shedUs.length, 0);
});

test('shed: FAIL with another reason is the end of the flow, as before', () => {
  const flow = download();
  const { localFlow, localNonce, remoteFlow } = flow.clientSide;
  const values = { flags: ControlFlag.FAIL, reason: Reason.REFUSED, nonce: localNonce, from: remoteFlow, tag: noTag };
  strike(flow, flow.world.client, retag(flow, flow.serverSide, forgeControl(localFlow, values)));
  assert.ok(runFor(flow.world, 1_000_000, () => allClosed(flow.client)));
  assert.equal(flow.client.reason, Reason.REFUSED);
});

const [clientScript, serverScript] = scriptsFor(1_000, 1_000);

function dialMany(world: World, count: number): number[] {
  const startUs = world.simulation.clock.nowUs;
  const clients = Array.from({ length: count }, () => dialFrom(world, world.client, clientScript));
  assert.ok(runFor(world, 10_000_000, () => allClosed(...clients)));
  for (const client of clients) assertIntact(client);
  return clients.map(({ openedUs }) => openedUs - startUs);
}

test('shed: while a listener sheds, new clients go to the others without delay; a second later it serves again', () => {
  const world = createWorld({ delayUs: 1_000 });
  const other = addMember(world.simulation, 'other', '10.0.0.3');
  const [shedding, staying]: [Listening, Listening] = [
    listenOn(world, world.server, serverScript),
    listenOn(world, other, serverScript),
  ];
  assert.equal(world.server.driver.handle({ kind: 'shed', socket: shedding.socket }), 1);
  const openedUs = dialMany(world, 40);
  assert.deepEqual([shedding.accepted.length, staying.accepted.length], [0, 40]);
  assert.ok(Math.max(...openedUs) < 50_000, 'a refusal costs a round trip, no timeout');
  runFor(world, 1_000_000);
  dialMany(world, 40);
  assert.ok(shedding.accepted.length > 5, `${shedding.accepted.length} of 40`);
});

test('shed: the only instance of a service is still reached while it sheds', () => {
  const world = createWorld({ delayUs: 1_000 });
  const listening = listenOn(world, world.server, serverScript);
  world.server.driver.handle({ kind: 'shed', socket: listening.socket });
  assert.ok(Math.max(...dialMany(world, 10)) < 50_000);
  assert.equal(listening.accepted.length, 10);
  const { records } = world.simulation.trace;
  assert.equal(sentOf(records, 'FAIL', 'server').length, 10, 'each was sent on once');
});

test('shed: a connection that ends is not asked any more', () => {
  const flow = openFlow({ delayUs }, scriptsFor(1_000, 1_000), 1, { resumes: true, keepTrace: true });
  dropFirst(flow.world.down, 'FAIL', 1_000);
  askToGo(flow);
  complete(flow);
  assert.ok(sent(flow, 'FAIL') <= 2, `${sent(flow, 'FAIL')}`);
  assert.equal(flow.world.server.driver.handle({ kind: 'shed', socket: flow.listening.accepted[0]!.socket }), 0);
  assert.equal(flow.world.server.driver.handle({ kind: 'shed', socket: 999_999 }), 0);
});

test('shed: 200 clients that dial elsewhere when they are asked are there within three round trips', () => {
  const world = createWorld({ delayUs: 10_000 });
  const { client, server, simulation } = world;
  const [up, down] = scriptsFor(1_000, 1_000, { endWhen: 'peer-ended' });
  const leaving = listenOn(world, server, down);
  const old = Array.from({ length: 200 }, () => dialFrom(world, client, up, service, true));
  assert.ok(runFor(world, 10_000_000, () => old.every(({ receivedBytes }) => receivedBytes === 1_000)));
  const other = addMember(simulation, 'other', '10.0.0.3');
  joinHosts(simulation, client, other, { delayUs: 10_000 });
  listenOn(world, other, down);
  const startUs = simulation.clock.nowUs;
  for (const { socket } of [leaving, ...leaving.accepted]) server.driver.handle({ kind: 'shed', socket });
  const moved = new Map<Endpoint, Endpoint>();
  const dialWhoWasAsked = () => {
    for (const one of old) {
      if (one.shedUs.length === 0 || moved.has(one)) continue;
      const avoid = one.socket;
      const socket = client.driver.handle({ kind: 'connect', service, protocol: Protocol.TCP, avoid });
      moved.set(one, playScript(client.driver, simulation.clock, socket, up, false));
    }
    return [...moved.values()].filter(({ receivedBytes }) => receivedBytes === 1_000).length === 200;
  };
  assert.ok(runFor(world, 5_000_000, dialWhoWasAsked));
  const lastUs = Math.max(...[...moved.values()].map(({ openedUs }) => openedUs));
  assert.ok(lastUs - startUs < 3 * 20_000, `${lastUs - startUs} us`);
});
