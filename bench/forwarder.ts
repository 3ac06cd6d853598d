// The minimal C forwarder (c/forwarder.c) that `router` is compared with: compiled with cc when a benchmark begins, and told
// its one rule by a datagram. Node runs it, no more.

import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Locator, ServiceId } from '../src/core/base/index.ts';
import { root } from '../tests/e2e/harness.ts';

/** By transport: packets per system call. */
export const forwarders: Readonly<Record<string, number>> = { 'c-forwarder': 1, 'c-forwarder-batches': 32 };

/** Why there can be none here; undefined: there can. */
export function missingForwarder(): string | undefined {
  if (process.platform !== 'linux') return `it is written for Linux, this is ${process.platform}`;
  const { status, error } = spawnSync('cc', ['--version'], { stdio: 'ignore' });
  return status === 0 ? undefined : `it needs a C compiler (${error?.message ?? 'cc fails'}): install gcc or clang`;
}

/** Ends with this process. Answers host:port and the process's id. */
export async function startForwarder(packetsPerCall: number): Promise<{ address: string; pid: number }> {
  const folder = mkdtempSync(join(tmpdir(), 'caracal-forwarder-'));
  const program = join(folder, 'forwarder');
  try {
    execFileSync('cc', ['-O2', '-o', program, join(root, 'bench/c/forwarder.c')]);
    const host = process.env['BENCH_ADDRESS'] ?? '127.0.0.1';
    const child = spawn(program, [host, String(packetsPerCall)], { stdio: ['ignore', 'pipe', 'inherit'] });
    process.once('exit', () => child.kill());
    const [line] = (await once(child.stdout, 'data')) as [Buffer];
    return { address: /^ready (\S+)/.exec(String(line))?.[1] ?? '', pid: child.pid ?? -1 };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** It answers what it has understood. */
export async function teachForwarder({ address, port }: Locator, name: ServiceId, next: Locator): Promise<void> {
  const socket = createSocket('udp4');
  const nextPort = Uint8Array.of(next.port >> 8, next.port);
  socket.send(Buffer.concat([Buffer.from('RULE'), name, next.address, nextPort]), port, address.join('.'));
  await once(socket, 'message', { signal: AbortSignal.timeout(5000) });
  socket.close();
}
