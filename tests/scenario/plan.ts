// What a seed means: the network of one simulated run, what happens to it, and who dials, sends, ends and aborts when.
// A plan is plain data and depends on nothing but its seed, so that a failure is told by one number.

import { type Random, randomBelow, randomFraction, seededRandom } from '../../src/core/base/index.ts';
import { idealLink, type LinkOptions } from '../../src/sim/index.ts';
import { type MovePlan, makeMoves } from './moves.ts';

/** `mild`: TCP must cope, every transfer must be intact. `rough` and `harsh`: intact, or a typed error. */
export type Level = 'mild' | 'rough' | 'harsh';

export interface Plan {
  readonly seed: number;
  readonly level: Level;
  /** One-way links, by `from>to`; hosts are `client`, `server` and `router`. */
  readonly links: Readonly<Record<string, LinkOptions>>;
  /** Joining of received packets, per host. */
  readonly coalesceUs: Readonly<Record<'client' | 'server', number | undefined>>;
  readonly disturbances: readonly Disturbance[];
  readonly transfers: readonly TransferPlan[];
}

/** Between client and server, both ways, `atUs` after the first connection. */
export type Disturbance =
  | { readonly kind: 'mtu'; readonly atUs: number; readonly mtuBytes: number; readonly reported: boolean }
  | { readonly kind: 'outage'; readonly atUs: number; readonly lastsUs: number }
  | { readonly kind: 'rebind'; readonly atUs: number }
  | MovePlan
  | { readonly kind: 'attack'; readonly atUs: number; readonly lastsUs: number; readonly attack: AttackPlan };

/** What somebody on the path does, each with a chance per packet; `forge` adds packets with the right flowID and no tag. */
export interface AttackPlan {
  readonly salt: number;
  readonly flip: number;
  readonly replay: number;
  readonly forge: number;
}

/** One service with one listener on the server, dialled a few times by the client. */
export interface TransferPlan {
  readonly service: string;
  readonly dials: readonly DialPlan[];
  /** Closes the listener this long after it began to listen; undefined: when all is over. */
  readonly closeListenerUs: number | undefined;
}

export interface DialPlan {
  /** After the listener announced itself; negative: the dial does not wait for that. */
  readonly afterUs: number;
  readonly client: Script;
  readonly server: Script;
}

/** What one end of a connection does. */
export interface Script {
  readonly sendBytes: number;
  readonly receiveBytes: number;
  /** Which stream of bytes it sends; the other end expects it. */
  readonly sendSalt: number;
  readonly receiveSalt: number;
  readonly endWhen: 'sent' | 'peer-ended';
  readonly abort: Abort | undefined;
  readonly writeBytes: number;
  /** Asks for so much at a time, `pauseUs` after it got it. */
  readonly readBytes: number;
  readonly pauseUs: number;
  readonly keepAliveUs: number;
}

export type Abort =
  | { readonly kind: 'sent' | 'received'; readonly bytes: number }
  | { readonly kind: 'time'; readonly afterUs: number };

export function makePlan(seed: number): Plan {
  const random = seededRandom(seed);
  const level = pick(random, ['mild', 'mild', 'rough', 'rough', 'harsh'] as const);
  const links: Record<string, LinkOptions> = {};
  for (const pair of [
    'client>server',
    'server>client',
    'client>router',
    'router>client',
    'server>router',
    'router>server',
  ])
    links[pair] = makeLink(random, level);
  const coalesceUs = { client: pick(random, [undefined, 0, 50]), server: pick(random, [undefined, 0, 50]) };
  const disturbances = [...makeDisturbances(random, level), ...makeAttacks(seed), ...makeMoves(seed)];
  const count = 1 + randomBelow(random, 3);
  const transfers = Array.from({ length: count }, (_, i) => makeTransfer(random, level, i)).map((transfer) =>
    seed % patientEvery === 0 ? transfer : boundWrites(transfer),
  );
  return { seed, level, links, coalesceUs, disturbances, transfers };
}

/** Hundreds of thousands of records of a few bytes say little more than a thousand do, and took most of the time. */
const mostWrites = 1_000;
/** One seed in so many writes them all the same. */
const patientEvery = 25;

function boundWrites({ dials, ...transfer }: TransferPlan): TransferPlan {
  const bound = (script: Script): Script => {
    return { ...script, writeBytes: Math.max(script.writeBytes, Math.ceil(script.sendBytes / mostWrites)) };
  };
  return {
    ...transfer,
    dials: dials.map((dial) => ({ ...dial, client: bound(dial.client), server: bound(dial.server) })),
  };
}

/** Whether every transfer of the plan has to be intact: nothing but mild impairments, no abort, no early close. */
export function mustBeIntact(plan: Plan, transfer: TransferPlan, dial: DialPlan): boolean {
  const quiet = dial.client.abort === undefined && dial.server.abort === undefined;
  return plan.level === 'mild' && quiet && transfer.closeListenerUs === undefined && dial.afterUs >= 0;
}

