// The benchmarks run, print what bench/README.md promises, and keep the floors: a stream of at least half of node:net's
// throughput, an echo of at most twice its latency. The floors are far below what is measured, so that a busy machine
// does not fail them; three interleaved repeats and medians do the rest.

import { strict as assert } from 'node:assert';
import { type TestContext, test } from 'node:test';
import { isRoot, needsPrograms, root, Stage } from './harness.ts';

interface Result {
  readonly bench: string;
  readonly where: string;
  readonly unit: string;
  readonly rows: readonly { transport: string; median: number; min: number; max: number }[];
  readonly ratios: Readonly<Record<string, number>>;
  readonly figures: Readonly<Record<string, unknown>>;
}

async function bench(t: TestContext, name: string, ...options: string[]): Promise<Result> {
  const stage = new Stage(t);
  const child = stage.start('npm', ['run', '--silent', 'bench', '--', name, '--json', ...options], { cwd: root });
  const { code } = await child.exit(150_000);
  assert.equal(code, 0, child.describe());
  assert.equal(child.stdout.split('\n').length, 2, `more than one line:\n${child.stdout}`);
  const result = JSON.parse(child.stdout) as Result;
  assert.equal(result.bench, name);
  assert.equal(result.where, isRoot && !needsPrograms('ip') ? 'netns' : 'loopback');
  assert.equal(result.rows[0]?.transport, 'caracal');
  for (const { median, min, max } of result.rows) assert.ok(min > 0 && min <= median && median <= max, child.stdout);
  return result;
}

test('speed: a stream moves at least half of what node:net moves', { timeout: 180_000 }, async (t) => {
  const { ratios, unit } = await bench(t, 'stream', '--seconds', '1');
  assert.equal(unit, 'Gbit/s');
  assert.ok((ratios['caracal/net'] ?? 0) >= 0.5, `caracal/net ${ratios['caracal/net']}`);
});

test('speed: an echo of 64 bytes takes at most twice as long as over node:net', { timeout: 180_000 }, async (t) => {
  const { ratios, figures } = await bench(t, 'rtt', '--seconds', '1');
  assert.ok((ratios['caracal/net'] ?? Number.NaN) <= 2, `caracal/net ${ratios['caracal/net']}`);
  assert.ok(Number(figures['p99Ratio']) > 0);
});

test('speed: connects, requests, resolutions and idle memory are measured', { timeout: 300_000 }, async (t) => {
  const short = ['--seconds', '0.5', '--repeats', '1'];
  for (const name of ['connect', 'http']) {
    const { ratios } = await bench(t, name, ...short);
    assert.ok((ratios['caracal/net'] ?? 0) > 0, name);
  }
  const { figures } = await bench(t, 'router', ...short);
  assert.ok(Number(figures['resolutionsPerSecond']) > 1000, JSON.stringify(figures));
  assert.deepEqual(Object.keys(figures['lookupsPerSecond'] as object), ['10', '1000', '100000']);
  const idle = await bench(t, 'idle', ...short);
  assert.ok(Number(idle.figures['bytesPerConnection']) > 0);
});
