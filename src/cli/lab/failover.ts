// Two clients download from two instances, and one instance is killed in the middle (E5; SCAFFOLD, Figure 7): its client
// goes on at the other one. The clients are the commands that a user has: an unmodified wget through `caracal forward`, told
// to try once, and `caracal get`. What they write to their standard output is measured: a pause is what a user sees.

import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Child } from '../child.ts';
import { type DemoFile, makeContent } from '../demo/content.ts';
import { monotonicMs } from './clock.ts';
import type { Claim, Experiment, Outcome } from './experiment.ts';
import type { Lab } from './lab.ts';
import type { Chart } from './plot.ts';
import { longestGapMs, rates, rounded, type Sample } from './statistics.ts';
import type { Host, Star } from './topology.ts';

const mbits = 80;
const rttMs = 20;
const service = 'web';
/** Shares of the first client's download: when the second one starts, and when the first one's instance is killed. */
const secondAt = 0.15;
const killAt = 0.4;
/** To notice that a process is gone whose host tells so; then two round trips. */
const mostPauseMs = 100 + 2 * rttMs;
const binMs = 100;

export const failover: Experiment = {
  name: 'failover',
  summary: 'an instance is killed under a download, which goes on at another one',
  run,
};

/** One client's download, as it comes out of the client. */
class Download {
  readonly what: string;
  readonly file: DemoFile;
  readonly samples: Sample[] = [];
  bytes = 0;
  readonly #hash = createHash('sha256');
  #onBytes: () => void = () => {};
  #child: Child | undefined;

  constructor(what: string, file: DemoFile) {
    this.what = what;
    this.file = file;
  }

  /** The client whose output `take` is given. */
  runs(child: Child): void {
    this.#child = child;
  }

  readonly take = (chunk: Buffer): void => {
    this.samples.push([monotonicMs(), chunk.length]);
    this.bytes += chunk.length;
    this.#hash.update(chunk);
    this.#onBytes();
  };

