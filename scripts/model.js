// `npm run model`: proves the protocol of moves by SPIN (models/README.md). Every run of the list is compiled and searched to
// the end; a variant of the rule that is known to fail must fail, and in the way that it is known to. `--quick`: only the
// short ones; `--only NAME`: only one model's; `--json`: one object and nothing else on stdout. Exit code 0: all as
// expected; 1: not so; 2: there is no spin or no compiler, or bad usage.

import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { modelRuns } from './model-runs.js';
import { ensureModelChecker, findProgram, root } from './setup.js';

/** Of one search; two go on at once. */
const memoryMb = 4_000;
const columns = ['model', 'claim', 'expected', 'result', 'states', 'depth', 'seconds'];
const rightAligned = new Set(['states', 'depth', 'seconds']);

const options = readOptions();
const runs = modelRuns.filter(
  ({ model, quick }) => (!options.quick || quick) && (options.only === undefined || options.only === model),
);
if (runs.length === 0)
  stop(`there is no model ${options.only}; there are ${[...new Set(modelRuns.map(({ model }) => model))].join(', ')}`);
ensureModelChecker();
const missing = ['spin', 'cc'].filter((program) => findProgram(program) === undefined);
if (missing.length > 0)
  stop(
    `${missing.join(' and ')} not found. On Debian: apt-get install spin gcc libc6-dev; elsewhere: https://spinroot.com`,
  );

const started = Date.now();
const rows = await runAll();
const wrong = rows.filter(({ ok }) => !ok);
const seconds = round((Date.now() - started) / 1000);
if (options.json) {
  const states = rows.reduce((sum, row) => sum + row.states, 0);
  console.log(JSON.stringify({ ok: wrong.length === 0, runs: rows, states, seconds }));
} else {
  printTable();
  const failing = rows.filter(({ expected }) => expected !== 'holds').length;
  const how = wrong.length === 0 ? 'all as expected' : `${wrong.length} NOT as expected`;
  console.log(`\n${rows.length - failing} claims, ${failing} variants known to fail: ${how}, in ${seconds} s`);
}
process.exitCode = wrong.length === 0 ? 0 : 1;

function readOptions() {
  try {
    const quick = { type: 'boolean', default: false };
    return parseArgs({ options: { quick, json: quick, only: { type: 'string' } } }).values;
  } catch (error) {
    return stop(`${error.message}. Usage: npm run model -- [--quick] [--only NAME] [--json]`);
  }
}

function stop(problem) {
  console.error(`model: ${problem}`);
  process.exit(2);
}

/** In the order of the list, two at a time. */
async function runAll() {
  const results = [];
  let next = 0;
  const work = async () => {
    while (next < runs.length) {
      const index = next++;
      results[index] = await check(runs[index]);
      const { model, claim, result, seconds } = results[index];
      process.stderr.write(`${result.padEnd(10)} ${model}: ${claim}, ${seconds} s\n`);
    }
  };
  await Promise.all(Array.from({ length: Math.min(2, availableParallelism()) }, work));
  return results;
}

/** One row of the table. */
async function check({ model, claim, expected, forever, flags }) {
  const folder = mkdtempSync(join(tmpdir(), 'caracal-model-'));
  const from = Date.now();
  const row = { model, claim, expected, result: 'error', states: 0, depth: 0, seconds: 0, ok: false };
  try {
    const defines = [...flags, ...(forever ? ['FOREVER', 'ROOM=60'] : [])].map((flag) => `-D${flag}`);
    await call(folder, 'spin', ['-a', ...defines, join(root, 'models', `${model}.pml`)]);
    // There is one process, so there is no order of processes to leave out.
    const kind = forever ? ['-DSAFETY'] : [];
    const limits = ['-DCOLLAPSE', '-DNOREDUCE', '-DVECTORSZ=1024', `-DMEMLIM=${memoryMb}`];
    await call(folder, 'cc', [options.quick ? '-O0' : '-O2', '-w', ...kind, ...limits, '-o', 'pan', 'pan.c']);
    const text = await call(folder, join(folder, 'pan'), ['-m2000000', '-w22', ...(forever ? [] : ['-a'])]);
    Object.assign(row, readSearch(text));
  } catch (error) {
    row.result = 'error';
    row.error = error.message;
    process.stderr.write(`${model}: ${error.message}\n`);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  return { ...row, seconds: round((Date.now() - from) / 1000), ok: row.result === expected };
}

/** Answers its stdout. */
function call(cwd, program, args) {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { cwd, stdio: ['ignore', 'pipe', 'pipe'] });
    let text = '';
    let problem = '';
    child.stdout.on('data', (data) => {
      text += data;
    });
    child.stderr.on('data', (data) => {
      problem += data;
    });
    child.on('error', reject);
    child.on('close', (code) => {
      if (code === 0) resolve(text);
      else reject(new Error(`${program} ended with ${code}: ${`${text}\n${problem}`.trim().slice(-500)}`));
    });
  });
}

/** What pan prints; a search that was not whole shows nothing. */
function readSearch(text) {
  const number = (pattern) => Number(pattern.exec(text)?.[1] ?? 0);
  const states = number(/^\s*(\d+) states, stored/m);
  const depth = number(/depth reached (\d+)/);
  const errors = number(/errors: (\d+)/);
  if (/max search depth too small|out of memory|search was not completed/i.test(text) && errors === 0)
    return { states, depth, result: 'cut short' };
  if (errors === 0) return { states, depth, result: states > 0 ? 'holds' : 'error' };
  return { states, depth, result: /acceptance cycle/.test(text) ? 'livelock' : 'violated' };
}

function printTable() {
  const lines = rows.map((row) => columns.map((name) => cell(row, name)));
  const widths = columns.map((name, i) => Math.max(name.length, ...lines.map((line) => line[i].length)));
  for (const line of [columns, ...lines]) {
    const cells = line.map((text, i) =>
      rightAligned.has(columns[i]) ? text.padStart(widths[i]) : text.padEnd(widths[i]),
    );
    console.log(cells.join('  ').trimEnd());
  }
}

function cell(row, name) {
  if (name === 'result' && !row.ok) return `${row.result} !`;
  return name === 'states' || name === 'depth' ? row[name].toLocaleString('en') : String(row[name]);
}

function round(value) {
  return Math.round(value * 10) / 10;
}
