// Consecutive batches to one destination as one: a host with many small flows to another sends the answers of a turn in
// one system call, where each flow's own batch would be one packet. What UDP_SEGMENT asks for bounds it: packets equal in
// size, only the last one shorter. The order of packets is kept. A batch that nothing joins is sent from where it stands.
// Rejected: several flows in one batch of the stack, whose engine would then have to undo what does not fit.

import { sameLocator } from '../core/base/index.ts';
import type { Output } from '../core/stack/index.ts';
import { maxSegments } from './udp-link.ts';

type Batch = Output['batch'];

/** From here on a copy costs more than it spares. */
const largestCopyBytes = 8_192;

/** Whether something may join it, or it something else. */
export function isJoinable({ probe, bytes }: Readonly<Batch>): boolean {
  return !probe && bytes <= largestCopyBytes;
}

/** Appends the batch of `output` to the one `held`; false if both cannot be one batch: `held` is as it was. */
export function coalesce(held: Output, output: Readonly<Output>): boolean {
  const { bytes, packets, packetBytes, buffer } = output.batch;
  const { batch } = held;
  if (!isJoinable(output.batch) || batch.probe) return false;
  if (held.link !== output.link || !sameLocator(held.remote, output.remote)) return false;
  const ended = batch.bytes !== batch.packets * batch.packetBytes;
  const sizes = packets === 1 ? bytes <= batch.packetBytes : packetBytes === batch.packetBytes;
  if (ended || !sizes || batch.packets + packets > maxSegments || batch.bytes + bytes > batch.buffer.length)
    return false;
  batch.buffer.set(buffer.subarray(0, bytes), batch.bytes);
  batch.bytes += bytes;
  batch.packets += packets;
  return true;
}
