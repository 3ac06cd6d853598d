// A replicated web service under steady load (E1; SCAFFOLD, Figure 8): a second and a third instance join, one sheds all of
// its clients, one is drained. Visitors ask for one answer after the other, of which each takes seconds; those that are
// under way when an instance parts with its clients go on at another one, in the middle. What the instances sent, and when
// answers had gone on, is measured; no visitor may notice anything.

import { monotonicMs, sleep } from './clock.ts';
import type { Claim, Experiment, Outcome } from './experiment.ts';
import type { Lab } from './lab.ts';
import type { Chart, Series } from './plot.ts';
import { distribution, quantile, rates, rounded, type Sample } from './statistics.ts';
import type { Star } from './topology.ts';
import type { Worker } from './worker.ts';
import type { InstanceSeen, PartingSeen, VisitSeen, VisitsSeen } from './workers/protocol.ts';

const mbits = 100;
const rttMs = 20;
const service = 'web';
const labels = ['instance 1', 'instance 2', 'instance 3'] as const;
/** Of one answer. */
const bytesPerSecond = 16_000;
const binMs = 250;
const deadlineMs = 30_000;
/** SCAFFOLD's figure, and ours. */
const share = 0.8;
const paperMs = 1_000;
const oursMs = 300;

/** Seconds from the start; answers take `answerSeconds`, from the first to the second. */
interface Plan {
  readonly flows: number;
  readonly answerSeconds: readonly [number, number];
  readonly joinAt: readonly [number, number];
  readonly shedAt: number;
  readonly drainAt: number;
  readonly endAt: number;
}

const full: Plan = { flows: 200, answerSeconds: [2, 6], joinAt: [5, 10], shedAt: 20, drainAt: 30, endAt: 40 };
const quick: Plan = { flows: 60, answerSeconds: [0.7, 2], joinAt: [1.5, 3], shedAt: 6, drainAt: 8, endAt: 10 };

export const shed: Experiment = {
  name: 'shed',
  summary: 'a web service scales out, one instance sheds its clients, one is drained',
  run,
};

interface Measured {
  readonly plan: Plan;
  readonly startMs: number;
  readonly instances: readonly InstanceSeen[];
  readonly visits: readonly VisitSeen[];
  readonly failures: readonly string[];
  readonly shed: PartingSeen;
  readonly drain: PartingSeen;
}

async function run(lab: Lab): Promise<Outcome> {
  const plan = lab.quick ? quick : full;
  const clients = ['client1', 'client2'];
  const hosts = [...clients, 'server1', 'server2', 'server3'].map((name) => ({ name, linksMbits: [mbits] }));
  const star = await lab.build({ rttMs, hosts });
  const instances = labels.map((label, i) =>
    lab.worker(label, 'web', { service, label, bytesPerSecond }, star.host(`server${i + 1}`)),
  );
  const [leastBytes, mostBytes] = plan.answerSeconds.map((seconds) => seconds * bytesPerSecond);
  const spreadMs = plan.answerSeconds[0] * 1000;
  const visitors = clients.map((name) =>
    lab.worker(
      name,
      'visitors',
      { service, count: plan.flows / clients.length, leastBytes, mostBytes, spreadMs },
      star.host(name),
    ),
  );
  await Promise.all([...instances, ...visitors].map(({ child }) => child.ready()));
  return judge(star, await play(lab, plan, instances, visitors));
}

async function play(lab: Lab, plan: Plan, instances: Worker[], visitors: Worker[]): Promise<Measured> {
  const [first, second, third] = instances as [Worker, Worker, Worker];
  await first.ask('open');
  const startMs = monotonicMs();
  const until = (seconds: number): Promise<void> => sleep(startMs + seconds * 1000 - monotonicMs());
  for (const visitor of visitors) await visitor.ask('begin');
  lab.say(`${plan.flows} answers under way, by one instance`);
  await until(plan.joinAt[0]);
  await second.ask('open');
  await until(plan.joinAt[1]);
  await third.ask('open');
  lab.say('by three instances');
  await until(plan.shedAt);
  const shedding = third.ask<PartingSeen>('shed');
  lab.say('instance 3 sheds its clients');
  await until(plan.drainAt);
  const draining = second.ask<PartingSeen>('drain', { deadlineMs });
  lab.say('instance 2 is drained');
  await until(plan.endAt);
  const seen = await Promise.all(visitors.map((visitor) => visitor.ask<VisitsSeen>('finish')));
  return {
    plan,
    startMs,
    instances: await Promise.all(instances.map((instance) => instance.ask<InstanceSeen>('finish'))),
    visits: seen.flatMap(({ visits }) => visits),
    failures: seen.flatMap(({ failures }) => failures),
    shed: await shedding,
    drain: await draining,
  };
}

