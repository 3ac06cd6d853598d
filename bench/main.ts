// `npm run --silent bench -- [NAME] [OPTIONS]`, as `usage` says. Without a name all of them, and the goals beside what was
// measured. With --json the result is one line on stdout (bench/README.md gives its shape); progress goes to stderr.

import { mkdirSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import type { Bench, Options, PathOptions } from './bench.ts';
import { compareWithGoals } from './goals.ts';
import { benchNames, findBench } from './list.ts';
import { findPlace, openImpairedPlace } from './place.ts';
import { format, type Result, runBench, titleOf } from './run.ts';

const usage = `usage: npm run --silent bench -- [NAME] [--json] [--seconds N] [--repeats N] [--transports A,B] [--peers] [--where loopback] [--at N,N] [--out DIR] [--profile DIR]
       [--loss PERCENT,...] [--rtt MS,...] [--mbits N]
NAME is one of ${benchNames.join(', ')}; all of them, and the goals, without`;

const { names, asked, points, paths, options, json, where, out } = readArguments();
try {
  const results: Result[] = [];
  for (const name of names) results.push(...(await runAll(name, findBench(name))));
  if (names.length > 1) show(results);
  else if (json && results[0] !== undefined) console.log(JSON.stringify(whole(results[0].bench, results)));
} catch (error) {
  process.stderr.write(`bench: ${(error as Error).message}\n`);
  process.exitCode = 1;
}

/** What is printed and kept of one benchmark. */
function whole(bench: string, results: readonly Result[]): object | undefined {
  return results.length > 1 ? { bench, sweep: results } : results[0];
}

function keep(folder: string, name: string, results: readonly Result[]): void {
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, `${name}.json`), `${JSON.stringify(whole(name, results), undefined, 1)}\n`);
}

/** At each of its points, or on each path. Among all benchmarks it is left out where it cannot run. */
async function runAll(name: string, bench: Bench): Promise<Result[]> {
  const place = bench.impaired ? await openImpairedPlace() : findPlace(where);
  if (typeof place === 'string') {
    if (names.length === 1) throw new Error(place);
    process.stderr.write(`bench: without ${name}: ${place}\n`);
    return [];
  }
  try {
    const results: Result[] = [];
    for (const variant of variantsOf(bench)) {
      const transports = presentTransports(bench, variant);
      const result = await runBench(name, bench, transports, place, variant);
      results.push(result);
      if (!json) print(result);
    }
    if (out !== undefined) keep(out, name, results);
    return results;
  } finally {
    place.remove();
  }
}

function variantsOf(bench: Bench): Options[] {
  if (bench.impaired) return paths.map((path) => ({ ...options, path }));
  return (points ?? bench.points?.values ?? [undefined]).map((at) => ({ ...options, at }));
}

/** Transports by name, instead of all; peers of other projects besides. */
interface Asked {
  readonly names: string | undefined;
  readonly peers: boolean;
}

function readArguments(): {
  names: readonly string[];
  asked: Asked;
  /** Of a benchmark with points, instead of all of its own. */
  points: readonly number[] | undefined;
  /** Of an impaired benchmark: each loss with each round trip. */
  paths: readonly PathOptions[];
  options: Options;
  json: boolean;
  where: string | undefined;
  /** Folder for the JSON of each benchmark. */
  out: string | undefined;
} {
  try {
    const { values, positionals } = parseArgs({
      allowPositionals: true,
      options: {
        json: { type: 'boolean', default: false },
        seconds: { type: 'string', default: '3' },
        repeats: { type: 'string', default: '3' },
        transports: { type: 'string' },
        where: { type: 'string' },
        at: { type: 'string' },
        out: { type: 'string' },
        peers: { type: 'boolean', default: false },
        loss: { type: 'string', default: '1' },
        rtt: { type: 'string', default: '20' },
        mbits: { type: 'string', default: '100' },
        profile: { type: 'string' },
      },
    });
    const [name, ...rest] = positionals;
    const names = name === undefined ? benchNames : [name];
    const seconds = Number(values.seconds);
    const repeats = Number(values.repeats);
    if (rest.length > 0) throw new TypeError(`one benchmark at a time, not also "${rest.join(' ')}"`);
    if (!(seconds > 0 && seconds <= 600)) throw new TypeError('--seconds is a number from 1 to 600');
    if (!(Number.isInteger(repeats) && repeats >= 1)) throw new TypeError('--repeats is a whole number from 1');
    // Of all benchmarks some have ours alone.
    const asked = { names: values.transports, peers: values.peers };
    if (name !== undefined) chooseTransports(findBench(name), asked);
    else if (values.transports !== undefined) throw new TypeError('--transports goes with the name of a benchmark');
    const points = readPoints(name, values.at);
    const profile = values.profile === undefined ? undefined : resolve(values.profile);
    const options = { seconds, repeats, profile };
    const paths = readPaths(values.loss, values.rtt, Number(values.mbits));
    return {
      names,
      asked,
      points,
      paths,
      options,
      json: values.json,
      where: values.where,
      out: values.out,
    };
  } catch (error) {
    process.stderr.write(`bench: ${(error as Error).message}\n${usage}\n`);
    process.exit(2);
  }
}

