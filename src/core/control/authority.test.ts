// Who may register what: the corpus of registrations that must be refused, each with its reason and counted, and what
// holds a name against whom.

import assert from 'node:assert/strict';
import { afterEach, describe, it } from 'node:test';
import { formatFlowId, formatServiceId, makePrefix, Reason, reasonName } from '../base/index.ts';
import { applyRevocationList, createTrust, encodeRevocationList, parseCredential } from '../security/index.ts';
import { dump } from '../tables/index.ts';
import { MessageType } from './messages.ts';
import { longestNonceUs, nonceFor } from './nonce.ts';
import { dropRevoked, expireRegistry, isIssuer, type Registry } from './registry.ts';
import { listRegistry } from './registry-info.ts';
import {
  at,
  bytesOf,
  calendar,
  deliver,
  deliverBytes,
  faraway,
  identityFor,
  labelPrefix,
  messageOf,
  owner,
  primitives,
  register,
  registerReason,
  renewed,
  type Said,
  second,
  setUp,
  startSeconds,
  unregister,
} from './testing/registering.ts';

const service = owner(1);
const stranger = owner(2);
const name = makePrefix(service.id, 224);
const otherName = makePrefix(stranger.id, 224);
const identity = identityFor(service, name);
const registered = { identity, prefix: name };

function live(registry: Registry): string[] {
  return dump(registry.options.table).flatMap(({ targets }) => targets.map(({ locator }) => locator ?? ''));
}

function keysOf(registry: Registry, nowUs = 0): (string | null)[] {
  return listRegistry(registry, nowUs).map(({ key }) => key);
}

