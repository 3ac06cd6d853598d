// Five hundred networks, each bad in its own way: loss up to 25%, duplication, reordering, narrow links, small MTUs;
// both modes, both congestion controllers, records of any size, refused records, sequence numbers about to wrap. The content must arrive whole,
// both directions must end, and all memory must come back. The seed in a failure's text replays it.

import { strict as assert } from 'node:assert';
import { test } from 'node:test';
import { type Random, randomBelow, randomFraction, seededRandom } from '../base/index.ts';
import { destroyTcb, type TcbOptions } from './index.ts';
import { describe, type Impairments, makeWorld, open, transfer, type World } from './two-ends.test.ts';

const cases = 500;

function oneIn(random: Random, n: number): boolean {
  return randomBelow(random, n) === 0;
}

function randomLink(random: Random, mode: 'lower' | 'self'): Partial<Impairments> {
  return {
    delayUs: oneIn(random, 3) ? 100 : randomBelow(random, 50_000),
    loss: randomFraction(random) * (oneIn(random, 4) ? 0.25 : 0.06),
    duplication: randomFraction(random) * 0.05,
    reordering: randomFraction(random) * 0.2,
    lateUs: 1 + randomBelow(random, 20_000),
    gatherUs: oneIn(random, 2) ? 500 : 0,
    bytesPerUs: oneIn(random, 3) ? 1 + randomFraction(random) * 50 : 0,
    queueBytes: 20_000 + randomBelow(random, 200_000),
    mtu: mode === 'lower' && oneIn(random, 3) ? 1300 + randomBelow(random, 300) : 65_535,
  };
}

function randomOptions(random: Random, mode: 'lower' | 'self'): Partial<TcbOptions> {
  return {
    opening: mode,
    iss: oneIn(random, 2) ? 2 ** 32 - 1 - randomBelow(random, 100_000) : random.uint32(),
    nagle: oneIn(random, 3),
    packetBytes: mode === 'self' ? 1500 : 1200,
    maxPacketBytes: mode === 'self' ? 1500 : [1200, 1500, 9000][randomBelow(random, 3)]!,
    receiveBufferBytes: oneIn(random, 3) ? 70_000 : 16 * 1024 * 1024,
  };
}

/** Records of one size per direction, three of which are refused once. */
function demandRecords(random: Random, world: World, sizes: readonly [number, number]): void {
  for (const [index, end] of world.ends.entries()) {
    end.recordBytes = 1 + randomBelow(random, 30_000);
    const incoming = sizes[1 - index]!;
    if (oneIn(random, 2)) continue;
    for (let i = 0; i < 3; i++)
      end.refuse.add(end.recordBytes * randomBelow(random, 1 + Math.floor(incoming / end.recordBytes)));
  }
}

function runCase(seed: number): void {
  const random = seededRandom(seed);
  const mode = oneIn(random, 3) ? 'self' : 'lower';
  const congestion = seed % 3 === 0 ? 'bbr' : 'cubic';
  const world = makeWorld(seed, randomLink(random, mode), { ...randomOptions(random, mode), congestion });
  const sizes = [randomBelow(random, 300_000), oneIn(random, 2) ? randomBelow(random, 150_000) : 0] as const;
  if (mode === 'lower' && !oneIn(random, 4)) demandRecords(random, world, sizes);
  open(world);
  transfer(world, sizes[0], sizes[1], 3_000_000_000);
  const [{ pool }] = world.ends;
  for (const { tcb } of world.ends) destroyTcb(tcb);
  assert.equal(pool.lent, 0, `blocks lost: ${describe(world)}`);
}

test(`${cases} seeded networks: content intact, both directions end, memory returns`, () => {
  for (let seed = 0; seed < cases; seed++) {
    try {
      runCase(seed);
    } catch (error) {
      assert.fail(`seed ${seed}: ${error instanceof Error ? error.stack : error}`);
    }
  }
});
