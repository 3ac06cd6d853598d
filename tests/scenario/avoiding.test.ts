// Openings that must not end where another connection leads: two instances are asked at once, so that one that died costs
// no time, and one that lives is turned away.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Protocol, type SocketId, type Stack } from '../../src/core/stack/index.ts';
import { addLink, type SimHost, setPath } from '../../src/sim/index.ts';
import { tapAll } from './attackers.ts';
import { type Endpoint, playScript } from './endpoint.ts';
import { sentOf } from './packets.ts';
import {
  addMember,
  createWorld,
  type Listening,
  listenOn,
  reasonOf,
  runFor,
  scriptsFor,
  service,
  type World,
} from './world.ts';

const delayUs = 20_000;
const [clientScript, serverScript] = scriptsFor(1_000, 1_000, { endWhen: 'peer-ended' });

function dial({ client, simulation }: World, avoid?: SocketId): Endpoint {
  const { driver } = client;
  const input = { kind: 'connect', service, protocol: Protocol.TCP } as const;
  const socket = driver.handle(avoid === undefined ? input : { ...input, avoid });
  return playScript(driver, simulation.clock, socket, clientScript, false);
}

interface Instances {
  readonly world: World;
  readonly hosts: SimHost<Stack>[];
  readonly listening: Listening[];
  readonly first: Endpoint;
  /** Which of them the first connection leads to. */
  readonly used: number;
}

function openedWith(names: readonly string[], seed: number): Instances {
  const world = createWorld({ delayUs }, seed);
  const { simulation } = world;
  const hosts = names.map((name, i) => addMember(simulation, name, `10.0.1.${i + 1}`));
  const listening = hosts.map((host) => listenOn(world, host, serverScript));
  const first = dial(world);
  assert.ok(runFor(world, 1_000_000, () => first.receivedBytes === 1_000));
  const used = listening.findIndex(({ accepted }) => accepted.length === 1);
  return { world, hosts, listening, first, used };
}

test('avoiding: a dead instance costs no time, whatever its rank', () => {
  for (let seed = 1; seed <= 20; seed++) {
    const { world, hosts, listening, first, used } = openedWith(['a', 'b'], seed);
    const { clock, trace } = world.simulation;
    hosts[used]?.driver.kill();
    const from = trace.records.length;
    const startUs = clock.nowUs;
    const second = dial(world, first.socket);
    assert.ok(runFor(world, 1_000_000, () => second.receivedBytes === 1_000));
    const syns = sentOf(trace.records.slice(from), 'SYN', 'client');
    assert.equal(syns.length, 2);
    // To the router and on, straight back.
    assert.ok(second.openedUs - startUs <= 1_000 + 2 * delayUs, `seed ${seed}: ${second.openedUs - startUs} us`);
    assert.equal(listening[1 - used]?.accepted.length, 1);
  }
});

test('avoiding: an instance that lives is turned away, and keeps nothing of it', () => {
  for (let seed = 1; seed <= 20; seed++) {
    const { world, hosts, listening, first, used } = openedWith(['a', 'b', 'c'], seed);
    const second = dial(world, first.socket);
    assert.ok(runFor(world, 1_000_000, () => second.receivedBytes === 1_000));
    runFor(world, 1_000_000);
    assert.equal(listening[used]?.accepted.length, 1);
    assert.equal(listening.flatMap(({ accepted }) => accepted).length, 2);
    const left = hosts.flatMap(({ stack }) => stack.inspect().flows).filter(({ socket }) => socket === 0);
    assert.deepEqual(left, [], `seed ${seed}`);
  }
});

test('avoiding: it is known for a while where a connection led that is over', () => {
  const { world, listening, first, used } = openedWith(['a', 'b'], 3);
  world.client.driver.handle({ kind: 'abort', socket: first.socket });
  runFor(world, 10_000_000);
  const second = dial(world, first.socket);
  assert.ok(runFor(world, 1_000_000, () => second.receivedBytes === 1_000));
  assert.equal(listening[1 - used]?.accepted.length, 1);
});

test('avoiding: where nobody else serves the name, the error says so', () => {
  const { world, first } = openedWith(['a'], 4);
  const startUs = world.simulation.clock.nowUs;
  const second = dial(world, first.socket);
  assert.ok(runFor(world, 12_000_000, () => second.reason !== undefined));
  assert.equal(reasonOf(second), 'no-instance');
  assert.match(second.detail, /to be avoided/);
  assert.ok(second.closedUs - startUs < 2_000_000);
});

test('avoiding: the refusal of an instance that closes or sheds costs no time either', () => {
  for (const kind of ['close', 'shed'] as const)
    for (let seed = 1; seed <= 10; seed++) {
      const { world, hosts, listening, first, used } = openedWith(['a', 'b'], seed);
      const startUs = world.simulation.clock.nowUs;
      hosts[used]?.driver.handle({ kind, socket: listening[used]!.socket });
      const second = dial(world, first.socket);
      assert.ok(runFor(world, 1_000_000, () => second.receivedBytes === 1_000));
      assert.ok(second.openedUs - startUs <= 1_000 + 2 * delayUs, `seed ${seed}: ${second.openedUs - startUs} us`);
      assert.equal(listening[1 - used]?.accepted.length, 1);
    }
});

test('avoiding: an instance that answers again and again does not speak for the others', () => {
  const { world, hosts, first, used } = openedWith(['a', 'b'], 5);
  const { simulation } = world;
  const [avoided, other] = [hosts[used]!, hosts[1 - used]!];
  // The other one takes its time, as a busy machine does.
  const slow = addLink(simulation.network, { delayUs: 700_000 });
  setPath(simulation.network, other.name, 'client', [slow]);
  tapAll(simulation, [`${avoided.name}>client`], (packet) => Array.from({ length: 5 }, () => packet));
  const second = dial(world, first.socket);
  assert.ok(
    runFor(world, 5_000_000, () => second.receivedBytes === 1_000),
    reasonOf(second),
  );
});
