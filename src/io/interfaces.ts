// Watches the machine's addresses by asking now and then. Node tells of no change, and asking costs 0.1 ms; a route
// socket by FFI would tell at once but only on Linux with the offload link.

import { networkInterfaces } from 'node:os';

const intervalMs = 3_000;

/** IPv4 addresses of interfaces that are up; loopback last. */
export function ipv4Interfaces(): { address: string; internal: boolean }[] {
  return Object.values(networkInterfaces())
    .flatMap((list) => list ?? [])
    .filter((entry) => entry.family === 'IPv4')
    .map(({ address, internal }) => ({ address, internal }))
    .sort((a, b) => Number(a.internal) - Number(b.internal));
}

/** Calls back after each change, not at once; keeps no process alive. Answers how to stop. */
export function watchInterfaces(changed: () => void, everyMs: number = intervalMs): () => void {
  let known = fingerprint();
  const timer = setInterval(() => {
    const now = fingerprint();
    if (now === known) return;
    known = now;
    changed();
  }, everyMs);
  timer.unref();
  return () => clearInterval(timer);
}

function fingerprint(): string {
  return Object.entries(networkInterfaces())
    .flatMap(([name, list]) => (list ?? []).map((entry) => `${name} ${entry.cidr}`))
    .join('\n');
}
