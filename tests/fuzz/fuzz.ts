// `npm run fuzz -- [TARGET...] [--seconds N] [--seed N] [--json]`: mutates the corpus of each target (all of them unless
// named) for N seconds each, 10 by default. An input that makes a target throw is written to its corpus as
// crash-HASH, where the replay test keeps failing until it is mended. Exit code 1: something was found; 2: bad usage.

import { inspect, parseArgs } from 'node:util';
import { type CampaignResult, runCampaign, slowMs } from './campaign.ts';
import { loadTarget, readCorpus, targetNames, writeCrash } from './corpus.ts';

interface Report {
  readonly target: string;
  readonly seed: number;
  readonly executions: number;
  readonly seconds: number;
  readonly executionsPerSecond: number;
  readonly slowestMs: number;
  readonly crashes: readonly { readonly file: string; readonly error: string }[];
}

process.exitCode = await main(process.argv.slice(2));

async function main(args: readonly string[]): Promise<number> {
  const options = readOptions(args);
  if (typeof options === 'string') {
    console.error(`fuzz: ${options}`);
    console.error('usage: npm run fuzz -- [TARGET...] [--seconds N] [--seed N] [--json]');
    return 2;
  }
  const reports: Report[] = [];
  for (const target of options.targets) {
    const corpus = readCorpus(target).map(({ data }) => data);
    const result = runCampaign(await loadTarget(target), corpus, options);
    const report = reportOf(target, options.seed, result);
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
        seconds: { type: 'string', default: '10' },
        seed: { type: 'string' },
        json: { type: 'boolean', default: false },
      },
    });
    const seconds = Number(values.seconds);
    const seed = Number(values.seed ?? Math.floor(Math.random() * 2 ** 31));
    if (!(seconds > 0)) return `--seconds takes a positive number, not "${values.seconds}"`;
    if (!Number.isInteger(seed)) return `--seed takes an integer, not "${values.seed}"`;
    const unknown = positionals.find((name) => !names.includes(name));
    if (unknown !== undefined) return `no target "${unknown}"; there are: ${names.join(', ')}`;
    return { targets: positionals.length > 0 ? positionals : names, seconds, seed, json: values.json };
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

function reportOf(target: string, seed: number, result: CampaignResult): Report {
  return {
    target,
    seed,
    executions: result.executions,
    seconds: Number(result.seconds.toFixed(2)),
    executionsPerSecond: Math.round(result.executions / result.seconds),
    slowestMs: Number(result.slowestMs.toFixed(2)),
    crashes: result.crashes.map(({ data, error }) => ({ file: writeCrash(target, data), error: inspect(error) })),
  };
}

function print(report: Report): void {
  const { target, executions, seconds, executionsPerSecond, slowestMs, seed, crashes } = report;
  console.log(
    `${target}: ${executions} executions in ${seconds} s (${executionsPerSecond}/s), slowest ${slowestMs} ms, seed ${seed}`,
  );
  if (slowestMs > slowMs) console.log(`  slow: more than ${slowMs} ms for one input`);
  for (const { file, error } of crashes) console.log(`  crash: ${file}\n${error.replace(/^/gm, '    ')}`);
  if (crashes.length === 0) console.log('  nothing found');
}
