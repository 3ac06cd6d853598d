// Names with keys, for scenarios: services whose names demand a key, identities that have it or not, and hosts that reach
// each other by static rules, so that a test says who is asked and no router has a part in it.

import assert from 'node:assert/strict';
import { type FlowId, formatServiceId, makePrefix, type ServiceId, serviceBits } from '../../src/core/base/index.ts';
import {
  bindIdentity,
  createInstanceKeys,
  type Identity,
  issueCredential,
  selfCertifyingId,
  type Trust,
} from '../../src/core/security/index.ts';
import {
  createStack,
  type Event,
  type Input,
  Protocol,
  type SocketId,
  type Stack,
  type StackOptions,
} from '../../src/core/stack/index.ts';
import {
  addHost,
  createPrimitives,
  createSimulation,
  type LinkOptions,
  makeLocator,
  run,
  type SimHost,
  type Simulation,
  schedule,
  simulatedEpochSeconds,
} from '../../src/sim/index.ts';
import { crypto } from './world.ts';

type Host = SimHost<Stack>;
type Datagram = Extract<Event, { kind: 'datagram' }>;
type SocketOptions = Omit<Extract<Input, { kind: 'datagram-socket' }>, 'kind'>;

export interface KeyedService {
  readonly seed: Uint8Array;
  /** Self-certifying. */
  readonly id: ServiceId;
}

const port = 40_000;
const daySeconds = 86_400;
const primitives = createPrimitives(4242);

export function keyedService(number: number): KeyedService {
  const seed = new Uint8Array(32).fill(number);
  return { seed, id: selfCertifyingId(primitives, primitives.ed25519Public(seed)) };
}

/** A new instance to which `service`'s key has granted its own name, or `name`. */
export function identityOf(service: KeyedService, name: ServiceId = service.id): Identity {
  const keys = createInstanceKeys(primitives);
  const credential = issueCredential(primitives, service.seed, keys, {
    prefix: makePrefix(name, serviceBits),
    notBeforeSeconds: simulatedEpochSeconds - daySeconds,
    notAfterSeconds: simulatedEpochSeconds + daySeconds,
  });
  const identity = bindIdentity(keys, credential);
  assert.ok(identity !== undefined);
  return identity;
}

export function createPlace(link: Partial<LinkOptions> = {}, seed = 1, keepTrace = true): Simulation {
  return createSimulation({ seed, link: { delayUs: 5_000, ...link }, keepTrace, crypto });
}

/** No router, no ad hoc search. */
export function addPeer(
  simulation: Simulation,
  name: string,
  address: string,
  options: Partial<Pick<StackOptions, 'trust' | 'limits' | 'forwarding'>> = {},
): Host {
  return addHost(simulation, { name, address, port, options: { adHoc: false, ...options }, createStack });
}

/** From now on `host` looks for `service` at `addresses`. */
export function lead(host: Host, service: ServiceId, ...addresses: readonly string[]): void {
  addresses.forEach((address, i) => {
    const instance: FlowId = { hi: 0, lo: i + 1 };
    const target = {
      owner: 'static',
      instance,
      protocol: Protocol.UDP,
      action: 'forward',
      locator: makeLocator(address, port),
    } as const;
    host.driver.handle({
      kind: 'rule',
      change: { verb: 'add', prefix: makePrefix(service, serviceBits), target },
    });
  });
}

export interface NamedSocket {
  readonly host: Host;
  readonly socket: SocketId;
  readonly received: { readonly text: string; readonly from: ServiceId | undefined }[];
  /** Kinds of all other events. */
  readonly events: string[];
}

/** A datagram socket; `reply` answers each datagram that has a sender. */
export function bindSocket(
  host: Host,
  options: SocketOptions = {},
  reply: ((text: string) => string) | undefined = undefined,
): NamedSocket {
  const socket = host.driver.handle({ kind: 'datagram-socket', ...options });
  const bound: NamedSocket = { host, socket, received: [], events: [] };
  host.driver.attach(socket, (event) => {
    if (event.kind !== 'datagram') bound.events.push(event.kind);
    else take(bound, event, reply);
  });
  return bound;
}

function take(bound: NamedSocket, { bytes, from }: Datagram, reply: ((text: string) => string) | undefined): void {
  const text = textOf(bytes);
  bound.received.push({ text, from });
  if (reply !== undefined && from !== undefined) sendText(bound, reply(text), from);
}

/** As `handle` answers: 1, or the reason with a minus. */
export function sendText({ host, socket }: NamedSocket, text: string, to: ServiceId, expects?: ServiceId): number {
  const bytes = Uint8Array.from(text, (character) => character.charCodeAt(0));
  return host.driver.handle({ kind: 'datagram', socket, bytes, to, ...(expects === undefined ? {} : { expects }) });
}

/** Whether anything on any wire held `text`. */
export function wasReadable(simulation: Simulation, text: string): boolean {
  return simulation.trace.records.some(({ bytes }) => textOf(bytes).includes(text));
}

export function textOf(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => String.fromCharCode(byte)).join('');
}

/** Time goes on even when nothing happens. */
export function runFor(simulation: Simulation, forUs: number): void {
  const untilUs = simulation.clock.nowUs + forUs;
  schedule(simulation.clock, untilUs, () => {});
  run(simulation, untilUs);
}

export function pinning(label: ServiceId, service: KeyedService): Trust {
  return { systems: new Map(), pins: new Map([[formatServiceId(label), formatServiceId(service.id)]]) };
}
