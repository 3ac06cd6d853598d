// What the records of associations must hold whatever opens and closes: names made up here are told from all others, the
// newest of a name is the one that is used, the end of an older one does not take its place away. And which names demand a key.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createCrypto } from '../../crypto/index.ts';
import { formatServiceId, Reason, type ServiceId, seededRandom } from '../base/index.ts';
import { labelServiceId, memberServiceId, privateName, selfCertifyingId } from '../security/index.ts';
import {
  type Association,
  associationKey,
  createAssociation,
  enterAssociation,
  forgetAssociation,
  isAlias,
  makeAlias,
  noteUsed,
  pausedReason,
} from './association-table.ts';
import { demandsKey } from './proof.ts';
import { createConnection } from './sockets.ts';
import { createStack } from './stack.ts';
import type { Connection, StackState } from './state.ts';
import { Protocol, type StackOptions } from './types.ts';

const primitives = {
  ...createCrypto(),
  random: seededRandom(1),
  allocate: (bytes: number) => new Uint8Array(bytes),
  unixSeconds: () => 0,
};
const clock = labelServiceId(primitives, 'clock');
const keyId = selfCertifyingId(primitives, primitives.ed25519Public(new Uint8Array(32).fill(1)));

function createState(options: Partial<StackOptions> = {}): StackState {
  return createStack({
    primitives,
    adHoc: false,
    forwarding: false,
    controller: false,
    leaseUs: 1,
    maxPacketBytes: () => 1_400,
    ...options,
  }).state;
}

function enter(stack: StackState, name: ServiceId): Connection & { association: Association } {
  const connection = createConnection(stack, {
    protocol: Protocol.UDP,
    role: 'client',
    service: name,
    sourceService: undefined,
    listener: 0,
    stream: {},
    security: {},
    via: undefined,
    resumes: false,
  });
  assert.ok(connection !== undefined);
  const association = createAssociation(stack, 1, [associationKey(1, name)], name);
  enterAssociation(stack, connection, association);
  return Object.assign(connection, { association });
}

test('associations: a name that this stack made up is told from every other', () => {
  const [stack, other] = [createState(), createState()];
  const alias = makeAlias(stack);
  assert.equal(isAlias(stack, alias), true);
  assert.equal(isAlias(other, alias), false);
  for (const name of [privateName(primitives.random), clock, keyId, memberServiceId(clock, 2 ** 32 - 1)])
    assert.equal(isAlias(stack, name), false);
  assert.notEqual(formatServiceId(makeAlias(stack)), formatServiceId(alias));
});

test('associations: the newest of a name is used, and the end of an older one does not end its use', () => {
  const stack = createState();
  const { byName, opened } = stack.associations;
  const [older, newer] = [enter(stack, clock), enter(stack, clock)];
  assert.equal(byName.get(associationKey(1, clock)), newer);
  forgetAssociation(stack, older, older.association);
  assert.equal(byName.get(associationKey(1, clock)), newer);
  forgetAssociation(stack, newer, newer.association);
  assert.deepEqual([byName.size, opened.size], [0, 0]);
});

test('associations: what is used goes to the end of the order', () => {
  const stack = createState();
  const [first, second] = [enter(stack, clock), enter(stack, keyId)];
  stack.nowUs += 5_000_000;
  noteUsed(stack, first, first.association);
  assert.deepEqual([...stack.associations.opened], [second, first]);
});

test('associations: a failure pauses the name for a moment and drops what waits, an orderly end does neither', () => {
  for (const [over, paused] of [
    [Reason.TIMED_OUT, true],
    [Reason.UNTRUSTED, true],
    [Reason.CLOSED, false],
    [Reason.LIMIT, false],
  ] as const) {
    const stack = createState();
    const connection = enter(stack, clock);
    connection.association.waiting.push(new Uint8Array(1), new Uint8Array(2));
    stack.associations.waiting = 2;
    connection.over = over;
    forgetAssociation(stack, connection, connection.association);
    assert.equal(stack.associations.waiting, 0);
    assert.equal(stack.counters.dropped[over], 2);
    assert.equal(pausedReason(stack, associationKey(1, clock)), paused ? over : undefined);
    stack.nowUs += 1_000_001;
    assert.equal(pausedReason(stack, associationKey(1, clock)), undefined);
  }
});

test('associations: names with keys and pinned labels demand a key, every member of them, control names never', () => {
  const pin = formatServiceId(keyId);
  const plain = createState();
  const names = [clock, plain.controlService, plain.directoryService].map(formatServiceId);
  const trust = { systems: new Map(), pins: new Map(names.map((name) => [name, pin])) };
  const pinning = createState({ trust });
  const system = keyId.slice() as ServiceId;
  system[0] = 9;
  for (const stack of [plain, pinning]) {
    for (const name of [keyId, memberServiceId(keyId, 5), system]) assert.equal(demandsKey(stack, name), true);
    for (const name of [stack.controlService, stack.directoryService, labelServiceId(primitives, 'other')])
      assert.equal(demandsKey(stack, name), false);
  }
  for (const name of [clock, memberServiceId(clock, 5)]) {
    assert.equal(demandsKey(plain, name), false);
    assert.equal(demandsKey(pinning, name), true);
  }
});
