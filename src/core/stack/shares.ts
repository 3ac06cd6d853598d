// Interfaces that may carry so many bytes of a connection and no more (docs/protocol.md, "Several flows"). A flow leaves
// while what may still come of it fits: the peer sends as far as the window that it was offered, and an offer cannot be taken
// back. So the windows of such a flow stay a small part of its share. Rejected: leaving when the share is used up, which
// exceeds it by a window.

import { setOptions } from '../transport/index.ts';
import { type FlowGroup, interfaceOf, ownAddress, type Subflow } from './flow-group.ts';
import type { StackState } from './state.ts';
import { receiveBufferBytesOf } from './transports.ts';

/** Control packets, and what comes twice. */
const marginBytes = 65_536;
/** What a byte of the stream costs in full-sized packets of the least size. */
const headerFactor = 1.1;
/** Of a first window; one that was offered is not made smaller. */
const leastWindowBytes = 262_144;
const windowsPerShare = 16;
/** What may be given to a flow before the next ACK is seen, in windows. */
const sendableFactor = 1.25;

/** Whether an interface can carry a flow for a while: with less it would end before it began. */
export function hasShare(stack: StackState, group: FlowGroup, name: string): boolean {
  return spentBytes(stack, group, name) + 2 * leastWindowBytes < shareOf(group, name);
}

/** The windows that are offered from now on fit the share of the interface. */
export function boundWindow(stack: StackState, { connection, group }: Subflow): void {
  const { tcb, stream } = connection;
  const own = group.policy?.maxBytes === undefined ? undefined : ownAddress(stack, connection);
  if (tcb === undefined || own === undefined) return;
  const share = shareOf(group, interfaceOf(stack, own));
  const most = Math.max(leastWindowBytes, Math.floor(share / windowsPerShare));
  const receiveBufferBytes = Math.min(receiveBufferBytesOf(stream), most);
  if (tcb.options.receiveBufferBytes !== receiveBufferBytes) setOptions(tcb, { receiveBufferBytes });
}

/** Whether an interface has carried so much that what may still come would exceed its share. */
export function isSpent(stack: StackState, { connection, group }: Subflow): boolean {
  const { tcb } = connection;
  if (group.policy?.maxBytes === undefined || tcb === undefined || connection.wireBytes === 0) return false;
  const own = ownAddress(stack, connection);
  if (own === undefined) return false;
  const name = interfaceOf(stack, own);
  const share = shareOf(group, name);
  if (share === Number.POSITIVE_INFINITY) return false;
  const { rcvAdv, rcvNxt, rcvConsumed, options, congestion } = tcb;
  const receivableBytes = Math.max(rcvAdv, rcvConsumed + options.receiveBufferBytes) - rcvNxt;
  const sendableBytes = Math.max(tcb.sndEnd - Math.max(0, tcb.sndUna), sendableFactor * congestion.cwndBytes);
  const comingBytes = headerFactor * (receivableBytes + sendableBytes);
  return spentBytes(stack, group, name) + comingBytes + marginBytes >= share;
}

/** What a flow has carried stays on the account of its interface. */
export function charge(stack: StackState, { connection, group }: Subflow): void {
  const own = ownAddress(stack, connection);
  if (own === undefined) return;
  const name = interfaceOf(stack, own);
  group.spent.set(name, (group.spent.get(name) ?? 0) + connection.wireBytes);
  connection.wireBytes = 0;
}

function spentBytes(stack: StackState, group: FlowGroup, name: string): number {
  let bytes = group.spent.get(name) ?? 0;
  for (const { connection } of group.subflows) {
    const own = ownAddress(stack, connection);
    if (own !== undefined && interfaceOf(stack, own) === name) bytes += connection.wireBytes;
  }
  return bytes;
}

function shareOf({ policy }: FlowGroup, name: string): number {
  return policy?.maxBytes?.[name] ?? Number.POSITIVE_INFINITY;
}
