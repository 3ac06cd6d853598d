// What holds of the registry whatever comes in whatever order: no rule outside its signer's certificate, no version that
// goes back, an end that does not depend on the order, and nothing that an adversary can do who has seen every message
// and has every key but the right ones.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import {
  type Locator,
  makePrefix,
  type Prefix,
  prefixContains,
  prefixWithin,
  Reason,
  sameFlow,
  sameLocator,
} from '../base/index.ts';
import { type Identity, issueDelegation, nameKind } from '../security/index.ts';
import { expiringEntries, findRule } from '../tables/index.ts';
import { type ControlMessage, MessageType } from './messages.ts';
import { nonceFor } from './nonce.ts';
import type { Registration, Registry } from './registry.ts';
import {
  at,
  bytesOf,
  deliverBytes,
  faraway,
  identityFor,
  labelPrefix,
  messageOf,
  type Owner,
  owner,
  primitives,
  type Said,
  setUp,
  startSeconds,
} from './testing/registering.ts';

const owners = [owner(1), owner(2), owner(3)];
const delegate = owner(4);
const label = labelPrefix('web', 256).id;
const names = [...owners.map(({ id }) => id), label];
const { REGISTER, UNREGISTER } = MessageType;
const times = { notBeforeSeconds: startSeconds - 60, notAfterSeconds: startSeconds + 3600 };

/** A credential of one certificate, or of two by way of a delegation. */
function identityOf(root: Owner, prefix: Prefix, delegated: boolean): Identity {
  if (!delegated) return identityFor(root, prefix);
  const subjectKey = primitives.ed25519Public(delegate.seed);
  const chain = issueDelegation(primitives, root.seed, subjectKey, { prefix, ...times });
  return identityFor(delegate, prefix, { chain });
}

interface Sent {
  readonly message: ControlMessage;
  readonly bytes: Uint8Array;
  readonly from: Locator;
  readonly root: Owner | undefined;
  readonly granted: Prefix;
}

function entries(registry: Registry): Registration[] {
  return [...expiringEntries(registry.registrations)];
}

function before(a: Registration['version'], b: Registration['version']): boolean {
  return a.boot.lo === b.boot.lo ? a.sequence < b.sequence : a.boot.lo < b.boot.lo;
}

const bits = fc.constantFrom(63, 64, 200, 223, 224, 225, 256);
const wish = fc.record({
  root: fc.option(fc.nat(2), { freq: 4 }),
  delegated: fc.boolean(),
  grantedName: fc.nat(names.length - 1),
  grantedBits: bits,
  name: fc.nat(names.length - 1),
  bits,
  member: fc.boolean(),
  right: fc.integer({ min: 0, max: 3 }).map((n) => n > 0),
  type: fc.constantFrom(REGISTER, REGISTER, REGISTER, UNREGISTER),
  boot: fc.integer({ min: 1, max: 2 }),
  sequence: fc.nat(5),
  sender: fc.constantFrom(at(1), at(2), faraway(1)),
  twin: fc.boolean(),
});
type Wish = typeof wish extends fc.Arbitrary<infer T> ? T : never;

/** Mostly the owner of a name is the root, and grants what is wanted: right ones are rare by chance. */
function send(registry: Registry, wished: Wish, known: readonly Sent[]): Sent {
  const { root: index, right, boot, sequence, type, sender: from } = wished;
  const root = index === null ? undefined : owners[index]!;
  const wantedName = right && root !== undefined && wished.name < 3 ? root.id : names[wished.name]!;
  const prefix = makePrefix(wantedName, wished.bits);
  const granted = right
    ? makePrefix(wantedName, Math.min(wished.bits, 224))
    : makePrefix(names[wished.grantedName]!, wished.grantedBits);
  const nonce = nonceFor(registry.nonces, from, 0);
  const said: Said = { boot, sequence, prefix };
  const earlier = wished.twin ? known.find((sent) => sent.root === root && sent.root !== undefined) : undefined;
  const identity = root && identityOf(root, granted, wished.delegated);
  const message = messageOf(type, identity === undefined ? said : { ...said, identity }, nonce);
  if (earlier !== undefined) {
    // The same instance speaks again, with the credential that it had.
    const again = { ...earlier.message, boot: message.boot, sequence, type };
    return { ...earlier, message: again, bytes: bytesOf(again) };
  }
  return { message, bytes: bytesOf(message), from, root, granted };
}

