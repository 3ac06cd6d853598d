// Moves as a seed draws them: either end or both get another address, lose theirs for a while, or go to a second link that
// may lead nowhere. Drawn apart from the rest of the plan, so that a seed's network does not depend on them.

import { type Random, randomBelow, randomFraction, seededRandom } from '../../src/core/base/index.ts';
import type { Stack } from '../../src/core/stack/index.ts';
import {
  addLink,
  type LinkOptions,
  linkHost,
  makeLocator,
  moveHost,
  type SimHost,
  type Simulation,
  schedule,
  setWay,
} from '../../src/sim/index.ts';

export interface MovePlan {
  readonly kind: 'move';
  readonly atUs: number;
  readonly who: readonly ('client' | 'server')[];
  /** `here`: another address at once. `away`: none for `lastsUs`, then the same or another one. `link`: to a second link. */
  readonly how: 'here' | 'away' | 'link';
  readonly lastsUs: number;
  /** Of the new address; 0: the one before. */
  readonly number: number;
  /** The second link leads nowhere. */
  readonly dead: boolean;
}

/** Half of all seeds move, up to a dozen times. */
export function makeMoves(seed: number): MovePlan[] {
  const random = seededRandom(seed ^ 0x30ae5);
  if (randomFraction(random) < 0.5) return [];
  const count = 1 + randomBelow(random, 12);
  const spreadUs = 10_000 * 300 ** randomFraction(random);
  return Array.from({ length: count }, (_, i) => makeMove(random, i + 1, Math.round(spreadUs)));
}

function makeMove(random: Random, number: number, spreadUs: number): MovePlan {
  const draw = randomFraction(random);
  return {
    kind: 'move',
    atUs: randomBelow(random, spreadUs),
    who: draw < 0.5 ? ['client'] : draw < 0.75 ? ['server'] : ['client', 'server'],
    how: (['here', 'here', 'away', 'link'] as const)[randomBelow(random, 4)] ?? 'here',
    lastsUs: randomBelow(random, 2_000_000),
    number: randomFraction(random) < 0.2 ? 0 : number,
    dead: randomFraction(random) < 0.3,
  };
}

export interface Movers {
  readonly simulation: Simulation;
  readonly client: SimHost<Stack>;
  readonly server: SimHost<Stack>;
  readonly absences: Absence[];
}

/** One end had no address; it may have got one earlier than planned. */
export interface Absence {
  readonly who: 'client' | 'server';
  readonly fromUs: number;
  readonly untilUs: number;
}

const nets = { client: 1, server: 2 } as const;

export function makeMoveHappen(movers: Movers, plan: MovePlan): void {
  for (const who of plan.who) {
    if (plan.how === 'link') goToLink(movers, who, plan);
    else goTo(movers, who, plan);
  }
}

function goTo({ simulation, absences, ...hosts }: Movers, who: 'client' | 'server', plan: MovePlan): void {
  const host = hosts[who];
  const { clock, network } = simulation;
  const before = host.station.locals[0]?.address.join('.');
  const address = plan.number === 0 && before !== undefined ? before : `10.${nets[who]}.0.${plan.number}`;
  if (plan.how === 'here') return moveHost(network, host, address, 40_000);
  moveHost(network, host, undefined, 40_000);
  const untilUs = clock.nowUs + plan.lastsUs;
  absences.push({ who, fromUs: clock.nowUs, untilUs });
  schedule(clock, untilUs, () => {
    if (host.station.locals.length === 0) moveHost(network, host, address, 40_000);
  });
}

/** All flows of the host go to a link of their own; the way there and back is like any other of the network. */
function goToLink({ simulation, ...hosts }: Movers, who: 'client' | 'server', plan: MovePlan): void {
  const host = hosts[who];
  const other = who === 'client' ? hosts.server : hosts.client;
  const there = makeLocator(`10.${nets[who]}.1.${plan.number}`, 41_000 + plan.number);
  const link = 1 + plan.number;
  linkHost(simulation.network, host, link, there);
  const options: Partial<LinkOptions> = { delayUs: 5_000, up: !plan.dead };
  for (const peer of other.station.locals) {
    setWay(simulation.network, there, peer, [addLink(simulation.network, options)]);
    setWay(simulation.network, peer, there, [addLink(simulation.network, options)]);
  }
  for (const { socket } of host.stack.inspect().flows) host.driver.handle({ kind: 'migrate', socket, link });
}