  /** Resolves when this share of it has come, or the client has ended. */
  async reached(share: number): Promise<void> {
    const reached = new Promise<void>((resolve) => {
      this.#onBytes = () => this.bytes >= share * this.file.bytes && resolve();
    });
    await Promise.race([reached, this.#child?.ended]);
  }

  /** Why it is not whole, or undefined. */
  async problem(): Promise<string | undefined> {
    const code = await this.#child?.ended;
    if (code !== 0) return this.#child?.failure(`ended with ${code}`).message ?? 'it never started';
    return this.#hash.digest('hex') === this.file.sha256 ? undefined : `${this.what} got other content than was served`;
  }

  /** The longest time without a byte that ended after `fromMs`. */
  pauseMs(fromMs: number): number {
    const times = this.samples.map(([atMs]) => atMs);
    return rounded(longestGapMs(times, fromMs));
  }
}

interface Measured {
  readonly downloads: readonly Download[];
  readonly killedMs: number;
  readonly problems: readonly string[];
}

async function run(lab: Lab): Promise<Outcome> {
  const hosts = ['client1', 'client2', 'server1', 'server2'].map((name) => ({ name, linksMbits: [mbits] }));
  const star = await lab.build({ rttMs, hosts });
  const folder = join(lab.folder, 'www');
  const [file] = await makeContent([folder], 1, (lab.quick ? 20 : 200) * 1e6);
  const serve = async (name: string, host: Host, weight: number): Promise<Child> => {
    const instance = lab.caracal(name, ['serve', service, folder, '--weight', String(weight)], host);
    await instance.ready();
    return instance;
  };
  const first = await serve('instance 1', star.host('server1'), 1);
  const one = await wgetOrGet(lab, star.host('client1'), file!);
  await one.reached(secondAt);
  // Of two instances it gets whoever comes from now on.
  await serve('instance 2', star.host('server2'), 65_535);
  const two = get(lab, star.host('client2'), file!);
  await one.reached(killAt);
  lab.say(`instance 1 is killed (SIGKILL, pid ${first.pid})`);
  const killedMs = monotonicMs();
  first.stop('SIGKILL');
  const downloads = [one, two];
  const problems = (await Promise.all(downloads.map((download) => download.problem()))).filter(isText);
  for (const problem of problems) lab.say(problem);
  return judge(star, { downloads, killedMs, problems });
}

/** An unmodified wget, told to try once, where there is one. */
async function wgetOrGet(lab: Lab, host: Host, file: DemoFile): Promise<Download> {
  const folders = [...(process.env['PATH'] ?? '').split(':'), '/usr/bin'];
  const wget = folders.map((folder) => join(folder, 'wget')).find((path) => existsSync(path));
  if (wget === undefined) return get(lab, host, file);
  const forward = lab.caracal('forward', ['forward', '0', service], host);
  const [address = ''] = (await forward.ready()).split(' ');
  const download = new Download('wget', file);
  const args = ['--no-config', '--no-proxy', '--no-verbose', '--tries=1', '-O', '-'];
  download.runs(lab.run('wget', [wget, ...args, `http://${address}/${file.name}`], host, { onBytes: download.take }));
  lab.say('a client: wget --tries=1, through caracal forward');
  return download;
}

function get(lab: Lab, host: Host, file: DemoFile): Download {
  const download = new Download('caracal get', file);
  const args = ['get', `svc://${service}/${file.name}`];
  download.runs(lab.caracal('caracal get', args, host, { onBytes: download.take }));
  lab.say('a client: caracal get');
  return download;
}

function isText(text: string | undefined): text is string {
  return text !== undefined;
}

function judge(star: Star, measured: Measured): Outcome {
  const { downloads, killedMs, problems } = measured;
  const [one, two] = downloads.map((download) => ({ client: download.what, pauseMs: download.pauseMs(killedMs) }));
  const pauseMs = Math.max(one?.pauseMs ?? 0, two?.pauseMs ?? 0);
  const sha256Ok = problems.length === 0;
  const claims: Claim[] = [
    { text: 'both downloads arrive whole, without a failed request', holds: sha256Ok },
    { text: `the pause is at most ${mostPauseMs} ms`, holds: pauseMs <= mostPauseMs },
  ];
  const figures = {
    pauseMs,
    bytes: downloads.reduce((sum, { bytes }) => sum + bytes, 0),
    sha256Ok,
    clients: [one, two],
    rttMs: star.rttMs,
    where: star.where,
  };
  const series = {
    killedMs,
    clients: downloads.map(({ what, samples }) => ({
      what,
      samples: samples.map(([atMs, bytes]) => [rounded(atMs), bytes]),
    })),
  };
  return { figures, claims, chart: draw(measured, pauseMs), series };
}

function draw({ downloads, killedMs }: Measured, pauseMs: number): Chart {
  const starts = downloads.map(({ samples }) => samples[0]?.[0] ?? killedMs);
  const ends = downloads.map(({ samples }) => samples.at(-1)?.[0] ?? killedMs);
  const fromMs = Math.min(...starts);
  const toMs = Math.max(...ends);
  const seconds = (atMs: number): number => (atMs - fromMs) / 1e3;
  const marks = [
    { at: seconds(starts[1] ?? fromMs), label: 'second client starts' },
    { at: seconds(killedMs), label: 'kill -9 of the first one’s instance' },
    { at: seconds(Math.min(...ends)), label: 'one is done' },
  ];
  const series = downloads.map(({ what, samples }, i) => ({
    name: `client ${i + 1}: ${what}`,
    kind: 'line' as const,
    points: rates(samples, binMs, fromMs, toMs).map(([atMs, rate]) => [seconds(atMs), rate] as const),
  }));
  const y = { label: 'throughput', unit: 'Mbit/s' };
  const around = { min: seconds(killedMs) - 0.5, max: seconds(killedMs) + 1 };
  return {
    title: 'Two downloads, and one of their instances is killed',
    subtitle: `longest pause after the kill: ${pauseMs} ms`,
    panels: [
      { title: `What the clients received, in bins of ${binMs} ms`, x: { label: 'time', unit: 's' }, y, series, marks },
      {
        title: 'Around the kill: bytes that the clients had',
        x: { label: 'time', unit: 's', ...around },
        y: { label: 'received', unit: 'MB' },
        series: downloads.map(({ what, samples }, i) => ({
          name: `client ${i + 1}: ${what}`,
          kind: 'step' as const,
          points: accumulated(samples, killedMs - 500, killedMs + 1000).map(
            ([atMs, bytes]) => [seconds(atMs), bytes / 1e6] as const,
          ),
        })),
        marks: marks.slice(1, 2),
      },
    ],
  };
}

/** Bytes in all by time, of the samples between. */
function accumulated(samples: readonly Sample[], fromMs: number, toMs: number): Sample[] {
  let sum = 0;
  const sums = samples.map(([atMs, bytes]): Sample => {
    sum += bytes;
    return [atMs, sum];
  });
  return sums.filter(([atMs]) => atMs >= fromMs && atMs <= toMs);
}
