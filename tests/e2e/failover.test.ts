// Plain sockets that outlive the instance at their other end: it is killed in the middle, without a word, and both streams
// go on at another one, byte by byte. Where no other one can go on, the client is told so, and gets no byte that is not
// its own.

import { strict as assert } from 'node:assert';
import { type TestContext, test } from 'node:test';
import { contentHash } from './content.ts';
import { type Child, Stage, until } from './harness.ts';
import type { Got } from './programs/stream-client.ts';

const bytes = 64_000_000;
const partBytes = 8_000_000;
const options = { timeout: 120_000 };
const [feedSeed, echoSeed] = [61, 62];

interface Site {
  readonly stage: Stage;
  readonly instances: readonly Child[];
}

/** A router and instances of `streams`, each started with its arguments. */
async function startSite(t: TestContext, ...argumentsOf: string[][]): Promise<Site> {
  const stage = new Stage(t);
  await stage.router();
  const instances = argumentsOf.map((args) => stage.program('streams', ['streams', ...args]));
  for (const child of instances) await child.line(/^ready/m);
  return { stage, instances };
}

/** The instance that serves, and then another one. */
async function serving({ instances }: Site, not?: Child): Promise<Child> {
  return until('an instance serves', () =>
    instances.find((child) => child !== not && !child.ended && /^serving/m.test(child.stdout)),
  );
}

function startClient({ stage }: Site, kind: 'feed' | 'echo', ...more: string[]): Child {
  return stage.program('stream-client', ['streams', kind, `${bytes}`, `${partBytes}`, ...more]);
}

async function outcome(t: TestContext, client: Child): Promise<Got> {
  const [, text = ''] = await client.line(/^got (.*)$/m, 60_000);
  const got = JSON.parse(text) as Got;
  for (const { reason, tookMs, bytesRead, bytesWritten } of got.failovers)
    t.diagnostic(
      `${reason}: went on after ${tookMs.toFixed(1)} ms, at byte ${bytesRead} of what comes and ${bytesWritten} of what goes`,
    );
  return got;
}

for (const kind of ['feed', 'echo'] as const)
  test(
    `[F2] a plain socket survives kill -9 of its instance: ${kind === 'feed' ? 'a download' : 'both ways at once'}, hash intact`,
    options,
    async (t) => {
      const site = await startSite(t, [kind, 'failover'], [kind, 'failover']);
      const client = startClient(site, kind);
      await client.line(/^part/m, 60_000);
      const killed = await serving(site);
      killed.signal('SIGKILL');
      const got = await outcome(t, client);
      assert.deepEqual([got.error, got.message], [undefined, undefined]);
      assert.equal(got.bytes, bytes);
      assert.equal(got.sha256, contentHash(bytes, kind === 'feed' ? feedSeed : echoSeed));
      assert.equal(got.failovers.length, 1);
      assert.deepEqual([got.bytesRead, got.bytesWritten], [bytes, kind === 'feed' ? 9 : bytes]);
      t.diagnostic(`the longest time without a byte: ${got.longestGapMs.toFixed(0)} ms`);
      const other = await serving(site, killed);
      const [, text = ''] = await other.line(/^serving (.*)$/m);
      const { token, bytesWritten } = JSON.parse(text) as { token: { data: number[] }; bytesWritten: number };
      assert.equal(Buffer.from(token.data).toString(), `client ${client.pid}`);
      assert.equal(bytesWritten, got.failovers[0]?.bytesRead, 'the instance learns how much the client has');
    },
  );

test(
  '[F2] an instance that cannot go on refuses, and the client gets a typed error and no byte of it',
  options,
  async (t) => {
    const site = await startSite(t, ['feed'], ['feed']);
    const client = startClient(site, 'feed');
    await client.line(/^part/m, 60_000);
    const killed = await serving(site);
    killed.signal('SIGKILL');
    const got = await outcome(t, client);
    assert.equal(got.error, 'ERR_CARACAL_NOT_RESUMED');
    assert.match(got.message ?? '', /no other one goes on.*try: connect again/);
    assert.ok(got.bytes >= partBytes && got.bytes < bytes);
    assert.equal(got.sha256, contentHash(got.bytes, feedSeed));
    const [other] = site.instances.filter((child) => child !== killed);
    assert.doesNotMatch(other?.stdout ?? '', /serving/, 'its application never hears of it');
  },
);

test('[F2] what was not kept cannot be sent again: the client gets a typed error', options, async (t) => {
  const site = await startSite(t, ['echo', 'failover'], ['echo', 'failover']);
  const client = startClient(site, 'echo', '1000');
  await client.line(/^part/m, 60_000);
  (await serving(site)).signal('SIGKILL');
  const got = await outcome(t, client);
  assert.equal(got.error, 'ERR_CARACAL_NOT_RESUMED');
});
