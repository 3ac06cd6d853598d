// Where two ends that moved at the same time find each other (docs/protocol.md, "Moves"): neither is where the other looks
// for it. An end whose move stays unanswered registers at its router under a name that only the two can work out, and
// sends its RSYN to the peer's name as well. The names follow from the keys of the tags, live no longer than the move goes
// unanswered, and cost nothing before. Rejected: a name of the stack that every peer is told beforehand, which costs every
// connection a message, and every client a registration.

import { asciiBytes, formatServiceId, type KeyIndex, makePrefix, type ServiceId } from '../base/index.ts';
import { registerService, unregisterService } from '../control/index.ts';
import { derivedName } from '../security/index.ts';
import { macTagBytes } from '../wire/index.ts';
import { buildRsyn } from './move-packets.ts';
import { sendPacket } from './packets.ts';
import type { Connection, Migration, StackState } from './state.ts';
import { Protocol } from './types.ts';

/** Unanswered RSYNs after which the peer may have moved, too. */
const triesBefore = 2;
const label = asciiBytes('caracal rendezvous');

/** Another RSYN goes unanswered: from some time on the router is asked for help. */
export function callOut(stack: StackState, connection: Connection, migration: Migration): void {
  const { router } = stack.registrar;
  const { keys } = connection;
  if (migration.tries < triesBefore || router === undefined || keys === undefined) return;
  awaitCall(stack, connection, migration);
  const name = nameOf(stack, keys.verifyKey);
  const { target, moves, tries } = migration;
  sendPacket(stack, buildRsyn(stack, connection, moves, 0, tries, name), router, target ?? connection.link);
}

/** Neither is where the other looks for it, perhaps: this end can be found through its router. */
export function awaitCall(stack: StackState, connection: Connection, migration: Migration): void {
  const { keys } = connection;
  if (migration.rendezvous !== undefined || keys === undefined || stack.registrar.router === undefined) return;
  const name = nameOf(stack, keys.tagKey);
  migration.rendezvous = name;
  stack.rendezvous.set(formatServiceId(name), connection);
  registerService(stack.registrar, makePrefix(name, 256), Protocol.TCP, 1, 0, stack.nowUs);
  stack.controlPlaneUs = 0;
}

/** The two have heard each other: by name nobody looks for this end any more, unless one of them is still to be found. */
export function endCall(stack: StackState, { migration }: Connection): void {
  if (migration?.settled && migration.place === undefined) leaveRendezvous(stack, migration);
}

/** The connection is over. */
export function leaveRendezvous(stack: StackState, migration: Migration): void {
  const { rendezvous } = migration;
  if (rendezvous === undefined) return;
  migration.rendezvous = undefined;
  stack.rendezvous.delete(formatServiceId(rendezvous));
  unregisterService(stack.registrar, makePrefix(rendezvous, 256), Protocol.TCP, stack.nowUs);
  stack.controlPlaneUs = 0;
}

/** The end whose tags are made by `key`, as it is registered. */
function nameOf({ options }: StackState, key: KeyIndex): ServiceId {
  const tag = new Uint8Array(macTagBytes);
  options.primitives.mac.tag(key, label, 0, label.length, tag, 0);
  return derivedName(tag);
}
