// Authenticated registration at a real router: who is taken, who is refused, with which reason, and that each refusal
// is counted.

import { strict as assert } from 'node:assert';
import { type TestContext, test } from 'node:test';
import { formatServiceId, makePrefix, Reason, reasonName } from '../../src/core/base/index.ts';
import { MessageType } from '../../src/core/control/index.ts';
import { encodeRevocationList, labelServiceId, parseCredential } from '../../src/core/security/index.ts';
import { Stage } from './harness.ts';
import { makeIdentity, makeOwner, primitives, Registrant } from './registrant.ts';

interface Counters {
  readonly registrations: { readonly held: number; readonly refusedBy: Readonly<Record<string, number>> };
}

interface Services {
  readonly services: readonly {
    readonly id: string;
    readonly instances: readonly { locator: string; authenticated: boolean; key: string | null }[];
  }[];
}

async function counters(stage: Stage): Promise<Counters['registrations']> {
  const { stdout } = await stage.caracalOnce(['get', 'svc://caracal.router/v1/counters']);
  return (JSON.parse(stdout) as Counters).registrations;
}

async function instancesOf(stage: Stage, id: Uint8Array) {
  const { services } = await stage.caracalJson<Services>(['ls']);
  return services.find((service) => service.id === formatServiceId(id))?.instances ?? [];
}

async function registrants(t: TestContext, stage: Stage, count: number): Promise<Registrant[]> {
  const all = await Promise.all(Array.from({ length: count }, () => Registrant.start(stage.routerAddress ?? '')));
  t.after(() => {
    for (const registrant of all) registrant.close();
  });
  return all;
}

test('[C5] a registration signed by its service is taken; forged, replayed, stale ones are refused and counted', async (t) => {
  const stage = new Stage(t);
  await stage.router(['--lease', '60s']);
  const [honest, evil] = (await registrants(t, stage, 2)) as [Registrant, Registrant];
  const owner = makeOwner();
  const prefix = makePrefix(owner.id, 224);
  const identity = makeIdentity(owner, owner.id);
  const before = await counters(stage);

  assert.equal((await honest.say({ prefix, identity, sequence: 1 })).reason, Reason.NONCE_REQUIRED);
  const genuine = honest.message({ prefix, identity, sequence: 5 });
  assert.equal((await honest.exchange(genuine)).reason, Reason.OK);
  const [instance, ...others] = await instancesOf(stage, owner.id);
  assert.deepEqual(others, []);
  assert.equal(instance?.authenticated, true);
  assert.equal(instance?.key, formatServiceId(owner.id));
  assert.equal(instance?.locator, `127.0.0.1:${honest.port}`);
  assert.match((await stage.caracalOnce(['ls'])).stdout, /\bauthenticated\b/);

  const stranger = makeOwner();
  const refused: Record<string, number> = { 'nonce-required': 1 };
  const expect = async (what: string, answer: Promise<{ reason: Reason }>, reason: Reason): Promise<void> => {
    assert.equal(reasonName((await answer).reason), reasonName(reason), what);
    const name = reasonName(reason);
    refused[name] = (refused[name] ?? 0) + 1;
  };
  await expect('replayed from elsewhere', evil.exchange(genuine), Reason.NONCE_REQUIRED);
  const forged = evil.message({ prefix, identity, sequence: 9 });
  forged[80]! ^= 1;
  await expect('without a nonce of its own', evil.exchange(forged), Reason.NONCE_REQUIRED);
  const altered = evil.message({ prefix, identity, sequence: 9 });
  altered[70]! ^= 1;
  await expect('changed on the way', evil.exchange(altered), Reason.BAD_SIGNATURE);
  const guessed = { ...identity, signSeed: makeIdentity(stranger, owner.id).signSeed };
  await expect('signed by another', evil.say({ prefix, identity: guessed, sequence: 9 }), Reason.BAD_SIGNATURE);
  await expect('stale', honest.say({ prefix, identity, sequence: 4 }), Reason.OUT_OF_DATE);
  const own = makeIdentity(stranger, owner.id);
  await expect('for another name', evil.say({ prefix, identity: own, sequence: 9 }), Reason.NOT_AUTHORIZED);
  const wide = makePrefix(owner.id, 100);
  await expect('outside its prefix', evil.say({ prefix: wide, identity, sequence: 9 }), Reason.NOT_AUTHORIZED);
  await expect('without a key', evil.say({ prefix, sequence: 9 }), Reason.NOT_AUTHORIZED);
  const late = makeIdentity(owner, owner.id, -301);
  await expect('expired', evil.say({ prefix, identity: late, sequence: 9 }), Reason.EXPIRED);
  const type = MessageType.UNREGISTER;
  await expect('taken back by another', evil.say({ type, prefix, identity: own, sequence: 9 }), Reason.NOT_AUTHORIZED);

  const after = await counters(stage);
  const counted = Object.fromEntries(
    Object.entries(after.refusedBy).map(([name, count]) => [name, count - (before.refusedBy[name] ?? 0)]),
  );
  assert.deepEqual(counted, refused);
  assert.equal(after.held, before.held + 1);
  assert.deepEqual(
    (await instancesOf(stage, owner.id)).map(({ locator }) => locator),
    [`127.0.0.1:${honest.port}`],
  );
  assert.equal((await honest.say({ type, prefix, identity, sequence: 6 })).reason, Reason.OK);
  assert.deepEqual(await instancesOf(stage, owner.id), []);
});

