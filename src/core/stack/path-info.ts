// What an application sees of the flows that its connection goes by (docs/protocol.md, "Several flows"): their number, the
// interface, whether they work; never an address. It is told when one works, when it does not for now, and when it has
// left. A suspicion is not told: it comes and goes with the jitter of a path, and costs the application nothing.

import { interfaceOf, isDown, ownAddress, type Subflow } from './flow-group.ts';
import { peek } from './rest.ts';
import { emitEvent } from './sockets.ts';
import type { Connection, StackState } from './state.ts';
import type { PathInfo, SocketId } from './types.ts';

/** Tells whether it works, if that has changed. */
export function tellPath(stack: StackState, subflow: Subflow): void {
  const now = isDown(subflow) ? 'down' : 'up';
  if (subflow.told === now) return;
  subflow.told = now;
  emit(stack, subflow, pathInfo(stack, subflow));
}

/** It leaves; one that never worked was never spoken of. */
export function tellGone(stack: StackState, subflow: Subflow): void {
  if (subflow.connection.state === 'SYN-SENT' || subflow.connection.state === 'SYN-RECEIVED') return;
  emit(stack, subflow, { ...pathInfo(stack, subflow), state: 'gone' });
}

function emit(stack: StackState, { group }: Subflow, path: PathInfo): void {
  emitEvent(stack, { kind: 'path', socket: group.first.socket, path });
}

export function pathsOf(stack: StackState, socket: SocketId): PathInfo[] {
  const known = stack.sockets.get(socket);
  const connection = known?.kind === 'resting' ? peek(stack, known) : known;
  if (connection?.kind !== 'connection') return [];
  const { subflow } = connection;
  if (subflow === undefined) return [infoOf(stack, connection, connection.state === 'ESTABLISHED' ? 'up' : 'opening')];
  return subflow.group.subflows.map((each) => pathInfo(stack, each)).sort((a, b) => a.path - b.path);
}

export function pathInfo(stack: StackState, subflow: Subflow): PathInfo {
  const { connection } = subflow;
  const { state } = connection;
  const isOpening = state === 'RESOLVING' || state === 'SYN-SENT' || state === 'SYN-RECEIVED';
  return infoOf(stack, connection, isOpening ? 'opening' : isDown(subflow) ? 'down' : 'up');
}

function infoOf(stack: StackState, connection: Connection, state: PathInfo['state']): PathInfo {
  const { subflow, tcb, wireBytes, strandedFrom } = connection;
  const own = strandedFrom === undefined ? ownAddress(stack, connection) : undefined;
  const name = subflow?.interface || (own === undefined ? '' : interfaceOf(stack, own));
  return {
    path: subflow?.pathId ?? 0,
    interface: name === '' ? undefined : name,
    role: subflow?.role ?? 'regular',
    state,
    rttUs: Math.round(tcb?.rtt.srttUs ?? 0),
    bytes: wireBytes,
  };
}
