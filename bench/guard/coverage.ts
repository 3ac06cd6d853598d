// How much of our code runs, by V8's precise coverage: how often each block of it was entered. Weighted by the tokens that
// stand in a block that is what an interpreter would have had to look at: it grows with each statement, branch and turn of
// a loop, and not with comments or names. Hardware counters are not to be had in virtual machines, and an instruction
// counter takes minutes (docs/performance.md). Node's own modules are not counted.

import { readFileSync } from 'node:fs';
import { type Profiler, Session } from 'node:inspector';
import { fileURLToPath } from 'node:url';
import { tokenizer } from 'acorn';
import type { Counts } from './counters.ts';

/** Of the process that counts: code that V8 has compiled counts no more. */
export const coverageFlags = ['--no-opt', '--no-maglev', '--no-sparkplug'] as const;

/** Functions of the product that are costs of their own. */
const named: readonly { readonly cost: string; readonly file: string; readonly functions: readonly string[] }[] = [
  { cost: 'flow look-ups', file: 'tables/flow-table.js', functions: ['find'] },
  { cost: 'service look-ups', file: 'tables/prefix-index.js', functions: ['longestMatch'] },
  { cost: 'timer operations', file: 'tables/timer-queue.js', functions: ['schedule', 'cancel', 'popExpired'] },
];

const product = new URL('../../src/', import.meta.url).href;

/** From now until the call of what it answers. */
export function startCoverage(): () => Counts {
  const session = new Session();
  session.connect();
  session.post('Profiler.enable');
  session.post('Profiler.startPreciseCoverage', { callCount: true, detailed: true });
  return () => {
    let scripts: readonly Profiler.ScriptCoverage[] = [];
    session.post('Profiler.takePreciseCoverage', (_error, { result }) => {
      scripts = result.filter(({ url }) => url.startsWith(product));
    });
    session.disconnect();
    return summarize(scripts);
  };
}

function summarize(scripts: readonly Profiler.ScriptCoverage[]): Counts {
  const counts: Counts = { tokens: 0, calls: 0 };
  const add = (cost: string, by: number): void => {
    counts[cost] = (counts[cost] ?? 0) + by;
  };
  for (const script of scripts) {
    add('tokens', tokensRun(script));
    const special = named.filter(({ file }) => script.url.endsWith(file));
    for (const { functionName, ranges } of script.functions) {
      const calls = ranges[0]?.count ?? 0;
      add('calls', calls);
      for (const { cost, functions } of special) if (functions.includes(functionName)) add(cost, calls);
    }
  }
  return counts;
}

/** Ranges nest: what stands at a place was run as often as the innermost one says. */
function tokensRun({ url, functions }: Profiler.ScriptCoverage): number {
  const ranges = functions.flatMap((each) => each.ranges);
  ranges.sort((a, b) => a.startOffset - b.startOffset || b.endOffset - a.endOffset);
  const open: Profiler.CoverageRange[] = [];
  let next = 0;
  let run = 0;
  for (const { start } of tokenizer(readFileSync(fileURLToPath(url), 'utf8'), options)) {
    for (let range = ranges[next]; range !== undefined && range.startOffset <= start; range = ranges[++next])
      open.push(range);
    while ((open.at(-1)?.endOffset ?? Infinity) <= start) open.pop();
    run += open.at(-1)?.count ?? 0;
  }
  return run;
}

const options = { ecmaVersion: 2022, sourceType: 'module' } as const;