describe('registry, whatever comes', () => {
  it('no rule outside the certificate of its signer, and no version goes back', () => {
    let accepted = 0;
    fc.assert(
      fc.property(
        fc.array(wish, { minLength: 1, maxLength: 6 }),
        fc.array(fc.nat(5), { minLength: 1, maxLength: 14 }),
        (wishes, order) => {
          const { registry, table } = setUp();
          const sent: Sent[] = [];
          for (const wished of wishes) sent.push(send(registry, wished, sent));
          const newest = new Map<string, Registration['version']>();
          const heard = new Set<Sent>();
          for (const index of order) {
            const one = sent[index % sent.length]!;
            heard.add(one);
            const reply = deliverBytes(registry, 1000, one.bytes, one.from);
            if (typeof reply !== 'number' && reply.reason === Reason.OK && one.message.type === REGISTER) accepted++;
            for (const entry of entries(registry)) {
              checkEntry(entry, [...heard]);
              assert.ok(
                findRule(table, entry.prefix)?.targets.some((target) => sameFlow(target.instance, entry.instance)),
              );
              const key = `${entry.instance.hi} ${entry.instance.lo} ${entry.prefix.bits} ${entry.prefix.id}`;
              const known = newest.get(key);
              assert.ok(known === undefined || !before(entry.version, known), 'a version went back');
              newest.set(key, entry.version);
            }
            assert.equal(table.size <= entries(registry).length, true, 'rules without a registration');
          }
        },
      ),
      { numRuns: 400 },
    );
    assert.ok(accepted > 300, `only ${accepted} registrations were accepted: the property says little`);
  });

  it('the end does not depend on the order: what was said last holds, in all 720 orders, with and without copies', () => {
    const identity = identityFor(owners[0]!, makePrefix(owners[0]!.id, 224));
    const prefix = makePrefix(owners[0]!.id, 224);
    const plan = [REGISTER, REGISTER, UNREGISTER, REGISTER, UNREGISTER, REGISTER] as const;
    for (const length of [5, 6]) {
      const { nonces } = setUp().registry;
      const messages = plan.slice(0, length).map((type, i) => {
        const said = { identity, prefix, sequence: i + 1, weight: i + 1 };
        return bytesOf(messageOf(type, said, nonceFor(nonces, at(1), 0)));
      });
      for (const order of permutations(messages)) {
        const { registry, table } = setUp();
        Object.assign(registry, { nonces });
        for (const bytes of [...order, ...order.slice(0, 2)]) deliverBytes(registry, 1000, bytes, at(1));
        const weights = findRule(table, prefix)?.targets.map(({ weight }) => weight);
        assert.deepEqual(weights, length === 6 ? [6] : undefined);
      }
    }
  });

  it('an adversary that has seen everything and has no key of theirs adds, moves, prolongs and removes nothing', () => {
    const act = fc.record({
      which: fc.nat(5),
      other: fc.nat(5),
      move: fc.constantFrom('copy', 'replay', 'renonce', 'splice', 'flip', 'resign', 'strip', 'own', 'claim'),
      type: fc.constantFrom(REGISTER, UNREGISTER),
      at: fc.nat(),
      evil: fc.constantFrom(at(66), faraway(66)),
    });
    let refused = 0;
    fc.assert(
      fc.property(fc.array(act, { minLength: 1, maxLength: 6 }), (acts) => {
        const { registry, table } = setUp();
        const seen = honestTraffic(registry);
        const state = snapshot(registry);
        assert.equal(state.length, 4);
        for (const { which, other, move, type, at: place, evil } of acts) {
          const victim = seen[which % seen.length]!;
          const second = seen[other % seen.length]!;
          const nonce = nonceFor(registry.nonces, evil, 1000);
          const from = move === 'copy' ? victim.from : evil;
          const reply = deliverBytes(registry, 1000, forge(victim, second, move, type, place, nonce), from);
          if (typeof reply !== 'number' && reply.reason !== Reason.OK) refused++;
          assert.deepEqual(snapshot(registry), state, move);
          for (const { message } of seen)
            for (const target of findRule(table, message.prefix)?.targets ?? [])
              assert.ok(!sameLocator(target.locator ?? evil, evil), move);
        }
      }),
      { numRuns: 500 },
    );
    assert.ok(refused > 500, `only ${refused} were answered with a refusal`);
  });
});

