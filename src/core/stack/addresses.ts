// This machine's addresses have changed (docs/protocol.md, "Moves"). Flows whose packets would leave from another address
// now move; those that have no way to their peer stand still until there is one, and then go on at once, with what they
// knew of the path if it is the same. Names are registered again from where this stack is now.

import { isLoopback, type Locator, Reason, sameBytes } from '../base/index.ts';
import { refreshRegistrations } from '../control/index.ts';
import { freeze } from '../transport/index.ts';
import { abort } from './close.ts';
import { isJoined } from './flow-group.ts';
import { leaveGroup } from './leave.ts';
import { beginMove, isOpen } from './migrate.ts';
import { goBy, sourceTo } from './path.ts';
import { tellPath } from './path-info.ts';
import { connectionsOf } from './rest.ts';
import { resumeSending } from './schedule.ts';
import { arm } from './sockets.ts';
import type { Connection, StackState } from './state.ts';

/** `stack.locals` and `stack.links` are those of now. */
export function followAddresses(stack: StackState, before: readonly Locator[]): void {
  followRouter(stack);
  for (const connection of connectionsOf(stack)) {
    // At rest it has no place of its own yet.
    if (isOpen(connection) && connection.arriving?.begun !== false) follow(stack, connection, before);
  }
}

/** Many notices change nothing: names are registered again only where the router sees this stack somewhere else now. */
function followRouter(stack: StackState): void {
  const { registrar, seenFrom } = stack;
  const source = registrar.router === undefined ? undefined : sourceTo(stack, registrar.router);
  stack.seenFrom = source;
  stack.controlPlaneUs = 0;
  if (source === undefined || (seenFrom !== undefined && sameBytes(seenFrom, source))) return;
  refreshRegistrations(registrar, stack.nowUs);
}

function follow(stack: StackState, connection: Connection, before: readonly Locator[]): void {
  const { link, strandedFrom, migration } = connection;
  if (migration?.target !== undefined && !hasLink(stack, migration.target)) migration.target = undefined;
  if (link !== 0 && hasLink(stack, link)) return;
  if (link !== 0 && isJoined(connection)) return leave(stack, connection);
  const source = sourceTo(stack, connection.peer);
  if (source === undefined && migration?.target !== undefined) return leaveFor(stack, connection, migration.target);
  if (source === undefined) return strand(stack, connection, before);
  const moved = link !== 0 || hasMoved(stack, connection, source, strandedFrom ?? before);
  connection.source = source;
  if (!moved && strandedFrom === undefined) return;
  goBy(stack, connection, 0, moved);
  beginMove(stack, connection, 0, false);
}

function hasLink({ links }: StackState, link: number): boolean {
  return link === 0 || links.some((known) => known.link === link);
}

/** One flow of several whose address is gone: the others carry on. */
function leave(stack: StackState, { subflow }: Connection): void {
  if (subflow === undefined || leaveGroup(stack, subflow, Reason.UNREACHABLE)) return;
  abort(stack, subflow.group.first, Reason.UNREACHABLE, 'the address of its last flow is gone');
}

/** The place that the flow was to leave is gone before the new one has answered. */
function leaveFor(stack: StackState, connection: Connection, link: number): void {
  goBy(stack, connection, link, true);
  beginMove(stack, connection, link, false);
}

/** No address is usable: time stands still for the transport. */
function strand(stack: StackState, connection: Connection, before: readonly Locator[]): void {
  connection.strandedFrom ??= before;
  connection.link = 0;
  // The rest of a record cannot come; the next `settle` gives it its time again.
  connection.recordDeadlineUs = Number.POSITIVE_INFINITY;
  if (connection.tcb !== undefined) freeze(connection.tcb, stack.nowUs);
  if (connection.subflow !== undefined) {
    tellPath(stack, connection.subflow);
    resumeSending(stack, connection.subflow.group);
  }
  arm(stack, connection);
}

/**
 * Whether packets left from another address than `source`. Where that was never looked at, it may have been any of
 * `before`: it was `source` only if that was there and nothing has gone.
 */
function hasMoved(
  stack: StackState,
  { source: known, peer }: Connection,
  source: Uint8Array,
  before: readonly Locator[],
) {
  if (known !== undefined) return !sameBytes(known, source);
  const possible = before.filter(({ address }) => address.length === source.length);
  const has = (list: readonly Locator[], wanted: Uint8Array): boolean =>
    list.some(({ address }) => sameBytes(address, wanted));
  if (!has(possible, source)) return true;
  if (isLoopback(peer)) return false;
  return possible.some((local) => !isLoopback(local) && !has(stack.locals, local.address));
}