/** Mean loss of a link, bursts included. */
function makeLink(random: Random, level: Level): LinkOptions {
  const worst = { mild: 0.02, rough: 0.1, harsh: 0.3 }[level];
  const delayUs = Math.round(100 * 600 ** randomFraction(random));
  const bitsPerSecond = chance(random, 0.3) ? Infinity : 1e6 * 1000 ** randomFraction(random);
  return {
    ...idealLink,
    delayUs,
    jitterUs: chance(random, 0.5) ? randomBelow(random, delayUs) : 0,
    bitsPerSecond,
    queueBytes: bitsPerSecond === Infinity ? Infinity : 30_000 + randomBelow(random, 300_000),
    loss: chance(random, 0.7) ? worst * randomFraction(random) : 0,
    reorder: chance(random, 0.5) ? 2 * worst * randomFraction(random) : 0,
    duplicate: chance(random, 0.3) ? worst * randomFraction(random) : 0,
    corrupt: chance(random, 0.2) ? (worst / 2) * randomFraction(random) : 0,
    reorderUs: 1 + randomBelow(random, 2 * delayUs),
    burst: level !== 'mild' && chance(random, 0.3) ? makeBurst(random, worst) : undefined,
    mtuBytes: 1472,
  };
}

function makeBurst(random: Random, worst: number): NonNullable<LinkOptions['burst']> {
  const leave = 0.1 + 0.4 * randomFraction(random);
  return { enter: leave * worst * randomFraction(random), leave, loss: 0.5 + 0.5 * randomFraction(random) };
}

function makeDisturbances(random: Random, level: Level): Disturbance[] {
  const list: Disturbance[] = [];
  const atUs = () => randomBelow(random, 2_000_000);
  if (chance(random, 0.25))
    list.push({ kind: 'mtu', atUs: atUs(), mtuBytes: 1_100 + randomBelow(random, 372), reported: chance(random, 0.5) });
  if (chance(random, 0.15)) list.push({ kind: 'rebind', atUs: atUs() });
  if (level !== 'mild' && chance(random, 0.15))
    list.push({ kind: 'outage', atUs: atUs(), lastsUs: randomBelow(random, 5_000_000) });
  return list;
}

/** Drawn apart, so that the rest of a seed's plan does not depend on it. */
function makeAttacks(seed: number): Disturbance[] {
  const random = seededRandom(seed ^ 0x5eed);
  if (!chance(random, 0.3)) return [];
  const rate = () => (chance(random, 0.6) ? 0.02 * randomFraction(random) : 0);
  const attack = { salt: random.uint32(), flip: rate(), replay: rate(), forge: rate() };
  return [{ kind: 'attack', atUs: randomBelow(random, 300_000), lastsUs: 3_000_000, attack }];
}

function makeTransfer(random: Random, level: Level, index: number): TransferPlan {
  const count = chance(random, 0.7) ? 1 : 2 + randomBelow(random, 3);
  return {
    service: `service-${index}`,
    dials: Array.from({ length: count }, (_, i) => makeDial(random, level, 100 * index + i)),
    closeListenerUs: chance(random, 0.15) ? randomBelow(random, 1_000_000) : undefined,
  };
}

function makeDial(random: Random, level: Level, salt: number): DialPlan {
  const upBytes = makeSize(random, level);
  const downBytes = makeSize(random, level);
  const order = pick(random, ['both', 'client-first', 'server-first'] as const);
  const client = makeScript(random, upBytes, downBytes, salt, order === 'server-first' ? 'peer-ended' : 'sent');
  const server = makeScript(random, downBytes, upBytes, salt + 1, order === 'client-first' ? 'peer-ended' : 'sent');
  return {
    afterUs: chance(random, 0.1) ? -1 : randomBelow(random, 500_000),
    client: { ...client, receiveSalt: server.sendSalt },
    server: { ...server, receiveSalt: client.sendSalt },
  };
}

function makeScript(
  random: Random,
  sendBytes: number,
  receiveBytes: number,
  salt: number,
  endWhen: Script['endWhen'],
): Script {
  const slow = chance(random, 0.2);
  return {
    sendBytes,
    receiveBytes,
    sendSalt: salt,
    receiveSalt: 0,
    endWhen,
    abort: chance(random, 0.1) ? makeAbort(random, sendBytes, receiveBytes) : undefined,
    writeBytes: Math.round(1 + 65_536 ** randomFraction(random)),
    readBytes: Math.round(1_000 + 1_000_000 * randomFraction(random)),
    pauseUs: slow ? randomBelow(random, 50_000) : 0,
    keepAliveUs: 5_000_000 + randomBelow(random, 25_000_000),
  };
}

function makeAbort(random: Random, sendBytes: number, receiveBytes: number): Abort {
  const kind = pick(random, ['sent', 'received', 'time'] as const);
  if (kind === 'time') return { kind, afterUs: randomBelow(random, 1_000_000) };
  return { kind, bytes: randomBelow(random, 1 + (kind === 'sent' ? sendBytes : receiveBytes)) };
}

/** Nothing, or anything up to 1 MiB, small ones more often; the rougher the network, the less. */
function makeSize(random: Random, level: Level): number {
  if (chance(random, 0.15)) return 0;
  const most = { mild: 2 ** 20, rough: 2 ** 18, harsh: 2 ** 16 }[level];
  return Math.floor(most ** randomFraction(random));
}

function pick<T>(random: Random, list: readonly T[]): T {
  return list[randomBelow(random, list.length)] as T;
}

function chance(random: Random, probability: number): boolean {
  return randomFraction(random) < probability;
}
