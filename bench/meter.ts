// Rates. Of what completes one after another, as `connect` and `http` measure it: some of it warms up, by number or, in
// a short run, for as long as will be measured; what completes from then on counts. Of pure computing, and what a process
// used meanwhile: processor time, so that who else has work is not in it.

import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import type { Sample } from './bench.ts';

/** To be called at each completion; answers the sample once `seconds` have been measured, per second. */
export function createMeter(seconds: number, warmUp: number): () => Sample | undefined {
  const measuredNs = BigInt(Math.round(seconds * 1e9));
  const warmUntil = process.hrtime.bigint() + measuredNs;
  let completed = 0;
  let warmBy = 0;
  let from = 0n;
  let until = 0n;
  return () => {
    const now = process.hrtime.bigint();
    completed++;
    if (until === 0n && (completed === warmUp || now > warmUntil)) {
      warmBy = completed;
      from = now;
      until = now + measuredNs;
    }
    if (until === 0n || now < until) return undefined;
    return { value: ((completed - warmBy) * 1e9) / Number(now - from) };
  };
}

/** What a process used while it was measured. */
export interface Usage {
  readonly elapsedNs: number;
  /** Of all threads, user and system. */
  readonly cpuNs: number;
}

/** From now until the call of what it answers. */
export function startUsage(): () => Usage {
  const at = process.hrtime.bigint();
  const cpu = process.cpuUsage();
  return () => {
    const { user, system } = process.cpuUsage(cpu);
    return { elapsedNs: Number(process.hrtime.bigint() - at), cpuNs: (user + system) * 1000 };
  };
}

/** Processor time of this process and another one, from now until the call of what it answers, ns. */
export function startBoth(pid: number): () => number {
  const own = startUsage();
  const otherNs = cpuNsOf(pid);
  return () => own().cpuNs + cpuNsOf(pid) - otherNs;
}

/** What another process has used so far, as its system counts it: by hundredths of a second. */
export function cpuNsOf(pid: number): number {
  if (process.platform !== 'linux') return cpuNsByPs(pid);
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
  const [user, system] = [fields[11], fields[12]];
  return (Number(user) + Number(system)) * 1e7;
}

/** `[DD-][HH:]MM:SS[.CC]` */
function cpuNsByPs(pid: number): number {
  const text = execFileSync('ps', ['-o', 'time=', '-p', String(pid)], { encoding: 'utf8' });
  const [seconds = 0, minutes = 0, hours = 0, days = 0] = text.trim().split(/[-:]/).map(Number).reverse();
  return (((days * 24 + hours) * 60 + minutes) * 60 + seconds) * 1e9;
}

const warmUpBatches = 3;

/** What `batch` answers that it did, per second of processor time. Of this process alone: what others use is not in it. */
export function perCpuSecond(seconds: number, batch: () => number): number {
  for (let i = 0; i < warmUpBatches; i++) batch();
  const measured = startUsage();
  let done = 0;
  while (measured().elapsedNs < seconds * 1e9) done += batch();
  return (done * 1e9) / measured().cpuNs;
}