function readPoints(name: string | undefined, text: string | undefined): readonly number[] | undefined {
  if (text === undefined) return undefined;
  if (name === undefined || findBench(name).points === undefined)
    throw new TypeError('--at goes with the name of a benchmark that has points');
  const points = text.split(',').map(Number);
  if (!points.every((point) => Number.isInteger(point) && point >= 1))
    throw new TypeError('--at is whole numbers from 1, with commas between them');
  return points;
}

function readPaths(losses: string, roundTrips: string, mbits: number): PathOptions[] {
  const paths = losses
    .split(',')
    .flatMap((loss) => roundTrips.split(',').map((rtt) => ({ lossPercent: Number(loss), rttMs: Number(rtt), mbits })));
  for (const { lossPercent, rttMs } of paths) {
    if (!(lossPercent >= 0 && lossPercent < 100)) throw new TypeError('--loss is percents, from 0 to below 100');
    if (!(rttMs >= 0 && rttMs <= 10_000)) throw new TypeError('--rtt is milliseconds, from 0 to 10000');
  }
  if (!(mbits > 0 && mbits <= 1000)) throw new TypeError('--mbits is a number up to 1000');
  return paths;
}

/** In the bench's order, whatever the order asked for. */
function chooseTransports(
  { transports, peers = [] }: Bench,
  { names: text, peers: withPeers }: Asked,
): readonly string[] {
  const all = [...transports, ...peers];
  const names = text?.split(',') ?? (withPeers ? all : transports);
  const unknown = names.find((name) => !all.includes(name));
  if (unknown !== undefined) throw new TypeError(`this benchmark knows ${all.join(', ')}, not "${unknown}"`);
  return all.filter((transport) => names.includes(transport));
}

/** Of those chosen, what this machine has. Who asks for one by name is told what to do. */
function presentTransports(bench: Bench, variant: Options): readonly string[] {
  return chooseTransports(bench, asked).filter((transport) => {
    const why = bench.missing?.(transport, variant);
    if (why !== undefined && asked.names !== undefined) throw new Error(`${transport} cannot be run: ${why}`);
    if (why !== undefined) process.stderr.write(`bench: without ${transport}: ${why}\n`);
    return why === undefined;
  });
}

/** All of them. */
function show(results: readonly Result[]): void {
  const goals = compareWithGoals(results);
  if (json) return console.log(JSON.stringify({ benches: results, goals }));
  const cells = goals.map(({ bench, of, goal, measured, quartiles, reached }) => [
    bench,
    of,
    goal,
    `${format(measured)}${quartiles === undefined ? '' : ` (${quartiles.map(format).join(' - ')})`}`,
    reached ? 'yes' : 'no',
  ]);
  const table = [['bench', 'what', 'goal', 'measured (quartiles)', 'reached'], ...cells];
  const widths = table.reduce((most, row) => row.map((cell, at) => Math.max(cell.length, most[at] ?? 0)), [0]);
  console.log('');
  for (const row of table)
    console.log(
      row
        .map((cell, at) => cell.padEnd(widths[at] ?? 0))
        .join('  ')
        .trimEnd(),
    );
}

function print(result: Result): void {
  const { where, unit, rows, ratios, quartiles, figures } = result;
  console.log(`${titleOf(result)} (${where}), ${unit}`);
  for (const row of rows)
    console.log(
      `  ${row.transport.padEnd(16)} median ${format(row.median)}  quartiles ${row.quartiles.map(format).join(' - ')}  min ${format(row.min)}  max ${format(row.max)}`,
    );
  for (const [pair, ratio] of Object.entries(ratios))
    console.log(`  ${pair}  ${ratio}  (${quartiles[pair]?.map(format).join(' - ')})`);
  for (const [key, value] of Object.entries(figures))
    console.log(`  ${key}  ${typeof value === 'object' ? JSON.stringify(value) : value}`);
}
