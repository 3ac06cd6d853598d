// Runs one benchmark: repeat by repeat, and in each repeat transport by transport, so that what the machine does
// meanwhile meets all of them alike. The router that ours needs stands beside the server.

import { Child, root, sleep } from '../tests/e2e/harness.ts';
import type { Bench, Options, PathOptions, Sample, Samples } from './bench.ts';
import { median, quantile } from './bench.ts';
import { identify, makeSeed, operatorVariable, routerPidVariable } from './identify.ts';
import type { Place } from './place.ts';

export interface Row {
  readonly transport: string;
  readonly median: number;
  /** First and third. */
  readonly quartiles: readonly [number, number];
  readonly min: number;
  readonly max: number;
}

export interface Result {
  readonly bench: string;
  readonly where: string;
  /** Of a benchmark with points: of what, and how many. */
  readonly of?: string;
  readonly at?: number;
  /** Where it is impaired. */
  readonly path?: PathOptions;
  readonly unit: string;
  readonly rows: readonly Row[];
  /** Of each pair of transports: the median of the repeats' own ratios, so that what slowed one repeat slowed both. */
  readonly ratios: Readonly<Record<string, number>>;
  /** First and third. */
  readonly quartiles: Readonly<Record<string, readonly [number, number]>>;
  readonly figures: Readonly<Record<string, unknown>>;
}

/** A hundred thousand connections are opened within it, also on a slow machine. */
const sampleDeadlineMs = 300_000;

/** `transports`: all of the bench's or some of them. */
export async function runBench(
  name: string,
  bench: Bench,
  transports: readonly string[],
  place: Place,
  options: Options,
): Promise<Result> {
  const seed = makeSeed();
  const env: NodeJS.ProcessEnv = {
    ...process.env,
    BENCH_ADDRESS: place.serverAddress,
    [operatorVariable]: Buffer.from(seed).toString('hex'),
  };
  const operator = `svc:${identify(seed).service}`;
  const routerArgs = ['router', '--host', place.serverAddress, '--port', '0', '--no-learning', '--operator', operator];
  const router = startNode(place.server, env, [`${root}/bin/caracal.js`, ...routerArgs]);
  const samples = new Map<string, Sample[]>(transports.map((transport) => [transport, []]));
  try {
    env[routerPidVariable] = String(router.pid);
    env['CARACAL_ROUTER'] = (await router.line(/^ready router on (\S+)/m))[1];
    for (let repeat = 0; repeat < options.repeats; repeat++) {
      for (const transport of transports) {
        if (options.path) await place.prepare?.(options.path, repeat + 1);
        const sample = await runOnce(name, bench, transport, place, env, options);
        samples.get(transport)?.push(sample);
        process.stderr.write(
          `${titleOf({ bench: name, ...pointOf(bench, options) })} ${repeat + 1}/${options.repeats} ${transport}: ${format(sample.value)} ${bench.unit}\n`,
        );
      }
    }
  } finally {
    await router.stop();
  }
  return summarize(name, bench, place, samples, options);
}

async function runOnce(
  name: string,
  bench: Bench,
  transport: string,
  place: Place,
  env: NodeJS.ProcessEnv,
  options: Options,
): Promise<Sample> {
  const child = new URL('child.js', import.meta.url).pathname;
  const startRole = (role: string, namespace: string | undefined, address: string[]): Child =>
    startNode(namespace, env, [
      ...profiling(options, `${name}-${transport}-${role}`),
      ...['--expose-gc', child, name, role, transport, JSON.stringify(options), ...address],
    ]);
  const server = bench.server && startRole('server', place.server, []);
  let client: Child | undefined;
  try {
    const [, address = ''] = (await server?.line(/^ready (.*)$/m)) ?? [];
    client = startRole('client', place.client, [address]);
    const line = /^sample (.*)$/m;
    const failed = client.exited.then(({ code }) => {
      if (code !== 0) throw new Error(`the client ended with ${code}\n${client?.describe()}`);
      return sleep(sampleDeadlineMs);
    });
    const lines = [server, client].flatMap((child) => child?.line(line, sampleDeadlineMs) ?? []);
    const found = await Promise.race([...lines, failed]);
    return JSON.parse(found?.[1] ?? '') as Sample;
  } finally {
    await Promise.all([client?.stop(), server?.stop()]);
  }
}

/** `lookup at 1000 services` */
export function titleOf({ bench, of, at, path }: Pick<Result, 'bench' | 'of' | 'at' | 'path'>): string {
  if (path !== undefined) return `${bench} at ${path.lossPercent}% loss, ${path.rttMs} ms, ${path.mbits} Mbit/s`;
  return at === undefined ? bench : `${bench} at ${at} ${of}`;
}

/** A CPU profile of the whole process, for Chrome's developer tools or any flame graph of `.cpuprofile` files. */
function profiling({ profile }: Options, name: string): string[] {
  if (profile === undefined) return [];
  return ['--cpu-prof', `--cpu-prof-dir=${profile}`, `--cpu-prof-name=${name}.cpuprofile`];
}

function startNode(namespace: string | undefined, env: NodeJS.ProcessEnv, args: string[]): Child {
  const inNamespace = namespace ? ['ip', 'netns', 'exec', namespace] : [];
  const [command = '', ...rest] = [...inNamespace, process.execPath, ...args];
  return new Child(command, rest, { env, cwd: root });
}

function summarize(name: string, bench: Bench, place: Place, samples: Samples, options: Options): Result {
  const rows = [...samples].map(([transport, list]): Row => {
    const values = list.map(({ value }) => value);
    return {
      transport,
      median: round(median(values)),
      quartiles: quartilesOf(values),
      min: round(Math.min(...values)),
      max: round(Math.max(...values)),
    };
  });
  const pairs = bench.ratios.flatMap(([ours, peer]): [string, number[]][] => {
    const [a, b] = [samples.get(ours), samples.get(peer)];
    if (a === undefined || b === undefined) return [];
    return [[`${ours}/${peer}`, a.map(({ value }, repeat) => value / (b[repeat]?.value ?? Number.NaN))]];
  });
  return {
    bench: name,
    where: place.where,
    ...pointOf(bench, options),
    unit: bench.unit,
    rows,
    ratios: Object.fromEntries(pairs.map(([pair, list]) => [pair, round(median(list))])),
    quartiles: Object.fromEntries(pairs.map(([pair, list]) => [pair, quartilesOf(list)])),
    figures: roundAll(bench.figures?.(samples, options) ?? {}),
  };
}

function pointOf({ points }: Bench, { at, path }: Options): Pick<Result, 'of' | 'at' | 'path'> {
  if (path !== undefined) return { path };
  return points === undefined || at === undefined ? {} : { of: points.of, at };
}

function quartilesOf(values: readonly number[]): [number, number] {
  return [round(quantile(values, 0.25)), round(quantile(values, 0.75))];
}

/** Four significant digits: more would pretend. */
function round(value: number): number {
  return Number(value.toPrecision(4));
}

/** A figure of a transport that was left out is no number, and left out as well. */
function roundAll(figures: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(figures)
      .filter(([, value]) => !Number.isNaN(value))
      .map(([key, value]) => [key, typeof value === 'number' && !Number.isInteger(value) ? round(value) : value]),
  );
}

export function format(value: number): string {
  return value >= 1000 ? Math.round(value).toLocaleString('en') : value.toPrecision(4);
}
