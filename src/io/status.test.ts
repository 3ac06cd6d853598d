import { strict as assert } from 'node:assert';
import { spawn } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync, statSync } from 'node:fs';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { askStack, type Operate, readStatuses, runtimeDirectory, serveStatus } from './status.ts';

const indexUrl = new URL('./index.js', import.meta.url).href;
const skip = process.platform === 'win32' ? 'Unix sockets' : false;

async function inOwnDirectory(body: (directory: string) => Promise<void>): Promise<void> {
  const before = process.env['XDG_RUNTIME_DIR'];
  const base = mkdtempSync(join(tmpdir(), 'caracal-status-'));
  process.env['XDG_RUNTIME_DIR'] = base;
  try {
    await body(join(base, 'caracal'));
  } finally {
    if (before === undefined) delete process.env['XDG_RUNTIME_DIR'];
    else process.env['XDG_RUNTIME_DIR'] = before;
    rmSync(base, { recursive: true });
  }
}

async function served(directory: string, count: number): Promise<string[]> {
  for (;;) {
    const names = readdirSync(directory).filter((name) => (statSync(join(directory, name)).mode & 0o777) === 0o600);
    if (names.length >= count) return names;
    await new Promise(setImmediate);
  }
}

test('status: every stack of a process answers; only its user may ask; nothing is left behind', { skip }, () =>
  inOwnDirectory(async (directory) => {
    const stops = [serveStatus(() => ({ flows: [1] })), serveStatus(() => ({ flows: [2, 3] }))];
    const names = await served(directory, 2);
    assert.equal(statSync(directory).mode & 0o777, 0o700);
    for (const name of names) assert.equal(statSync(join(directory, name)).mode & 0o777, 0o600);
    const statuses = await readStatuses();
    assert.deepEqual(
      statuses.map(({ pid }) => pid),
      [process.pid, process.pid],
    );
    assert.deepEqual(statuses.map(({ flows }) => (flows as number[]).length).sort(), [1, 2]);
    for (const stop of stops) stop();
    assert.deepEqual(await readStatuses(), []);
    assert.deepEqual(readdirSync(directory), []);
  }),
);

test('status: an idle process with a status socket ends, and takes its socket away', { skip }, () =>
  inOwnDirectory(async (directory) => {
    const program = `import { serveStatus } from ${JSON.stringify(indexUrl)}; serveStatus(() => ({}));`;
    const child = spawn(process.execPath, ['--input-type=module', '-e', program], { stdio: 'inherit' });
    assert.equal(await new Promise((resolve) => child.on('close', resolve)), 0);
    assert.deepEqual(readdirSync(directory), []);
  }),
);

test('status: a socket left by a killed process is removed by the reader', { skip }, () =>
  inOwnDirectory(async (directory) => {
    const program = `import { serveStatus } from ${JSON.stringify(indexUrl)}; serveStatus(() => ({}));
      setTimeout(() => process.kill(process.pid, 'SIGKILL'), 50);`;
    const child = spawn(process.execPath, ['--input-type=module', '-e', program], { stdio: 'inherit' });
    await new Promise((resolve) => child.on('close', resolve));
    assert.equal(readdirSync(directory).length, 1);
    assert.deepEqual(await readStatuses(), []);
    assert.deepEqual(readdirSync(directory), []);
  }),
);

test('status: a socket that refuses stays while its process runs: it may be about to listen', { skip }, () =>
  inOwnDirectory(async () => {
    const server = net.createServer();
    const bound = join(runtimeDirectory(), 'bound');
    const name = `${process.pid}-7.sock`;
    await new Promise<void>((resolve) => server.listen(bound, resolve));
    renameSync(bound, join(runtimeDirectory(), name));
    await new Promise((resolve) => server.close(resolve));
    assert.deepEqual(await readStatuses(), []);
    assert.deepEqual(readdirSync(runtimeDirectory()), [name]);
  }),
);

test('status: an answer that is no JSON is passed over', { skip }, () =>
  inOwnDirectory(async () => {
    const server = net.createServer((socket) => socket.end('not json'));
    const path = join(runtimeDirectory(), '1-0.sock');
    await new Promise<void>((resolve) => server.listen(path, resolve));
    assert.deepEqual(await readStatuses(), []);
    await new Promise((resolve) => server.close(resolve));
  }),
);

test('status: a directory that others may enter is refused', { skip }, () =>
  inOwnDirectory(async (directory) => {
    mkdirSync(directory);
    chmodSync(directory, 0o755);
    assert.throws(runtimeDirectory, { code: 'ERR_CARACAL_RUNTIME_DIR' });
    await assert.rejects(readStatuses, { code: 'ERR_CARACAL_RUNTIME_DIR' });
  }),
);

/** The path of the only stack, which carries out requests by `operate`. */
async function operated(directory: string, operate?: Operate): Promise<{ path: string; stop: () => void }> {
  const stop = serveStatus(() => ({ flows: [] }), operate);
  await served(directory, 1);
  const [status] = await readStatuses();
  return { path: String(status?.path), stop };
}

test('status: a request is carried out, and tells how it goes', { skip }, () =>
  inOwnDirectory(async (directory) => {
    const requests: unknown[] = [];
    const { path, stop } = await operated(directory, async (request, tell) => {
      requests.push(request);
      tell({ left: 2 });
      await new Promise(setImmediate);
      tell({ left: 1 });
      return { done: 2 };
    });
    const progress: object[] = [];
    assert.deepEqual(await askStack(path, { please: 'do' }, (one) => progress.push(one)), { done: 2 });
    assert.deepEqual(progress, [{ left: 2 }, { left: 1 }]);
    assert.deepEqual(requests, [{ please: 'do' }]);
    stop();
  }),
);

test('status: who refuses a request says why; what is no request is none', { skip }, () =>
  inOwnDirectory(async (directory) => {
    const ask = (path: string, request: object): Promise<object> => askStack(path, request, () => {});
    const refusing = await operated(directory, async (request) => {
      throw new Error(`no ${JSON.stringify(request)}`);
    });
    await assert.rejects(ask(refusing.path, { x: 1 }), { message: 'no {"x":1}' });
    await assert.rejects(ask(refusing.path, { x: 'y'.repeat(10_000) }), /ended without an answer|EPIPE|ECONNRESET/);
    refusing.stop();
    const deaf = await operated(directory);
    await assert.rejects(ask(deaf.path, {}), { message: 'this program takes no requests' });
    deaf.stop();
    await assert.rejects(ask(deaf.path, {}), { code: 'ENOENT' });
  }),
);

test('status: a request goes on when who asked has left', { skip }, () =>
  inOwnDirectory(async (directory) => {
    let finish = (): void => {};
    const finished = new Promise<void>((resolve) => {
      finish = resolve;
    });
    const { path, stop } = await operated(directory, async (_request, tell) => {
      await new Promise((resolve) => setImmediate(resolve));
      for (let i = 0; i < 100; i++) tell({ left: i });
      finish();
      return {};
    });
    const socket = net.connect(path);
    socket.end('{}\n', () => socket.destroy());
    await finished;
    stop();
  }),
);
