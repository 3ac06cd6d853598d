// Which flows a connection is to have (docs/protocol.md, "Several flows"): one for each own address that the application's
// policy lets it use, to that address of the other end that is nearest to it by prefix. The server tells its addresses in a
// record, when it is asked and when they change. Looked at when something has changed, and again after an opening that
// failed. An interface with a bound on its bytes is left before they are used up, by as much as may still come.

import { isLoopback, type Locator, Reason, sameBytes } from '../base/index.ts';
import { freeze, resume } from '../transport/index.ts';
import { AddressFlag, encodeAddresses, type LocatorEntry, maxAddresses } from '../wire/index.ts';
import { abort } from './close.ts';
import { type FlowGroup, interfaceOf, isLive, isSuspect, ownAddress, type Role, type Subflow } from './flow-group.ts';
import { openSubflow } from './join.ts';
import { leaveGroup } from './leave.ts';
import { beginMove } from './migrate.ts';
import { sourceTo } from './path.ts';
import { tellPath } from './path-info.ts';
import { tellAddresses } from './schedule.ts';
import { boundWindow, charge, hasShare, isSpent } from './shares.ts';
import { arm, setPeer } from './sockets.ts';
import type { StackState } from './state.ts';
import type { LinkInfo } from './types.ts';

/** A server that does not say where else it is, is joined where it is known to be. */
const patienceUs = 2_000_000;
const leastLookUs = 10_000;

/** Something has changed that may call for other flows. */
export function lookSoon(stack: StackState, group: FlowGroup): void {
  group.lookUs = stack.nowUs;
  if (group.first.state !== 'CLOSED') arm(stack, group.first);
}

export function lookForPaths(stack: StackState, group: FlowGroup): void {
  const { first, policy } = group;
  group.lookUs = Number.POSITIVE_INFINITY;
  if (first.state !== 'ESTABLISHED') return;
  if (group.tellsPeer) tellPeer(stack, group);
  if (policy === undefined) return;
  leaveSpent(stack, group);
  endMisplaced(stack, group);
  const isWanted = (info: LinkInfo): boolean => isMissing(stack, group, info);
  if (!stack.links.some(isWanted) || !peerIsKnown(stack, group)) return;
  for (const info of stack.links) {
    const remote = nearest(group, info);
    // Asked again: the flow before may go by the same interface.
    if (remote === undefined || !isWanted(info)) continue;
    openSubflow(stack, group, info.link, remote.locator, roleOf(stack, group, info, remote));
  }
}

/** The list of own addresses, if it is not the one that the peer has. */
function tellPeer(stack: StackState, group: FlowGroup): void {
  const near = isLoopback(group.first.peer);
  const locals = stack.locals.filter((local) => near || !isLoopback(local)).slice(0, maxAddresses);
  const body = encodeAddresses(locals.map((locator, priority) => ({ locator, flags: 0, priority })));
  const [subflow] = group.subflows;
  if (subflow === undefined || body.length === 0 || sameBytes(body, group.told)) return;
  group.told = body;
  tellAddresses(stack, subflow, body);
}

/**
 * A client's connection is open: before anything else, since nothing can be said once the application has ended its side, the
 * peer is asked where else it is. Not in the clear, where anybody could answer.
 */
export function beginPaths(stack: StackState, subflow: Subflow): void {
  const { group } = subflow;
  group.askedUs = stack.nowUs;
  // Interfaces will come and go: only if its own does must the first flow move.
  group.first.source ??= sourceTo(stack, group.first.peer);
  if (group.first.peerProof?.encrypted === true) tellAddresses(stack, subflow, encodeAddresses([]));
  lookSoon(stack, group);
}

/** Whether the peer has said where else it is, or will not. */
function peerIsKnown(stack: StackState, group: FlowGroup): boolean {
  const { peerProof, confirmed, tcb } = group.first;
  if (group.peers !== undefined) return true;
  if (peerProof?.encrypted !== true) {
    // A server without the ACK of the opening knows no flow that one more could belong to.
    group.lookUs = stack.nowUs + Math.max(leastLookUs, tcb?.rtt.srttUs ?? 0);
    return confirmed;
  }
  group.lookUs = group.askedUs + patienceUs;
  return group.lookUs <= stack.nowUs;
}

/** An own address that may be used, leads to an address of the peer, and that no flow leaves from yet. */
function isMissing(stack: StackState, group: FlowGroup, info: LinkInfo): boolean {
  const { address } = info.local;
  if (nearest(group, info) === undefined || isTaken(stack, group, address)) return false;
  const name = interfaceOf(stack, address);
  if (!hasShare(stack, group, name)) return false;
  const failed = group.failures.get(info.link);
  if (failed === undefined || failed.untilUs <= stack.nowUs) return true;
  group.lookUs = Math.min(group.lookUs, failed.untilUs);
  return false;
}

