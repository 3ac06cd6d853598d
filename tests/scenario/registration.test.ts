// Authenticated registration over simulated networks: what a hostile host that sees every packet can do to a router's
// table (threat "hostile registrant"), what a router says while it learns, and what a revocation does to a live service.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  formatServiceId,
  makePrefix,
  type Prefix,
  Reason,
  reasonName,
  type ServiceId,
} from '../../src/core/base/index.ts';
import {
  createInstanceKeys,
  encodeRevocationList,
  type Identity,
  type InstanceKeys,
  issueCredential,
  parseCredential,
  selfCertifyingId,
} from '../../src/core/security/index.ts';
import { createStack, type Event, Protocol, type SocketId, type Stack } from '../../src/core/stack/index.ts';
import {
  addHost,
  createPrimitives,
  makeLocator,
  type SimHost,
  type Station,
  send,
  simulatedEpochSeconds,
  type TraceRecord,
} from '../../src/sim/index.ts';
import { readPacket, sentOf } from './packets.ts';
import {
  addMember,
  allClosed,
  createWorld,
  dialFrom,
  reasonOf,
  runFor,
  scriptsFor,
  service,
  type World,
} from './world.ts';

const primitives = createPrimitives(7);
const rootSeed = new Uint8Array(32).fill(1);
const root = selfCertifyingId(primitives, primitives.ed25519Public(rootSeed));
const [clientScript] = scriptsFor(100, 100);
const hourSeconds = 3600;

/** A fresh instance with a credential by the root key, which ends so many seconds from the start. */
function identityFor(name = root, validSeconds = hourSeconds): Identity {
  const keys = createInstanceKeys(primitives);
  return { ...keys, credential: credentialFor(keys, makePrefix(name, 224), validSeconds) };
}

function credentialFor(keys: InstanceKeys, prefix: Prefix, validSeconds = hourSeconds): Uint8Array {
  return issueCredential(primitives, rootSeed, keys, {
    prefix,
    notBeforeSeconds: simulatedEpochSeconds - hourSeconds,
    notAfterSeconds: simulatedEpochSeconds + validSeconds,
  });
}

interface Bound {
  readonly socket: SocketId;
  readonly events: Event[];
}

function bind(host: SimHost<Stack>, name: ServiceId, identity?: Identity): Bound {
  const security = identity === undefined ? {} : { security: { identity } };
  const socket = host.driver.handle({ kind: 'listen', service: name, bits: 256, protocol: Protocol.TCP, ...security });
  const events: Event[] = [];
  host.driver.attach(socket, (event) => events.push(event));
  return { socket, events };
}

function registrations(world: World): (readonly [string, boolean])[] {
  return world.router.stack.inspect().registrations.map(({ locator, authenticated }) => [locator, authenticated]);
}

function refusals(world: World): Readonly<Record<string, number>> {
  return world.router.stack.state.registry?.counters.refusedBy ?? {};
}

/** What the server has told the router so far. */
function capturedOf({ simulation }: World): TraceRecord[] {
  return sentOf(simulation.trace.records, 'named', 'server', 'router');
}

test('hostile registrant: captured packets, replayed from another address, change nothing and are counted', () => {
  const world = createWorld();
  const bound = bind(world.server, root, identityFor());
  runFor(world, 4_000_000);
  assert.deepEqual(bound.events, [{ kind: 'listening', socket: bound.socket, registered: true }]);
  const expected = [['10.0.0.2:40000', true]];
  assert.deepEqual(registrations(world), expected);
  const captured = capturedOf(world);
  assert.ok(captured.length >= 3, `${captured.length} captured`);
  const evil = addHost(world.simulation, { name: 'evil', address: '10.0.0.66', createStack });
  const before = refusals(world)['nonce-required'] ?? 0;
  for (const { bytes } of captured)
    send(world.simulation.network, evil.station, world.router.station.locals[0]!, bytes);
  runFor(world, 100_000);
  assert.deepEqual(registrations(world), expected);
  assert.equal(refusals(world)['nonce-required'], before + captured.length);
});

test('hostile registrant: packets with a forged sender prolong nothing, and bring nothing back after the end', () => {
  const world = createWorld();
  bind(world.server, root, identityFor());
  runFor(world, 4_000_000);
  const captured = capturedOf(world);
  world.server.driver.kill();
  // As seen from outside, its packets come from where the victim was.
  const locals = [makeLocator('10.0.0.66', 40_000)];
  const spoofer: Station = {
    name: 'spoofer',
    segment: 'lan',
    locals,
    seenAs: [makeLocator('10.0.0.2', 40_000)],
    receive() {},
    tooBig() {},
  };
  const replay = () => {
    for (const { bytes } of captured) send(world.simulation.network, spoofer, world.router.station.locals[0]!, bytes);
  };
  for (let i = 0; i < 40; i++) {
    replay();
    runFor(world, 500_000);
  }
  assert.deepEqual(registrations(world), [], 'the lease of a dead instance ends in time');
  runFor(world, 200_000_000);
  replay();
  runFor(world, 100_000);
  assert.deepEqual(registrations(world), []);
});

