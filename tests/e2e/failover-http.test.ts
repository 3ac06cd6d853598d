// Downloads that outlive the server that they come from: whatever the client is, the instance that serves it is killed
// in the middle, without a word, and the content comes whole from another one. Where that cannot be proved to be the
// same content, the client is told.

import { strict as assert } from 'node:assert';
import { closeSync, existsSync, mkdirSync, openSync, readFileSync, statSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { contentHash, makeContent } from './content.ts';
import { type Child, needsPatience, needsPrograms, Stage, sha256, until } from './harness.ts';
import type { Fetched } from './programs/fetcher.ts';

/** Of wget's file; the others' is smaller, so that the tests do not take longer than they must. */
const largeBytes = 200_000_000;
const fileBytes = 64_000_000;
const partBytes = 16_000_000;
/** The content of A, and of B where that is another one. */
const [seed, otherSeed] = [52, 53];
const options = { timeout: 240_000 };

interface Site {
  readonly stage: Stage;
  readonly instances: ReadonlyMap<string, Child>;
}

/** A folder with one file in it. */
function makeFolder(stage: Stage, name: string, bytes: number, contentSeed: number): string {
  const folder = join(stage.folder, name);
  mkdirSync(folder);
  const file = openSync(join(folder, 'big.bin'), 'w');
  for (const block of makeContent(bytes, contentSeed)) writeSync(file, block);
  closeSync(file);
  return folder;
}

/** A router and two instances, A and B, of `web`; they serve the same, or two versions of it. */
async function startSite(t: TestContext, { bytes = fileBytes, versions = 1 } = {}): Promise<Site> {
  const stage = new Stage(t);
  await stage.router();
  const a = makeFolder(stage, 'a', bytes, seed);
  const b = versions === 1 ? a : makeFolder(stage, 'b', bytes, otherSeed);
  const start = (name: string, folder: string): Child => stage.caracal(['serve', 'web', folder, '--label', name]);
  const instances = new Map([
    ['A', start('A', a)],
    ['B', start('B', b)],
  ]);
  for (const child of instances.values()) await child.line(/^ready/m);
  return { stage, instances };
}

function kill({ instances }: Site, name: string): void {
  const instance = instances.get(name);
  assert.ok(instance !== undefined, `nobody is called ${name}`);
  instance.signal('SIGKILL');
}

async function startForward(stage: Stage, args: readonly string[] = []): Promise<{ child: Child; url: string }> {
  const child = stage.caracal(['forward', '0', 'web', ...args]);
  const [, address = ''] = await child.line(/^ready (\S+) leads/m);
  return { child, url: `http://${address}/big.bin` };
}

function sizeOf(path: string): number {
  return existsSync(path) ? statSync(path).size : 0;
}

/** Watches the file grow; answers its longest standstill once `ended`. */
async function longestStandstill(path: string, ended: () => boolean): Promise<number> {
  let [size, sinceMs, longestMs] = [sizeOf(path), performance.now(), 0];
  while (!ended()) {
    await new Promise((resolve) => setTimeout(resolve, 2));
    const now = sizeOf(path);
    if (now === size) continue;
    longestMs = Math.max(longestMs, performance.now() - sinceMs);
    [size, sinceMs] = [now, performance.now()];
  }
  return longestMs;
}

/** Kills the instance that serves once a part has come, and prints how long the file then stood still. */
async function interrupt(t: TestContext, site: Site, path: string, client: Child, server: () => string): Promise<void> {
  await until('a part has come', () => sizeOf(path) >= partBytes || client.ended, 60_000);
  assert.ok(!client.ended, `it was done before it could be interrupted\n${client.describe()}`);
  kill(site, server());
  const pauseMs = await longestStandstill(path, () => client.ended);
  t.diagnostic(`pause ${pauseMs.toFixed(0)} ms, from the last byte of the one to the first of the other`);
}

function servedBy(text: string): string {
  return /^ *x-served-by: (\w+)/im.exec(text)?.[1] ?? '';
}

test('[F2] unmodified wget of 200 MB through forward survives kill -9 of the instance that serves it', {
  ...options,
  skip: needsPrograms('wget'),
}, async (t) => {
  const site = await startSite(t, { bytes: largeBytes });
  const forward = await startForward(site.stage);
  const got = join(site.stage.folder, 'got.bin');
  const wget = site.stage.start('wget', ['-S', '-t', '1', '-T', '60', '--limit-rate=100m', '-O', got, forward.url]);
  await interrupt(t, site, got, wget, () => servedBy(wget.stderr));
  assert.equal((await wget.exit()).code, 0, `${wget.describe()}\n${forward.child.describe()}`);
  assert.equal(sha256(readFileSync(got)), contentHash(largeBytes, seed));
  const [line] = await forward.child.line(/went on at another instance of "web" after .*$/m, 5000, 'stderr');
  t.diagnostic(line);
  assert.equal(wget.stderr.match(/HTTP request sent/g)?.length, 1, 'wget asked once only');
});

test('[F2] curl through forward, again and again over one connection, survives it too', {
  ...options,
  skip: needsPrograms('curl'),
}, async (t) => {
  const site = await startSite(t);
  const { stage } = site;
  const forward = await startForward(stage);
  const [got, head, small] = ['got.bin', 'head', 'small'].map((name) => join(stage.folder, name)) as [
    string,
    string,
    string,
  ];
  const first = ['-r', '0-999', '-o', small, forward.url];
  const second = ['--limit-rate', '40M', '-D', head, '-o', got, forward.url];
  const curl = stage.start('curl', ['-sS', '--fail', ...first, '--next', '-sS', '--fail', ...second]);
  await interrupt(t, site, got, curl, () => servedBy(readFileSync(head, 'utf8')));
  assert.equal((await curl.exit()).code, 0, `${curl.describe()}\n${forward.child.describe()}`);
  assert.equal(sizeOf(small), 1000);
  assert.equal(sha256(readFileSync(got)), contentHash(fileBytes, seed));
});

/** Answers who was killed. */
async function interruptGet(site: Site, get: Child, path: string): Promise<string> {
  await until('a part has come', () => sizeOf(`${path}.part`) >= 1_000_000 || get.ended, 60_000);
  // Held up while it is found out who serves it.
  get.signal('SIGSTOP');
  const killed = await servingInstance(site);
  kill(site, killed);
  get.signal('SIGCONT');
  assert.equal((await get.exit(60_000)).code, 0, get.describe());
  return killed;
}

test('[F2] caracal get survives it, and says so', options, async (t) => {
  const site = await startSite(t);
  const got = join(site.stage.folder, 'got.bin');
  const get = site.stage.caracal(['get', 'svc://web/big.bin', '-o', got]);
  await interruptGet(site, get, got);
  assert.equal(sha256(readFileSync(got)), contentHash(fileBytes, seed));
  const [line] = await get.line(/went on at another instance.*$/m, 1000, 'stderr');
  t.diagnostic(line);
});

/** By the bytes that have left each. */
async function servingInstance({ stage, instances }: Site): Promise<string> {
  interface Flow {
    readonly pid: number;
    readonly bytesOut: number;
  }
  const { flows } = await stage.caracalJson<{ flows: Flow[] }>(['flows']);
  const [most] = [...instances].sort(([, a], [, b]) => sent(b) - sent(a));
  function sent(child: Child): number {
    return Math.max(0, ...flows.filter(({ pid }) => pid === child.pid).map(({ bytesOut }) => bytesOut));
  }
  return most?.[0] ?? '';
}

async function fetchInterrupted(t: TestContext, site: Site, how: 'agent' | 'fetch'): Promise<Fetched> {
  const url = 'http://web.svc/big.bin';
  const fetcher = site.stage.program('fetcher', [how, url, `${partBytes}`]);
  const [, server = ''] = await fetcher.line(/^part (\w+)$/m, 60_000);
  kill(site, server);
  const [, text = ''] = await fetcher.line(/^fetched (.*)$/m, 60_000);
  const fetched = JSON.parse(text) as Fetched;
  const { longestGapMs, resumed } = fetched;
  t.diagnostic(
    `pause ${longestGapMs.toFixed(0)} ms, of it ${resumed[0]?.tookMs.toFixed(0) ?? '?'} ms after the break was noticed`,
  );
  return fetched;
}

for (const how of ['agent', 'fetch'] as const) {
  test(
    `[F2] ${how === 'agent' ? 'node:http with our Agent' : 'global fetch with our connector'} survives it`,
    options,
    async (t) => {
      const fetched = await fetchInterrupted(t, await startSite(t), how);
      assert.equal(fetched.error, undefined);
      assert.equal(fetched.bytes, fileBytes);
      assert.equal(fetched.sha256, contentHash(fileBytes, seed));
      if (how === 'agent') assert.equal(fetched.resumed.length, 1);
    },
  );
}

test(
  '[F2] where another instance has another version, the client gets a typed error and no byte of it',
  options,
  async (t) => {
    for (const how of ['agent', 'fetch'] as const) {
      const { error, bytes, sha256: hash } = await fetchInterrupted(t, await startSite(t, { versions: 2 }), how);
      assert.equal(error, 'ERR_CARACAL_ENTITY_CHANGED');
      assert.ok(bytes >= partBytes && bytes < fileBytes);
      const versions = [seed, otherSeed].map((each) => contentHash(bytes, each));
      assert.ok(versions.includes(hash), 'what came before the error is one version alone');
    }
  },
);

test('[F2] caracal get into a file begins again with the other version', {
  ...options,
  skip: needsPatience,
}, async (t) => {
  const site = await startSite(t, { versions: 2 });
  const got = join(site.stage.folder, 'got.bin');
  const get = site.stage.caracal(['get', 'svc://web/big.bin', '-o', got]);
  const killed = await interruptGet(site, get, got);
  assert.match(get.stderr, /the content changed/);
  assert.equal(sha256(readFileSync(got)), contentHash(fileBytes, killed === 'A' ? otherSeed : seed));
});

test('[F2] an application without ETags gets an error with the code that libraries know', options, async (t) => {
  const stage = new Stage(t);
  await stage.router();
  const instances = new Map(
    ['A', 'B'].map((name) => [name, stage.program('plain-site', ['web', name, `${fileBytes}`])]),
  );
  for (const child of instances.values()) await child.line(/^ready/m);
  const { error, bytes } = await fetchInterrupted(t, { stage, instances }, 'agent');
  assert.equal(error, 'ECONNRESET');
  assert.ok(bytes >= partBytes && bytes < fileBytes);
});
