// `npm run --silent bench -- NAME [--json] [--seconds N] [--repeats N] [--transports A,B] [--where loopback] [--profile DIR]`. With
// --json the result is one line on stdout (bench/README.md gives its shape); progress goes to stderr.

import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import type { Bench, Options } from './bench.ts';
import { benchNames, findBench } from './list.ts';
import { findPlace } from './place.ts';
import { format, type Result, runBench } from './run.ts';

const usage = `usage: npm run --silent bench -- NAME [--json] [--seconds N] [--repeats N] [--transports A,B] [--where loopback] [--profile DIR]
NAME is one of ${benchNames.join(', ')}`;

const { name, bench, transports, options, json, where } = readArguments();
const place = findPlace(where);
try {
  const result = await runBench(name, bench, transports, place, options);
  if (json) console.log(JSON.stringify(result));
  else print(result);
} catch (error) {
  process.stderr.write(`bench: ${(error as Error).message}\n`);
  process.exitCode = 1;
} finally {
  place.remove();
}

function readArguments(): {
  name: string;
  bench: Bench;
  transports: readonly string[];
  options: Options;
  json: boolean;
  where: string | undefined;
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
        profile: { type: 'string' },
      },
    });
    const [name = '', ...rest] = positionals;
    const bench = findBench(name);
    const seconds = Number(values.seconds);
    const repeats = Number(values.repeats);
    if (rest.length > 0) throw new TypeError(`one benchmark at a time, not also "${rest.join(' ')}"`);
    if (!(seconds > 0 && seconds <= 600)) throw new TypeError('--seconds is a number from 1 to 600');
    if (!(Number.isInteger(repeats) && repeats >= 1)) throw new TypeError('--repeats is a whole number from 1');
    const transports = chooseTransports(bench, values.transports);
    const profile = values.profile === undefined ? undefined : resolve(values.profile);
    return { name, bench, transports, options: { seconds, repeats, profile }, json: values.json, where: values.where };
  } catch (error) {
    process.stderr.write(`bench: ${(error as Error).message}\n${usage}\n`);
    process.exit(2);
  }
}

/** In the bench's order, whatever the order asked for. */
function chooseTransports({ transports }: Bench, asked: string | undefined): readonly string[] {
  const names = asked?.split(',') ?? transports;
  const unknown = names.find((name) => !transports.includes(name));
  if (unknown !== undefined) throw new TypeError(`this benchmark knows ${transports.join(', ')}, not "${unknown}"`);
  return transports.filter((transport) => names.includes(transport));
}

function print({ bench, where, unit, rows, ratios, figures }: Result): void {
  console.log(`${bench} (${where}), ${unit}`);
  for (const row of rows)
    console.log(
      `  ${row.transport.padEnd(16)} median ${format(row.median)}  min ${format(row.min)}  max ${format(row.max)}`,
    );
  for (const [pair, ratio] of Object.entries(ratios)) console.log(`  ${pair}  ${ratio}`);
  for (const [key, value] of Object.entries(figures))
    console.log(`  ${key}  ${typeof value === 'object' ? JSON.stringify(value) : value}`);
}