test('hostile registrant: a name with a key is refused to who has none, the label of others too', () => {
  const world = createWorld();
  bind(world.server, root, identityFor());
  bind(world.server, service, identityFor(service));
  runFor(world, 1_000_000);
  const evil = addMember(world.simulation, 'evil', '10.0.0.66');
  const named = bind(evil, root);
  const labelled = bind(evil, service);
  runFor(world, 1_000_000);
  for (const { events } of [named, labelled])
    assert.deepEqual(
      events.map((event) => event.kind === 'listen-failed' && event.reason),
      [Reason.NOT_AUTHORIZED],
    );
  assert.deepEqual(registrations(world), [
    ['10.0.0.2:40000', true],
    ['10.0.0.2:40000', true],
  ]);
  assert.equal(refusals(world)['not-authorized'], 2);
});

test('registration: an expired credential fails the listener with that reason; a renewed one takes over in time', () => {
  const world = createWorld();
  const late = bind(world.server, root, identityFor(root, -330));
  const other = addMember(world.simulation, 'other', '10.0.0.3');
  const short = identityFor(root, -290);
  const bound = bind(other, root, short);
  runFor(world, 1_000_000);
  assert.deepEqual(
    late.events.map((event) => event.kind === 'listen-failed' && event.reason),
    [Reason.EXPIRED],
  );
  assert.deepEqual(registrations(world), [['10.0.0.3:40000', true]]);
  runFor(world, 20_000_000);
  assert.deepEqual(registrations(world), [], 'the lease ended with the certificate');
  const identity = { ...short, credential: credentialFor(short, makePrefix(root, 224)) };
  other.driver.handle({ kind: 'identity', socket: bound.socket, identity });
  runFor(world, 100_000);
  assert.deepEqual(registrations(world), [['10.0.0.3:40000', true]]);
  assert.deepEqual(
    bound.events.map(({ kind }) => kind),
    ['listening'],
  );
});

test('registration: a revocation list takes the instance out at once, and it does not come back', () => {
  const world = createWorld();
  const identity = identityFor();
  bind(world.server, root, identity);
  runFor(world, 1_000_000);
  const [certificate] = parseCredential(identity.credential) ?? [];
  const list = encodeRevocationList(
    primitives,
    { number: 1, issuedAtSeconds: simulatedEpochSeconds, allBeforeSeconds: 0, serials: [certificate!.serial] },
    rootSeed,
  );
  assert.equal(world.router.driver.handle({ kind: 'revocations', list }), Reason.OK);
  assert.deepEqual(registrations(world), []);
  assert.equal(world.router.driver.handle({ kind: 'revocations', list }), Reason.OUT_OF_DATE);
  runFor(world, 30_000_000);
  assert.deepEqual(registrations(world), []);
  assert.ok((refusals(world)['revoked'] ?? 0) >= 2);
});

test('registration: for a third of a lease after its start a router says of unknown names "try later", then that they are unknown', () => {
  const world = createWorld();
  bind(world.server, root, identityFor());
  runFor(world, 1_000_000);
  world.router.driver.kill();
  runFor(world, 100_000);
  const options = { forwarding: true, controller: true, adHoc: false, leaseUs: 15_000_000 };
  const router = addHost(world.simulation, {
    name: 'router',
    address: '10.0.0.254',
    port: 54_324,
    options,
    createStack,
  });
  const startUs = world.simulation.clock.nowUs;
  const states: [boolean, string][] = [];
  for (const atUs of [0, 4_000_000, 6_000_000]) {
    runFor(world, startUs + atUs - world.simulation.clock.nowUs);
    const answers = routerAnswers(world);
    const dial = dialFrom(world, world.client, clientScript, service);
    runFor(world, 100_000);
    states.push([allClosed(dial), answers()]);
    if (!allClosed(dial)) world.client.driver.handle({ kind: 'abort', socket: dial.socket });
    else assert.equal(reasonOf(dial), answers());
  }
  assert.deepEqual(
    states.map(([, reason]) => reason),
    ['try-later', 'try-later', 'no-such-service'],
  );
  assert.equal(states[2]?.[0], true, 'the last one is final');
  assert.deepEqual(
    router.stack.inspect().registrations.map(({ service: id }) => id),
    [formatServiceId(root)],
  );
});

/** The reason of the last refusal that the router sends from now on. */
function routerAnswers({ simulation }: World): () => string {
  const { records } = simulation.trace;
  const from = records.length;
  return () => {
    const refusal = sentOf(records.slice(from), 'FAIL', 'router').at(-1);
    return refusal === undefined ? 'none' : reasonName(readPacket(refusal.bytes).control.reason);
  };
}