/** The answers that `label` was giving at `atMs`. */
function underWay(visits: readonly VisitSeen[], label: string, atMs: number): VisitSeen[] {
  return visits.filter((visit) => visit.label === label && visit.fromMs < atMs && visit.toMs > atMs);
}

function movedAfter({ movedMs }: VisitSeen, fromMs: number): number | undefined {
  return movedMs.find((atMs) => atMs >= fromMs);
}

function judge(star: Star, measured: Measured): Outcome {
  const { plan, visits, failures, shed: shedding, drain } = measured;
  const concerned = underWay(visits, labels[2], shedding.fromMs);
  const moved = concerned.filter((visit) => movedAfter(visit, shedding.fromMs) !== undefined).length;
  const gone = concerned.map((visit) => (movedAfter(visit, shedding.fromMs) ?? visit.toMs) - shedding.fromMs);
  const shedMs = rounded(quantile(gone, share));
  const movedIn1s = rounded(gone.filter((ms) => ms <= paperMs).length / gone.length, 3);
  const drainMs = rounded(drain.tookMs);
  const lingering = underWay(visits, labels[1], drain.fromMs).map(({ toMs }) => toMs - drain.fromMs);
  const withoutMovingMs = rounded(quantile(lingering, 1));
  const claims: Claim[] = [
    { text: `${share * 100}% of the answers under way had gone on within ${paperMs} ms`, holds: movedIn1s >= share },
    { text: `and within ${oursMs} ms`, holds: shedMs < oursMs },
    { text: 'no request failed, no byte was wrong', holds: failures.length === 0 },
    { text: 'the drained instance reset nobody', holds: drain.reset === 0 },
    { text: 'it was empty before its last answer would have ended', holds: drainMs < withoutMovingMs },
  ];
  const figures = {
    flows: plan.flows,
    movedIn1s,
    shedMs,
    drainMs,
    withoutMovingMs,
    failedRequests: failures.length,
    requests: visits.length,
    shedding: gone.length,
    moved,
    draining: drain.active,
    rttMs: star.rttMs,
    where: star.where,
  };
  return { figures, claims, chart: draw(measured, gone, figures), series: { ...measured } };
}

function draw(
  { plan, startMs, instances, shed: shedding, drain }: Measured,
  gone: readonly number[],
  { shedMs, drainMs }: { shedMs: number; drainMs: number },
): Chart {
  const seconds = (atMs: number): number => (atMs - startMs) / 1e3;
  const endMs = startMs + plan.endAt * 1e3;
  const series = (of: (seen: InstanceSeen) => readonly Sample[], kind: Series['kind']): Series[] =>
    instances.map((seen, i) => ({
      name: labels[i]!,
      kind,
      points: of(seen).map(([atMs, value]) => [seconds(atMs), value] as const),
    }));
  const marks = [
    { at: plan.joinAt[0], label: 'instance 2 joins' },
    { at: plan.joinAt[1], label: 'instance 3 joins' },
    { at: seconds(shedding.fromMs), label: 'instance 3 sheds' },
    { at: seconds(drain.fromMs), label: 'instance 2 is drained' },
  ];
  const x = { label: 'time', unit: 's' };
  return {
    title: `${plan.flows} answers under way at up to three instances of a web service`,
    subtitle: `shed: 80% had gone on after ${shedMs} ms; drained after ${drainMs} ms`,
    panels: [
      {
        title: `What each instance sent, in bins of ${binMs} ms`,
        x,
        y: { label: 'throughput', unit: 'Mbit/s' },
        series: series(({ samples }) => rates(samples, binMs, startMs, endMs), 'line'),
        marks,
      },
      {
        title: 'Answers under way at each instance',
        x,
        y: { label: 'answers', unit: '' },
        series: series(({ active }) => active.filter(([atMs]) => atMs <= endMs), 'step'),
        marks,
      },
      {
        title: 'Answers of instance 3 that had gone on at another one',
        x: { label: 'after the command', unit: 'ms' },
        y: { label: 'share', unit: '', max: 1 },
        series: [{ name: 'gone on', kind: 'step', points: [[0, 0], ...distribution(gone)] }],
        marks: [{ at: rttMs, label: 'RTT' }],
      },
    ],
  };
}
