// Random lives of connections with several flows: two ways of random quality that are cut, one direction or both, links that
// come and go, addresses that change, policies, keys that change every few records. What must hold: every byte arrives
// once and in order, unless the application itself aborts, and nothing is left behind.

import { type Random, randomBelow, randomFraction, seededRandom } from '../../src/core/base/index.ts';
import type { PathPolicy } from '../../src/core/stack/index.ts';
import { type Link, type LinkOptions, linkHost, moveHost, schedule } from '../../src/sim/index.ts';
import { isIntact } from './endpoint.ts';
import { far, flowsOf, openTwoPaths, type TwoPaths } from './two-paths.ts';
import { assertNoFlows, reasonOf, runFor } from './world.ts';

const policies: readonly PathPolicy[] = [
  { mode: 'aggregate' },
  { mode: 'aggregate' },
  { mode: 'backup' },
  { mode: 'backup', prefer: ['if1', 'if0'] },
  { mode: 'aggregate', maxBytes: { if1: 1_000_000 } },
  { mode: 'aggregate', maxBytes: { if0: 1_000_000 } },
];
const disturbUs = 4_000_000;

/** Undefined: all was well; otherwise what was not. */
export function playSeed(seed: number): string | undefined {
  const random = seededRandom(seed);
  const aborts = randomFraction(random) < 0.1;
  const paths = openTwoPaths({
    seed,
    first: randomWay(random),
    second: randomWay(random),
    policy: pick(random, policies),
    upBytes: randomSize(random),
    downBytes: randomSize(random),
    insecure: randomFraction(random) < 0.1,
    scripts: {
      writeBytes: pick(random, [65_536, 1_000, 20_000]),
      readBytes: pick(random, [1_048_576, 100_000]),
      pauseUs: pick(random, [0, 0, 10_000]),
    },
  });
  try {
    disturb(paths, random, aborts);
    return judge(paths, aborts);
  } catch (error) {
    return error instanceof Error ? (error.stack ?? error.message) : String(error);
  }
}

function disturb(paths: TwoPaths, random: Random, aborts: boolean): void {
  const { world, client } = paths;
  const { clock } = world.simulation;
  const keyed = randomFraction(random) < 0.3;
  const times = randomBelow(random, 8);
  for (let i = 0; i < times; i++)
    schedule(clock, clock.nowUs + randomBelow(random, disturbUs), () => disturbOnce(paths, random));
  if (aborts)
    schedule(clock, clock.nowUs + randomBelow(random, disturbUs), () =>
      world.client.driver.handle({ kind: 'abort', socket: client.socket }),
    );
  for (let at = 0; at < disturbUs; at += 100_000) {
    runFor(world, 100_000);
    if (keyed) shortenKeys(paths);
  }
  restore(paths);
}

function disturbOnce(paths: TwoPaths, random: Random): void {
  const { world, first, second } = paths;
  const { network } = world.simulation;
  const way = pick(random, [first, second]);
  const choices: (() => void)[] = [
    () => cut(way, random),
    () => cut(way, random),
    () => cutFor(paths, way, random),
    () => linkHost(network, world.client, 1, undefined),
    () => linkHost(network, world.client, 1, far.client),
    () => moveHost(network, world.client, `10.0.0.${10 + randomBelow(random, 100)}`, 40_000),
    () => moveHost(network, world.client, undefined, 40_000),
  ];
  pick(random, choices)();
}

function cut([there, back]: readonly [Link, Link], random: Random): void {
  there.options.up = randomFraction(random) < 0.5;
  back.options.up = randomFraction(random) < 0.5;
}

function cutFor(paths: TwoPaths, [there, back]: readonly [Link, Link], random: Random): void {
  const { clock } = paths.world.simulation;
  there.options.up = false;
  back.options.up = false;
  schedule(clock, clock.nowUs + randomBelow(random, 1_000_000), () => {
    there.options.up = true;
    back.options.up = true;
  });
}

/** Everything works from here on. */
function restore({ world, first, second }: TwoPaths): void {
  const { network } = world.simulation;
  for (const { options } of [...first, ...second]) options.up = true;
  linkHost(network, world.client, 1, far.client);
  moveHost(network, world.client, '10.0.0.1', 40_000);
}

function shortenKeys({ world }: TwoPaths): void {
  for (const host of [world.client, world.server])
    for (const { writer } of flowsOf(host))
      if (writer !== undefined && writer.cipher.tagBytes > 0) Object.assign(writer.cipher, { recordLimit: 20 });
}

function judge(paths: TwoPaths, aborts: boolean): string | undefined {
  const { world, client, listening } = paths;
  const over = () => client.reason !== undefined && listening.accepted.every(({ reason }) => reason !== undefined);
  if (!runFor(world, 3_600_000_000, over)) return `stuck: ${tell(paths)}`;
  const [server] = listening.accepted;
  const wrong = [client, server].some((endpoint) => endpoint !== undefined && endpoint.wrongAt !== -1);
  if (wrong) return `wrong bytes: ${tell(paths)}`;
  if (!aborts && !(isIntact(client) && server !== undefined && isIntact(server))) return `not intact: ${tell(paths)}`;
  assertNoFlows(world);
  for (const { name, stack } of world.simulation.hosts.values() as Iterable<TwoPaths['world']['client']>) {
    const { lent, elsewhereBytes } = stack.state.blocks;
    if (lent !== 0 || elsewhereBytes !== 0) return `${name} holds ${lent} blocks and ${elsewhereBytes} bytes`;
  }
  return undefined;
}

function tell({ client, listening, world }: TwoPaths): string {
  const ends = [client, ...listening.accepted].map(
    (end) =>
      `${reasonOf(end)} ${end.detail} sent ${end.sentBytes}/${end.script.sendBytes} received ${end.receivedBytes}/${end.script.receiveBytes} wrong at ${end.wrongAt}`,
  );
  const flows = [world.client, world.server].map((host) =>
    flowsOf(host).map(({ state, subflow, tcb }) => ({
      state,
      path: subflow?.pathId,
      role: subflow?.role,
      suspect: subflow?.suspectUs,
      timeouts: tcb?.timeouts,
      frozen: tcb?.frozenAtUs,
      tcp: tcb?.state,
      outstanding: subflow?.group.outstanding.size,
      ahead: subflow?.group.ahead.size,
    })),
  );
  return `${ends.join('; ')} ${JSON.stringify(flows)}`;
}

function randomWay(random: Random): Partial<LinkOptions> {
  const rough = randomFraction(random) < 0.5;
  const reorder = rough ? randomFraction(random) * 0.05 : 0;
  return {
    delayUs: Math.floor(1_000 * 200 ** randomFraction(random)),
    jitterUs: rough ? randomBelow(random, 10_000) : 0,
    bitsPerSecond: Math.floor(500_000 * 100 ** randomFraction(random)),
    queueBytes: 20_000 + randomBelow(random, 200_000),
    loss: rough ? randomFraction(random) * 0.03 : 0,
    reorder,
    duplicate: rough ? randomFraction(random) * 0.02 : 0,
  };
}

function randomSize(random: Random): number {
  return randomFraction(random) < 0.2 ? 0 : Math.floor((2 * 2 ** 20) ** randomFraction(random));
}

function pick<T>(random: Random, list: readonly T[]): T {
  return list[randomBelow(random, list.length)] as T;
}
