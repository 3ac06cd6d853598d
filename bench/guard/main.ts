// `npm run bench:guard -- [SCENARIO...] [--update] [--sites] [--json] [--node PATH]`: what the data path costs in things that can be
// counted, beside the committed baseline. Exit code 1: a cost rose by more than a tenth. `--sites`: which functions allocate
// on V8's heap, instead. Speed is not judged here: it
// depends on who else has the processor, and what is counted does not (bench/README.md, "The guard").

import { parseArgs } from 'node:util';
import { type Change, compare, readBaseline, writeBaseline } from './baseline.ts';
import { findSites, measure } from './run.ts';
import { scenarios } from './scenarios.ts';

const usage = `usage: npm run --silent bench:guard -- [SCENARIO...] [--update] [--sites] [--json] [--node PATH]
SCENARIO is one of ${Object.keys(scenarios).join(', ')}; all of them without`;

/** The baseline has six digits. */
const unseen = 0.0005;

const mostSites = 20;

const { names, node, update, sites, json } = readArguments();
try {
  if (sites) for (const name of names) await showSites(name);
  else await guard();
} catch (error) {
  process.stderr.write(`bench:guard: ${(error as Error).message}\n`);
  process.exitCode = 1;
}

async function guard(): Promise<void> {
  const measured = await measure(node, names);
  const changes = compare(readBaseline(), measured);
  const rose = changes.filter(({ verdict }) => verdict === 'rose');
  if (update) writeBaseline(measured);
  else if (rose.length > 0) process.exitCode = 1;
  if (json) return console.log(JSON.stringify({ ok: rose.length === 0, changes }));
  print(changes);
  if (update) console.log('\nbench/guard/baseline.json has these figures now');
  else report(changes, rose);
}

async function showSites(scenario: string): Promise<void> {
  const found = await findSites(node, scenario);
  console.log(`${scenario}, bytes per ${scenarios[scenario]?.unit}`);
  for (const [site, bytes] of Object.entries(found).slice(0, mostSites))
    console.log(`  ${format(bytes).padStart(8)}  ${site}`);
}

function readArguments(): { names: readonly string[]; node: string; update: boolean; sites: boolean; json: boolean } {
  try {
    const { values, positionals } = parseArgs({
      allowPositionals: true,
      options: {
        update: { type: 'boolean', default: false },
        sites: { type: 'boolean', default: false },
        json: { type: 'boolean', default: false },
        node: { type: 'string', default: process.execPath },
      },
    });
    const unknown = positionals.find((name) => !(name in scenarios));
    if (unknown !== undefined) throw new TypeError(`there is no scenario "${unknown}"`);
    return { ...values, names: positionals.length > 0 ? positionals : Object.keys(scenarios) };
  } catch (error) {
    process.stderr.write(`bench:guard: ${(error as Error).message}\n${usage}\n`);
    process.exit(2);
  }
}

function print(changes: readonly Change[]): void {
  const rows = changes.map(({ scenario, cost, baseline, now, ratio }) => [
    scenario,
    cost,
    baseline === undefined ? 'none' : format(baseline),
    format(now),
    Math.abs(ratio) < unseen ? '' : percent(ratio),
  ]);
  const table = [['', 'cost', 'baseline', 'now', 'change'], ...rows];
  const widths = table.reduce((most, row) => row.map((cell, at) => Math.max(cell.length, most[at] ?? 0)), [0]);
  let last = '';
  for (const [scenario = '', cost = '', ...figures] of table) {
    if (scenario !== last) console.log(`${scenario}, per ${scenarios[scenario]?.unit}`);
    last = scenario;
    const cells = figures.map((cell, at) => cell.padStart(widths[at + 2] ?? 0));
    console.log(['', cost.padEnd(widths[1] ?? 0), ...cells].join('  ').trimEnd());
  }
}

function report(changes: readonly Change[], rose: readonly Change[]): void {
  const fell = changes.filter(({ verdict }) => verdict === 'fell').length;
  if (fell > 0) console.log(`\n${fell} fell by more than 10%: --update holds the next change to it`);
  if (rose.length === 0) return console.log('\nno cost rose by more than 10%');
  console.log(`\n${rose.length} rose by more than 10%:`);
  for (const { scenario, cost, baseline = 0, now, ratio } of rose)
    console.log(
      `  ${scenario}: ${cost} per ${scenarios[scenario]?.unit}, ${format(baseline)} -> ${format(now)} (${percent(ratio)})`,
    );
  console.log(
    'Find out which change it is. Where what it brings is worth it: npm run bench:guard -- --update, and commit',
  );
  console.log('bench/guard/baseline.json with the change.');
}

function percent(ratio: number): string {
  return ratio === Infinity ? 'new' : `${ratio > 0 ? '+' : ''}${(ratio * 100).toFixed(1)}%`;
}

function format(value: number): string {
  return value >= 1000 ? Math.round(value).toLocaleString('en') : value.toPrecision(4);
}
