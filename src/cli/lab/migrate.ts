// A client with two addresses moves a running download between them (M1, M5). Twice: as a program asks for it while both
// addresses work, a hundred times; and as the address in use is taken away. The pause is what the client's program
// sees: from the last byte that was delivered by the old address to the first by the new one.

import { sleep } from './clock.ts';
import type { Claim, Experiment, Outcome } from './experiment.ts';
import type { Lab } from './lab.ts';
import { distribution, quantile, rates, rounded, summarize } from './statistics.ts';
import type { Star } from './topology.ts';
import type { Worker } from './worker.ts';
import type { DownloadSeen, MoveSeen, PauseSeen, SourceReport } from './workers/protocol.ts';

const rttMs = 20;
const mbits = 50;
const mostMedianMs = 30;
/** After a move has been told, so long it is watched before the next. */
const settleMs = 120;
/** After an address was taken away; and after it was given back. */
const watchMs = 400;
const binMs = 20;

export const migrate: Experiment = {
  name: 'migrate',
  summary: 'a client moves 100 times in the middle of a download',
  run,
};

interface Measured {
  readonly rttMs: number;
  readonly moves: readonly MoveSeen[];
  readonly losses: readonly PauseSeen[];
  readonly download: DownloadSeen;
  readonly sent: SourceReport;
}

async function run(lab: Lab): Promise<Outcome> {
  const hosts = [
    { name: 'client', linksMbits: [mbits, mbits] },
    { name: 'server', linksMbits: [mbits] },
  ];
  const star = await lab.build({ rttMs, hosts });
  const source = lab.worker('server', 'source', { service: 'stream' }, star.host('server'));
  const sent = new Promise<SourceReport>((resolve, reject) => {
    source.onReport = (report: SourceReport) => report.kind === 'sent' && resolve(report);
    void source.child.ended.then(() => reject(source.child.failure('ended in the middle')));
  });
  sent.catch(() => {});
  await source.child.ready();
  const client = lab.worker('client', 'mover', { service: 'stream', settleMs }, star.host('client'));
  await client.child.ready();
  const begun = await client.ask<{ rttMs: number }>('begin');
  const moves = await moveOften(lab, star, client, lab.quick ? 20 : 100);
  const losses = star.where === 'netns' ? await takeAway(lab, star, client, lab.quick ? 3 : 20) : [];
  const download = await client.ask<DownloadSeen>('finish');
  return judge(star, { rttMs: begun.rttMs, moves, losses, download, sent: await sent });
}

/** Both addresses work all the time. */
async function moveOften(lab: Lab, star: Star, client: Worker, times: number): Promise<MoveSeen[]> {
  lab.say(`${times} moves between two addresses, asked for by the program`);
  const { links } = star.host('client');
  const moves: MoveSeen[] = [];
  for (let i = 0; i < times; i++) {
    const { address } = links[(i + 1) % links.length]!;
    moves.push(await client.ask<MoveSeen>('move', { address }));
  }
  return moves;
}

/** The preferred address goes, and the download has to find the other one by itself; then it comes back. */
async function takeAway(lab: Lab, star: Star, client: Worker, times: number): Promise<PauseSeen[]> {
  lab.say(`${times} times the address in use is taken away`);
  const [preferred] = star.host('client').links;
  await client.ask('move', { address: '0.0.0.0' });
  const losses: PauseSeen[] = [];
  for (let i = 0; i < times; i++) {
    const watching = client.ask<PauseSeen>('watch', { ms: watchMs });
    await sleep(watchMs / 4);
    preferred.setAddress(false);
    losses.push(await watching);
    preferred.setAddress(true);
    await sleep(watchMs);
  }
  return losses;
}

function judge(star: Star, measured: Measured): Outcome {
  const { moves, losses, download, sent } = measured;
  const pauses = moves.map(({ pauseMs }) => pauseMs);
  const pauseMs = summarize(pauses);
  const sha256Ok = sent.bytes === download.bytes && sent.sha256 === download.sha256;
  const claims: Claim[] = [
    {
      text: `the median pause is at most ${mostMedianMs} ms at an RTT of ${rttMs} ms`,
      holds: pauseMs.median <= mostMedianMs,
    },
    { text: 'every byte arrived, once and in order', holds: sha256Ok },
  ];
  const lossPauses = losses.map((loss) => loss.pauseMs);
  const figures = {
    pauseMs,
    sha256Ok,
    moves: moves.length,
    longestMs: summarize(moves.map(({ longestMs }) => longestMs)),
    ...(losses.length === 0 ? {} : { addressLostPauseMs: summarize(lossPauses) }),
    rttMs: rounded(measured.rttMs),
    bytes: download.bytes,
    where: star.where,
  };
  return { figures, claims, chart: draw(measured, figures), series: { ...measured } };
}

function draw(
  { moves, losses, download }: Measured,
  figures: { pauseMs: { median: number; max: number }; rttMs: number },
): Outcome['chart'] {
  const { pauseMs, rttMs: measuredMs } = figures;
  const [firstMs = 0] = download.samples[0] ?? [];
  const [lastMs = 0] = download.samples.at(-1) ?? [];
  const lost = losses.map(({ pauseMs: lostMs }) => lostMs);
  const seconds = (atMs: number): number => (atMs - firstMs) / 1e3;
  const throughput = rates(download.samples, binMs * 5, firstMs, lastMs);
  return {
    title: `A download while its client moves ${moves.length} times`,
    subtitle: `pause: median ${pauseMs.median} ms, longest ${pauseMs.max} ms; RTT ${measuredMs} ms${lost.length === 0 ? '' : `; address taken away: median ${rounded(quantile(lost, 0.5))} ms`}`,
    panels: [
      {
        title: 'How long nothing was delivered at a move',
        x: { label: 'pause', unit: 'ms' },
        y: { label: 'share of moves', unit: '', max: 1 },
        series: [
          {
            name: 'asked for, both addresses up',
            kind: 'step',
            points: [[0, 0], ...distribution(moves.map(({ pauseMs: one }) => one))],
          },
          ...(lost.length === 0
            ? []
            : [
                {
                  name: 'the address in use is taken away',
                  kind: 'step',
                  points: [[0, 0], ...distribution(lost)],
                } as const,
              ]),
        ],
        marks: [{ at: measuredMs, label: 'RTT' }],
      },
      {
        title: 'What the client received',
        x: { label: 'time', unit: 's' },
        y: { label: 'throughput', unit: 'Mbit/s' },
        series: [
          {
            name: `bins of ${binMs * 5} ms`,
            kind: 'line',
            points: throughput.map(([atMs, rate]) => [seconds(atMs), rate] as const),
          },
        ],
        marks: [
          ...(moves[0] === undefined ? [] : [{ at: seconds(moves[0].fromMs), label: 'moves begin' }]),
          ...(losses[0] === undefined
            ? []
            : [{ at: seconds(losses[0].fromMs), label: 'address taken away, given back' }]),
        ],
      },
    ],
  };
}