/** Every live entry was asked for by a message that was heard, whose root may speak for the name. */
function checkEntry(entry: Registration, heard: readonly Sent[]): void {
  const { prefix, authority, locator, version } = entry;
  const origin = heard.find(
    ({ message, from }) =>
      message.type === REGISTER &&
      sameFlow(message.instance, entry.instance) &&
      message.sequence === version.sequence &&
      message.boot.lo === version.boot.lo &&
      prefixWithin(message.prefix, prefix) &&
      prefixWithin(prefix, message.prefix) &&
      sameLocator(from, locator),
  );
  assert.ok(origin !== undefined, 'nobody asked for it, from there');
  assert.equal(authority === undefined, origin.root === undefined);
  if (origin.root === undefined) {
    assert.ok(nameKind(prefix.id) === 'label' && locator.address[0] === 10, 'a name without a key, or from far away');
    return;
  }
  assert.ok(prefixWithin(origin.granted, prefix), 'outside the certificate');
  if (nameKind(prefix.id) === 'key')
    assert.ok(
      prefix.bits >= 224 && prefixContains(prefix.bits > 224 ? makePrefix(prefix.id, 224) : prefix, origin.root.id),
      'the name of another key',
    );
}

/** Two self-certifying services, a label held by a key, one label without: each registered twice, so there are old ones. */
function honestTraffic(registry: Registry): Sent[] {
  const claims: [Owner | undefined, Prefix, Locator][] = [
    [owners[0], makePrefix(owners[0]!.id, 224), at(1)],
    [owners[1], makePrefix(owners[1]!.id, 256), faraway(2)],
    [owners[2], labelPrefix('web'), at(3)],
    [undefined, labelPrefix('mail'), at(4)],
  ];
  const seen: Sent[] = [];
  for (const [root, prefix, from] of claims) {
    const identity = root && identityFor(root, prefix);
    for (const sequence of [1, 2]) {
      const said = { prefix, sequence, ...(identity === undefined ? {} : { identity }) };
      const message = messageOf(REGISTER, said, nonceFor(registry.nonces, from, 0));
      const bytes = bytesOf(message);
      deliverBytes(registry, sequence, bytes, from);
      if (root !== undefined) seen.push({ message, bytes, from, root, granted: prefix });
    }
  }
  return seen;
}

function snapshot(registry: Registry): unknown[] {
  return entries(registry).map(({ prefix, instance, locator, version, expiresUs, weight, authority }) => {
    return { prefix, instance, locator, version, expiresUs, weight, key: authority?.key };
  });
}

const evilOwner = owner(66);

function forge(
  victim: Sent,
  second: Sent,
  move: string,
  type: MessageType,
  place: number,
  nonce: Uint8Array,
): Uint8Array {
  const { message } = victim;
  const { prefix, instance } = message;
  const newer: Said = { prefix, instance, sequence: 99, boot: 9, weight: 65535 };
  switch (move) {
    case 'renonce':
      return bytesOf({ ...message, nonce });
    case 'splice':
      return bytesOf({ ...message, nonce, type, sequence: 99, proof: second.message.proof });
    case 'flip': {
      const bytes = bytesOf({ ...message, nonce });
      bytes[2 + (place % (bytes.length - 2))]! ^= 1 << (place & 7);
      return bytes;
    }
    case 'resign': {
      const keys = identityFor(evilOwner, prefix);
      const credential = message.proof?.credential ?? new Uint8Array(0);
      return bytesOf(messageOf(type, { ...newer, identity: { ...keys, instance, credential } }, nonce));
    }
    case 'strip':
      return bytesOf(messageOf(type, newer, nonce));
    case 'own':
      return bytesOf(messageOf(type, { ...newer, identity: identityFor(evilOwner, prefix) }, nonce));
    case 'claim': {
      const wide = makePrefix(prefix.id, 64 + (place % 193));
      const identity = { ...identityFor(evilOwner, wide), instance };
      return bytesOf(messageOf(type, { ...newer, prefix: wide, identity }, nonce));
    }
    default:
      return victim.bytes;
  }
}

function* permutations<T>(items: readonly T[]): IterableIterator<T[]> {
  if (items.length < 2) yield [...items];
  for (const [i, first] of items.entries())
    for (const rest of items.length < 2 ? [] : permutations(items.toSpliced(i, 1))) yield [first, ...rest];
}
