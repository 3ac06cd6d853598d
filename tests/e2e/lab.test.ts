// The experiments of `caracal lab` in their short versions: that they run, measure what they say, and leave nothing behind.
// Their times are judged where the machine is quiet (docs/lab.md); here it is only asked that nothing is lost.

import { strict as assert } from 'node:assert';
import { execFileSync } from 'node:child_process';
import { chmodSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { isRoot, lastLine, needsPatience, needsPrograms, Stage, type StartOptions } from './harness.ts';

const skip = isRoot ? needsPrograms('ip', 'tc') : false;
const timeout = 240_000;

interface Report {
  readonly experiment: string;
  readonly ok: boolean;
  // biome-ignore lint/suspicious/noExplicitAny: each experiment has figures of its own
  readonly figures: Readonly<Record<string, any>>;
}

/** Runs a short version, and checks what all of them promise. */
async function lab(stage: Stage, name: string, options: StartOptions = {}): Promise<Report['figures']> {
  const folder = join(stage.folder, 'plots');
  mkdirSync(folder);
  chmodSync(folder, 0o777);
  const child = stage.caracal(['lab', name, '--quick', '--json', '--out', folder], options);
  const { code } = await child.exit(timeout);
  const report = JSON.parse(lastLine(child.stdout)) as Report;
  assert.deepEqual([Object.keys(report), report.experiment], [['experiment', 'ok', 'figures'], name]);
  assert.equal(code, report.ok ? 0 : 1, child.describe());
  assert.equal(report.figures['where'], isRoot && !options.nobody ? 'netns' : 'loopback');
  assert.match(readFileSync(join(folder, `${name}.svg`), 'utf8'), /^<svg[\s\S]*<path class="curve[\s\S]*<\/svg>\n$/);
  const raw = JSON.parse(readFileSync(join(folder, `${name}.json`), 'utf8'));
  assert.deepEqual(raw.figures, report.figures);
  assert.ok(Object.keys(raw.series).length > 0);
  nothingLeft(child.pid);
  return report.figures;
}

function nothingLeft(pid: number): void {
  if (isRoot) assert.ok(!execFileSync('ip', ['netns', 'list'], { encoding: 'utf8' }).includes(`-${pid}-`));
}

test('[E5] an instance is killed under a download: its client goes on at the other one', {
  skip,
  timeout,
}, async (t) => {
  const { sha256Ok, bytes, pauseMs, clients } = await lab(new Stage(t), 'failover');
  assert.deepEqual([sha256Ok, bytes, clients.length], [true, 40e6, 2]);
  assert.ok(pauseMs > 0 && pauseMs < 5_000, `${pauseMs} ms`);
  t.diagnostic(`pause ${pauseMs} ms`);
});

test('[E1] a web service scales out, one instance sheds its clients, one is drained: no request fails', {
  skip,
  timeout,
}, async (t) => {
  const { failedRequests, flows, requests, shedding, draining, moved, ...figures } = await lab(new Stage(t), 'shed');
  const { movedIn1s, shedMs, drainMs } = figures;
  assert.deepEqual([failedRequests, flows], [0, 60]);
  // A new instance gets its share of what comes after it has joined.
  assert.ok(shedding >= 5 && shedding <= 40 && draining >= 5, `${shedding} at the one, ${draining} at the other`);
  assert.ok(requests > 100, `${requests} requests`);
  assert.ok(moved > 0 && movedIn1s > 0 && shedMs > 0 && drainMs > 0, JSON.stringify(figures));
  t.diagnostic(`${moved} of ${shedding} went on elsewhere, 80% after ${shedMs} ms; drained after ${drainMs} ms`);
});

test('lab: one connection over two paths, of which one is cut', { skip: skip || needsPatience, timeout }, async (t) => {
  const { sha256Ok, sumOverBest, mbits, cuts, ...figures } = await lab(new Stage(t), 'multipath');
  assert.equal(sha256Ok, true);
  if (isRoot) assert.ok(cuts === 4 && figures['stallMs'].median > 0, JSON.stringify(figures));
  // On a busy machine two processors may carry less than two paths.
  for (const rate of [...mbits.alone, mbits.both]) assert.ok(rate > 1, JSON.stringify(mbits));
  t.diagnostic(JSON.stringify({ sumOverBest, mbits, ...figures }));
});

test('lab: a client moves in the middle of a download', { skip, timeout }, async (t) => {
  const { sha256Ok, moves, pauseMs, addressLostPauseMs } = await lab(new Stage(t), 'migrate');
  assert.deepEqual([sha256Ok, moves], [true, 20]);
  assert.ok(pauseMs.median < 1_000, JSON.stringify(pauseMs));
  t.diagnostic(`pauses ${JSON.stringify(pauseMs)}, address lost ${JSON.stringify(addressLostPauseMs)}`);
});

test('lab: a chat is redeployed under open connections', { skip: skip || needsPatience, timeout }, async (t) => {
  const { connections, deploys, dropped, lost, doubled, pauseMs } = await lab(new Stage(t), 'handoff');
  assert.deepEqual([connections, deploys, dropped, lost, doubled], [200, 2, 0, 0, 0]);
  assert.ok(pauseMs.median > 0 && pauseMs.median < 5_000, JSON.stringify(pauseMs));
  t.diagnostic(`pauses ${JSON.stringify(pauseMs)}`);
});

test('lab: without root it runs on loopback', { timeout }, async (t) => {
  const { sha256Ok, moves } = await lab(new Stage(t), 'migrate', { nobody: true });
  assert.deepEqual([sha256Ok, moves], [true, 20]);
});

test('lab: wrong usage and interruption', { timeout }, async (t) => {
  const stage = new Stage(t);
  const unknown = await stage.caracalOnce(['lab', 'nothing']);
  assert.equal(unknown.code, 2);
  assert.match(unknown.stderr, /no experiment "nothing".*migrate/);
  assert.equal((await stage.caracalOnce(['lab'])).code, 2);
  const interrupted = stage.caracal(['lab', 'migrate', '--json']);
  await interrupted.line(/namespaces|loopback/, timeout, 'stderr');
  interrupted.signal('SIGINT');
  assert.equal((await interrupted.exit()).code, 1);
  assert.match(interrupted.stderr, /interrupted/);
  nothingLeft(interrupted.pid);
});
