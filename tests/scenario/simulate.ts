// `npm run simulate -- --seeds N --from S --json`: plays N seeded plans and says which failed and how to play one again.
// One in a hundred is played twice and must give the same trace. `--trace` prints every packet (for one seed).
// Exit code 0 if all held, 1 if not, 2 for bad arguments.

import { parseArgs } from 'node:util';
import { formatTrace } from '../../src/sim/index.ts';
import { makePlan } from './plan.ts';
import { playPlan, type Verdict } from './play.ts';
import { simulateSeeds } from './seeds.ts';

process.exitCode = main(process.argv.slice(2));

function main(args: string[]): number {
  const options = readOptions(args);
  if (typeof options === 'string') {
    console.error(`simulate: ${options}\nusage: npm run simulate -- [--seeds N] [--from S] [--json] [--trace]`);
    return 2;
  }
  const { seeds, from, json, trace } = options;
  if (trace) return printTrace(from);
  const summary = simulateSeeds(from, seeds, (verdict) => {
    if (verdict.faults.length > 0) printFailure(verdict, json);
  });
  if (json) console.log(JSON.stringify(summary));
  else {
    console.log(
      `${summary.seeds} simulations from seed ${from}: ${summary.failed.length} failed, ${summary.seconds} s`,
    );
    console.log(`connections: ${JSON.stringify(summary.endings)}; repeated with the same trace: ${summary.repeated}`);
  }
  return summary.failed.length === 0 ? 0 : 1;
}

function printFailure({ seed, faults }: Verdict, json: boolean): void {
  const print = json ? console.error : console.log;
  print(`seed ${seed} failed; to play it alone: npm run simulate -- --from ${seed} --seeds 1`);
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
        json: { type: 'boolean', default: false },
        trace: { type: 'boolean', default: false },
      },
    });
    const seeds = Number(values.seeds);
    const from = Number(values.from);
    if (!Number.isInteger(seeds) || seeds < 1) return `--seeds takes a positive integer, not "${values.seeds}"`;
    if (!Number.isInteger(from) || from < 0 || from > 2 ** 32)
      return `--from takes a seed from 0, not "${values.from}"`;
    return { seeds, from, json: values.json, trace: values.trace };
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}
