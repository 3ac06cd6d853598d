// `npm run fuzz -- [TARGET...] [--seconds N] [--executions N] [--seed N] [--save] [--json]`: mutates the corpus of each
// target (all of them unless named) for N seconds each, 10 by default, or N executions. An input that makes a target
// throw, or run on and on, is written to its corpus as crash-HASH, where the replay test keeps failing until it is mended.
// `--save` also commits to the corpus what took new ways. Exit code 1: something was found; 2: bad usage.

import { inspect, parseArgs } from 'node:util';
import { type CampaignResult, runCampaign, slowMs } from './campaign.ts';
import { isCoverage, readCorpus, replaceCoverage, writeCrash } from './corpus.ts';
import { minimize } from './minimize.ts';
import { loadMeasured, type Target, targetNames } from './target.ts';

interface Report {
  readonly target: string;
  readonly seed: number;
  readonly executions: number;
  readonly seconds: number;
  readonly executionsPerSecond: number;
  readonly edges: number;
  /** Inputs: those of the corpus and those found. */
  readonly corpus: number;
  readonly slowestMs: number;
  readonly crashes: readonly { readonly file: string; readonly error: string }[];
  readonly hangs: number;
}

const usage = 'usage: npm run fuzz -- [TARGET...] [--seconds N] [--executions N] [--seed N] [--save] [--json]';

process.exitCode = await main(process.argv.slice(2));

async function main(args: readonly string[]): Promise<number> {
  const options = readOptions(args);
  if (typeof options === 'string') {
    console.error(`fuzz: ${options}\n${usage}`);
    return 2;
  }
  const reports: Report[] = [];
  for (const name of options.targets) {
    const target = await loadMeasured(name);
    const corpus = readCorpus(name);
    const result = runCampaign(
      target,
      corpus.map(({ data }) => data),
      options,
    );
    if (options.save) save(target, result);
    const report = reportOf(name, options.seed, result);
    reports.push(report);
    if (!options.json) print(report);
  }
  const ok = reports.every(({ crashes }) => crashes.length === 0);
  if (options.json) console.log(JSON.stringify({ ok, targets: reports }));
  return ok ? 0 : 1;
}

/** What is wrong with the arguments, if they are. */
function readOptions(args: readonly string[]) {
  const names = targetNames();
  try {
    const { values, positionals } = parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        seconds: { type: 'string' },
        executions: { type: 'string' },
        seed: { type: 'string' },
        save: { type: 'boolean', default: false },
        json: { type: 'boolean', default: false },
      },
    });
    const executions = Number(values.executions ?? Infinity);
    const seconds = Number(values.seconds ?? (values.executions === undefined ? 10 : Infinity));
    const seed = Number(values.seed ?? Math.floor(Math.random() * 2 ** 31));
    if (!(seconds > 0)) return `--seconds takes a positive number, not "${values.seconds}"`;
    if (!(executions > 0)) return `--executions takes a positive number, not "${values.executions}"`;
    if (!Number.isInteger(seed)) return `--seed takes an integer, not "${values.seed}"`;
    const unknown = positionals.find((name) => !names.includes(name));
    if (unknown !== undefined) return `no target "${unknown}"; there are: ${names.join(', ')}`;
    const targets = positionals.length > 0 ? positionals : names;
    return { targets, seconds, maxExecutions: executions, seed, save: values.save, json: values.json };
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

/** Files with names of their own stay whatever happens. */
function save(target: Target, { pool }: CampaignResult): void {
  const kept = readCorpus(target.name).filter((file) => !isCoverage(file));
  replaceCoverage(
    target.name,
    minimize(
      target,
      kept.map(({ data }) => data),
      pool,
    ),
  );
}

function reportOf(target: string, seed: number, result: CampaignResult): Report {
  const { executions, seconds, edges, pool, slowestMs, hangs } = result;
  return {
    target,
    seed,
    executions,
    seconds: Number(seconds.toFixed(2)),
    executionsPerSecond: Math.round(executions / seconds),
    edges,
    corpus: pool.length,
    slowestMs: Number(slowestMs.toFixed(2)),
    crashes: result.crashes.map(({ data, error }) => ({ file: writeCrash(target, data), error: describe(error) })),
    hangs,
  };
}

/** With the files as they stand on disk. */
function describe(error: unknown): string {
  return inspect(error).replace(/\?fuzz=[\w-]+/g, '');
}

function print(report: Report): void {
  const { target, executions, seconds, executionsPerSecond, edges, corpus, slowestMs, seed, crashes } = report;
  console.log(`${target}: ${executions} executions in ${seconds} s (${executionsPerSecond}/s), seed ${seed}`);
  console.log(`  ${edges} edges, ${corpus} inputs, slowest ${slowestMs} ms`);
  if (slowestMs > slowMs) console.log(`  slow: more than ${slowMs} ms for one input`);
  for (const { file, error } of crashes) console.log(`  crash: ${file}\n${error.replace(/^/gm, '    ')}`);
  if (crashes.length === 0) console.log('  nothing found');
}
