// A download that moves: takes the bytes of workers/source.ts, hashes them, and watches how its own moves show in what is
// delivered to it. By which of its links bytes have come it reads from the driver's counters, at each 'data' event.

import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { connect, createDriver } from '../../../index.ts';
import { monotonicMs, sleep } from '../clock.ts';
import { serveCommands, workerOptions } from './commands.ts';
import { beginByte, type DownloadSeen, type MoveSeen, type PauseSeen } from './protocol.ts';

/** One 'data' event, and what the two links had received in all by then. */
interface Delivery {
  readonly atMs: number;
  readonly oldBytes: number;
  readonly newBytes: number;
}

const { service, settleMs } = workerOptions<{ service: string; settleMs: number }>();
const pings = 5;
const binMs = 20;
const mostMoveMs = 5_000;

const driver = createDriver();
const socket = connect({ service, driver, allowHalfOpen: true });
const hash = createHash('sha256');
let bytes = 0;
/** Bytes by time. */
const samples: [number, number][] = [];
let watching: ((atMs: number) => void) | undefined;
/** As `migrate` takes it: where the routes lead. */
const anywhere = '0.0.0.0';
/** Where the flow is. */
let current = anywhere;

serveCommands({
  begin: start,
  move: ({ address }: { address: string }) => move(address),
  watch: ({ ms }: { ms: number }) => watch(ms),
  finish,
});

/** Answers the round trip of an idle connection in milliseconds. */
async function start(): Promise<{ rttMs: number }> {
  if (socket.connecting) await once(socket, 'connect');
  let rttMs = Number.POSITIVE_INFINITY;
  for (let i = 0; i < pings; i++) {
    const fromMs = monotonicMs();
    socket.write('.');
    await once(socket, 'data');
    rttMs = Math.min(rttMs, monotonicMs() - fromMs);
  }
  socket.on('data', (chunk: Buffer) => {
    const atMs = monotonicMs();
    hash.update(chunk);
    bytes += chunk.length;
    count(atMs, chunk.length);
    watching?.(atMs);
  });
  socket.write(Uint8Array.of(beginByte));
  return { rttMs };
}

async function move(address: string): Promise<MoveSeen> {
  const deliveries: Delivery[] = [];
  const old = current;
  watching = (atMs) => void deliveries.push({ atMs, oldBytes: receivedBy(old), newBytes: receivedBy(address) });
  await once(socket, 'data');
  const fromMs = monotonicMs();
  await socket.migrate({ address });
  current = address;
  const resolvedMs = monotonicMs() - fromMs;
  const arrival = await firstByNew(deliveries, fromMs, address);
  await sleep(settleMs);
  watching = undefined;
  const gaps = deliveries.map(({ atMs }, i) => (i > 0 && atMs > fromMs ? atMs - deliveries[i - 1]!.atMs : 0));
  return { fromMs, pauseMs: gaps[arrival] ?? 0, longestMs: gaps.reduce((a, b) => Math.max(a, b)), resolvedMs };
}

/** Waits for it; answers which of `deliveries` it is. */
async function firstByNew(deliveries: readonly Delivery[], fromMs: number, address: string): Promise<number> {
  for (;;) {
    const found = deliveries.findIndex((one, i) => i > 0 && one.atMs > fromMs && isByNew(deliveries[i - 1]!, one));
    if (found > 0) return found;
    if (monotonicMs() > fromMs + mostMoveMs) throw new Error(`nothing comes by ${address}`);
    await sleep(5);
  }
}

/** What a delivery brought came by the new link, for the most part. */
function isByNew(before: Delivery, now: Delivery): boolean {
  const byNew = now.newBytes - before.newBytes;
  return byNew > 0 && byNew >= now.oldBytes - before.oldBytes;
}

/** Bytes that have come by the link at an address. */
function receivedBy(address: string): number {
  const { linkCounters, links } = driver.report();
  if (address === anywhere) return linkCounters.bytesReceived;
  return links.find((link) => link.address === address)?.counters.bytesReceived ?? 0;
}

/** Of the next `ms`. */
async function watch(ms: number): Promise<PauseSeen> {
  let lastMs = monotonicMs();
  let longest = { fromMs: lastMs, pauseMs: 0 };
  watching = (atMs) => {
    if (atMs - lastMs > longest.pauseMs) longest = { fromMs: lastMs, pauseMs: atMs - lastMs };
    lastMs = atMs;
  };
  await sleep(ms);
  watching = undefined;
  current = anywhere;
  return longest;
}

async function finish(): Promise<DownloadSeen> {
  socket.end();
  await once(socket, 'end');
  return { bytes, sha256: hash.digest('hex'), samples };
}

function count(atMs: number, chunkBytes: number): void {
  const bin = Math.floor(atMs / binMs) * binMs;
  const last = samples.at(-1);
  if (last?.[0] === bin) last[1] += chunkBytes;
  else samples.push([bin, chunkBytes]);
}
