// Every example runs and ends by itself.

import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

interface Result {
  readonly status: number | null;
  readonly output: string;
}

const timeout = 30_000;
/** So that no router or example of somebody else on this machine takes part. */
const env = { ...process.env, CARACAL_DISCOVERY: `239.255.67.69:${20_000 + (process.pid % 20_000)}` };

interface Started {
  readonly child: ChildProcess;
  readonly ready: Promise<void>;
  readonly result: Promise<Result>;
}

function start(name: string, ...words: string[]): Started {
  const path = fileURLToPath(new URL(`./${name}.js`, import.meta.url));
  const child = spawn(process.execPath, [path, '--once', ...words], { env, stdio: ['pipe', 'pipe', 'pipe'] });
  let output = '';
  const ready = new Promise<void>((resolve) => {
    const take = (text: Buffer): void => {
      output += text.toString();
      if (/^ready/m.test(output)) resolve();
    };
    child.stdout.on('data', take);
    child.stderr.on('data', take);
    child.once('close', () => resolve());
  });
  const result = once(child, 'close').then(([status]) => ({ status: status as number | null, output }));
  return { child, ready, result };
}

test('echo-server and echo-client', { timeout }, async (t) => {
  const server = start('echo-server');
  t.after(() => server.child.kill());
  await server.ready;
  const client = start('echo-client', 'one', 'two');
  t.after(() => client.child.kill());
  const [atClient, atServer] = await Promise.all([client.result, server.result]);
  assert.equal(atClient.status, 0, atClient.output);
  assert.match(atClient.output, /echo: one two/);
  assert.equal(atServer.status, 0, atServer.output);
});

for (const [name, expected] of [
  ['http', /you asked for \/hello/],
  ['express', /200 \{ hello: 'world' \}/],
  ['websocket', /you said: hello/],
  ['datagrams', /message 3 of this flow/],
  ['processes', /2 processes have answered/],
] as const) {
  test(name, { timeout }, async (t) => {
    const example = start(name);
    t.after(() => example.child.kill());
    const { status, output } = await example.result;
    assert.match(output, expected);
    assert.equal(status, 0, output);
  });
}

test('chat: redeployed while somebody is in it', { timeout }, async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'caracal-chat-'));
  const begin = async (name: string, ...words: string[]): Promise<Started> => {
    const started = start(`chat/${name}`, ...words);
    t.after(() => started.child.kill('SIGKILL'));
    await started.ready;
    return started;
  };
  t.after(() => rmSync(folder, { recursive: true }));
  const path = join(folder, 'socket');
  const old = await begin('server', path);
  const client = await begin('client', 'ann');
  client.child.stdin?.write('before\n');
  await heard(client, /^ann: before$/m);
  const next = await begin('server', path);
  old.child.kill();
  const { status, output } = await old.result;
  assert.equal(status, 0, output);
  assert.match(output, /moved: 1/);
  client.child.stdin?.write('after\n');
  await heard(client, /^ann: after$/m);
  client.child.stdin?.end();
  assert.equal((await client.result).status, 0);
  next.child.kill();
  await next.result;
});

function heard({ child }: Started, pattern: RegExp): Promise<void> {
  return new Promise((resolve) => {
    child.stdout?.on('data', (text: Buffer) => {
      if (pattern.test(String(text))) resolve();
    });
  });
}
