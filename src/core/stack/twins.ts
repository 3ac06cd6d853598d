// The short way for bulk data (wire/twins.ts): a super-packet has some forty packets, and what is asked of each, whose it
// is, from where, under which conditions, has one answer. Invariant: state and counters are as if each had come by itself.

import { find } from '../tables/index.ts';
import { handleTwins } from '../transport/index.ts';
import { baseHeaderBytes, countTwins, segmentHeaderBytesAt } from '../wire/index.ts';
import { isUnproven } from './path.ts';
import type { StackState } from './state.ts';

/**
 * Of bulk data, what follows the packet at hand in the same super-packet is mostly like it: then it goes the same way without
 * being asked again. Answers how many packets that were; the others come one by one.
 */
export function receiveTwins({ work, flows, counters }: StackState, length: number, most: number): number {
  const { packet, view, bytes } = work;
  const { payloadOffset, totalBytes } = packet;
  const flow = find(flows, packet.flowHi, packet.flowLo);
  if (flow?.kind !== 'connection' || flow.tcb === undefined || isUnproven(flow)) return 0;
  const segmentBytes = segmentHeaderBytesAt(view, payloadOffset);
  const payloadBytes = packet.payloadBytes - segmentBytes;
  const at = payloadOffset - baseHeaderBytes;
  const count = payloadBytes > 0 ? countTwins(view, at, totalBytes, segmentBytes, length, most) : 0;
  if (count === 0 || !handleTwins(flow.tcb, bytes, payloadOffset + segmentBytes, payloadBytes, totalBytes, count))
    return 0;
  flow.packetsIn += count;
  flow.wireBytes += count * totalBytes;
  counters.packetsIn += count;
  return count;
}