/** A flow leaves from there, or by the same interface. */
function isTaken(stack: StackState, { subflows }: FlowGroup, address: Uint8Array): boolean {
  const name = interfaceOf(stack, address);
  return subflows.some(({ connection }) => {
    const own = ownAddress(stack, connection);
    return own !== undefined && (sameBytes(own, address) || (name !== '' && interfaceOf(stack, own) === name));
  });
}

/** The peer's address with the longest prefix in common; after a failure the next one. */
function nearest({ first, peers = [], failures }: FlowGroup, { link, local }: LinkInfo): LocatorEntry | undefined {
  const known: LocatorEntry = { locator: first.peer, flags: 0, priority: 0 };
  const entries = peers.some(({ locator }) => sameBytes(locator.address, first.peer.address))
    ? peers
    : [known, ...peers];
  const fitting = entries
    .filter(
      ({ locator }) => locator.address.length === local.address.length && isLoopback(locator) === isLoopback(local),
    )
    .map((entry) => ({ entry, bits: commonBits(entry.locator, local) }))
    .sort((a, b) => b.bits - a.bits || a.entry.priority - b.entry.priority);
  return fitting[(failures.get(link)?.count ?? 0) % Math.max(1, fitting.length)]?.entry;
}

function commonBits({ address: a }: Locator, { address: b }: Locator): number {
  const at = a.findIndex((byte, i) => byte !== b[i]);
  return at < 0 ? a.length * 8 : at * 8 + Math.clz32((a[at] ?? 0) ^ (b[at] ?? 0)) - 24;
}

/** What a flow from there is to the others: `prefer` wants the best interface that there is, and the rest as backups. */
function roleOf(stack: StackState, group: FlowGroup, { local }: LinkInfo, { flags }: LocatorEntry): Role {
  const { policy } = group;
  if (policy?.prefer === undefined)
    return policy?.mode === 'backup' || (flags & AddressFlag.BACKUP) !== 0 ? 'backup' : 'regular';
  const rank = rankOf(group, interfaceOf(stack, local.address));
  return rank < Math.min(firstRank(stack, group), bestRank(stack, group) + 1) ? 'preferred' : 'backup';
}

function firstRank(stack: StackState, group: FlowGroup): number {
  const own = ownAddress(stack, group.first);
  return own === undefined ? Number.POSITIVE_INFINITY : rankOf(group, interfaceOf(stack, own));
}

/** Of the interfaces that there are links for. */
function bestRank(stack: StackState, group: FlowGroup): number {
  return Math.min(...stack.links.map(({ local }) => rankOf(group, interfaceOf(stack, local.address))));
}

/** 0: the best. */
function rankOf({ policy }: FlowGroup, name: string): number {
  const { prefer = [] } = policy ?? {};
  const rank = prefer.indexOf(name);
  return rank < 0 ? prefer.length : rank;
}

/** A better interface has come, or the best one is another's now: such flows are opened anew in their new role. */
function endMisplaced(stack: StackState, group: FlowGroup): void {
  if (group.policy?.prefer === undefined) return;
  for (const subflow of [...group.subflows]) {
    const info = stack.links.find(({ link }) => link === subflow.connection.link);
    const remote = info && nearest(group, info);
    if (subflow.pathId === 0 || info === undefined || remote === undefined || !isLive(subflow)) continue;
    if (roleOf(stack, group, info, remote) !== subflow.role) end(stack, subflow, Reason.OK);
  }
}

function leaveSpent(stack: StackState, group: FlowGroup): void {
  for (const subflow of [...group.subflows]) {
    boundWindow(stack, subflow);
    if (!isSpent(stack, subflow)) continue;
    if (subflow.pathId !== 0) end(stack, subflow, Reason.OK);
    else evacuate(stack, subflow);
  }
}

/** The first flow goes where another one is, or stands still until there is one. It has to ask where the peer is, though. */
function evacuate(stack: StackState, subflow: Subflow): void {
  const { connection, group } = subflow;
  const { tcb } = connection;
  const other = group.subflows.find((each) => each !== subflow && !isSuspect(each));
  if (tcb === undefined) return;
  if (other === undefined) {
    if (!peerIsKnown(stack, group)) return;
    freeze(tcb, stack.nowUs);
    return tellPath(stack, subflow);
  }
  charge(stack, subflow);
  setPeer(stack, connection, other.connection.peer);
  beginMove(stack, connection, other.connection.link, false);
  resume(tcb, stack.nowUs);
}

function end(stack: StackState, subflow: Subflow, reason: Reason): void {
  charge(stack, subflow);
  if (!leaveGroup(stack, subflow, reason))
    abort(stack, subflow.group.first, Reason.TIMED_OUT, 'there is no other flow to go on by');
}
