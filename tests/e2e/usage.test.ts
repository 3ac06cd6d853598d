// The command line in the hands of people: what is wrong is said in one line, with what to try, never as a stack
// trace. Exit code 2: used wrongly; 1: it failed.

import { strict as assert } from 'node:assert';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { mkdirSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import { type Finished, freeUdpPort, Stage } from './harness.ts';

type Row = readonly [args: readonly string[], code: 1 | 2, message: RegExp];

/** Command lines at a time. */
const together = 3;

async function check(stage: Stage, rows: readonly Row[], env: Record<string, string> = {}): Promise<void> {
  const checkRow = async ([args, code, message]: Row): Promise<void> => {
    const child = stage.caracal(args, { env });
    child.endInput();
    const exit = await child.exit(25_000);
    const what = `caracal ${args.join(' ')}: ${child.stdout}${child.stderr}`;
    assert.equal(exit.code, code, what);
    assert.match(child.stderr, message, what);
    assert.match(child.stderr, /^caracal: /m, what);
    assert.doesNotMatch(child.stderr, /^\s+at |internal error/m, what);
  };
  for (let first = 0; first < rows.length; first += together)
    await Promise.all(rows.slice(first, first + together).map(checkRow));
}

test('usage: wrong arguments exit with 2 and say which', { timeout: 120_000 }, async (t) => {
  const stage = new Stage(t);
  await check(stage, [
    [['frobnicate'], 2, /unknown command 'frobnicate'/],
    [['router', '--port', '70000'], 2, /--port.*70000/],
    [['router', '--port', 'x'], 2, /--port.*"x"/],
    [['router', '--lease', 'soon'], 2, /--lease/],
    [['router', '--frob'], 2, /--frob/],
    [['serve'], 2, /missing required argument 'service'/],
    [['serve', 'web'], 2, /missing required argument 'dir'/],
    [['serve', 'web', stage.folder, '--weight', '-1'], 2, /--weight/],
    [['expose', 'web', 'no-port'], 2, /HOST:PORT/],
    [['expose', 'web', '127.0.0.1:0'], 2, /port/],
    [['forward', '70000', 'web'], 2, /70000/],
    [['forward', '8080'], 2, /missing required argument 'service'/],
    [['get', 'http://example.com/'], 2, /svc:\/\/NAME\/path/],
    [['get', 'web'], 2, /svc:\/\/NAME\/path/],
    [['ping', 'web', '--count', '0'], 2, /--count/],
    [['rules', 'add', 'web', 'frobnicate'], 2, /forward or drop/],
    [['rules', 'add', 'web', 'forward'], 2, /ADDRESS:PORT/],
    [['rules', 'add', 'web', 'forward', 'nowhere'], 2, /locator/],
    [['rules', 'set', 'web'], 2, /--weight or --priority/],
    [['id', 'two words'], 2, /two words/],
  ]);
});

test('usage: what fails exits with 1 and says why', { timeout: 120_000 }, async (t) => {
  const stage = new Stage(t);
  await stage.router();
  const file = join(stage.folder, 'a-file');
  writeFileSync(file, 'x');
  const udp = createSocket('udp4').bind(0, '127.0.0.1');
  const tcp = createServer().listen(0, '127.0.0.1');
  await Promise.all([once(udp, 'listening'), once(tcp, 'listening')]);
  t.after(() => {
    udp.close();
    tcp.close();
  });
  const tcpPort = (tcp.address() as { port: number }).port;
  await check(stage, [
    [['serve', 'web', join(stage.folder, 'missing')], 1, /no such file or directory/],
    [['serve', 'web', file], 1, /not a directory/],
    [['router', '--host', '127.0.0.1', '--port', `${udp.address().port}`], 1, /taken by another program/],
    [['forward', `${tcpPort}`, 'web'], 1, /taken by another program/],
    [['get', 'svc://nobody-here/'], 1, /nobody-here/],
    [['ping', 'nobody-here', '-c', '1'], 1, /nobody-here/],
    [['connect', 'nobody-here'], 1, /nobody-here/],
    [['describe', 'nobody-here'], 1, /nobody-here/],
    [['rules', 'rm', 'nobody-here'], 1, /no rule/],
  ]);
});

test('usage: no router is said so, with what to do', { timeout: 120_000 }, async (t) => {
  const stage = new Stage(t);
  const env = { CARACAL_ROUTER: `127.0.0.1:${await freeUdpPort()}` };
  const rows: Row[] = [['ls'], ['rules'], ['describe', 'web']].map((args) => [
    args,
    1,
    /no router answers.*\n.*caracal router/,
  ]);
  const ping: Row = [['ping', 'web', '-c', '1', '-W', '5s'], 1, /web/];
  // They wait, and do nothing else: all may wait together.
  await Promise.all([check(stage, rows, env), check(stage, [ping], env)]);
});

test('usage: a bad environment is named', { timeout: 60_000 }, async (t) => {
  const stage = new Stage(t);
  await check(stage, [[['ping', 'web', '-c', '1'], 2, /CARACAL_ROUTER/]], { CARACAL_ROUTER: 'not an address' });
  await check(stage, [[['ping', 'web', '-c', '1'], 2, /CARACAL_LINK/]], { CARACAL_LINK: 'pigeon' });
  const aliases = join(stage.folder, 'aliases');
  writeFileSync(aliases, 'only-a-name\n');
  await check(stage, [[['ping', 'web', '-c', '1'], 1, /aliases:1/]], { CARACAL_ALIASES: aliases });
});

test('usage: a missing page is an error of its own, an escape from the directory is none', {
  timeout: 60_000,
}, async (t) => {
  const stage = new Stage(t);
  await stage.router();
  const site = join(stage.folder, 'site');
  mkdirSync(site);
  writeFileSync(join(stage.folder, 'secret'), 'secret');
  await stage.caracal(['serve', 'web', site]).line(/^ready/m);
  await check(stage, [
    [['get', 'svc://web/nothing'], 1, /404/],
    [['get', 'svc://web/../secret'], 1, /40[034]/],
    [['get', 'svc://web/%2e%2e/secret'], 1, /40[034]/],
    [['get', 'svc://web/..%2fsecret'], 1, /40[034]/],
  ]);
});

test('usage: every command has help with examples', { timeout: 60_000 }, async (t) => {
  const stage = new Stage(t);
  const commands = [
    'router',
    'serve',
    'expose',
    'forward',
    'get',
    'listen',
    'connect',
    'ping',
    'ls',
    'describe',
    'flows',
    'rules',
    'id',
    'keygen',
    'grant',
    'revoke',
    'verify',
    'trust',
    'doctor',
    'demo',
    'bench',
    'lab',
  ];
  const lines = [[], ...commands.map((name) => [name])];
  const pages: Finished[] = [];
  // A few at a time: each is a process, and all of them at once miss their deadlines on a small, busy machine.
  while (pages.length < lines.length) {
    const next = lines.slice(pages.length, pages.length + 4);
    pages.push(...(await Promise.all(next.map((args) => stage.caracalOnce([...args, '--help'])))));
  }
  for (const [i, { code, stdout }] of pages.entries()) {
    assert.equal(code, 0);
    assert.match(stdout, /Examples:\n +caracal /, commands[i - 1] ?? 'caracal');
  }
  for (const name of commands) assert.match(pages[0]?.stdout ?? '', new RegExp(`^  ${name}\\b`, 'm'));
});

test('usage: SIGTERM ends every daemon with exit code 0', { timeout: 60_000 }, async (t) => {
  const stage = new Stage(t);
  const router = await stage.router();
  const daemons = [
    stage.caracal(['serve', 'web', stage.folder]),
    stage.caracal(['expose', 'tcp', '127.0.0.1:9']),
    stage.caracal(['forward', '0', 'web']),
  ];
  await Promise.all(daemons.map((daemon) => daemon.line(/^ready/m)));
  for (const daemon of [...daemons, router]) {
    daemon.signal('SIGTERM');
    const { code, signal } = await daemon.exit(5000);
    assert.deepEqual({ code, signal }, { code: 0, signal: null }, daemon.describe());
  }
});

test('usage: listen and connect join two pipes', { timeout: 60_000 }, async (t) => {
  const stage = new Stage(t);
  await stage.router();
  const listener = stage.caracal(['listen', 'inbox']);
  await listener.line(/^ready/m, 20_000, 'stderr');
  const sender = stage.caracal(['connect', 'inbox']);
  sender.write('through the pipe\n');
  await listener.line(/^through the pipe$/m);
  listener.write('and back\n');
  await sender.line(/^and back$/m);
  sender.endInput();
  listener.endInput();
  assert.equal((await sender.exit()).code, 0, sender.describe());
  assert.equal((await listener.exit()).code, 0, listener.describe());
});
