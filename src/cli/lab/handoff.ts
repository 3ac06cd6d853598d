// A chat is redeployed under its open connections (M12): a new process starts, the old one hands its connections over and
// ends, again and again, while members talk who know nothing of it. Lost, doubled and dropped are counted by the
// members; a pause is what one of them sees: the longest time without a message while its connection changed its process.

import { join } from 'node:path';
import { sleep } from './clock.ts';
import type { Claim, Experiment, Outcome } from './experiment.ts';
import type { Lab } from './lab.ts';
import { distribution, rounded, type Sample, summarize } from './statistics.ts';
import type { Host, Star } from './topology.ts';
import type { Worker } from './worker.ts';
import type { HandedSeen, RoomSeen } from './workers/protocol.ts';

const rttMs = 20;
const service = 'room';
/** Messages per second; each is told to every member. */
const perSecond = 10;
/** Before a handing over, and after it. */
const talkMs = 1_500;
const binMs = 100;

export const handoff: Experiment = {
  name: 'handoff',
  summary: 'a chat is redeployed under open connections',
  run,
};

interface Measured {
  readonly handed: readonly HandedSeen[];
  /** Of every connection at every handing over. */
  readonly pauses: readonly number[];
  readonly seen: RoomSeen;
}

async function run(lab: Lab): Promise<Outcome> {
  const hosts = ['members', 'server'].map((name) => ({ name, linksMbits: [1_000] }));
  const star = await lab.build({ rttMs, hosts });
  const count = lab.quick ? 200 : 1_000;
  const deploys = lab.quick ? 2 : 5;
  const server = star.host('server');
  let old = await deploy(lab, server, 0);
  const members = lab.worker('members', 'members', { service, count, perSecond }, star.host('members'));
  await members.child.ready();
  await members.ask('begin');
  lab.say(`${count} open connections; the server is deployed anew ${deploys} times`);
  const handed: HandedSeen[] = [];
  const pauses: number[] = [];
  for (let i = 1; i <= deploys; i++) {
    const next = await deploy(lab, server, i);
    await sleep(talkMs);
    await members.ask('watch');
    handed.push(await old.ask<HandedSeen>('handoff'));
    await sleep(talkMs);
    pauses.push(...(await members.ask<number[]>('seen')));
    old.child.stop();
    old = next;
  }
  const seen = await members.ask<RoomSeen>('finish');
  return judge(star, { handed, pauses, seen });
}

async function deploy(lab: Lab, host: Host, number: number): Promise<Worker> {
  const options = { service, path: join(lab.folder, 'handoff.sock') };
  const worker = lab.worker(`server ${number + 1}`, 'room', options, host);
  await worker.child.ready();
  return worker;
}

function judge(star: Star, measured: Measured): Outcome {
  const { handed, pauses, seen } = measured;
  const { connections, said, delivered, dropped, lost, doubled } = seen;
  const all = handed.every(({ moved, stayed }) => moved === connections && stayed === 0);
  const claims: Claim[] = [
    { text: 'every connection goes on in the new process', holds: all },
    { text: 'no connection is dropped', holds: dropped === 0 },
    { text: 'no message is lost or doubled', holds: lost === 0 && doubled === 0 && delivered === said * connections },
  ];
  const figures = {
    connections,
    dropped,
    lost,
    doubled,
    pauseMs: summarize(pauses),
    handoffMs: summarize(handed.map(({ fromMs, toMs }) => toMs - fromMs)),
    deploys: handed.length,
    messages: said,
    delivered,
    rttMs: star.rttMs,
    where: star.where,
  };
  return { figures, claims, chart: draw(measured, figures), series: { ...measured } };
}

function draw(
  { handed, pauses, seen }: Measured,
  figures: { pauseMs: { median: number; max: number } },
): Outcome['chart'] {
  const [firstMs = 0] = seen.samples[0] ?? [];
  const seconds = (atMs: number): number => (atMs - firstMs) / 1e3;
  const { median, max } = figures.pauseMs;
  return {
    title: `A chat of ${seen.connections} connections is redeployed ${handed.length} times`,
    subtitle: `dropped ${seen.dropped}, lost ${seen.lost}, doubled ${seen.doubled}; pause: median ${median} ms, longest ${max} ms`,
    panels: [
      {
        title: 'The longest time without a message, of each connection at each redeploy',
        x: { label: 'pause', unit: 'ms' },
        y: { label: 'share of connections', unit: '', max: 1 },
        series: [
          {
            name: 'while it changes its process',
            kind: 'step',
            points: [[0, 0], ...distribution(pauses.map((ms) => rounded(ms)))],
          },
        ],
        marks: [{ at: 1_000 / perSecond, label: 'messages are so far apart' }],
      },
      {
        title: `Messages delivered, in bins of ${binMs} ms`,
        x: { label: 'time', unit: 's' },
        y: { label: 'messages', unit: '1/s' },
        series: [
          {
            name: 'all members',
            kind: 'line',
            points: perSecondOf(seen.samples).map(([atMs, rate]) => [seconds(atMs), rate]),
          },
        ],
        marks: handed.map(({ fromMs }, i) => ({ at: seconds(fromMs), label: i === 0 ? 'redeployed' : '' })),
      },
    ],
  };
}

function perSecondOf(samples: RoomSeen['samples']): Sample[] {
  const [firstMs = 0] = samples[0] ?? [];
  const [lastMs = 0] = samples.at(-1) ?? [];
  const counts = new Array<number>(Math.floor((lastMs - firstMs) / binMs) + 1).fill(0);
  for (const [atMs, count] of samples) counts[Math.floor((atMs - firstMs) / binMs)]! += count;
  return counts.map((count, i) => [firstMs + (i + 0.5) * binMs, (count * 1e3) / binMs] as const);
}
