// A download over one or several paths: takes the bytes of workers/source.ts, hashes them, and counts what its program was
// given and what each of its driver's links has received. One stream at a time, each on a connection of its own.

import { createHash, type Hash } from 'node:crypto';
import { once } from 'node:events';
import { type ConnectOptions, connect, createDriver, type Path, type Socket } from '../../../index.ts';
import { monotonicMs, sleep } from '../clock.ts';
import { serveCommands, workerOptions } from './commands.ts';
import { beginByte, type PathSample, type PathsSeen, type PauseSeen } from './protocol.ts';

interface Begin {
  readonly paths?: ConnectOptions['paths'];
  /** A local address that the connection is moved to before it begins. */
  readonly from?: string;
  /** Local addresses at which there are to be links: where interfaces cannot tell (loopback). */
  readonly links?: readonly string[];
  /** So many paths must be up before it begins. */
  readonly pathCount: number;
}

const { service, addresses } = workerOptions<{ service: string; addresses: readonly string[] }>();
const binMs = 20;
const pings = 5;
const joinMs = 10_000;

const driver = createDriver();
let socket: Socket | undefined;
let hash: Hash = createHash('sha256');
let bytes = 0;
let samples: PathSample[] = [];
let watching: ((atMs: number) => void) | undefined;

serveCommands({
  begin,
  rate: ({ ms }: { ms: number }) => rate(ms),
  watch: ({ ms }: { ms: number }) => watch(ms),
  paths: pathsOf,
  finish,
});

/** Answers the round trip of the idle connection. */
async function begin({ paths, from, links = [], pathCount }: Begin): Promise<{ rttMs: number }> {
  for (const address of links) await driver.openLink(address);
  const opened = connect({ service, driver, paths, allowHalfOpen: true });
  socket = opened;
  [hash, bytes, samples] = [createHash('sha256'), 0, []];
  await once(opened, 'connect');
  if (from !== undefined) await opened.migrate({ address: from });
  const untilMs = monotonicMs() + joinMs;
  while (pathsOf().filter(({ state }) => state === 'up').length < pathCount) {
    if (monotonicMs() > untilMs) throw new Error(`there are no ${pathCount} paths: ${JSON.stringify(pathsOf())}`);
    await sleep(10);
  }
  const rttMs = await ping(opened);
  opened.on('data', (chunk: Buffer) => {
    const atMs = monotonicMs();
    hash.update(chunk);
    bytes += chunk.length;
    count(atMs);
    watching?.(atMs);
  });
  opened.write(Uint8Array.of(beginByte));
  return { rttMs };
}

async function ping(opened: Socket): Promise<number> {
  let rttMs = Number.POSITIVE_INFINITY;
  for (let i = 0; i < pings; i++) {
    const fromMs = monotonicMs();
    opened.write('.');
    await once(opened, 'data');
    rttMs = Math.min(rttMs, monotonicMs() - fromMs);
  }
  return rttMs;
}

function pathsOf(): Path[] {
  return socket?.paths() ?? [];
}

/** Mbit/s of the next `ms`. */
async function rate(ms: number): Promise<{ mbits: number }> {
  const [fromMs, before] = [monotonicMs(), bytes];
  await sleep(ms);
  return { mbits: ((bytes - before) * 8) / 1e3 / (monotonicMs() - fromMs) };
}

/** The longest time between two deliveries in the next `ms`. */
async function watch(ms: number): Promise<PauseSeen> {
  let lastMs = monotonicMs();
  let longest = { fromMs: lastMs, pauseMs: 0 };
  const note = (atMs: number): void => {
    if (atMs - lastMs > longest.pauseMs) longest = { fromMs: lastMs, pauseMs: atMs - lastMs };
    lastMs = atMs;
  };
  watching = note;
  await sleep(ms);
  watching = undefined;
  note(monotonicMs());
  return longest;
}

async function finish(): Promise<PathsSeen> {
  if (socket === undefined) throw new Error('nothing has begun');
  socket.end();
  await once(socket, 'end');
  return { bytes, sha256: hash.digest('hex'), samples };
}

/** Cumulative, the newest of each bin. */
function count(atMs: number): void {
  const bin = Math.floor(atMs / binMs) * binMs;
  const last = samples.at(-1);
  if (last?.[0] === bin) samples.pop();
  samples.push([bin, bytes, receivedBytes()]);
}

/** By interface: the first is also reached by link 0, where the routes lead. */
function receivedBytes(): number[] {
  const { linkCounters, links } = driver.report();
  return addresses.map((address, i) => {
    const own = links.find((link) => link.address === address)?.counters.bytesReceived ?? 0;
    return own + (i === 0 ? linkCounters.bytesReceived : 0);
  });
}
