// One bit of one packet changed on the path, past the checksum: every bit of the packets that open and close a
// connection, and seeded choices of all others. Nothing that is delivered is ever wrong, and the connection recovers.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { randomBelow, seededRandom } from '../../src/core/base/index.ts';
import { type Arena, assertHarmless, createArena, isWhole, type Seen, tryOnce } from './arena.ts';
import { flipBit } from './attackers.ts';
import { readPacket } from './packets.ts';
import { reasonOf } from './world.ts';

const kinds = ['SYN', 'SYN|ACK', 'ACK', 'FIN', 'FIN|ACK'];
/** Every bit in a long run, otherwise a share of them that another seed would choose anew. */
const share = process.env['CARACAL_LONG'] === undefined ? 16 : 1;

/** A router that is asked for another name answers for that one: the SYN of a dial is not authenticated towards it. */
const refusals = ['no-such-service', 'no-instance'];

function tryFlip(arena: Arena, target: Seen, bit: number): void {
  const trial = tryOnce(arena, ({ index, packet }) => (index === target.index ? [flipBit(packet, bit)] : [packet]));
  const label = `bit ${bit} of packet ${target.index}, ${target.kind} ${target.path}`;
  assertHarmless(arena, trial, label);
  const refused = target.path === 'client>router' && refusals.includes(reasonOf(trial.client));
  assert.ok(isWhole(trial) || refused, `${label}: ${reasonOf(trial.client)} ${trial.client.detail}`);
}

for (const mutual of [false, true]) {
  const pattern = mutual ? 'XX' : 'NX';
  test(`flips: any bit of the packets that open and close, under ${pattern}, costs a repetition at most`, () => {
    const arena = createArena(1_000, mutual);
    const { seen } = tryOnce(arena);
    const random = seededRandom(5);
    for (const target of seen.filter(({ kind }) => kinds.includes(kind))) {
      const { packet } = readPacket(target.packet.bytes);
      for (
        let bit = randomBelow(random, share);
        bit < packet.totalBytes * 8;
        bit += 1 + randomBelow(random, 2 * share - 1)
      )
        tryFlip(arena, target, bit);
    }
  });
}

test('flips: any bit of any packet of a transfer each way costs a repetition at most', () => {
  const arena = createArena(40_000);
  const { seen } = tryOnce(arena);
  const random = seededRandom(6);
  for (let i = 0; i < 2_000 / share; i++) {
    const target = seen[randomBelow(random, seen.length)]!;
    tryFlip(arena, target, randomBelow(random, target.packet.bytes.length * 8));
  }
});
