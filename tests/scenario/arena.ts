// Where one attack after the other is tried on short connections: one world, one listener, and for each trial a dial with
// a tap on every path. A trial is judged by what nobody on the path may ever bring about: wrong bytes, an end that is
// none, a reason that has no name, a flow that stays.

import assert from 'node:assert/strict';
import { reasonName } from '../../src/core/base/index.ts';
import { anonymousIdentity, createInstanceKeys } from '../../src/core/security/index.ts';
import { type Input, Protocol } from '../../src/core/stack/index.ts';
import { createPrimitives, type Packet } from '../../src/sim/index.ts';
import { type Attacker, addAttacker, tapAll } from './attackers.ts';
import { type Endpoint, isIntact, playScript } from './endpoint.ts';
import { kindOf } from './packets.ts';
import type { Script } from './plan.ts';
import {
  allClosed,
  createWorld,
  type Listening,
  listenOn,
  reasonOf,
  runFor,
  scriptsFor,
  service,
  type World,
} from './world.ts';

export interface Arena {
  readonly world: World;
  readonly attacker: Attacker;
  readonly listening: Listening;
  readonly clientScript: Script;
  readonly security: NonNullable<Extract<Input, { kind: 'connect' }>['security']>;
}

/** A packet of a trial, counted from its first. */
export interface Seen {
  readonly index: number;
  readonly path: string;
  readonly kind: string;
  readonly packet: Packet;
}

export type Meddle = (seen: Seen) => readonly Packet[];

export interface Trial {
  readonly client: Endpoint;
  readonly accepted: readonly Endpoint[];
  readonly seen: readonly Seen[];
}

export const paths = ['client>router', 'router>client', 'router>server', 'client>server', 'server>client'];

/** `mutual`: the client proves a key, so that the opening has a third message. */
export function createArena(bytes: number, mutual = false, seed = 1): Arena {
  const world = createWorld({ delayUs: 1_000 }, seed);
  const [clientScript, serverScript] = scriptsFor(bytes, bytes);
  const listening = listenOn(world, world.server, serverScript);
  const keys = createInstanceKeys(createPrimitives(seed));
  const security = mutual ? { identity: anonymousIdentity(keys) } : {};
  return { world, attacker: addAttacker(world.simulation), listening, clientScript, security };
}

/** Dials once, with `meddle` on every path, and runs until all is over and no flow is left. */
export function tryOnce(arena: Arena, meddle: Meddle = ({ packet }) => [packet]): Trial {
  const { world, listening, clientScript, security } = arena;
  const { simulation } = world;
  const seen: Seen[] = [];
  listening.accepted.length = 0;
  simulation.trace.records.length = 0;
  tapAll(simulation, paths, (packet, path) => {
    const kind = kindOf(packet.bytes);
    // The control plane goes on meanwhile.
    if (kind === 'named') return [packet];
    const one = { index: seen.length, path, kind, packet };
    seen.push(one);
    return meddle(one);
  });
  const { driver } = world.client;
  const stream = { keepAliveUs: clientScript.keepAliveUs };
  const socket = driver.handle({ kind: 'connect', service, protocol: Protocol.TCP, stream, security });
  const client = playScript(driver, simulation.clock, socket, clientScript, false);
  const left = () => world.client.stack.state.flows.size + world.server.stack.state.flows.size;
  runFor(world, 600_000_000, () => allClosed(client, ...listening.accepted) && left() === 0);
  tapAll(simulation, paths, undefined);
  return { client, accepted: [...listening.accepted], seen };
}

/** What must hold whatever was done on the path. */
export function assertHarmless(arena: Arena, { client, accepted }: Trial, label: string): void {
  for (const endpoint of [client, ...accepted]) {
    assert.equal(endpoint.wrongAt, -1, `${label}: wrong bytes`);
    assert.ok(endpoint.receivedBytes <= endpoint.script.receiveBytes, `${label}: more bytes than were sent`);
    assert.ok(endpoint.reason !== undefined, `${label}: never closed`);
    assert.ok(!reasonName(endpoint.reason).startsWith('reason-'), `${label}: ${reasonOf(endpoint)}`);
    if (endpoint.reason === 0) assert.ok(isIntact(endpoint), `${label}: ended in order, not whole`);
  }
  assert.ok(accepted.filter(({ opened }) => opened).length <= 1, `${label}: served twice`);
  for (const { name, stack } of [arena.world.client, arena.world.server])
    assert.deepEqual(stack.inspect().flows, [], `${label}: ${name} holds flows`);
}

/** Both ends got everything. */
export function isWhole({ client, accepted }: Trial): boolean {
  return isIntact(client) && accepted.length === 1 && accepted.every(isIntact);
}
