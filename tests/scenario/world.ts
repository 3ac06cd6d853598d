// The world of the hand-written scenarios: a client and a server, joined by one link each way, with or without a
// router; a listener that plays a script on whatever it accepts; a dial that plays another. Every test says only what
// is special about it.

import assert from 'node:assert/strict';
import { type Crypto, type Reason, reasonName, type ServiceId } from '../../src/core/base/index.ts';
import { labelServiceId } from '../../src/core/security/index.ts';
import {
  createStack,
  type Event,
  Protocol,
  type SecurityOptions,
  type SocketId,
  type Stack,
  type StackOptions,
  type StreamOptions,
} from '../../src/core/stack/index.ts';
import { createCrypto } from '../../src/io/index.ts';
import {
  addHost,
  createPrimitives,
  createSimulation,
  joinHosts,
  type Link,
  type LinkOptions,
  makeLocator,
  run,
  type SimHost,
  type Simulation,
} from '../../src/sim/index.ts';
import { type Endpoint, isIntact, playScript } from './endpoint.ts';
import type { Script } from './plan.ts';

export interface World {
  readonly simulation: Simulation;
  readonly client: SimHost<Stack>;
  readonly server: SimHost<Stack>;
  readonly router: SimHost<Stack>;
  /** Client to server, and back. */
  readonly up: Link;
  readonly down: Link;
}

export interface Listening {
  readonly socket: SocketId;
  readonly accepted: Endpoint[];
  readonly events: string[];
  reason: Reason | undefined;
}

/** The quicker one where there is a choice. One for all: it keeps nothing but keys. */
export const crypto = createCrypto();

const routerLocator = makeLocator('10.0.0.254', 54_324);
export const service = serviceOf('echo');

export interface WorldOptions {
  /** Makes the client's stack in place of `createStack`. */
  readonly createClient?: (options: StackOptions) => Stack;
  /** Of all hosts; `crypto` unless given. */
  readonly primitives?: Crypto;
}

/** Links to the router take 1 ms and are ideal. */
export function createWorld(
  link: Partial<LinkOptions> = {},
  seed = 1,
  coalesceUs?: number,
  keepTrace = true,
  { createClient = createStack, primitives = crypto }: WorldOptions = {},
): World {
  const simulation = createSimulation({ seed, keepTrace, crypto: primitives });
  const router = addRouter(simulation);
  const client = addMember(simulation, 'client', '10.0.0.1', coalesceUs, undefined, {}, createClient);
  const server = addMember(simulation, 'server', '10.0.0.2', coalesceUs);
  const [up, down] = joinHosts(simulation, client, server, link);
  return { simulation, client, server, router, up, down };
}

/** A router, or the same router started again; it learns for no time unless told otherwise. */
export function addRouter(simulation: Simulation, options: Partial<StackOptions> = {}): SimHost<Stack> {
  return addHost(simulation, {
    name: 'router',
    address: '10.0.0.254',
    port: 54_324,
    options: { forwarding: true, controller: true, adHoc: false, learningUs: 0, ...options },
    createStack,
  });
}

export function addMember(
  simulation: Simulation,
  name: string,
  address: string,
  coalesceUs?: number,
  port?: number,
  options: Partial<StackOptions> = {},
  create: (options: StackOptions) => Stack = createStack,
): SimHost<Stack> {
  return addHost(simulation, {
    name,
    address,
    ...(coalesceUs === undefined ? {} : { coalesceUs }),
    ...(port === undefined ? {} : { port }),
    options: { router: routerLocator, adHoc: false, ...options },
    createStack: create,
  });
}

export function serviceOf(label: string): ServiceId {
  return labelServiceId(createPrimitives(0), label);
}

/** Client and server scripts of one connection: `upBytes` from the client, `downBytes` from the server, both end. */
export function scriptsFor(upBytes: number, downBytes: number, both: Partial<Script> = {}): [Script, Script] {
  const script = (sendBytes: number, receiveBytes: number, sendSalt: number, receiveSalt: number): Script => ({
    sendBytes,
    receiveBytes,
    sendSalt,
    receiveSalt,
    endWhen: 'sent',
    abort: undefined,
    writeBytes: 65_536,
    readBytes: 1_048_576,
    pauseUs: 0,
    keepAliveUs: 10_000_000,
    ...both,
  });
  return [script(upBytes, downBytes, 1, 2), script(downBytes, upBytes, 2, 1)];
}

/** Listens on `host` and runs until the listener is announced. */
export function listenOn(
  world: World,
  host: SimHost<Stack>,
  script: Script,
  name = service,
  security: SecurityOptions = {},
): Listening {
  const { driver } = host;
  const { keepAliveUs } = script;
  const stream = { keepAliveUs };
  const socket = driver.handle({ kind: 'listen', service: name, bits: 256, protocol: Protocol.TCP, stream, security });
  const listening: Listening = { socket, accepted: [], events: [], reason: undefined };
  driver.attach(socket, (event: Event) => {
    listening.events.push(event.kind);
    if (event.kind === 'closed') listening.reason = event.reason;
    if (event.kind === 'connection')
      listening.accepted.push(playScript(driver, world.simulation.clock, event.connection, script, true));
  });
  const announced = () => listening.events.includes('listening');
  assert.equal(run(world.simulation, world.simulation.clock.nowUs + 10_000_000, announced), 'condition');
  return listening;
}

/** `resumes`: the client can go on at another instance. */
export function dialFrom(
  world: World,
  host: SimHost<Stack>,
  script: Script,
  name = service,
  resumes = false,
  options: StreamOptions = {},
): Endpoint {
  const { driver } = host;
  const stream = { ...options, keepAliveUs: script.keepAliveUs };
  const socket = driver.handle({ kind: 'connect', service: name, protocol: Protocol.TCP, stream, resumes });
  return playScript(driver, world.simulation.clock, socket, script, false);
}

/** Runs for `forUs`, or until `condition`; answers whether that came. The byte ledger must hold after each run. */
export function runFor({ simulation }: World, forUs: number, condition?: () => boolean): boolean {
  const ending = run(simulation, simulation.clock.nowUs + forUs, condition);
  assert.deepEqual(simulation.ledger.violations, []);
  return ending === 'condition';
}

export function allClosed(...endpoints: readonly (Endpoint | undefined)[]): boolean {
  return endpoints.every((endpoint) => endpoint?.reason !== undefined);
}

export function assertIntact(endpoint: Endpoint | undefined): void {
  assert.ok(endpoint !== undefined, 'the connection was never there');
  assert.ok(isIntact(endpoint), JSON.stringify({ ...summary(endpoint), script: endpoint.script }));
}

export function reasonOf(endpoint: Endpoint | undefined): string {
  return endpoint?.reason === undefined ? 'open' : reasonName(endpoint.reason);
}

/** No flow is left on any host once TIME-WAIT is over. */
export function assertNoFlows(world: World): void {
  runFor(world, 60_000_000);
  for (const { name, stack } of world.simulation.hosts.values() as Iterable<SimHost<Stack>>)
    assert.deepEqual(stack.inspect().flows, [], `${name} holds flows`);
}

function summary(endpoint: Endpoint): object {
  const { opened, sentBytes, receivedBytes, wrongAt, remoteEnd, detail } = endpoint;
  return { reason: reasonOf(endpoint), detail, opened, sentBytes, receivedBytes, wrongAt, remoteEnd };
}
