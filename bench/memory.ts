// What memory this process and the kernel of this machine hold. V8 keeps for a while what a burst of work made it take, and gives it
// back when little has been allocated for some time: 8 s after a small burst, a minute or two after a large one. Whoever
// measures what stays cannot wait for that, so it is asked for here, the same way for all. The kernel's is what its
// object caches take (sockets, files, inodes, directory entries, what epoll keeps of each): of the whole machine, so
// only differences mean something, and others that work meanwhile are in it. Rejected: reading it by cgroup, which needs rights.

import { existsSync, readFileSync } from 'node:fs';
import { Session } from 'node:inspector';
import { PerformanceObserver } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';

export interface Memory {
  /** Of this process, as V8 left it but for its garbage. */
  readonly grownBytes: number;
  /** Of this process, with what V8 gives back after a while given back. */
  readonly residentBytes: number;
  /** Of the whole machine's kernel; NaN: it does not tell. */
  readonly kernelBytes: number;
}

const kernelFile = '/proc/meminfo';
/** Connections have been put to rest by then, and the kernel has freed what it frees late. */
const settleMs = 3000;
const rounds = 3;
/** V8 looks a few times more whether there is anything to give back, 8 s later, which takes half a second of a large heap. */
const lastLookMs = 10_000;
/** It goes on collecting: that is what this process does. */
const longestWaitMs = 60_000;

const inspector = new Session();

/** Needs --expose-gc. Nothing is left to be done then that is not done all the time. */
export async function settledMemory(): Promise<Memory> {
  const grownBytes = await residentAfter(() => globalThis.gc?.());
  inspector.connect();
  await residentAfter(collectAll);
  inspector.disconnect();
  await untilCollected();
  return { grownBytes, residentBytes: process.memoryUsage.rss(), kernelBytes: kernelBytes() };
}

/** Until V8 has collected nothing for as long as it waits between two looks. */
async function untilCollected(): Promise<void> {
  const startedMs = performance.now();
  let lastMs = startedMs;
  const observer = new PerformanceObserver(() => {
    lastMs = performance.now();
  });
  observer.observe({ entryTypes: ['gc'] });
  while (performance.now() - lastMs < lastLookMs && performance.now() - startedMs < longestWaitMs) await sleep(500);
  observer.disconnect();
}

async function residentAfter(collect: () => unknown): Promise<number> {
  for (let i = 0; i < rounds; i++) {
    await sleep(settleMs / rounds);
    await collect();
  }
  return process.memoryUsage.rss();
}

function kernelBytes(): number {
  if (!existsSync(kernelFile)) return Number.NaN;
  const [, kilobytes] = /^Slab: *(\d+) kB$/m.exec(readFileSync(kernelFile, 'utf8')) ?? [];
  return Number(kilobytes) * 1024;
}

/** As V8 collects when memory is short: all that can be freed is, and the young generation shrinks. */
function collectAll(): Promise<void> {
  return new Promise((resolve, reject) => {
    inspector.post('HeapProfiler.collectGarbage', (error) => (error ? reject(error) : resolve()));
  });
}
