// The way by a path; the one by name takes two processes with keys (tests/e2e/handoff.test.ts), but for who has none.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import {
  chownSync,
  existsSync,
  lstatSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Duplex } from 'node:stream';
import { type TestContext, test } from 'node:test';
import { dialReceiver, openReceiver, type Traveller } from './carrier.ts';

const nameless = { text: 'web', security: {} } as unknown as Traveller;

function folderFor(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'handoff-test-'));
  t.after(() => rmSync(folder, { recursive: true }));
  return folder;
}

/** A receiver at `path`, and what it says to who dials it. */
async function listen(t: TestContext, path: string, says: string): Promise<{ close(): void }> {
  const receiver = await openReceiver(path, nameless, (stream) => void stream.end(says));
  t.after(() => receiver.close());
  return receiver;
}

async function hear(stream: Duplex): Promise<string> {
  let text = '';
  for await (const chunk of stream) text += chunk;
  stream.end();
  return text;
}

test('carrier: a path leads to who listens there, and is for this user alone', async (t) => {
  const folder = folderFor(t);
  const path = join(folder, 'socket');
  const receiver = await listen(t, path, 'first');
  assert.equal(lstatSync(path).mode & 0o777, 0o600);
  assert.deepEqual(readdirSync(folder), ['socket'], 'nothing else is left there');
  assert.equal(await hear(await dialReceiver(path, nameless)), 'first');
  receiver.close();
  assert.equal(existsSync(path), false);
});

test('carrier: the next process takes the path over, and keeps it when the one before leaves', async (t) => {
  const path = join(folderFor(t), 'socket');
  const first = await listen(t, path, 'first');
  await listen(t, path, 'second');
  assert.equal(await hear(await dialReceiver(path, nameless)), 'second');
  first.close();
  assert.equal(await hear(await dialReceiver(path, nameless)), 'second');
});

test('carrier: what is no socket is left alone, and so is the folder where listening fails', async (t) => {
  const folder = folderFor(t);
  const path = join(folder, 'file');
  writeFileSync(path, 'content');
  await assert.rejects(listen(t, path, ''), { code: 'EEXIST', syscall: 'handoff', message: /no socket/ });
  assert.equal(readFileSync(path, 'utf8'), 'content');
  await assert.rejects(listen(t, join(folder, 'none', 'socket'), ''), { code: 'ENOENT' });
  const long = join(folder, 'x'.repeat(120));
  await assert.rejects(listen(t, join(long, 'socket'), ''));
  assert.deepEqual(readdirSync(folder), ['file']);
});

test('carrier: where nobody listens, or somebody else might, nobody is dialled', async (t) => {
  const folder = folderFor(t);
  const path = join(folder, 'socket');
  const nobody = { code: 'ECONNREFUSED', syscall: 'handoff', reason: 'no-such-service' };
  await assert.rejects(dialReceiver(path, nameless), nobody, 'nothing is there');
  const server = createServer().listen(path);
  await once(server, 'listening');
  const isRoot = process.getuid?.() === 0;
  if (isRoot) {
    chownSync(path, 65_534, 65_534);
    await assert.rejects(dialReceiver(path, nameless), { code: 'EACCES' }, 'it is another user’s');
    chownSync(path, 0, 0);
  }
  const stream = await dialReceiver(path, nameless);
  stream.destroy();
  server.close();
  await once(server, 'close');
  const file = join(folder, 'file');
  writeFileSync(file, '');
  await assert.rejects(dialReceiver(file, nameless), { code: 'EACCES', reason: 'not-authorized' });
});

test('carrier: a socket that a process left behind when it died is nobody', async (t) => {
  const path = join(folderFor(t), 'socket');
  const { spawnSync } = await import('node:child_process');
  const program = `require('node:net').createServer().listen(${JSON.stringify(path)}, () => process.kill(process.pid, 'SIGKILL'))`;
  spawnSync(process.execPath, ['-e', program]);
  assert.ok(lstatSync(path).isSocket());
  await assert.rejects(dialReceiver(path, nameless), { code: 'ECONNREFUSED', reason: 'no-such-service' });
  await listen(t, path, 'new');
  assert.equal(await hear(await dialReceiver(path, nameless)), 'new');
});

test('carrier: who proves no name hands over to nobody by name, nor takes over', async () => {
  const wrong = { code: 'ERR_MISSING_ARGS', message: /svc:\/\/web proves no name/ };
  await assert.rejects(dialReceiver(undefined, nameless), wrong);
  await assert.rejects(
    openReceiver(true, nameless, () => {}),
    wrong,
  );
});