test('[C5] a revocation list takes an instance out at once, and its credential is refused from then on', async (t) => {
  const stage = new Stage(t);
  await stage.router(['--lease', '60s']);
  const [honest] = (await registrants(t, stage, 1)) as [Registrant];
  const owner = makeOwner();
  const prefix = makePrefix(owner.id, 224);
  const identity = makeIdentity(owner, owner.id);
  await honest.say({ prefix, identity, sequence: 1 });
  assert.equal((await honest.say({ prefix, identity, sequence: 2 })).reason, Reason.OK);
  const [certificate] = parseCredential(identity.credential) ?? [];
  const fields = { number: 1, issuedAtSeconds: 1, allBeforeSeconds: 0, serials: [certificate!.serial] };
  const list = Buffer.from(encodeRevocationList(primitives, fields, owner.seed)).toString('base64');
  const told = await post(stage, '/v1/revocations', { list });
  assert.deepEqual(told, { status: 200, issuer: formatServiceId(owner.id) });
  assert.deepEqual(await instancesOf(stage, owner.id), []);
  assert.equal((await honest.say({ prefix, identity, sequence: 3 })).reason, Reason.REVOKED);
  assert.equal((await post(stage, '/v1/revocations', { list })).status, 409);
  const { stdout } = await stage.caracalOnce(['get', 'svc://caracal.router/v1/revocations']);
  assert.deepEqual(JSON.parse(stdout).revocations, [
    { issuer: formatServiceId(owner.id), number: 1, allBeforeSeconds: 0, serials: 1 },
  ]);
});

test('[C5] ad hoc names work with no set-up and are called unauthenticated; --require-keys ends that', async (t) => {
  const stage = new Stage(t);
  const open = await stage.router();
  const label = labelServiceId(primitives, 'adhoc');
  const prefix = makePrefix(label, 256);
  const [first] = (await registrants(t, stage, 1)) as [Registrant];
  await first.say({ prefix, sequence: 1 });
  assert.equal((await first.say({ prefix, sequence: 2 })).reason, Reason.OK);
  assert.deepEqual(
    (await instancesOf(stage, label)).map(({ authenticated, key }) => [authenticated, key]),
    [[false, null]],
  );
  for (const command of [['ls'], ['describe', 'adhoc']])
    assert.match((await stage.caracalOnce(command)).stdout, /unauthenticated/);
  // A key takes the label over; nobody without one gets it back while its lease runs.
  const [keyed] = (await registrants(t, stage, 1)) as [Registrant];
  const identity = makeIdentity(makeOwner(), label);
  await keyed.say({ prefix, identity, sequence: 1 });
  assert.equal((await keyed.say({ prefix, identity, sequence: 2 })).reason, Reason.OK);
  assert.equal((await first.say({ prefix, sequence: 3 })).reason, Reason.NOT_AUTHORIZED);
  assert.deepEqual(
    (await instancesOf(stage, label)).map(({ authenticated }) => authenticated),
    [true],
  );
  await open.stop();

  await stage.router(['--require-keys']);
  const [barred] = (await registrants(t, stage, 1)) as [Registrant];
  await barred.say({ prefix, sequence: 1 });
  assert.equal((await barred.say({ prefix, sequence: 2 })).reason, Reason.NOT_AUTHORIZED);
  await barred.say({ prefix, identity, sequence: 1 });
  assert.equal((await barred.say({ prefix, identity, sequence: 2 })).reason, Reason.OK);
});

/** From this machine, over Caracal, as a program of its own. */
async function post(stage: Stage, path: string, body: unknown): Promise<{ status: number; issuer?: string }> {
  const child = stage.program('post', [path, JSON.stringify(body)]);
  const [, status = '', text = ''] = await child.line(/^(\d{3}) (.*)$/m);
  const answer = JSON.parse(text) as { revocation?: { issuer: string } };
  return { status: Number(status), ...(answer.revocation === undefined ? {} : { issuer: answer.revocation.issuer }) };
}
