// The models of the protocol of moves (X4): the short runs of `npm run model`, each searched to the end, and variants of the
// rule that must fail. The whole list takes minutes; models/README.md has its table. The implemented rule is held to the same
// claims by tests/model.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { root } from './harness.ts';

interface Row {
  readonly model: string;
  readonly claim: string;
  readonly expected: string;
  readonly result: string;
  readonly states: number;
}

function isThere(program: string): boolean {
  return (process.env['PATH'] ?? '').split(':').some((folder) => existsSync(join(folder, program)));
}

const missing = ['spin', 'cc'].filter((program) => !isThere(program));
const skip = missing.length > 0 && `needs ${missing.join(' and ')}`;

function runModels(...args: string[]) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [join(root, 'scripts', 'model.js'), ...args], {
    encoding: 'utf8',
  });
  return { status, stdout, stderr };
}

test('[X4] moves, copies, places, handing over and failover are checked by SPIN, and what must fail does', {
  skip,
}, () => {
  const { status, stdout, stderr } = runModels('--quick', '--json');
  assert.equal(status, 0, stderr);
  const { ok, runs, states } = JSON.parse(stdout) as { ok: boolean; runs: Row[]; states: number };
  assert.ok(ok);
  assert.ok(states > 100_000, `${states} states`);
  const holding = new Set(runs.filter(({ result }) => result === 'holds').map(({ model }) => model));
  assert.deepEqual([...holding].sort(), ['challenge', 'copies', 'failover', 'handoff', 'renegotiation', 'soft']);
  for (const { claim, expected, result } of runs) assert.equal(result, expected, claim);
  assert.ok(runs.some(({ result }) => result === 'livelock') && runs.some(({ result }) => result === 'violated'));
});

test('models: a name that there is not is bad usage', () => {
  const { status, stdout, stderr } = runModels('--only', 'nothing');
  assert.equal(status, 2);
  assert.equal(stdout, '');
  assert.match(stderr, /no model nothing; there are renegotiation, copies/);
});
