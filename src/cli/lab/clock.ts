// Time for experiments: one clock for all processes of this machine, so that what one saw can be laid beside what another
// did. `performance.now` begins anew in each process, and the wall clock jumps.

/** Milliseconds of CLOCK_MONOTONIC. */
export function monotonicMs(): number {
  const [seconds, nanoseconds] = process.hrtime();
  return seconds * 1e3 + nanoseconds / 1e6;
}

export function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, Math.max(0, ms)));
}
