// A long, slow and lossy way between two namespaces, where the kernel has no netem: two TUN devices, and this process
// carries packets from each to the other by the links of the simulator, which have rate, queue, delay and seeded loss. So
// kernel TCP and ours meet one and the same link, packet by packet. Arguments: the devices' names. Each line on stdin is a
// JSON object (`PathOptions` and a seed) and begins anew with it: what was under way is gone, and the draws are the seed's.
// It waits in ppoll instead of in the event loop, whose timers are of a millisecond: a link that gives back a millisecond's
// packets at once is another link.

import { readSync } from 'node:fs';
import { createRequire } from 'node:module';
import { seededRandom } from '../src/core/base/index.ts';
import { openTun, type Tun } from '../src/io/index.ts';
import {
  type Clock,
  carry,
  createClock,
  createLink,
  type Link,
  makeLocator,
  nextTimerUs,
  step,
} from '../src/sim/index.ts';
import type { PathOptions } from './bench.ts';

interface Way {
  readonly from: Tun;
  readonly to: Tun;
  link: Link;
}

const POLLIN = 1;
const pollfdBytes = 8;
const nowhere = makeLocator('0.0.0.0', 0);
/** Before it looks at the clock again. */
const packetsPerTurn = 64;
const mostPacketBytes = 65_536;
/** Of the round trip at the link's rate, and at least this. */
const queueRoundTrips = 1;
const leastQueueBytes = 64 * 1024;

const [nameA = '', nameB = ''] = process.argv.slice(2);
const [a, b] = [nameA, nameB].map((name) => openTun(name, () => {})) as [Tun, Tun];
const ways: readonly [Way, Way] = [
  { from: a, to: b, link: createLink(seededRandom(1)) },
  { from: b, to: a, link: createLink(seededRandom(2)) },
];
let clock: Clock = createClock();
let commands = '';

const library = (createRequire(import.meta.url)('koffi') as typeof import('koffi')).load(null);
const ppoll = library.func('int ppoll(void *, ulong, void *, void *)');
const polled = Buffer.alloc(3 * pollfdBytes);
const patience = Buffer.alloc(16);
const packet = Buffer.alloc(mostPacketBytes);
for (const [at, fd] of [0, a.fd, b.fd].entries()) {
  polled.writeInt32LE(fd, at * pollfdBytes);
  polled.writeInt16LE(POLLIN, at * pollfdBytes + 4);
}

console.log('ready');
for (;;) {
  const now = nowUs();
  while (nextTimerUs(clock) <= now) step(clock);
  for (const way of ways) forward(way);
  wait(nextTimerUs(clock));
  if (polled.readInt16LE(6) !== 0) obey();
}

function nowUs(): number {
  return performance.now() * 1000;
}

/** Until something can be read, or `untilUs`. */
function wait(untilUs: number): void {
  const us = Math.max(0, Math.min(1e6, untilUs - nowUs()));
  patience.writeBigInt64LE(BigInt(Math.floor(us / 1e6)), 0);
  patience.writeBigInt64LE(BigInt(Math.floor((us % 1e6) * 1000)), 8);
  ppoll(polled, 3, patience, null);
}

function forward({ from, to, link }: Way): void {
  clock.nowUs = nowUs();
  for (let count = 0; count < packetsPerTurn; count++) {
    const bytes = from.read(packet);
    if (bytes === 0) return;
    const copy = Uint8Array.from(packet.subarray(0, bytes));
    carry(link, clock, { source: nowhere, destination: nowhere, bytes: copy }, () => to.write(copy));
  }
}

/** A closed stdin is the end. */
function obey(): void {
  const bytes = readSync(0, packet);
  if (bytes === 0) process.exit(0);
  commands += packet.toString('utf8', 0, bytes);
  const lines = commands.split('\n');
  commands = lines.pop() ?? '';
  for (const line of lines) {
    begin(JSON.parse(line) as PathOptions & { seed: number });
    console.log('begun');
  }
}

function begin({ lossPercent, rttMs, mbits, seed }: PathOptions & { seed: number }): void {
  clock = createClock(nowUs());
  const roundTripBytes = (rttMs * mbits * 1000) / 8;
  const options = {
    delayUs: rttMs * 500,
    bitsPerSecond: mbits * 1e6,
    queueBytes: Math.max(leastQueueBytes, queueRoundTrips * roundTripBytes),
    loss: lossPercent / 100,
  };
  for (const [at, way] of ways.entries()) way.link = createLink(seededRandom(2 * seed + at), options);
}
