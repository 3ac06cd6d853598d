// Connections with several flows while interfaces come, go and move (docs/protocol.md, "Several flows"): which flows there
// are, what the application is told of them, and that a copy that lost opens none.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { noFlow, Reason } from '../../src/core/base/index.ts';
import { type LinkOptions, linkHost, moveHost } from '../../src/sim/index.ts';
import {
  carriedBytes,
  far,
  finish,
  flowsOf,
  openTwoPaths,
  type Plan,
  setUp,
  type TwoPaths,
  untilJoined,
} from './two-paths.ts';
import { runFor } from './world.ts';

/** 20 Mbit/s, 20 ms there and back and up to as much in the queue. */
const way: Partial<LinkOptions> = { delayUs: 10_000, bitsPerSecond: 20_000_000, queueBytes: 50_000 };

function open(plan: Plan): TwoPaths {
  const paths = openTwoPaths({ first: way, downBytes: 10_000_000, ...plan });
  untilJoined(paths);
  return paths;
}

/** The client's first interface gets another address while the second one is away. */
function openMoved(): TwoPaths {
  const paths = open({});
  const { world } = paths;
  const { network } = world.simulation;
  runFor(world, 300_000);
  linkHost(network, world.client, 1, undefined);
  moveHost(network, world.client, '10.0.0.11', 40_000);
  runFor(world, 300_000);
  assert.equal(world.server.stack.state.counters.moves, 1);
  return paths;
}

test('several flows: the application is told which interfaces it goes by, and what becomes of them', () => {
  const paths = open({ downBytes: 20_000_000 });
  const { world, client } = paths;
  assert.deepEqual(
    world.client.stack
      .pathsOf(client.socket)
      .map(({ path, interface: name, role, state }) => [path, name, role, state]),
    [
      [0, 'if0', 'regular', 'up'],
      [1, 'if1', 'regular', 'up'],
    ],
  );
  runFor(world, 300_000);
  for (const { rttUs, bytes } of world.server.stack.pathsOf(paths.server().socket))
    assert.ok(rttUs >= 20_000 && bytes > 100_000, `${rttUs} us, ${bytes} bytes`);
  setUp(paths.first, false);
  runFor(world, 500_000);
  assert.deepEqual(paths.server().paths, ['up undefined', 'down undefined']);
  setUp(paths.first, true);
  runFor(world, 3_000_000);
  assert.deepEqual(paths.server().paths, ['up undefined', 'down undefined', 'up undefined']);
  linkHost(world.simulation.network, world.client, 1, undefined);
  assert.deepEqual(client.paths, ['up if1']);
  runFor(world, 200_000);
  assert.deepEqual(client.paths, ['up if1', 'gone if1']);
  assert.equal(world.client.stack.pathsOf(client.socket).length, 1);
  finish(paths);
});

test('several flows: the first has moved, and others join all the same', () => {
  const paths = openMoved();
  const { world } = paths;
  linkHost(world.simulation.network, world.client, 1, far.client);
  untilJoined(paths);
  finish(paths);
});

test('several flows: a copy that lost opens none', () => {
  const paths = openMoved();
  const { world } = paths;
  const [first] = flowsOf(world.client);
  assert.ok(first?.migration);
  // As of a copy that knows of no move.
  first.migration.moves.own.splice(0, 2, noFlow);
  const { dropped } = world.server.stack.state.counters;
  const before = dropped[Reason.SUPERSEDED] ?? 0;
  linkHost(world.simulation.network, world.client, 1, far.client);
  runFor(world, 1_000_000);
  assert.ok((dropped[Reason.SUPERSEDED] ?? 0) > before);
  assert.equal(flowsOf(world.server).length, 1);
});

test('several flows: interfaces that nobody has named are backups', () => {
  for (const [prefer, idle] of [
    [['if1'], 'first'],
    [['if9'], 'second'],
  ] as const) {
    const paths = open({ policy: { mode: 'backup', prefer } });
    const { world } = paths;
    runFor(world, 500_000);
    const before = carriedBytes(paths[idle]);
    runFor(world, 500_000);
    assert.ok(carriedBytes(paths[idle]) - before < 5_000, `${idle} is idle when ${prefer} is preferred`);
    setUp(idle === 'first' ? paths.second : paths.first, false);
    finish(paths);
  }
});

test('several flows: an interface that may carry nothing gives way to another one at once', () => {
  const paths = open({ policy: { mode: 'aggregate', maxBytes: { if0: 0 } } });
  finish(paths);
  assert.ok(carriedBytes(paths.first) < 400_000, `${carriedBytes(paths.first)}`);
});

test('several flows: an interface that may carry nothing is not joined', () => {
  const paths = openTwoPaths({ first: way, downBytes: 2_000_000, policy: { mode: 'aggregate', maxBytes: { if1: 0 } } });
  finish(paths);
  assert.equal(paths.world.client.stack.state.counters.joins, 0);
});
