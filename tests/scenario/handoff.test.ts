// Connections that go on in another process (docs/protocol.md, "Handoff"): every byte arrives once, whatever the network
// does meanwhile; of several that would go on one does; and no number is sealed twice under one key.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Reason } from '../../src/core/base/index.ts';
import type { SocketId, Stack } from '../../src/core/stack/index.ts';
import {
  detachStation,
  joinHosts,
  type LinkOptions,
  moveHost,
  type SimHost,
  schedule,
  setPath,
} from '../../src/sim/index.ts';
import type { Endpoint } from './endpoint.ts';
import { exportTo, type Handing, handOver, importAt, watchNonces } from './heirs.ts';
import type { Script } from './plan.ts';
import {
  addMember,
  assertIntact,
  assertNoFlows,
  createWorld,
  dialFrom,
  listenOn,
  reasonOf,
  runFor,
  scriptsFor,
  serviceOf,
  type World,
} from './world.ts';

type Host = SimHost<Stack>;

const link: Partial<LinkOptions> = { delayUs: 5_000, bitsPerSecond: 50_000_000, queueBytes: 100_000 };
const rttUs = 10_000;
const rough: Partial<LinkOptions> = { ...link, loss: 0.02, duplicate: 0.02, reorder: 0.1, reorderUs: 4_000 };

type Writable = { -readonly [K in keyof Script]: Script[K] };

interface Deployment {
  readonly world: World;
  /** The first beside the server, at its address; the second elsewhere. */
  readonly heirs: readonly [Host, Host];
  /** Of the server and of the heirs. */
  readonly listeners: ReadonlyMap<Host, SocketId>;
  readonly client: Endpoint;
  readonly server: Endpoint;
}

/** An open connection, and two stacks that may go on with its server's end. */
function deploy(
  upBytes: number,
  downBytes: number,
  options = link,
  seed = 1,
  slowly: Partial<Script> = {},
): Deployment {
  const world = createWorld(options, seed, undefined, false, { primitives: watchNonces().crypto });
  const { simulation, server, client } = world;
  const heirs = [
    addMember(simulation, 'heir', '10.0.0.2', undefined, 40_001),
    addMember(simulation, 'far', '10.0.0.3'),
  ] as const;
  const [clientScript, serverScript] = scriptsFor(upBytes, downBytes).map((script) => ({
    ...script,
    ...slowly,
  })) as [Writable, Writable];
  // While the other end still sends, neither ends.
  (upBytes === 0 ? clientScript : serverScript).endWhen = 'peer-ended';
  const listening = listenOn(world, server, serverScript);
  const listeners = new Map<Host, SocketId>([[server, listening.socket]]);
  for (const [i, heir] of heirs.entries()) {
    if (i > 0) joinHosts(simulation, client, heir, options);
    listeners.set(heir, listenOn(world, heir, serverScript, serviceOf(`heir-${i}`)).socket);
  }
  setPath(simulation.network, client.name, heirs[0].name, [world.up]);
  setPath(simulation.network, heirs[0].name, client.name, [world.down]);
  const dial = dialFrom(world, client, clientScript);
  assert.ok(runFor(world, 5_000_000, () => listening.accepted.length > 0 && flowOf(client)?.confirmed === true));
  return { world, heirs: [...heirs], listeners, client: dial, server: listening.accepted[0]! };
}

/** Both ends got everything, and nobody holds anything. */
function assertWhole({ world, client }: Deployment, server: Endpoint): void {
  assert.ok(
    runFor(world, 120_000_000, () => client.reason !== undefined && server.reason !== undefined),
    `client ${reasonOf(client)} ${client.receivedBytes}, server ${reasonOf(server)} ${server.receivedBytes}`,
  );
  assertIntact(client);
  assertIntact(server);
  assertNoFlows(world);
  for (const { name, stack } of world.simulation.hosts.values() as Iterable<Host>)
    assert.equal(stack.state.formerFlows.size + stack.state.blocks.lent + stack.state.blocks.elsewhereBytes, 0, name);
}

