// A world whose client and server have two addresses each, and a way between each pair: what several flows of one connection
// need. The first way is the one that the world has anyhow; the second is the client's link 1.

import assert from 'node:assert/strict';
import { type PathPolicy, Protocol, type Stack } from '../../src/core/stack/index.ts';
import {
  addLink,
  type Link,
  type LinkOptions,
  linkHost,
  makeLocator,
  moveStation,
  type SimHost,
  setWay,
} from '../../src/sim/index.ts';
import { type Endpoint, playScript } from './endpoint.ts';
import type { Script } from './plan.ts';
import {
  assertIntact,
  assertNoFlows,
  createWorld,
  type Listening,
  listenOn,
  reasonOf,
  runFor,
  scriptsFor,
  service,
  type World,
} from './world.ts';

export const near = { client: makeLocator('10.0.0.1', 40_000), server: makeLocator('10.0.0.2', 40_000) };
export const far = { client: makeLocator('10.9.0.1', 40_001), server: makeLocator('10.9.0.2', 40_000) };

export interface TwoPaths {
  readonly world: World;
  /** Both directions of each way. */
  readonly first: readonly [Link, Link];
  readonly second: readonly [Link, Link];
  readonly listening: Listening;
  readonly client: Endpoint;
  readonly server: () => Endpoint;
}

type Flow = NonNullable<Stack['state']['flows']['values'][number]>;
export type Connection = Extract<Flow, { kind: 'connection' }>;

export interface Plan {
  readonly first?: Partial<LinkOptions>;
  readonly second?: Partial<LinkOptions>;
  readonly policy?: PathPolicy;
  readonly upBytes?: number;
  readonly downBytes?: number;
  readonly seed?: number;
  readonly scripts?: Partial<Script>;
  readonly insecure?: boolean;
}

export const aggregate: PathPolicy = { mode: 'aggregate' };

export function openTwoPaths({ first = {}, second = first, policy = aggregate, seed = 1, ...plan }: Plan): TwoPaths {
  const world = createWorld(first, seed, undefined, false);
  const { network } = world.simulation;
  const ways = [addLink(network, second), addLink(network, second)] as const;
  for (const from of [near.client, far.client])
    for (const to of [near.server, far.server]) {
      if (from === near.client && to === near.server) continue;
      setWay(network, from, to, [ways[0]]);
      setWay(network, to, from, [ways[1]]);
    }
  moveStation(network, world.server.station, [near.server, far.server]);
  tell(world.server);
  linkHost(network, world.client, 1, far.client);
  const [clientScript, serverScript] = scriptsFor(plan.upBytes ?? 0, plan.downBytes ?? 0, plan.scripts);
  const listening = listenOn(world, world.server, serverScript, service, { insecure: plan.insecure === true });
  const { driver } = world.client;
  const { keepAliveUs } = clientScript;
  const socket = driver.handle({
    kind: 'connect',
    service,
    protocol: Protocol.TCP,
    stream: { keepAliveUs },
    paths: policy,
    security: { insecure: plan.insecure === true },
  });
  const client = playScript(driver, world.simulation.clock, socket, clientScript, false);
  const server = (): Endpoint => {
    const [accepted] = listening.accepted;
    assert.ok(accepted);
    return accepted;
  };
  return { world, first: [world.up, world.down], second: ways, listening, client, server };
}

function tell({ station, driver }: SimHost): void {
  driver.handle({ kind: 'bound', locals: station.locals });
}

/** The flows of a host's connection that are more than half open, the first one first. */
export function flowsOf({ stack }: SimHost<Stack>): Connection[] {
  return stack.state.flows.values
    .filter((flow) => flow?.kind === 'connection')
    .sort((a, b) => (a.subflow?.pathId ?? 0) - (b.subflow?.pathId ?? 0));
}

/** Runs until both ends have two open flows. */
export function untilJoined({ world }: TwoPaths): void {
  const open = (host: SimHost<Stack>) => flowsOf(host).filter(({ state }) => state === 'ESTABLISHED').length === 2;
  assert.ok(
    runFor(world, 10_000_000, () => open(world.client) && open(world.server)),
    'there is no second flow',
  );
}

export function setUp([there, back]: readonly [Link, Link], up: boolean): void {
  there.options.up = up;
  back.options.up = up;
}

/** To the end, whole. */
export function finish({ world, client, server }: TwoPaths, forUs = 120_000_000): void {
  assert.ok(
    runFor(world, forUs, () => client.reason !== undefined && server().reason !== undefined),
    `client ${reasonOf(client)} ${client.receivedBytes}, server ${reasonOf(server())} ${server().receivedBytes}`,
  );
  assertIntact(client);
  assertIntact(server());
  assertNoFlows(world);
}

/** By both directions of a way. */
export function carriedBytes([there, back]: readonly [Link, Link]): number {
  return there.counters.bytes + back.counters.bytes;
}
