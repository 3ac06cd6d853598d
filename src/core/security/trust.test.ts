import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { formatServiceId, makePrefix, type Prefix, Reason, type ServiceId, serviceBits } from '../base/index.ts';
import { type Verified, verifyCredential } from './credential.ts';
import { labelServiceId, memberServiceId, nameKind, privateName, selfCertifyingId, systemServiceId } from './names.ts';
import { chainOf, keyPair, nowSeconds, primitives, random, type Step } from './testing/issuing.ts';
import { createTrust, expectedKeyId, judge, mayRegister, ssIdText, type Trust } from './trust.ts';

const service = keyPair(1);
const system = keyPair(2);
const thief = keyPair(3);
const delegate = keyPair(4);

const keyName = selfCertifyingId(primitives, service.key);
const systemName = systemServiceId(primitives, system.key, 'web');
const pinned = labelServiceId(primitives, 'pinned');
const label = labelServiceId(primitives, 'label');

const trust: Trust = {
  systems: new Map([[ssIdText(systemName), system.key]]),
  pins: new Map([[formatServiceId(pinned), formatServiceId(keyName)]]),
};

const wholeService = (id: ServiceId): Prefix => makePrefix(id, serviceBits);

function verifiedBy(...steps: readonly Step[]): Verified {
  const { verified } = verifyCredential(primitives, chainOf(...steps), nowSeconds);
  assert.ok(verified);
  return verified;
}

const granted = (issuer: typeof service, id: ServiceId, bits = serviceBits): Verified =>
  verifiedBy({ issuer, prefix: makePrefix(id, bits) });

describe('names and their proof', () => {
  it('an ssID says the kind: 0 label, 1 key, else a system', () => {
    assert.deepEqual([label, keyName, systemName].map(nameKind), ['label', 'key', 'system']);
    const id = new Uint8Array(32);
    id[7] = 2;
    assert.equal(nameKind(id), 'system');
    id[7] = 1;
    id[0] = 1;
    assert.equal(nameKind(id), 'system');
  });
});

describe('judge', () => {
  const cases: readonly [string, ServiceId, Verified, ReturnType<typeof judge>][] = [
    ['a key name by its key', keyName, granted(service, keyName), 'authentic'],
    ['a member of it', memberServiceId(keyName, 9), granted(service, keyName), 'authentic'],
    [
      'a member by a credential for another',
      memberServiceId(keyName, 9),
      granted(service, keyName, 256),
      'not-covered',
    ],
    ['a key name by another key', keyName, granted(thief, keyName), 'wrong-key'],
    ['a key name by its key with a grant too wide', keyName, granted(service, keyName, 223), 'not-covered'],
    ['a key name by another key that grants everything', keyName, granted(thief, keyName, 0), 'wrong-key'],
    ['a system name by the system', systemName, granted(system, systemName), 'authentic'],
    ['a system name by another key', systemName, granted(thief, systemName), 'wrong-key'],
    ['a system name with a grant too wide', systemName, granted(system, systemName, 63), 'not-covered'],
    ['a name of an unknown system', unknownSystem(), granted(thief, unknownSystem()), 'wrong-key'],
    ['a pinned label by its key', pinned, granted(service, pinned), 'authentic'],
    ['a pinned label by another', pinned, granted(thief, pinned), 'wrong-key'],
    ['a label without a pin', label, granted(thief, label), 'unpinned'],
    ['a name outside of the credential', label, granted(service, pinned), 'not-covered'],
  ];
  for (const [what, name, verified, expected] of cases)
    it(`${what}: ${expected}`, () => assert.equal(judge(primitives, trust, name, verified), expected));

  it('a delegated key speaks for its root', () => {
    const prefix = wholeService(systemName);
    const verified = verifiedBy({ issuer: system, subject: delegate, prefix }, { issuer: delegate, prefix });
    assert.equal(judge(primitives, trust, systemName, verified), 'authentic');
  });

  it('says which key was expected, where one is known', () => {
    const expected = (name: ServiceId): string | undefined => {
      const id = expectedKeyId(primitives, trust, name);
      return id && formatServiceId(id);
    };
    assert.equal(expected(memberServiceId(keyName, 3)), formatServiceId(keyName));
    assert.equal(expected(systemName), formatServiceId(selfCertifyingId(primitives, system.key)));
    assert.equal(expected(pinned), formatServiceId(keyName));
    assert.equal(expected(unknownSystem()), undefined);
    assert.equal(expected(label), undefined);
  });
});

