// Instances that part with their clients: shed sends them on, drain ends an instance that nobody misses. No request
// fails by either, and nothing that can go on elsewhere waits.

import { strict as assert } from 'node:assert';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { makeContent } from './content.ts';
import { type Child, freeTcpPort, lastLine, needsPatience, needsPrograms, Stage, until } from './harness.ts';
import { Peer, tcpEcho } from './peer.ts';

interface Drained {
  readonly instances: readonly { pid: number; moved: number; ended: number; reset: number; error?: string }[];
}

interface Shed {
  readonly instances: readonly { pid: number; asked: number; moved: number }[];
}

interface Visits {
  readonly requests: number;
  readonly served: Readonly<Record<string, number>>;
  readonly failures: readonly string[];
}

/** Names of this run alone: programs of others may find its router. */
function named(what: string): string {
  return `${what}-${process.pid}`;
}

/** 20 s at the rate of programs/origin.ts. */
const longFile = 160 * 1024;

/** A router, if wanted, and a file to be served. */
async function stageWith(t: TestContext, bytes: number, router = true): Promise<Stage> {
  const stage = new Stage(t);
  if (router) await stage.router();
  writeFileSync(join(stage.folder, 'file'), Buffer.concat([...makeContent(bytes, 7)]));
  return stage;
}

/** `caracal serve` of the stage's folder. */
async function serve(stage: Stage, service: string, label: string, ...args: string[]): Promise<Child> {
  const child = stage.caracal(['serve', service, stage.folder, '--label', label, ...args]);
  await child.line(/^ready /m);
  return child;
}

async function ask<T>(child: Child, pattern: RegExp, deadlineMs = 60_000): Promise<T> {
  const [line] = await child.line(pattern, deadlineMs);
  return JSON.parse(line) as T;
}

/** What the visits have done by now. */
async function visitsOf(child: Child): Promise<Visits> {
  const before = child.stdout.length;
  child.write('\n');
  const line = await until('visits answer', () => /\{.*\}\n/.exec(child.stdout.slice(before))?.[0]);
  return JSON.parse(line) as Visits;
}

function reached(visits: Child, requests: number): Promise<Visits> {
  return until(
    `${requests} requests`,
    async () => {
      const now = await visitsOf(visits);
      return now.requests >= requests && now;
    },
    60_000,
  );
}

/** An instance whose downloads take long. */
async function startOrigin(stage: Stage, service: string, label: string): Promise<Child> {
  const child = stage.program('origin', [service, label, join(stage.folder, 'file')]);
  await child.line(/^ready /m);
  return child;
}

