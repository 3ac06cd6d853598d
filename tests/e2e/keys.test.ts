// Keys as people handle them: from keygen to a certificate that verifies, is delegated, renewed and revoked; what is
// refused, and with which words. The real commands, in a folder of their own.

import { strict as assert } from 'node:assert';
import { appendFileSync, chmodSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { type Finished, Stage } from './harness.ts';

interface Desk {
  readonly stage: Stage;
  /** Runs the words as a command line; fails unless it exits with 0. */
  ok(line: string): Promise<Finished>;
  /** Fails unless it exits with `code` and says `message`. */
  refused(line: string, message: RegExp, code?: number): Promise<Finished>;
  path(name: string): string;
}

function desk(t: TestContext): Desk {
  const stage = new Stage(t);
  // No router of this machine is asked.
  const options = { env: { CARACAL_ROUTER: '127.0.0.1:1' } };
  const run = (line: string): Promise<Finished> => stage.caracalOnce(line.split(' '), options);
  return {
    stage,
    path: (name) => join(stage.folder, name),
    async ok(line) {
      const finished = await run(line);
      assert.equal(finished.code, 0, `caracal ${line}\n${finished.stdout}${finished.stderr}`);
      return finished;
    },
    async refused(line, message, code = 1) {
      const finished = await run(line);
      assert.equal(finished.code, code, `caracal ${line}\n${finished.stdout}${finished.stderr}`);
      assert.match(finished.stderr, message);
      return finished;
    },
  };
}

interface Verdict {
  readonly valid: boolean;
  readonly reason: string;
  readonly root: string | null;
  readonly prefix: string | null;
  readonly certificates: { readonly kind: string; readonly serial: string; readonly notAfterSeconds: number }[];
}

async function verdict({ stage }: Desk, line: string): Promise<Verdict> {
  const { stdout } = await stage.caracalOnce(['verify', ...line.split(' '), '--json']);
  return JSON.parse(stdout) as Verdict;
}

test('keys: keygen, grant and verify make a name that proves itself, revoke ends it', async (t) => {
  const at = desk(t);
  const service = await at.ok('keygen service');
  const name = service.stdout.trim();
  assert.match(name, /^svc:a{12}[a-z2-7]{40}$/);
  assert.match(service.stderr, /next: caracal keygen instance; caracal grant/);
  await at.ok('keygen instance');
  for (const file of ['service', 'instance']) {
    assert.equal(statSync(at.path(`${file}.key`)).mode & 0o777, 0o600);
    assert.equal(statSync(at.path(`${file}.pub`)).mode & 0o777, 0o644);
    assert.doesNotMatch(readFileSync(at.path(`${file}.pub`), 'utf8'), /private/);
  }
  const granted = await at.ok('grant --key service.key --to instance.pub');
  assert.equal(granted.stdout, 'instance.cert\n');
  const proved = await at.ok(`verify instance.cert --name ${name} --key service.pub`);
  assert.match(proved.stdout, /^proves {3}may serve [a-z2-7]{52}\/224$/m);
  assert.ok(proved.stdout.includes(`by       ${name}\n`), proved.stdout);
  assert.match(proved.stdout, /^until .* \(2[34] h left\)$/m);
  const before = await verdict(at, 'instance.cert');
  assert.deepEqual([before.valid, before.reason, before.root], [true, 'ok', name]);
  const lifetime = (before.certificates[0]?.notAfterSeconds ?? 0) - Date.now() / 1000;
  assert.ok(lifetime > 86_000 && lifetime <= 86_400, `${lifetime}`);

  const revoked = await at.ok('revoke --key service.key instance.cert');
  assert.equal(revoked.stdout, 'service.revoked\n');
  assert.ok(revoked.stderr.includes(before.certificates[0]?.serial ?? '-'));
  await at.refused('verify instance.cert --list service.revoked', /does not prove anything: it was revoked/);
  const after = await verdict(at, 'instance.cert --list service.revoked');
  assert.deepEqual([after.valid, after.reason], [false, 'revoked']);
  await at.ok('grant --key service.key --to instance.pub');
  await at.ok('verify instance.cert --list service.revoked');
});

test('keys: revoking all until now voids what was granted, and nothing that is granted after', async (t) => {
  const at = desk(t);
  for (const kind of ['service', 'instance']) await at.ok(`keygen ${kind}`);
  await at.ok('grant --key service.key --to instance.pub');
  const first = await at.ok('revoke --key service.key --all-before now');
  assert.match(first.stderr, /list 1: 0 serials/);
  await at.refused('verify instance.cert --list service.revoked', /it was revoked/);
  await at.ok('grant --key service.key --to instance.pub');
  await at.ok('verify instance.cert --list service.revoked');
  const second = await at.ok('revoke --key service.key 0123456789abcdef');
  assert.match(second.stderr, /list 2: 1 serial\n/);
  const again = await at.ok('revoke --key service.key 0123456789abcdef');
  assert.match(again.stderr, /nothing new: list 2 stays/);
  await at.refused('revoke --key service.key --push', /no router answers at CARACAL_ROUTER/);
  await at.refused('revoke --key service.key', /nothing to revoke/, 2);
  await at.ok('keygen service --out other.key');
  await at.refused('revoke --key other.key instance.cert', /this key has not signed instance\.cert/);
  await at.refused('revoke --key other.key 0123456789abcdef --list service.revoked', /is the list of another key/);
});

test('keys: a system delegates a label, and the delegate certifies instances of it alone', async (t) => {
  const at = desk(t);
  for (const kind of ['system', 'service', 'instance']) await at.ok(`keygen ${kind}`);
  await at.refused('grant --key system.key --to service.pub --delegate', /needs to be told for which service/, 2);
  await at.ok('grant --key system.key --to service.pub --name shop --delegate --for 90d');
  const granted = await at.ok('grant --key service.key --chain service.cert --to instance.pub --for 365d');
  assert.match(granted.stderr, /when the chain ends/);
  await at.refused('verify instance.cert --name shop', /its system is not known here[\s\S]*caracal trust add system/);
  await at.ok('verify instance.cert --name shop --key system.pub');
  await at.ok('trust add system corp system.pub');
  await at.ok('verify instance.cert --name shop');
  await at.refused('verify instance.cert --name bank', /it is for [a-z2-7]{52}\/224/);
  const { certificates } = await verdict(at, 'instance.cert');
  assert.deepEqual(
    certificates.map(({ kind }) => kind),
    ['delegation', 'instance'],
  );

  for (const name of ['bank', 'svc:bank', (await at.ok('id shop --json')).stdout.match(/"id":"(\w+)"/)?.[1]])
    await at.refused(
      `grant --key service.key --chain service.cert --to instance.pub --name ${name}`,
      /this key has no authority over/,
    );
  await at.ok('keygen service --out thief.key');
  await at.refused(
    'grant --key thief.key --chain service.cert --to instance.pub',
    /delegates to svc:\w+, and the signing/,
  );
  await at.ok('revoke --key system.key service.cert');
  await at.refused('verify instance.cert --list system.revoked', /it was revoked/);
});

test('keys: a label is proved to those who expect the key: by pin, by fingerprint, not otherwise', async (t) => {
  const at = desk(t);
  const id = (await at.ok('keygen service')).stdout.trim();
  await at.ok('keygen instance');
  const granted = await at.ok('grant --key service.key --to instance.pub --name web');
  const shared = `svc:web@${id.slice('svc:'.length)}`;
  assert.ok(granted.stderr.includes(shared), granted.stderr);
  await at.refused('verify instance.cert --name web', /nothing says that svc:\w+ is the key of this label/);
  await at.ok(`verify instance.cert --name ${shared}`);
  await at.ok('verify instance.cert --name web --key service.pub');
  const other = (await at.ok('keygen service --out other.key')).stdout.trim();
  await at.refused(
    `verify instance.cert --name web@${other.slice(4)}`,
    new RegExp(`demands the key ${other}, not ${id}`),
  );
  await at.refused('verify instance.cert --key other.pub', new RegExp(`root key is ${id}, not ${other} of other.pub`));

  await at.ok(`trust add pin web ${id}`);
  await at.ok('verify instance.cert --name web');
  await at.refused(`trust add pin web ${other}`, /"web" is pinned to svc:\w+ \(.*trust:1\)[\s\S]*trust remove pin web/);
  const { entries } = JSON.parse((await at.ok('trust ls --json')).stdout) as { entries: Record<string, unknown>[] };
  assert.deepEqual(
    entries.map(({ kind, name, key, firstUse }) => [kind, name, key, firstUse]),
    [['pin', 'web', id, false]],
  );
  await at.ok('trust remove pin web');
  await at.refused('trust remove pin web', /there is no pin "web"/);
  await at.ok(`trust add pin web ${other}`);
  await at.refused('verify instance.cert --name web', new RegExp(`demands the key ${other}, not ${id}`));
});

test('keys: what is careless or mistaken is refused, with the command that helps, and no secret is printed', async (t) => {
  const at = desk(t);
  for (const kind of ['service', 'instance']) await at.ok(`keygen ${kind}`);
  const secret = readFileSync(at.path('service.key'), 'utf8').match(/private: (\S+)/)?.[1] ?? '';
  const told: Finished[] = [];
  const refuse = async (line: string, message: RegExp, code?: number): Promise<void> => {
    told.push(await at.refused(line, message, code));
  };
  await refuse('keygen service', /service\.key exists already[\s\S]*try: caracal keygen service --out OTHER\.key/);
  await refuse('keygen', /missing required argument/, 2);
  await refuse('keygen other', /a kind is service, instance or system/, 2);
  await refuse('grant --key none.key --to instance.pub', /cannot read none\.key: there is no such file/);
  await refuse('grant --key instance.key --to instance.pub', /is an instance key: it signs no certificates/);
  await refuse('grant --key service.pub --to instance.pub', /holds no private key/);
  await refuse('grant --key service.key --to service.pub', /it can only certify instances[\s\S]*--delegate/, 2);
  await refuse('grant --key service.key --to instance.pub --delegate', /it cannot certify others/, 2);
  await refuse('grant --key service.key --to instance.pub --for 900d', /at most 825d/, 2);
  await refuse('grant --key service.key --to instance.pub --name a/b', /--name is a label/, 2);
  await refuse('verify service.pub', /service\.pub:2: a file of this kind begins with "caracal-certificate 1"/);
  chmodSync(at.path('service.key'), 0o644);
  await refuse('grant --key service.key --to instance.pub', /mode 0644[\s\S]*try: chmod 600 service\.key/);
  chmodSync(at.path('service.key'), 0o600);
  appendFileSync(at.path('service.key'), `private: ${secret}\n`);
  await refuse('grant --key service.key --to instance.pub', /service\.key:7: "private" stands there twice/);
  assert.equal(secret.length, 52);
  assert.ok(told.every(({ stdout, stderr }) => !`${stdout}${stderr}`.includes(secret)));
});

test('keys: a changed certificate does not verify', async (t) => {
  const at = desk(t);
  for (const kind of ['service', 'instance']) await at.ok(`keygen ${kind}`);
  await at.ok('grant --key service.key --to instance.pub');
  const text = readFileSync(at.path('instance.cert'), 'utf8');
  const [head = '', body = ''] = text.split('caracal-certificate 1\n');
  const bytes = Buffer.from(body, 'base64');
  for (const offset of [40, 110, 145, 165, 229]) {
    const forged = Buffer.from(bytes);
    forged[offset] = (forged[offset] ?? 0) ^ 1;
    writeFileSync(at.path('instance.cert'), `${head}caracal-certificate 1\n${forged.toString('base64')}\n`);
    await at.refused('verify instance.cert', /a signature does not verify/);
  }
});

test('keys: doctor finds open key files, ended certificates, pins, and trust that cannot be read', async (t) => {
  const at = desk(t);
  const checks = async (): Promise<Map<string, { status: string; detail: string; advice?: string }>> => {
    const { stdout } = await at.stage.caracalOnce(['doctor', '--json'], { env: { CARACAL_LINK: 'dgram' } });
    const { checks: all } = JSON.parse(stdout) as { checks: { name: string; status: string; detail: string }[] };
    return new Map(all.map((check) => [check.name, check]));
  };
  for (const kind of ['service', 'instance']) await at.ok(`keygen ${kind}`);
  await at.ok('grant --key service.key --to instance.pub');
  const id = (await at.ok('keygen service --out x.key')).stdout.trim();
  await at.ok(`trust add pin web ${id}`);
  let found = await checks();
  assert.deepEqual(
    ['keys', 'certs', 'trust'].map((name) => [found.get(name)?.status, found.get(name)?.detail]),
    [
      ['ok', '3 key files, for you alone'],
      ['ok', '1 certificate valid'],
      ['ok', '0 systems, 1 pin, 0 pins made on first use'],
    ],
  );
  chmodSync(at.path('service.key'), 0o640);
  await at.ok('keygen instance --out short.key');
  await at.ok('grant --key x.key --to short.pub --for 1s');
  await new Promise((resolve) => setTimeout(resolve, 2_100));
  appendFileSync(at.path('caracal/trust'), 'pin mail\n');
  found = await checks();
  assert.equal(found.get('keys')?.status, 'fail');
  assert.match(found.get('keys')?.advice ?? '', /chmod 600 \S*service\.key/);
  assert.equal(found.get('certs')?.status, 'fail');
  assert.match(found.get('certs')?.detail ?? '', /^expired: \S*short\.cert/);
  assert.equal(found.get('trust')?.status, 'fail');
  assert.match(found.get('trust')?.detail ?? '', /trust:2: a line is "pin LABEL ID", this has 2 words/);
});
