// `npm run simulate -- --seeds N --from S --json`: plays N seeded plans and says which failed and how to play one again.
// One in a hundred is played twice and must give the same trace. `--jobs` processes share them, one per core unless given.
// `--trace` prints every packet (for one seed). Exit code 0 if all held, 1 if not, 2 for bad arguments.

import { availableParallelism } from 'node:os';
import { parseArgs } from 'node:util';
import { formatTrace } from '../../src/sim/index.ts';
import { playInJobs } from './jobs.ts';
import { makePlan } from './plan.ts';
import { playPlan } from './play.ts';
import { addTally, createTally, type Failure } from './seeds.ts';

process.exitCode = await main(process.argv.slice(2));

async function main(args: string[]): Promise<number> {
  const options = readOptions(args);
  if (typeof options === 'string') {
    console.error(
      `simulate: ${options}\nusage: npm run simulate -- [--seeds N] [--from S] [--jobs N] [--json] [--trace]`,
    );
    return 2;
  }
  return options.trace ? printTrace(options.from) : simulate(options);
}

async function simulate({ seeds, from, jobs, json }: Options): Promise<number> {
  const startedMs = performance.now();
  const tally = createTally();
  await playInJobs(from, seeds, jobs, (more) => {
    addTally(tally, more);
    for (const failure of more.failed) printFailure(failure, json);
  });
  const seconds = Math.round((performance.now() - startedMs) / 10) / 100;
  const { virtualUs, ...counts } = tally;
  const failed = tally.failed.sort((a, b) => a.seed - b.seed);
  const simulatedHours = Math.round(virtualUs / 36e6) / 100;
  if (json)
    console.log(JSON.stringify({ ...counts, from, failed, violations: failed.length, simulatedHours, seconds }));
  else {
    console.log(`${seeds} simulations from seed ${from}: ${failed.length} failed, ${seconds} s`);
    console.log(`connections: ${JSON.stringify(tally.endings)}; repeated with the same trace: ${tally.repeated}`);
  }
  return failed.length === 0 ? 0 : 1;
}

function printFailure({ seed, faults, replay }: Failure, json: boolean): void {
  const print = json ? console.error : console.log;
  print(`seed ${seed} failed; to play it alone: ${replay}`);
  for (const fault of faults) print(`  ${fault}`);
}

function printTrace(seed: number): number {
  const plan = makePlan(seed);
  const { faults, simulation } = playPlan(plan, true);
  process.stdout.write(formatTrace(simulation.trace.records));
  console.log(JSON.stringify(plan, null, 2));
  for (const fault of faults) console.log(fault);
  return faults.length === 0 ? 0 : 1;
}

interface Options {
  readonly seeds: number;
  readonly from: number;
  readonly jobs: number;
  readonly json: boolean;
  readonly trace: boolean;
}

function readOptions(args: string[]): Options | string {
  try {
    const { values } = parseArgs({
      args,
      options: {
        seeds: { type: 'string', default: '100' },
        from: { type: 'string', default: '1' },
        jobs: { type: 'string', default: String(availableParallelism()) },
        json: { type: 'boolean', default: false },
        trace: { type: 'boolean', default: false },
      },
    });
    const seeds = Number(values.seeds);
    const from = Number(values.from);
    const jobs = Number(values.jobs);
    if (!Number.isInteger(seeds) || seeds < 1) return `--seeds takes a positive integer, not "${values.seeds}"`;
    if (!Number.isInteger(from) || from < 0 || from > 2 ** 32)
      return `--from takes a seed from 0, not "${values.from}"`;
    if (!Number.isInteger(jobs) || jobs < 1) return `--jobs takes a positive integer, not "${values.jobs}"`;
    return { seeds, from, jobs, json: values.json, trace: values.trace };
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}