/** Until `bytes` more have arrived at one of the two. */
function runUntil({ world, client }: Deployment, server: Endpoint, bytes: number): void {
  const total = (): number => client.receivedBytes + server.receivedBytes;
  const until = total() + bytes;
  assert.ok(
    runFor(world, 60_000_000, () => total() >= until),
    'it stands still',
  );
}

test('handoff: under loss, from stack to stack again and again, every byte arrives once', () => {
  for (let seed = 1; seed <= 12; seed++) {
    const deployment = deploy(1_500_000, 1_500_000, seed % 2 === 0 ? rough : link, seed);
    const { world, heirs, listeners } = deployment;
    let [host, end]: [Host, Endpoint] = [world.server, deployment.server];
    for (let i = 0; i < 4; i++) {
      runUntil(deployment, end, 400_000);
      const next = i % 2 === 0 ? heirs[seed % 2]! : heirs[1 - (seed % 2)]!;
      const handing = handOver(world, end, host, next, listeners.get(next), (seed % 3) * 1_500);
      assert.ok(
        runFor(world, 20_000_000, () => handing.arrived),
        `seed ${seed}, move ${i}`,
      );
      [host, end] = [next, handing.heir!];
    }
    assertWhole(deployment, end);
  }
});

test('handoff: at the same address the stream goes on at once and at full rate', () => {
  const deployment = deploy(0, 8_000_000);
  const { world, heirs, listeners, client } = deployment;
  const { clock } = world.simulation;
  runUntil(deployment, deployment.server, 3_000_000);
  const handing = handOver(world, deployment.server, world.server, heirs[0], listeners.get(heirs[0]));
  const { tcb } = flowOf(world.client)!;
  let [pauseUs, sinceUs, rcvNxt] = [0, clock.nowUs, tcb!.rcvNxt];
  for (let i = 0; i < 100; i++) {
    runFor(world, 1_000);
    if (tcb!.rcvNxt > rcvNxt) [sinceUs, rcvNxt] = [clock.nowUs, tcb!.rcvNxt];
    pauseUs = Math.max(pauseUs, clock.nowUs - sinceUs);
  }
  assert.ok(handing.arrived && pauseUs <= rttUs + 3_000, `a pause of ${pauseUs} us`);
  const bytes = client.receivedBytes;
  runFor(world, 200_000);
  const rate = ((client.receivedBytes - bytes) * 8) / 0.2;
  assert.ok(rate > 0.8 * 50_000_000, `${rate} bit/s`);
  assertWhole(deployment, handing.heir!);
});

test('handoff: what comes for the old place meanwhile is passed on, and nothing is sent again for it', () => {
  const deployment = deploy(4_000_000, 0, { ...link, queueBytes: Infinity });
  const { world, heirs, listeners } = deployment;
  runUntil(deployment, deployment.server, 1_000_000);
  const { counters } = flowOf(world.client)!.tcb!;
  const before = counters.bytesRetransmitted;
  const handing = handOver(world, deployment.server, world.server, heirs[0], listeners.get(heirs[0]));
  assert.ok(runFor(world, 5_000_000, () => handing.arrived));
  runFor(world, 10 * rttUs);
  const again = counters.bytesRetransmitted - before;
  assert.ok(again < 20_000, `${again} bytes`);
  assert.equal(flowOf(heirs[0])!.challenge, undefined, 'where they were passed on from is not asked for the client');
  assertWhole(deployment, handing.heir!);
});

test('handoff: what the application had not read is read in the new place', () => {
  const deployment = deploy(600_000, 0, link, 1, { readBytes: 10_000, pauseUs: 100_000 });
  const { world, heirs, listeners, server } = deployment;
  runFor(world, 500_000);
  assert.ok(flowOf(world.server)!.unreadBytes > 100_000);
  const handing = handOver(world, server, world.server, heirs[1], listeners.get(heirs[1]));
  assert.ok(runFor(world, 5_000_000, () => handing.arrived));
  assertWhole(deployment, handing.heir!);
});

