// An attacker on the path who leaves the bytes alone: drops one packet, repeats it now or at any later time and from any
// address, swaps two, holds one back. Nothing is delivered twice or lost, and the connection always completes.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Random, randomBelow, seededRandom } from '../../src/core/base/index.ts';
import type { Packet } from '../../src/sim/index.ts';
import { type Arena, assertHarmless, createArena, isWhole, type Meddle, type Seen, tryOnce } from './arena.ts';
import { spoofLater } from './attackers.ts';
import { reasonOf, runFor } from './world.ts';

const share = process.env['CARACAL_LONG'] === undefined ? 8 : 1;

/** Tries `meddleWith` on each packet of connections under both patterns, and of a longer transfer on some. */
function tryEach(name: string, meddleWith: (arena: Arena, target: Seen, random: Random) => Meddle): void {
  for (const [bytes, mutual, most] of [
    [1_000, false, Infinity],
    [1_000, true, Infinity],
    [60_000, false, 400 / share],
  ] as const) {
    const arena = createArena(bytes, mutual);
    const { seen } = tryOnce(arena);
    const random = seededRandom(7);
    const targets =
      most === Infinity ? seen : Array.from({ length: most }, () => seen[randomBelow(random, seen.length)]!);
    for (const target of targets) {
      const label = `${name}: packet ${target.index}, ${target.kind} ${target.path}, of ${bytes} bytes`;
      const trial = tryOnce(arena, meddleWith(arena, target, random));
      assertHarmless(arena, trial, label);
      assert.ok(isWhole(trial), `${label}: ${reasonOf(trial.client)} ${trial.client.detail}`);
      // Late repetitions of one trial are no business of the next.
      runFor(arena.world, 40_000_000);
      for (const host of [arena.world.client, arena.world.server])
        assert.deepEqual(host.stack.inspect().flows, [], `${label}: a repetition left a flow`);
    }
  }
}

test('path: any one packet may be lost', () => {
  tryEach(
    'drop',
    (_arena, target) =>
      ({ index, packet }) =>
        index === target.index ? [] : [packet],
  );
});

test('path: any one packet may arrive twice', () => {
  tryEach(
    'duplicate',
    (_arena, target) =>
      ({ index, packet }) =>
        index === target.index ? [packet, packet] : [packet],
  );
});

test('path: any one packet may be repeated at any later time', () => {
  tryEach('replay', (arena, target, random) => ({ index, packet }) => {
    if (index === target.index) {
      for (const afterUs of [500, 1 + randomBelow(random, 20_000), randomBelow(random, 20_000_000)])
        spoofLater(arena.world.simulation, arena.attacker, packet, afterUs);
    }
    return [packet];
  });
});

test('path: any one packet may be repeated from the attackers own address', () => {
  tryEach('replay from elsewhere', (arena, target, random) => ({ index, packet }) => {
    if (index === target.index) {
      const copy = { ...packet, source: arena.attacker.locator };
      for (const afterUs of [0, 1 + randomBelow(random, 20_000), randomBelow(random, 20_000_000)])
        spoofLater(arena.world.simulation, arena.attacker, copy, afterUs);
    }
    return [packet];
  });
});

test('path: any two packets of one direction may change places', () => {
  tryEach('swap', (_arena, target) => {
    let held: Packet | undefined;
    return ({ index, path, packet }) => {
      if (index === target.index) held = packet;
      if (index === target.index) return [];
      if (held === undefined || path !== target.path) return [packet];
      const first = held;
      held = undefined;
      return [packet, first];
    };
  });
});

test('path: any one packet may be held back for any time', () => {
  tryEach('delay', (arena, target, random) => ({ index, packet }) => {
    if (index !== target.index) return [packet];
    spoofLater(arena.world.simulation, arena.attacker, packet, 1 + randomBelow(random, 10_000_000));
    return [];
  });
});