test('[F3] 200 active downloads are shed, 80% of them within a second, no byte lost', {
  timeout: 180_000,
}, async (t) => {
  const stage = await stageWith(t, longFile);
  const leaving = await startOrigin(stage, named('pool'), 'leaving');
  const downloads = stage.program('downloads', [named('pool'), join(stage.folder, 'file'), '200']);
  const { openMs } = await ask<{ openMs: number }>(downloads, /^\{"active":200,.*\n/m);
  const staying = await startOrigin(stage, named('pool'), 'staying');
  const shed = stage.caracal(['shed', `${leaving.pid}`, '--fraction', '1', '--json']);
  const moves = await ask<{ ms80: number; msAll: number; labels: object }>(downloads, /^\{"moved":200,.*\n/m);
  const { ms80, msAll, labels } = moves;
  t.diagnostic(`200 opened in ${openMs} ms; 80% moved after ${ms80} ms, all after ${msAll} ms`);
  // On a machine that has no time for 200 dials in a third of a second it takes as much longer.
  assert.ok(ms80 < Math.max(1_000, 3 * openMs), `80% moved after ${ms80} ms, opened in ${openMs} ms`);
  assert.deepEqual(labels, { staying: 200 });
  assert.equal((await shed.exit()).code, 0, shed.describe());
  const { instances } = JSON.parse(lastLine(shed.stdout)) as Shed;
  assert.deepEqual(instances, [
    { pid: leaving.pid, program: 'origin.js', services: [named('pool')], asked: 200, moved: 200 },
  ]);
  for (const child of [staying, downloads]) child.write('\n');
  assert.deepEqual(await ask(downloads, /^\{"whole".*\n/m), { whole: 10, failures: [] });
  assert.equal(leaving.ended, false, 'who sheds goes on serving');
});

test('[F3] shed takes the share that it is told to take', { timeout: 120_000 }, async (t) => {
  const stage = await stageWith(t, longFile);
  const leaving = await startOrigin(stage, named('share'), 'leaving');
  const downloads = stage.program('downloads', [named('share'), join(stage.folder, 'file'), '20']);
  await downloads.line(/^\{"active":20,.*\n/m, 60_000);
  await startOrigin(stage, named('share'), 'staying');
  const { instances } = await stage.caracalJson<Shed>(['shed', `${leaving.pid}`, '--fraction', '0.25']);
  assert.deepEqual(
    instances.map(({ asked, moved }) => [asked, moved]),
    [[5, 5]],
  );
  const { flows } = await stage.caracalJson<{ flows: { pid: number; role: string; shedding: boolean }[] }>(['flows']);
  assert.equal(flows.filter(({ pid, shedding }) => pid === leaving.pid && !shedding).length, 15);
});

test('[F3] a drained instance is gone as soon as its clients have moved', { timeout: 120_000 }, async (t) => {
  const stage = await stageWith(t, longFile);
  const leaving = await startOrigin(stage, named('quick'), 'leaving');
  const downloads = stage.program('downloads', [named('quick'), join(stage.folder, 'file'), '20']);
  await downloads.line(/^\{"active":20,.*\n/m, 60_000);
  const staying = await startOrigin(stage, named('quick'), 'staying');
  leaving.signal('SIGTERM');
  const moves = await ask<{ labels: object }>(downloads, /^\{"moved":20,.*\n/m);
  assert.deepEqual(moves.labels, { staying: 20 });
  assert.equal((await leaving.exit()).code, 0, leaving.describe());
  assert.deepEqual(JSON.parse(lastLine(leaving.stdout)), { moved: 20, ended: 0, reset: 0 });
  for (const child of [staying, downloads]) child.write('\n');
  assert.deepEqual(await ask(downloads, /^\{"whole".*\n/m), { whole: 10, failures: [] });
});

for (const how of ['SIGTERM', 'caracal drain'] as const)
  test(`[F3] no request fails when one of two instances is drained by ${how}`, {
    skip: how === 'SIGTERM' ? false : needsPatience,
    timeout: 120_000,
  }, async (t) => {
    const stage = await stageWith(t, 20_000);
    const [leaving] = await Promise.all([
      serve(stage, named('busy'), 'leaving'),
      serve(stage, named('busy'), 'staying'),
    ]);
    const kept = stage.program('visits', [named('busy'), '/file', '16']);
    const fresh = stage.program('visits', [named('busy'), '/file', '4', 'fresh']);
    await Promise.all([kept, fresh].map((visits) => reached(visits, 200)));
    if (how === 'SIGTERM') leaving?.signal('SIGTERM');
    else {
      const { instances } = await stage.caracalJson<Drained>(['drain', `${leaving?.pid}`]);
      assert.equal(instances[0]?.reset, 0);
      assert.ok((instances[0]?.moved ?? 0) > 0, 'connections that ended between two requests');
    }
    assert.deepEqual(await leaving?.exit(), { code: 0, signal: null }, leaving?.describe());
    for (const visits of [kept, fresh]) {
      const { requests, served: before } = await visitsOf(visits);
      const { served, failures } = await reached(visits, requests + 200);
      assert.deepEqual(failures, []);
      assert.ok((before['leaving'] ?? 0) > 20, JSON.stringify(before));
      assert.equal(served['leaving'], before['leaving'], 'nobody comes to an instance that is gone');
    }
  });

for (const router of [true, false])
  test(`[F3] nobody new reaches a draining instance, ${router ? 'with' : 'without'} a router`, {
    timeout: 120_000,
  }, async (t) => {
    const stage = new Stage(t);
    if (router) await stage.router();
    const service = `draining-${process.pid}-${router}`;
    const [leaving, staying, client] = await Promise.all([Peer.start(stage), Peer.start(stage), Peer.start(stage)]);
    const { server } = await leaving.listen(service, 'echo');
    const held = await client.connect(service);
    await client.exchange(held, 'held');
    await staying.listen(service, 'echo');
    // The client knows the way to both by now, where there is no router.
    await client.call('connectTimed', { service, count: 20 });
    const drain = stage.caracal(['drain', `${leaving.pid}`, '--json', '--deadline', '60s']);
    await until('it takes its name back', async () => {
      assert.equal(drain.ended, false, drain.describe());
      const { listeners } = await leaving.inspect();
      return listeners.every(({ protocol }) => protocol !== 'stream');
    });
    const before = (await leaving.accepted(server)).length;
    const times = await client.call<number[]>('connectTimed', { service, count: 100 });
    assert.ok(Math.max(...times) < 5_000, `${times}`);
    assert.equal((await leaving.accepted(server)).length, before);
    // Meanwhile who was there is served as before, and the drain ends when it does.
    assert.equal(await client.exchange(held, 'still here'), 'still here');
    assert.equal(drain.ended, false);
    await client.call('end', { connection: held });
    assert.equal((await drain.exit()).code, 0, drain.describe());
    const { instances } = JSON.parse(lastLine(drain.stdout)) as Drained;
    assert.deepEqual(
      instances.map(({ moved, ended, reset }) => [moved, ended, reset]),
      [[0, 1, 0]],
    );
  });

test('[F3] what is left at the deadline is reset, and drain says so', { timeout: 120_000 }, async (t) => {
  const stage = new Stage(t);
  await stage.router();
  const [server, client] = await Promise.all([Peer.start(stage), Peer.start(stage)]);
  await server.listen(named('stubborn'), 'echo');
  const connection = await client.connect(named('stubborn'));
  await client.exchange(connection, 'here');
  const { code, stdout, stderr } = await stage.caracalOnce(['drain', named('stubborn'), '--deadline', '300ms']);
  assert.equal(code, 1, stdout + stderr);
  assert.match(stdout, /MOVED +ENDED +RESET\n *\d+ +peer.js +stubborn-\d+ +0 +0 +1$/m);
  const look = await client.received(connection);
  assert.equal(look.error, 'ECONNRESET');
});

test('[F3] SIGTERM drains what stands behind expose and listen, too', { timeout: 120_000 }, async (t) => {
  const stage = new Stage(t);
  await stage.router();
  const echo = await tcpEcho();
  t.after(() => echo.close());
  const exposed = stage.caracal(['expose', 'exposed', `${echo.port}`, '--grace', '30s']);
  const idle = stage.caracal(['listen', 'nobody-comes']);
  const talking = stage.caracal(['listen', 'talking', '--grace', '300ms']);
  await exposed.line(/^ready /m);
  await Promise.all([idle, talking].map((child) => child.line(/^ready /m, 20_000, 'stderr')));
  const client = await Peer.start(stage);
  const [first, second] = [await client.connect('exposed'), await client.connect('talking')];
  await client.exchange(first, 'hello');
  for (const child of [exposed, idle, talking]) child.signal('SIGTERM');
  assert.equal((await idle.exit()).code, 0, idle.describe());
  assert.equal(await client.exchange(first, 'let me finish'), 'let me finish');
  await client.call('end', { connection: first });
  assert.deepEqual(await exposed.exit(), { code: 0, signal: null }, exposed.describe());
  assert.match(exposed.stderr, /0 connections sent on, 1 ended, 0 reset/);
  // Nothing can end this one but its deadline.
  assert.match(String((await client.received(second)).error), /ECONNRESET/);
  await talking.exit();
});

test('[F3] ab over a local port sees no failure while an instance drains', {
  skip: needsPrograms('ab'),
  timeout: 120_000,
}, async (t) => {
  const stage = await stageWith(t, 20_000);
  const [leaving] = await Promise.all([
    serve(stage, named('bench'), 'leaving'),
    serve(stage, named('bench'), 'staying'),
  ]);
  const port = await freeTcpPort();
  const forward = stage.caracal(['forward', `${port}`, named('bench')]);
  await forward.line(/^ready /m);
  const ab = stage.start('ab', ['-k', '-q', '-c', '8', '-n', '6000', `http://127.0.0.1:${port}/file`]);
  await until('ab is under way', async () => {
    const { flows } = await stage.caracalJson<{ flows: { pid: number; bytesOut: number }[] }>(['flows']);
    return flows.some(({ pid, bytesOut }) => pid === leaving?.pid && bytesOut > 200_000);
  });
  leaving?.signal('SIGTERM');
  assert.equal((await leaving?.exit())?.code, 0, leaving?.describe());
  assert.equal(ab.ended, false, 'it was under way when the instance went');
  assert.equal((await ab.exit(60_000)).code, 0, ab.describe());
  assert.match(ab.stdout, /^Complete requests: +6000$/m);
  assert.match(ab.stdout, /^Failed requests: +0$/m);
  assert.doesNotMatch(ab.stdout, /Non-2xx/);
});

test('[F3] drain and shed say who is not there', { timeout: 60_000 }, async (t) => {
  const stage = new Stage(t);
  await stage.router();
  for (const [args, code, message] of [
    [['drain', 'nobody'], 1, /no program of this user serves "nobody" here\n +try: caracal ls/],
    [['drain', '1'], 1, /no process 1 of this user serves anything here/],
    [['drain', 'two words'], 2, /two words/],
    [['drain', 'web', '--deadline', 'soon'], 2, /--deadline/],
    [['shed', 'web'], 2, /--fraction/],
    [['shed', 'web', '--fraction', '1.5'], 2, /from 0 to 1/],
  ] as const) {
    const { code: got, stdout, stderr } = await stage.caracalOnce(args);
    assert.equal(got, code, `${args.join(' ')}: ${stdout}${stderr}`);
    assert.match(stderr, message);
  }
});