test('handoff: the client moves in the same moment, and where the server was brings them together without a router', () => {
  for (let seed = 1; seed <= 6; seed++) {
    const deployment = deploy(800_000, 800_000, seed % 2 === 0 ? rough : link, seed);
    const { world, heirs, listeners } = deployment;
    runUntil(deployment, deployment.server, 400_000);
    detachStation(world.simulation.network, world.router.station);
    const handing = handOver(world, deployment.server, world.server, heirs[seed % 2]!, listeners.get(heirs[seed % 2]!));
    schedule(world.simulation.clock, world.simulation.clock.nowUs + seed * 900, () =>
      moveHost(world.simulation.network, world.client, '10.0.0.11', 40_000),
    );
    assert.ok(
      runFor(world, 30_000_000, () => handing.arrived),
      `seed ${seed}`,
    );
    assertWhole(deployment, handing.heir!);
  }
});

test('handoff: the client hands over its own end', () => {
  const deployment = deploy(800_000, 800_000);
  const { world, heirs, server } = deployment;
  joinHosts(world.simulation, heirs[1], world.server, link);
  runUntil(deployment, server, 400_000);
  const handing = handOver(world, deployment.client, world.client, heirs[1], undefined);
  assert.ok(runFor(world, 5_000_000, () => handing.arrived));
  assertWhole({ ...deployment, client: handing.heir! }, server);
});

test('taken back: the importer never was, and the stream goes on where it stood', () => {
  for (const options of [link, rough]) {
    const deployment = deploy(800_000, 800_000, options);
    const { world, heirs, server } = deployment;
    for (let i = 0; i < 3; i++) {
      runUntil(deployment, server, 200_000);
      exportTo(world, server, world.server, heirs[0], () => {});
      runFor(world, 300_000);
      assert.equal(world.server.driver.handle({ kind: 'take', socket: server.socket }), 1);
      assert.ok(runFor(world, 5_000_000, () => flowOf(world.server)?.arriving === undefined));
    }
    assertWhole(deployment, server);
  }
});

test('taken back: what was given away before is worth nothing', () => {
  const deployment = deploy(800_000, 800_000);
  const { world, heirs, listeners, server } = deployment;
  runUntil(deployment, server, 200_000);
  const handing = exportTo(world, server, world.server, heirs[0], () => {});
  runFor(world, 50_000);
  world.server.driver.handle({ kind: 'take', socket: server.socket });
  runUntil(deployment, server, 200_000);
  assert.ok(importAt(world, handing, listeners.get(heirs[0])) > 0);
  assertWhole(deployment, server);
  assert.equal(handing.arrived, false);
  assert.equal(handing.heir!.reason, Reason.TIMED_OUT);
});

test('taken back and imported at once: one of both goes on, the other hears of it and has sent nothing', () => {
  for (let seed = 1; seed <= 12; seed++) {
    const deployment = deploy(600_000, 600_000, seed % 3 === 0 ? rough : link, seed);
    const { world, heirs, listeners, server } = deployment;
    const { clock } = world.simulation;
    runUntil(deployment, server, 200_000);
    let before = 0;
    const handing = exportTo(world, server, world.server, heirs[1], (handing) => {
      before = server.receivedBytes;
      schedule(clock, clock.nowUs + 4_000, () => assert.ok(importAt(world, handing, listeners.get(heirs[1])) > 0));
      schedule(clock, clock.nowUs + 4_000 + (seed - 6) * 500, () =>
        world.server.driver.handle({ kind: 'take', socket: server.socket }),
      );
    });
    const stays = (): boolean => {
      const flow = flowOf(world.server);
      return flow !== undefined && flow.arriving === undefined;
    };
    assert.ok(runFor(world, 60_000_000, () => handing.heir !== undefined && (handing.arrived || stays())));
    const [winner, loser] = handing.arrived ? [handing.heir!, server] : [server, handing.heir!];
    assert.equal(loser.receivedBytes, before, 'nothing is given to an application that the other one is given, too');
    assertWhole(deployment, winner);
    const reasons: (Reason | undefined)[] = [Reason.SUPERSEDED, Reason.TIMED_OUT, Reason.HANDED_OVER];
    assert.ok(reasons.includes(loser.reason), `seed ${seed}: ${reasonOf(loser)}`);
  }
});

