// One connection over two paths of 100 Mbit/s (M9): what each carries alone, what both carry together, and how long nothing is
// delivered when one of them is cut without a word.

import { sleep } from './clock.ts';
import type { Claim, Experiment, Outcome } from './experiment.ts';
import type { Lab } from './lab.ts';
import { distribution, quantile, rounded, type Sample, summarize } from './statistics.ts';
import type { Host, Star } from './topology.ts';
import type { Worker } from './worker.ts';
import type { PathSample, PathsSeen, PauseSeen, SourceReport } from './workers/protocol.ts';

const rttMs = 20;
const mbits = 100;
const leastSum = 1.8;
const mostTrips = 2;
/** Slow start is over, and what it lost is repaired. */
const warmMs = 1_500;
/** Before a cut, from it until the path is there again, and until it carries again. */
const beforeMs = 300;
const cutMs = 900;
const healMs = 1_500;
const binMs = 100;
/** Cuts, in the plot over time. */
const mostShown = 4;

export const multipath: Experiment = {
  name: 'multipath',
  summary: 'one connection over two paths, of which one is cut',
  run,
};

/** A path that was cut, and the round trip of the other one as the sender measured it just before. */
interface CutSeen extends PauseSeen {
  readonly path: number;
  readonly otherRttMs: number;
}

interface PathSeen {
  readonly path: number;
  readonly rttMs: number;
}

interface Measured {
  readonly rttMs: number;
  /** Mbit/s by each interface alone, and by both. */
  readonly alone: readonly number[];
  readonly sum: number;
  readonly cuts: readonly CutSeen[];
  readonly download: PathsSeen;
  readonly sha256Ok: boolean;
}

async function run(lab: Lab): Promise<Outcome> {
  const hosts = [
    { name: 'client', linksMbits: [mbits, mbits] },
    { name: 'server', linksMbits: [undefined] },
  ];
  const star = await lab.build({ rttMs, hosts });
  const host = star.host('client');
  const source = lab.worker('server', 'source', { service: 'stream' }, star.host('server'));
  const sent = new Map<string, SourceReport>();
  source.onReport = (report: SourceReport) => report.kind === 'sent' && sent.set(report.sha256, report);
  await source.child.ready();
  const addresses = host.links.map(({ address }) => address);
  const client = lab.worker('client', 'taker', { service: 'stream', addresses }, host);
  await client.child.ready();
  const rateMs = lab.quick ? 1_500 : 5_000;
  const alone: number[] = [];
  const seen: PathsSeen[] = [];
  for (const from of addresses) {
    lab.say(`${rateMs / 1e3} s by ${from} alone`);
    await client.ask('begin', { from, pathCount: 1 });
    alone.push(await rateOf(client, rateMs));
    seen.push(await client.ask<PathsSeen>('finish'));
  }
  lab.say(`${rateMs / 1e3} s by both`);
  const links = star.where === 'loopback' ? addresses.slice(1) : [];
  const begun = await client.ask<{ rttMs: number }>('begin', { paths: 'aggregate', links, pathCount: 2 });
  const sum = await rateOf(client, rateMs);
  const cuts = star.where === 'netns' ? await cutOften(lab, host, source, client, lab.quick ? 4 : 20) : [];
  const download = await client.ask<PathsSeen>('finish');
  const sha256Ok = await allSent([...seen, download], sent);
  return judge(star, { rttMs: begun.rttMs, alone, sum, cuts, download, sha256Ok });
}

async function rateOf(client: Worker, ms: number): Promise<number> {
  await sleep(warmMs);
  return (await client.ask<{ mbits: number }>('rate', { ms })).mbits;
}

/** The two in turn. */
async function cutOften(lab: Lab, host: Host, source: Worker, client: Worker, times: number): Promise<CutSeen[]> {
  lab.say(`${times} times one of the two is cut without a word`);
  const cuts: CutSeen[] = [];
  for (let i = 0; i < times; i++) {
    const path = (i + 1) % 2;
    const other = (await source.ask<PathSeen[]>('paths')).find((one) => one.path !== path);
    if (other === undefined) throw new Error('there is one path only');
    const watching = client.ask<PauseSeen>('watch', { ms: beforeMs + cutMs });
    await sleep(beforeMs);
    host.links[path]?.setCut(true);
    cuts.push({ ...(await watching), path, otherRttMs: other.rttMs });
    host.links[path]?.setCut(false);
    await sleep(healMs);
  }
  return cuts;
}

