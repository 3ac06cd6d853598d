// Bulk data comes as super-packets of data packets that differ in one word of their headers, the sequence number. To find
// that out of each costs less than to read it: what is true of the first is then true of all (docs/protocol.md, "Packets").

import { baseHeaderBytes } from './packet.ts';

const seqOffset = baseHeaderBytes + 4;

/**
 * How many packets follow the data packet at `offset`, of `totalBytes` and without extensions, that equal it in all
 * `segmentHeaderBytes` of TCP and the base header but for the sequence number, which goes on where the one before ends. None
 * reaches beyond `end`; at most `most` are looked for.
 */
export function countTwins(
  view: DataView,
  offset: number,
  totalBytes: number,
  segmentHeaderBytes: number,
  end: number,
  most: number,
): number {
  const headerBytes = baseHeaderBytes + segmentHeaderBytes;
  const payloadBytes = totalBytes - headerBytes;
  const room = Math.min(most, Math.floor((end - offset) / totalBytes) - 1);
  let seq = view.getUint32(offset + seqOffset);
  for (let count = 0; count < room; count++) {
    const at = offset + (count + 1) * totalBytes;
    seq = (seq + payloadBytes) >>> 0;
    if (view.getUint32(at + seqOffset) !== seq || !equalButForSeq(view, offset, at, headerBytes)) return count;
  }
  return Math.max(0, room);
}

function equalButForSeq(view: DataView, first: number, second: number, headerBytes: number): boolean {
  for (let at = 0; at < headerBytes; at += 4)
    if (view.getUint32(first + at) !== view.getUint32(second + at) && at !== seqOffset) return false;
  return true;
}