describe('authenticated registration', () => {
  afterEach(() => {
    calendar.seconds = startSeconds;
  });

  it('a credential by the key of a self-certifying name registers it, from anywhere, and says whose key it is', () => {
    const { registry } = setUp();
    assert.equal(registerReason(registry, 0, { ...registered, sequence: 1 }, faraway(1)), Reason.OK);
    const [line] = listRegistry(registry, 0);
    assert.deepEqual([line?.authenticated, `${line?.key}/224`], [true, `${line?.service}/224`]);
    assert.equal(line?.instance, formatFlowId(identity.instance));
  });

  it('the corpus: forged, replayed, stale, for another name, expired, revoked: each refused with its reason', () => {
    const { registry } = setUp();
    const victim = faraway(1);
    register(registry, 0, { ...registered, sequence: 10, boot: 5 }, victim);
    const genuine = messageOf(
      MessageType.REGISTER,
      { ...registered, sequence: 11, boot: 5 },
      nonceFor(registry.nonces, victim, 0),
    );
    const evil = at(66);
    const evilNonce = nonceFor(registry.nonces, evil, 0);
    const say = (said: Partial<Said>, type: MessageType = MessageType.REGISTER) =>
      messageOf(type, { sequence: 20, boot: 6, prefix: name, ...said }, evilNonce);
    const stolen = identityFor(stranger, name);
    const forger = identityFor(stranger, otherName);
    const late = { notBeforeSeconds: startSeconds - 9000, notAfterSeconds: startSeconds - 400 };
    const early = { notBeforeSeconds: startSeconds + 400, notAfterSeconds: startSeconds + 9000 };
    const revokedIdentity = identityFor(service, name);
    const serial = parseCredential(revokedIdentity.credential)![0]!.serial;
    const list = encodeRevocationList(
      primitives,
      { number: 1, issuedAtSeconds: startSeconds, allBeforeSeconds: 0, serials: [serial] },
      service.seed,
    );
    assert.equal(applyRevocationList(primitives, registry.options.revocations, list), Reason.OK);
    const broken = { ...identity, credential: identity.credential.map((byte, i) => (i === 200 ? byte ^ 1 : byte)) };
    const bare = { ...say({ identity }), proof: undefined };
    const corpus: [string, ReturnType<typeof say>, Reason][] = [
      ['a captured one, replayed from elsewhere', genuine, Reason.NONCE_REQUIRED],
      ['its nonce exchanged for the own one', { ...genuine, nonce: evilNonce }, Reason.BAD_SIGNATURE],
      [
        'without a nonce',
        { ...say({ identity: forger, prefix: otherName }), nonce: new Uint8Array(16) },
        Reason.NONCE_REQUIRED,
      ],
      ['an earlier sequence', say({ identity, sequence: 9, boot: 5 }), Reason.OUT_OF_DATE],
      ['an earlier boot', say({ identity, sequence: 99, boot: 4 }), Reason.OUT_OF_DATE],
      [
        'a signature by another key',
        say({ identity: { ...identity, signSeed: forger.signSeed } }),
        Reason.BAD_SIGNATURE,
      ],
      ['a certificate with a bit changed', say({ identity: broken }), Reason.BAD_SIGNATURE],
      [
        'bytes that are no certificate',
        say({ identity: { ...identity, credential: new Uint8Array(230) } }),
        Reason.BAD_SIGNATURE,
      ],
      ['an own key for another name', say({ identity: forger }), Reason.NOT_AUTHORIZED],
      ['a certificate that grants what its root does not own', say({ identity: stolen }), Reason.NOT_AUTHORIZED],
      [
        'a wider prefix than the certificate',
        say({ identity, prefix: makePrefix(service.id, 200) }),
        Reason.NOT_AUTHORIZED,
      ],
      [
        'another instance than in the certificate',
        say({ identity, instance: { hi: 7, lo: 7 } }),
        Reason.NOT_AUTHORIZED,
      ],
      ['no credential for a name that needs one', bare, Reason.NOT_AUTHORIZED],
      ['expired', say({ identity: identityFor(service, name, late) }), Reason.EXPIRED],
      ['not valid yet', say({ identity: identityFor(service, name, early) }), Reason.EXPIRED],
      ['revoked', say({ identity: revokedIdentity }), Reason.REVOKED],
      ['taken back by another', say({ identity: forger }, MessageType.UNREGISTER), Reason.NOT_AUTHORIZED],
      ['taken back without a key', { ...bare, type: MessageType.UNREGISTER }, Reason.NOT_AUTHORIZED],
      [
        'taken back in its name',
        say({ identity: { ...identity, signSeed: forger.signSeed } }, MessageType.UNREGISTER),
        Reason.BAD_SIGNATURE,
      ],
    ];
    const counted: Record<string, number> = {};
    for (const [what, message, reason] of corpus) {
      const reply = deliver(registry, 1000, message, evil);
      assert.equal(reasonName(reply.reason), reasonName(reason), what);
      assert.equal(reply.leaseMs, 0);
      counted[reasonName(reason)] = (counted[reasonName(reason)] ?? 0) + 1;
      assert.deepEqual(live(registry), ['203.0.113.1:7000'], what);
    }
    assert.deepEqual(registry.counters.refusedBy, counted);
    assert.deepEqual([registry.counters.registered, registry.counters.refreshed], [1, 0]);
    assert.equal(
      deliver(registry, 1000, genuine, victim).reason,
      Reason.OK,
      'the genuine one, from where it came from',
    );
  });

  it('what comes over the wire is judged as it was sent', () => {
    const { registry } = setUp();
    const message = messageOf(
      MessageType.REGISTER,
      { ...registered, sequence: 1 },
      nonceFor(registry.nonces, at(1), 0),
    );
    const bytes = bytesOf(message);
    for (let i = 0; i < bytes.length; i++) {
      const changed = bytes.slice();
      changed[i]! ^= 0x10;
      const reply = deliverBytes(registry, 0, changed, at(1));
      if (typeof reply !== 'number') assert.notEqual(reply.reason, Reason.OK, `byte ${i}`);
    }
    assert.deepEqual(live(registry), []);
    assert.equal(deliver(registry, 0, message, at(1)).reason, Reason.OK);
  });

  it('a name is taken back, moved and refreshed only by the key that registered it', () => {
    const { registry } = setUp();
    register(registry, 0, { ...registered, sequence: 1 });
    assert.equal(registerReason(registry, 1, { ...registered, sequence: 2 }, faraway(9)), Reason.OK);
    assert.deepEqual(live(registry), ['203.0.113.9:7000']);
    // The same root vouches for other keys under the same instance id: not the ones that hold the entry.
    const twin = identityFor(service, name);
    const twinKeys = { ...twin, instance: identity.instance };
    const usurper = renewed(service, twinKeys, name);
    assert.equal(registerReason(registry, 2, { identity: usurper, prefix: name, sequence: 9 }), Reason.NOT_AUTHORIZED);
    assert.equal(
      unregister(registry, 2, { identity: usurper, prefix: name, sequence: 9 }).reason,
      Reason.NOT_AUTHORIZED,
    );
    const again = renewed(service, identity, name);
    assert.equal(unregister(registry, 3, { identity: again, prefix: name, sequence: 3 }).reason, Reason.OK);
    assert.deepEqual(live(registry), []);
  });

  it('a lease never outlives the certificate', () => {
    const { registry } = setUp({ leaseUs: 3600 * second });
    const short = identityFor(service, name, { notAfterSeconds: startSeconds + 10 });
    const asked = { identity: short, prefix: name, leaseMs: 3_600_000 };
    assert.equal(register(registry, 0, { ...asked, sequence: 1 }).leaseMs, 310_000);
    calendar.seconds += 310;
    assert.equal(register(registry, 310 * second - 1, { ...asked, sequence: 2 }).leaseMs, 0);
    calendar.seconds += 1;
    assert.equal(registerReason(registry, 311 * second, { ...asked, sequence: 3 }), Reason.EXPIRED);
    assert.deepEqual(live(registry), []);
  });

  it('a copy of a message brings nothing back, after UNREGISTER as after the end of the lease', () => {
    const { registry } = setUp();
    const nonce = nonceFor(registry.nonces, at(1), 0);
    const copy = messageOf(MessageType.REGISTER, { ...registered, sequence: 1 }, nonce);
    assert.equal(deliver(registry, 0, copy, at(1)).reason, Reason.OK);
    for (let nowUs = 5 * second; nowUs < longestNonceUs; nowUs += second) {
      assert.notEqual(deliver(registry, nowUs, copy, at(1)).reason, Reason.OK);
      assert.deepEqual(live(registry), []);
    }
    assert.equal(registerReason(registry, longestNonceUs, { ...registered, sequence: 2 }), Reason.OK);
  });

  it('a revocation takes what rests on the certificate out at once, and nothing else', () => {
    const { registry } = setUp();
    const other = identityFor(service, name);
    register(registry, 0, { ...registered, sequence: 1 });
    register(registry, 0, { identity: other, prefix: name, sequence: 1 }, at(2));
    register(registry, 0, { sequence: 1 }, at(3));
    const [first] = parseCredential(identity.credential)!;
    assert.ok(isIssuer(registry, first!.issuerKey) && !isIssuer(registry, first!.subjectKey));
    const fields = { number: 1, issuedAtSeconds: startSeconds, allBeforeSeconds: 0, serials: [first!.serial] };
    applyRevocationList(
      primitives,
      registry.options.revocations,
      encodeRevocationList(primitives, fields, service.seed),
    );
    assert.equal(dropRevoked(registry, 1), 1);
    assert.deepEqual(live(registry).sort(), ['10.0.0.2:7000', '10.0.0.3:7000']);
    assert.equal(registerReason(registry, 2, { ...registered, sequence: 2 }), Reason.REVOKED);
    assert.equal(registry.counters.revoked, 1);
  });
});