/** What was read is what was written: the source tells its hash a moment after the end. */
async function allSent(seen: readonly PathsSeen[], sent: ReadonlyMap<string, SourceReport>): Promise<boolean> {
  for (let tries = 0; tries < 100; tries++) {
    if (seen.every(({ sha256, bytes }) => sent.get(sha256)?.bytes === bytes)) return true;
    await sleep(20);
  }
  return false;
}

function judge(star: Star, measured: Measured): Outcome {
  const { alone, sum, cuts, download, sha256Ok } = measured;
  const sumOverBest = rounded(sum / Math.max(...alone));
  const stalls = cuts.map(({ pauseMs }) => pauseMs);
  const trips = cuts.map(({ pauseMs, otherRttMs }) => pauseMs / otherRttMs);
  const stallMs = summarize(stalls);
  const stallRtts = summarize(trips);
  const claims: Claim[] = [
    { text: 'every byte arrived, once and in order', holds: sha256Ok },
    // On loopback nothing limits a path, and none can be cut.
    ...(star.where === 'loopback'
      ? []
      : [
          { text: `both carry at least ${leastSum} times what the better one carries`, holds: sumOverBest >= leastSum },
          {
            text: `when one is cut nothing is delivered for at most ${mostTrips} round trips of the other (median)`,
            holds: stallRtts.median <= mostTrips,
          },
        ]),
  ];
  const figures = {
    sumOverBest,
    mbits: { alone: alone.map((one) => rounded(one)), both: rounded(sum) },
    ...(cuts.length === 0 ? {} : { stallMs, stallRtts }),
    sha256Ok,
    cuts: cuts.length,
    rttMs: rounded(measured.rttMs),
    bytes: download.bytes,
    where: star.where,
  };
  return { figures, claims, chart: draw(measured, sumOverBest, stallMs), series: { ...measured } };
}

function draw(
  { alone, cuts, download }: Measured,
  sumOverBest: number,
  stallMs: { median: number; max: number },
): Outcome['chart'] {
  const [firstMs = 0] = download.samples[0] ?? [];
  const line = (name: string, of: (sample: PathSample) => number) =>
    ({ name, kind: 'line', points: ratesOf(download.samples, of, firstMs) }) as const;
  const best = Math.max(...alone);
  const shown = cuts.slice(0, mostShown);
  const seconds = (atMs: number): number => (atMs - firstMs) / 1e3;
  const throughput = {
    title: 'What the client received',
    x: {
      label: 'time',
      unit: 's',
      ...(shown.length < cuts.length ? { max: seconds(cuts[mostShown]?.fromMs ?? firstMs) } : {}),
    },
    y: { label: 'throughput', unit: 'Mbit/s' },
    series: [
      line('its program', ([, bytes]) => bytes),
      line('by the first interface', ([, , links]) => links[0] ?? 0),
      line('by the second', ([, , links]) => links[1] ?? 0),
    ],
    marks: shown.map((one) => ({ at: seconds(one.fromMs), label: `${one.path === 0 ? 'first' : 'second'} cut` })),
  };
  const stalls = cuts.map(({ pauseMs }) => pauseMs);
  const rtt = rounded(
    quantile(
      cuts.map(({ otherRttMs }) => otherRttMs),
      0.5,
    ),
  );
  return {
    title: 'One connection over two paths',
    subtitle: `${sumOverBest} times the better one (${rounded(best)} Mbit/s)${cuts.length === 0 ? '' : `; one is cut: nothing for ${stallMs.median} ms (median), ${stallMs.max} ms at most`}`,
    panels: [
      throughput,
      ...(cuts.length === 0
        ? []
        : [
            {
              title: `How long nothing was delivered when one was cut (${cuts.length} times)`,
              x: { label: 'pause', unit: 'ms' },
              y: { label: 'share of cuts', unit: '', max: 1 },
              series: [
                { name: 'cut without a word', kind: 'step', points: [[0, 0], ...distribution(stalls)] } as const,
              ],
              marks: [{ at: mostTrips * rtt, label: 'two round trips of the other' }],
            },
          ]),
    ],
  };
}

/** Of cumulative counts, in bins. */
function ratesOf(samples: readonly PathSample[], of: (sample: PathSample) => number, firstMs: number): Sample[] {
  const points: Sample[] = [];
  let last = samples[0];
  for (const sample of samples) {
    if (last === undefined || sample[0] - last[0] < binMs) continue;
    const mbitsThen = ((of(sample) - of(last)) * 8) / 1e3 / (sample[0] - last[0]);
    points.push([((sample[0] + last[0]) / 2 - firstMs) / 1e3, mbitsThen]);
    last = sample;
  }
  return points;
}