function unknownSystem(): ServiceId {
  return systemServiceId(primitives, thief.key, 'web');
}

describe('registration', () => {
  const { OK, NOT_AUTHORIZED } = Reason;
  const cases: readonly [string, Prefix, Verified | undefined, Reason][] = [
    ['a key name by its key', wholeService(keyName), granted(service, keyName), OK],
    ['one member of it', makePrefix(keyName, 256), granted(service, keyName), OK],
    ['a key name without a credential', wholeService(keyName), undefined, NOT_AUTHORIZED],
    ['a key name by another key', wholeService(keyName), granted(thief, keyName), NOT_AUTHORIZED],
    ['more than the key name', makePrefix(keyName, 223), granted(service, keyName, 64), NOT_AUTHORIZED],
    ['a whole system by its key', makePrefix(systemName, 64), granted(system, systemName, 64), OK],
    ['more than a system', makePrefix(systemName, 63), granted(system, systemName, 0), NOT_AUTHORIZED],
    ['more than what was granted', makePrefix(systemName, 64), granted(system, systemName), NOT_AUTHORIZED],
    ['a system name without a credential', wholeService(systemName), undefined, NOT_AUTHORIZED],
    ['a label without pin or credential', wholeService(label), undefined, OK],
    ['a label with a credential that covers it', wholeService(label), granted(thief, label), OK],
    ['a label with a credential for another', wholeService(label), granted(thief, pinned), NOT_AUTHORIZED],
    ['a pinned label by its key', wholeService(pinned), granted(service, pinned), OK],
    ['a pinned label by another', wholeService(pinned), granted(thief, pinned), NOT_AUTHORIZED],
    ['a pinned label without a credential', wholeService(pinned), undefined, NOT_AUTHORIZED],
    ['a member of a pinned label', makePrefix(memberServiceId(pinned, 5), 256), undefined, NOT_AUTHORIZED],
    ['all labels, one of them pinned', makePrefix(label, 64), undefined, NOT_AUTHORIZED],
    ['all labels by the key of the pin', makePrefix(label, 64), granted(service, label, 64), OK],
    ['a private name', makePrefix(privateName(random), 256), undefined, OK],
    ['everything', makePrefix(label, 0), granted(service, label, 0), NOT_AUTHORIZED],
  ];
  for (const [what, prefix, verified, expected] of cases)
    it(`${what}: ${expected === OK ? 'taken' : 'refused'}`, () =>
      assert.equal(mayRegister(primitives, trust, prefix, verified), expected));

  it('no pins, no credentials: all labels as before', () => {
    assert.equal(mayRegister(primitives, createTrust(), makePrefix(label, 64), undefined), OK);
  });
});

function flip(id: ServiceId, bit: number): ServiceId {
  const copy = id.slice() as ServiceId;
  copy[bit >>> 3]! ^= 0x80 >>> (bit & 7);
  return copy;
}

// An oracle that shares no code with what it checks: names are strings of 256 bits, containment is `startsWith`,
// authority is read off the definition in docs/keys.md.

const bitsOf = (bytes: Uint8Array): string => [...bytes].map((byte) => byte.toString(2).padStart(8, '0')).join('');
const textOf = ({ id, bits }: Prefix): string => bitsOf(id).slice(0, bits);
const hashOf = (data: Uint8Array | string): string => bitsOf(createHash('sha256').update(data).digest());
const zeros64 = '0'.repeat(64);
const one64 = `${'0'.repeat(63)}1`;
const pinnedBits = zeros64 + hashOf('pinned').slice(0, 160);
const systemBits = hashOf(system.key).slice(0, 64);

/** Everything that a root key has authority over, as a list of prefixes: what the definition says, and nothing else. */
function ownedBy(root: Uint8Array): string[] {
  const owned = [one64 + hashOf(root).slice(0, 160)];
  if (Buffer.from(root).equals(system.key)) owned.push(systemBits);
  return owned;
}

function oracleAllows(wanted: string, chain: readonly Step[]): boolean {
  const grants = chain.map(({ prefix }) => textOf(prefix));
  if (!grants.every((grant) => wanted.startsWith(grant))) return false;
  const root = chain[0]!.issuer.key;
  const last = grants.at(-1)!;
  if (ownedBy(root).some((owned) => wanted.startsWith(owned) && last.startsWith(owned))) return true;
  if (!wanted.startsWith(zeros64)) return false;
  const touchesPin = wanted.startsWith(pinnedBits) || pinnedBits.startsWith(wanted);
  return !touchesPin || Buffer.from(root).equals(service.key);
}