describe('labels', () => {
  const label = labelPrefix('web');
  const mine = identityFor(service, label);
  const theirs = identityFor(stranger, label);

  it('without a key only from this machine and private networks, and not at all where keys are required', () => {
    const { registry } = setUp();
    assert.equal(registerReason(registry, 0, { sequence: 1 }, faraway(1)), Reason.NOT_AUTHORIZED);
    assert.equal(registerReason(registry, 0, { sequence: 1 }, at(1)), Reason.OK);
    assert.deepEqual(keysOf(registry), [null]);
    const strict = setUp({ requireKeys: true }).registry;
    assert.equal(registerReason(strict, 0, { sequence: 1 }, at(1)), Reason.NOT_AUTHORIZED);
    assert.equal(registerReason(strict, 0, { identity: mine, sequence: 1 }, at(1)), Reason.OK);
  });

  it('the first key holds the label: no other key and nobody without one shares it, beside, inside or above', () => {
    const { registry } = setUp();
    register(registry, 0, { identity: mine, sequence: 1 });
    for (const bits of [64, 100, 224, 256]) {
      const prefix = labelPrefix('web', bits);
      assert.equal(registerReason(registry, 1, { sequence: 1, prefix }, at(2)), Reason.NOT_AUTHORIZED, `${bits} bits`);
      const granted = identityFor(stranger, prefix);
      assert.equal(
        registerReason(registry, 1, { identity: granted, prefix, sequence: 1 }, at(2)),
        Reason.NOT_AUTHORIZED,
      );
    }
    assert.equal(registerReason(registry, 1, { sequence: 1, prefix: labelPrefix('mail') }, at(2)), Reason.OK);
    const second224 = identityFor(service, label);
    assert.equal(
      registerReason(registry, 1, { identity: second224, sequence: 1 }, at(3)),
      Reason.OK,
      'another instance',
    );
    assert.deepEqual(live(registry).sort(), ['10.0.0.1:7000', '10.0.0.2:7000', '10.0.0.3:7000']);
    expireRegistry(registry, 6 * second);
    assert.equal(
      registerReason(registry, 6 * second, { identity: theirs, sequence: 1 }, at(2)),
      Reason.OK,
      'free again',
    );
  });

  it('a key that comes pushes those out who have none; one from far away that nobody knows does not', () => {
    const { registry } = setUp();
    register(registry, 0, { sequence: 1 }, at(1));
    register(registry, 0, { sequence: 1, prefix: labelPrefix('web', 256), instance: { hi: 0, lo: 2 } }, at(2));
    assert.equal(registerReason(registry, 1, { identity: mine, sequence: 1 }, faraway(1)), Reason.NOT_AUTHORIZED);
    assert.equal(live(registry).length, 2);
    assert.equal(registerReason(registry, 2, { identity: mine, sequence: 1 }, at(3)), Reason.OK);
    assert.deepEqual(live(registry), ['10.0.0.3:7000']);
    assert.equal(registry.counters.displaced, 2);
    assert.equal(registerReason(registry, 3, { sequence: 2 }, at(1)), Reason.NOT_AUTHORIZED);
  });

  it('a pinned label is for its key alone, and that key displaces from anywhere', () => {
    const trust = createTrust();
    trust.pins.set(formatServiceId(label.id), formatServiceId(service.id));
    const { registry } = setUp({ trust });
    assert.equal(registerReason(registry, 0, { sequence: 1 }), Reason.NOT_AUTHORIZED);
    assert.equal(registerReason(registry, 0, { identity: theirs, sequence: 1 }), Reason.NOT_AUTHORIZED);
    assert.equal(registerReason(registry, 0, { identity: mine, sequence: 1 }, faraway(1)), Reason.OK);
  });

  it('one key cannot hold all labels by a short prefix', () => {
    const { registry } = setUp();
    const wide = labelPrefix('web', 64);
    const greedy = identityFor(stranger, wide);
    assert.equal(registerReason(registry, 0, { identity: greedy, prefix: wide, sequence: 1 }), Reason.OK);
    assert.equal(registerReason(registry, 0, { sequence: 1 }, at(2)), Reason.OK);
    assert.equal(registerReason(registry, 0, { identity: mine, sequence: 1 }, at(3)), Reason.OK);
    assert.equal(registerReason(registry, 0, { sequence: 1, prefix: wide }, at(2)), Reason.NOT_AUTHORIZED);
  });

  it('without a key a name is taken back only from the address that registered it', () => {
    const { registry } = setUp();
    register(registry, 0, { sequence: 1 }, at(1));
    assert.equal(unregister(registry, 1, { sequence: 2 }, at(2)).reason, Reason.NOT_AUTHORIZED);
    assert.equal(unregister(registry, 1, { sequence: 2 }, at(1, 9)).reason, Reason.OK);
    // Nor can another address bury what it never registered.
    assert.equal(unregister(registry, 2, { sequence: 99, boot: 9 }, at(2)).reason, Reason.OK);
    assert.equal(registerReason(registry, 3, { sequence: 3 }, at(1)), Reason.OK);
  });
});
