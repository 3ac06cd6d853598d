// `npm run bench:plots -- [DIR]`: draws what `npm run bench -- NAME --out DIR` has kept, as SVG files beside the JSON; without a
// folder those of docs/performance. Each point is the median of a result; nothing is drawn that was not measured.

import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Chart, type Panel, renderChart } from '../src/cli/index.ts';
import { root } from '../tests/e2e/harness.ts';
import { figureName } from './bench.ts';
import type { Result } from './run.ts';

interface Curve {
  readonly title: string;
  readonly unit: string;
  /** A figure that each transport has; without one the rows' medians. */
  readonly figure?: string;
  readonly linear?: boolean;
}

interface Plot {
  readonly bench: string;
  readonly title: string;
  readonly curves: readonly Curve[];
}

const plots: readonly Plot[] = [
  {
    bench: 'size',
    title: 'One connection, by the size of a write',
    curves: [
      { title: 'Messages', unit: 'messages/s', figure: 'messagesPerSecond' },
      { title: 'Bytes', unit: 'Gbit/s' },
      { title: 'Processor time of both ends', unit: 's/GB', figure: 'cpuSecondsPerGB' },
    ],
  },
  {
    bench: 'flows',
    title: 'Sixteen active connections among open ones',
    curves: [
      { title: 'Processor time of both ends', unit: 'us/message', linear: true },
      { title: 'Messages', unit: 'messages/s', figure: 'messagesPerSecond', linear: true },
    ],
  },
  {
    bench: 'lookup',
    title: 'From name to instance, by services in the table',
    curves: [
      { title: 'Rate of one core', unit: 'lookups/s' },
      { title: 'Memory', unit: 'bytes/service', figure: 'bytesPerService', linear: true },
    ],
  },
  {
    bench: 'demux',
    title: 'Demultiplexing a data packet, by flows in the table',
    curves: [{ title: 'Processor time', unit: 'ns/packet', linear: true }],
  },
  {
    bench: 'processes',
    title: 'One service of several processes',
    curves: [
      { title: 'Processor time of all that serve', unit: 'us/request', figure: 'cpuUsPerRequest', linear: true },
    ],
  },
  {
    bench: 'idle',
    title: 'Idle connections, at the accepting end',
    curves: [
      { title: 'Memory of process and kernel', unit: 'bytes/connection', linear: true },
      { title: 'Of it the process', unit: 'bytes/connection', figure: 'residentBytes', linear: true },
      { title: 'Processor time', unit: '% of a core', figure: 'cpuPercent', linear: true },
    ],
  },
  { bench: 'lossy', title: 'A stream on a path that delays and loses', curves: [{ title: 'Goodput', unit: 'Mbit/s' }] },
];

const folder = process.argv[2] ?? join(root, 'docs/performance');
for (const plot of plots) {
  const from = join(folder, `${plot.bench}.json`);
  if (!existsSync(from)) continue;
  const read = JSON.parse(readFileSync(from, 'utf8')) as Result | { sweep: readonly Result[] };
  const results = 'sweep' in read ? read.sweep : [read];
  const to = join(folder, `${plot.bench}.svg`);
  writeFileSync(to, renderChart(chartOf(plot, results)));
  console.log(to);
}

function chartOf({ title, curves }: Plot, results: readonly Result[]): Chart {
  const { unit = '', where = '' } = results[0] ?? {};
  const panels = curves.flatMap((curve) =>
    results[0]?.path === undefined ? [panelOf(curve, results, results[0]?.of ?? '')] : panelsOfPaths(curve, results),
  );
  return { title, subtitle: `medians; ${where === 'loopback' ? 'loopback' : 'two namespaces'}; ${unit}`, panels };
}

/** One for each loss, over the round trip. */
function panelsOfPaths(curve: Curve, results: readonly Result[]): Panel[] {
  const losses = [...new Set(results.map(({ path }) => path?.lossPercent))];
  return losses.map((loss) => {
    const same = results.filter(({ path }) => path?.lossPercent === loss);
    return panelOf({ ...curve, title: `${curve.title} at ${loss}% loss` }, same, 'ms of round trip');
  });
}

function panelOf({ title, unit, figure, linear }: Curve, results: readonly Result[], of: string): Panel {
  const transports = [...new Set(results.flatMap(({ rows }) => rows.map(({ transport }) => transport)))];
  const measured = ({ rows, figures }: Result, transport: string): unknown =>
    figure === undefined
      ? rows.find((row) => row.transport === transport)?.median
      : figures[figureName(figure, transport)];
  const series = transports.map((name) => ({
    name,
    kind: 'line' as const,
    points: results.flatMap((result): [number, number][] => {
      const value = measured(result, name);
      return typeof value === 'number' ? [[result.at ?? result.path?.rttMs ?? 0, value]] : [];
    }),
  }));
  return {
    title,
    x: { label: of, unit: '', logarithmic: true },
    y: { label: unit, unit: '', logarithmic: linear !== true },
    series: series.filter(({ points }) => points.length > 0),
  };
}
