// Runs the measuring processes of the guard, by the Node that is asked for. Each measures one thing, since what counts
// also slows down and allocates; two at a time, since no figure is a time. They see nothing of the user's configuration.

import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { root } from '../../tests/e2e/harness.ts';
import { type Costs, heapCost } from './baseline.ts';
import type { Counts } from './counters.ts';
import { coverageFlags } from './coverage.ts';
import { heapFlags } from './heap.ts';

const program = join(root, 'dist', 'bench', 'guard', 'measure.js');
const deadlineMs = 120_000;

/** `node`: the binary to measure with. */
export async function measure(node: string, scenarios: readonly string[]): Promise<Costs> {
  const { stdout } = await run(node, ['-p', 'process.versions.node']);
  const major = stdout.split('.')[0] ?? '';
  const measured: Record<string, Counts> = {};
  for (const scenario of scenarios) {
    const [counts, heap] = await Promise.all([
      runPass(node, coverageFlags, scenario, 'counts'),
      runPass(node, heapFlags, scenario, 'heap'),
    ]);
    measured[scenario] = { ...counts, [heapCost(major)]: heap['bytes'] ?? Number.NaN };
  }
  return measured;
}

/** Bytes allocated per unit by function. */
export function findSites(node: string, scenario: string): Promise<Counts> {
  return runPass(node, heapFlags, scenario, 'sites');
}

async function runPass(node: string, flags: readonly string[], scenario: string, pass: string): Promise<Counts> {
  const { stdout } = await run(node, ['--no-warnings', ...flags, program, scenario, pass]);
  return JSON.parse(stdout) as Counts;
}

const run = (node: string, args: readonly string[]) =>
  promisify(execFile)(node, args, { cwd: root, env: environment(), timeout: deadlineMs });

function environment(): NodeJS.ProcessEnv {
  const own = Object.entries(process.env).filter(([name]) => !/^(CARACAL|XDG)_/.test(name));
  return { ...Object.fromEntries(own), XDG_CONFIG_HOME: join(root, 'dist', 'no-configuration') };
}
