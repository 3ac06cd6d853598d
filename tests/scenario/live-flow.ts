// One long connection under attack: the records of both ends, what passed between them, and a flat copy of a state to
// hold against another.

import assert from 'node:assert/strict';
import { Protocol, type Stack } from '../../src/core/stack/index.ts';
import type { LinkOptions, SimHost } from '../../src/sim/index.ts';
import { type Attacker, addAttacker } from './attackers.ts';
import type { Endpoint } from './endpoint.ts';
import type { Script } from './plan.ts';
import { allClosed, createWorld, dialFrom, type Listening, listenOn, runFor, service, type World } from './world.ts';

type Flow = NonNullable<Stack['state']['flows']['values'][number]>;
export type Connection = Extract<Flow, { kind: 'connection' }>;

export interface LiveFlow {
  readonly world: World;
  readonly attacker: Attacker;
  readonly client: Endpoint;
  readonly listening: Listening;
  readonly clientSide: Connection;
  readonly serverSide: Connection;
}

/** Open and confirmed by both ends; traces are not kept unless asked for. `resumes`: the client can go on elsewhere. */
export function openFlow(
  link: Partial<LinkOptions>,
  [clientScript, serverScript]: [Script, Script],
  seed = 1,
  options: { readonly resumes?: boolean; readonly keepTrace?: boolean } = {},
): LiveFlow {
  const { resumes = false, keepTrace = false } = options;
  const world = createWorld(link, seed, undefined, keepTrace);
  const listening = listenOn(world, world.server, serverScript);
  const client = dialFrom(world, world.client, clientScript, service, resumes);
  const confirmed = (host: SimHost<Stack>) => flowOf(host)?.confirmed === true;
  assert.ok(runFor(world, 5_000_000, () => confirmed(world.client) && confirmed(world.server)));
  const clientSide = flowOf(world.client)!;
  const serverSide = flowOf(world.server)!;
  return { world, attacker: addAttacker(world.simulation), client, listening, clientSide, serverSide };
}

export function flowOf(host: SimHost<Stack>): Connection | undefined {
  return connectionsOf(host).find(({ protocol }) => protocol === Protocol.TCP);
}

/** Flows that are more than half open. */
export function connectionsOf({ stack }: SimHost<Stack>): Connection[] {
  return stack.state.flows.values.filter((flow) => flow?.kind === 'connection');
}

export function isOver({ client, listening }: LiveFlow): boolean {
  return allClosed(client, ...listening.accepted);
}

/** Every value of a record by its path; buffers by a sum of their bytes. Shared pools, counters and functions left out. */
export function flatten(record: object, path = '', flat = new Map<string, unknown>()): Map<string, unknown> {
  for (const [key, value] of Object.entries(record)) {
    const name = path === '' ? key : `${path}.${key}`;
    if (typeof value === 'function' || leftOut.test(name)) continue;
    if (ArrayBuffer.isView(value)) flat.set(name, sumOf(value as Uint8Array));
    else if (typeof value === 'object' && value !== null) flatten(value, name, flat);
    else flat.set(name, value);
  }
  return flat;
}

const leftOut = /(^|\.)(pool|random|security|counters|packetsIn|packetsOut|wireBytes)$/;

function sumOf(bytes: ArrayLike<number>): string {
  let sum = 0;
  // Of a large buffer a sample: what a forger may write into would be contiguous.
  const step = 1 + (bytes.length >> 8);
  for (let i = 0; i < bytes.length; i += step) sum = (Math.imul(sum, 31) + Number(bytes[i])) | 0;
  return `${bytes.length}:${sum}`;
}

/** Paths whose values differ. */
export function differences(before: Map<string, unknown>, after: Map<string, unknown>): string[] {
  const names = new Set([...before.keys(), ...after.keys()]);
  return [...names].filter((name) => !Object.is(before.get(name), after.get(name)));
}