describe('authority, over random chains and prefixes', () => {
  const pool = [service, system, thief, delegate];
  const bits = fc.oneof(fc.constantFrom(0, 63, 64, 65, 200, 223, 224, 225, 255, 256), fc.integer({ min: 0, max: 256 }));
  const known = fc.constantFrom(
    { id: keyName, owner: service },
    { id: systemName, owner: system },
    { id: pinned, owner: service },
    { id: label, owner: delegate },
    { id: unknownSystem(), owner: thief },
  );
  const name = fc
    .tuple(known, fc.option(fc.integer({ min: 0, max: 255 }), { freq: 1 }))
    .map(([{ id, owner }, bit]) => ({ id: bit === null ? id : flip(id, bit), owner }));
  const prefix = fc.tuple(name, bits).map(([{ id }, length]) => makePrefix(id, length));
  const key = fc.constantFrom(...pool);
  const often = fc.integer({ min: 0, max: 9 }).map((n) => n > 0);
  // Right chains are rare by chance: mostly the owner of the name is asked, and grants narrow towards it.
  const scenario = fc
    .record({
      name,
      wantedBits: fc.oneof(fc.constantFrom(64, 224, 256), bits),
      rightRoot: often,
      keys: fc.array(key, { minLength: 1, maxLength: 3 }),
      towards: fc.array(often, { minLength: 3, maxLength: 3 }),
      lengths: fc
        .array(fc.oneof(fc.constantFrom(64, 224), bits), { minLength: 3, maxLength: 3 })
        .map((all) => all.sort((a, b) => a - b)),
      others: fc.array(prefix, { minLength: 3, maxLength: 3 }),
      linked: often,
    })
    .map(({ name: { id, owner }, wantedBits, rightRoot, keys, towards, lengths, others, linked }) => {
      const wanted = makePrefix(id, wantedBits);
      const issuers = rightRoot ? [owner, ...keys.slice(1)] : keys;
      const chain = issuers.map((issuer, i): Step => {
        const grant = towards[i] ? makePrefix(id, Math.min(lengths[i]!, wantedBits)) : others[i]!;
        if (i === issuers.length - 1) return { issuer, prefix: grant };
        return { issuer, subject: linked ? issuers[i + 1]! : pool[i]!, prefix: grant };
      });
      return { wanted, chain };
    });

  const holdsTogether = (chain: readonly Step[]): boolean =>
    chain.every(({ issuer, prefix: grant }, i) => {
      const parent = chain[i - 1];
      if (parent === undefined) return true;
      return parent.subject === issuer && textOf(grant).startsWith(textOf(parent.prefix));
    });

  it('verification and registration allow what the definition allows, no more and no less', () => {
    let allowed = 0;
    let runs = 0;
    fc.assert(
      fc.property(scenario, ({ wanted, chain }) => {
        const { verified } = verifyCredential(primitives, chainOf(...chain), nowSeconds);
        const valid = holdsTogether(chain);
        assert.equal(verified !== undefined, valid);
        runs++;
        if (verified === undefined) return;
        const expected = wanted.bits >= 64 && oracleAllows(textOf(wanted), chain);
        assert.equal(mayRegister(primitives, trust, wanted, verified) === Reason.OK, expected);
        if (expected) allowed++;
      }),
      { numRuns: 2_000 },
    );
    assert.ok(allowed > runs / 20, `${allowed} of ${runs} were allowed: the property says little`);
    assert.ok(allowed < runs / 2, `${allowed} of ${runs} were allowed: the property says little`);
  });

  it('a client believes a credential for a name exactly if the definition lets its root grant it', () => {
    let authentic = 0;
    fc.assert(
      fc.property(scenario, ({ wanted, chain }) => {
        const { verified } = verifyCredential(primitives, chainOf(...chain), nowSeconds);
        if (verified === undefined) return;
        const asked = bitsOf(wanted.id);
        const judgement = judge(primitives, trust, wanted.id, verified);
        const covered = asked.startsWith(textOf(verified.prefix));
        const unpinned = covered && asked.startsWith(zeros64) && !asked.startsWith(pinnedBits);
        assert.equal(judgement === 'unpinned', unpinned);
        assert.equal(judgement === 'authentic', !unpinned && oracleAllows(asked, chain));
        if (judgement === 'authentic') authentic++;
      }),
      { numRuns: 2_000 },
    );
    assert.ok(authentic > 50, `only ${authentic} were authentic`);
  });
});
