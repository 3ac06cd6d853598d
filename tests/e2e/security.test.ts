// Names that prove themselves, and what somebody on the way can see and do. With any other key behind a name the client
// breaks off before a byte of its application has left and says which key it expected; on the wire there is nothing to
// read and nothing that, changed, would change what arrives.

import { strict as assert } from 'node:assert';
import { test } from 'node:test';
import { formatServiceId, parseServiceId } from '../../src/core/base/index.ts';
import { memberServiceId } from '../../src/core/security/index.ts';
import { labelId } from '../../src/index.ts';
import { Stage } from './harness.ts';
import { Keyring } from './keyring.ts';
import { Peer } from './peer.ts';

const secret = 'for nobody else';

async function say(stage: Stage, name: string, ...flags: string[]) {
  return stage.caracalOnce(['connect', name, ...flags], { input: secret });
}

async function refused(stage: Stage, name: string, message: RegExp, ...flags: string[]): Promise<void> {
  const { code, stdout, stderr } = await say(stage, name, ...flags);
  assert.equal(code, 1, `${stdout}${stderr}`);
  assert.match(stderr, message);
  assert.equal(stdout, '');
}

test('[N2] an instance with the wrong key is refused before a byte is sent, and the right one serves', {
  timeout: 60_000,
}, async (t) => {
  const stage = new Stage(t);
  await stage.router();
  const keys = new Keyring(stage);
  const [name, thief] = [keys.make('shop'), keys.make('thief')];
  const server = await Peer.start(stage);
  await server.listen(name, 'name', { identity: keys.instance('shop') });
  assert.equal((await say(stage, `svc:${name}`)).stdout, `${server.pid}`);

  // With the right instance beside it, an impostor costs a client an attempt and no more.
  const impostor = await keys.impostor({ names: [name, thief], key: keys.instance('thief'), insecure: true });
  const client = await Peer.start(stage);
  assert.deepEqual((await client.connectMany(name, 12, 4)).replies, { [server.pid]: 12 });
  await server.child.stop();
  const expected = new RegExp(`expected the key svc:${name}, it has svc:${thief}.*\\n.*caracal trust`);
  await refused(stage, name, expected);
  await refused(stage, name, expected, '--insecure');
  const nameless = await keys.impostor({ names: [name] });
  await keys.run(`rules set ${name} --locator ${await locatorOf(keys, name, 0)} --priority 1`);
  await refused(stage, name, /the name demands a key, and it shows none/);

  for (const child of [impostor, nameless]) assert.doesNotMatch(child.stdout, /connection|data/);
  // It would have told: to those who ask for its own name it is what it says.
  await say(stage, thief);
  await impostor.line(new RegExp(`^connection\\ndata ${secret}$`, 'm'));
});

async function locatorOf(keys: Keyring, name: string, index: number): Promise<string> {
  const { rules } = await keys.stage.caracalJson<{
    rules: { service: string; targets: { locator: string; owner: string }[] }[];
  }>(['rules']);
  const targets = rules.find(({ service }) => service === name)?.targets ?? [];
  return targets[index]?.locator ?? '';
}

test('[N2] a certificate that has expired, or is for another key or name, proves nothing', {
  timeout: 60_000,
}, async (t) => {
  const stage = new Stage(t);
  await stage.router();
  const keys = new Keyring(stage);
  const name = keys.make('late');
  keys.certify('late', name, 3600);
  const late = await keys.impostor({ names: [name], key: keys.instance('late') });
  await refused(stage, name, /its credential is refused: expired/);
  // The same instance with a certificate of today is let in.
  keys.certify('late', name);
  const renewed = await keys.impostor({ names: [name], key: keys.instance('late') });
  await late.stop();
  await keys.run(`rules rm ${name} ${await locatorOf(keys, name, 0)}`);
  assert.equal((await say(stage, name)).code, 0);
  await renewed.line(new RegExp(`^data ${secret}$`, 'm'));

  keys.certify('late', formatServiceId(memberServiceId(parseServiceId(name), 7)), -3600, 256);
  const narrow = await keys.impostor({ names: [name], key: keys.instance('late') });
  await keys.run(`rules rm ${name} ${await locatorOf(keys, name, 0)}`);
  await refused(stage, name, /has not granted it this name/);
  assert.doesNotMatch(late.stdout + narrow.stdout, /connection|data/);
});

test('[N2] a label is pinned to the key of its first use, and another key is refused, never taken over', {
  timeout: 60_000,
}, async (t) => {
  const stage = new Stage(t);
  await stage.router();
  const keys = new Keyring(stage);
  const label = formatServiceId(labelId('shop'));
  const [first, second] = [keys.make('first', label), keys.make('second', label)];
  const server = await Peer.start(stage);
  await server.listen('shop', 'echo', { identity: keys.instance('first') });
  // Told by a friend: NAME@ID, and no other key will do, even where nothing is pinned yet.
  assert.equal((await say(stage, `svc:shop@${first}`)).stdout, secret);
  await refused(stage, `shop@${second}`, new RegExp(`expected the key svc:${second}, it has svc:${first}`));
  const met = await say(stage, 'shop');
  assert.equal(met.stdout, secret);
  await server.child.stop();

  const impostor = await keys.impostor({ names: [label], key: keys.instance('second') });
  const expected = new RegExp(`expected the key svc:${first}, it has svc:${second}`);
  for (const flags of [[], ['--insecure']]) await refused(stage, 'shop', expected, ...flags);
  await refused(stage, `shop@${first}`, expected);
  const pins = await keys.run('trust ls');
  assert.ok(pins.includes(first) && !pins.includes(second), pins);
  assert.doesNotMatch(impostor.stdout, /connection|data/);
  // Only a person can replace a pin.
  await keys.run('trust remove pin shop');
  const again = await say(stage, 'shop');
  assert.match(again.stderr, new RegExp(`known by its key from now on: svc:${second}`));
  await impostor.line(new RegExp(`^data ${secret}$`, 'm'));
});
