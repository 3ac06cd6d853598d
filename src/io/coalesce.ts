// Consecutive batches to one destination as one: a host with many small flows to another sends the answers of a turn in
// one system call, where each flow's own batch would be one packet. What UDP_SEGMENT asks for bounds it: packets equal in
// size, only the last one shorter. The order of packets is kept. A batch that nothing joins is sent from where it stands.
// Rejected: several flows in one batch of the stack, whose engine would then have to undo what does not fit.

import { type Locator, sameLocator } from '../core/base/index.ts';
import type { Output } from '../core/stack/index.ts';
import { maxSegments } from './udp-link.ts';

type Batch = Output['batch'];

/** From here on a copy costs more than it spares. */
const largestCopyBytes = 8_192;

/** Whether something may join it, or it something else. */
export function isJoinable({ probe, bytes }: Readonly<Batch>): boolean {
  return !probe && bytes <= largestCopyBytes;
}

/** Appends `batch` to `held`, which goes to `heldRemote`; false if both cannot be one batch: `held` is as it was. */
export function coalesce(held: Batch, heldRemote: Locator, batch: Readonly<Batch>, remote: Locator): boolean {
  const { bytes, packets, packetBytes } = batch;
  if (!isJoinable(batch) || held.probe || !sameLocator(heldRemote, remote)) return false;
  const ended = held.bytes !== held.packets * held.packetBytes;
  const sizes = packets === 1 ? bytes <= held.packetBytes : packetBytes === held.packetBytes;
  if (ended || !sizes || held.packets + packets > maxSegments || held.bytes + bytes > held.buffer.length) return false;
  held.buffer.set(batch.buffer.subarray(0, bytes), held.bytes);
  held.bytes += bytes;
  held.packets += packets;
  return true;
}