test('imported twice: one of both goes on', () => {
  const deployment = deploy(600_000, 600_000);
  const { world, heirs, listeners, server } = deployment;
  runUntil(deployment, server, 200_000);
  let twin: Handing | undefined;
  const first = exportTo(world, server, world.server, heirs[0], (handing) => {
    twin = { ...handing, to: heirs[1] };
    assert.ok(importAt(world, handing, listeners.get(heirs[0])) > 0);
    assert.ok(importAt(world, twin, listeners.get(heirs[1])) > 0);
  });
  assert.ok(runFor(world, 5_000_000, () => first.arrived || twin?.arrived === true));
  runFor(world, 1_000_000);
  assert.notEqual(first.arrived, twin!.arrived);
  const [winner, loser] = first.arrived ? [first, twin!] : [twin!, first];
  assertWhole(deployment, winner.heir!);
  assert.equal(loser.heir!.reason, Reason.SUPERSEDED);
});

test('export: not before the opening is complete, nor once an end is in sight, nor twice', () => {
  const deployment = deploy(10_000, 0);
  const { world, heirs, server } = deployment;
  const { driver } = world.server;
  const leave = (socket: SocketId): number =>
    driver.handle({ kind: 'export', socket, to: heirs[0].station.locals[0]! });
  assert.equal(leave(9_999), Reason.BAD_STATE);
  assert.ok(runFor(world, 5_000_000, () => server.remoteEnd));
  assert.equal(leave(server.socket), Reason.BAD_STATE);
  const second = deploy(1_000_000, 1_000_000);
  exportTo(second.world, second.server, second.world.server, second.heirs[0], () => {});
  const again = { kind: 'export', socket: second.server.socket, to: second.heirs[0].station.locals[0]! } as const;
  assert.equal(second.world.server.driver.handle(again), Reason.BAD_STATE);
});

test('import: what is no state of a connection is refused, and so is one without a listener', () => {
  const deployment = deploy(500_000, 500_000);
  const { world, heirs, listeners, server } = deployment;
  runUntil(deployment, server, 100_000);
  const handing = exportTo(world, server, world.server, heirs[0], () => {});
  runFor(world, 1_000);
  assert.ok(handing.state);
  const { driver, stack } = heirs[0];
  const listener = listeners.get(heirs[0])!;
  const { size } = stack.state.flows;
  // Without its last byte it would be one of the version that did not have that yet.
  for (const length of [0, 1, 100, handing.state.length - 2])
    assert.equal(
      driver.handle({ kind: 'import', state: handing.state.slice(0, length), listener }),
      -Reason.BAD_MESSAGE,
    );
  assert.equal(driver.handle({ kind: 'import', state: handing.state }), -Reason.NO_SUCH_SERVICE);
  assert.equal(stack.state.flows.size, size);
  assert.equal(stack.state.blocks.lent, 0);
  assert.ok(importAt(world, handing, listener) > 0);
  assert.ok(runFor(world, 5_000_000, () => handing.arrived));
  assertWhole(deployment, handing.heir!);
});

function flowOf(host: Host) {
  for (const flow of host.stack.state.flows.values) if (flow?.kind === 'connection') return flow;
  return undefined;
}
