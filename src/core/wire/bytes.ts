// Plain access to bytes behind a DataView, for the codecs of this folder. A DataView is what every codec takes: it
// reads big-endian, is bounds-checked, and one view serves a whole super-packet without a subarray per packet.
// 64-bit counters are numbers below 2^53: 285 years of a packet per microsecond, and no bigint on the data path.

/** Above this a 64-bit counter does not fit a number exactly. */
const maxHigh = 0x1fffff;

/** The 8 bytes at `offset` as a number, or -1 when they are 2^53 or more. */
export function readUint53(view: DataView, offset: number): number {
  const high = view.getUint32(offset);
  return high > maxHigh ? -1 : high * 2 ** 32 + view.getUint32(offset + 4);
}

/** `value` is an integer in 0..2^53-1. */
export function writeUint53(view: DataView, offset: number, value: number): void {
  view.setUint32(offset, Math.floor(value / 2 ** 32));
  view.setUint32(offset + 4, value % 2 ** 32);
}

/** A copy of `bytes` bytes at `offset`. */
export function readBytes(view: DataView, offset: number, bytes: number): Uint8Array {
  return new Uint8Array(view.buffer, view.byteOffset + offset, bytes).slice();
}

/** Copies `source` to `offset`, then zeros up to `paddedBytes`. */
export function writeBytes(view: DataView, offset: number, source: Uint8Array, paddedBytes = source.length): void {
  for (let i = 0; i < source.length; i++) view.setUint8(offset + i, source[i]!);
  writeZeros(view, offset + source.length, offset + paddedBytes);
}

/** Zeros [start, end): the padding of a first packet is most of it. */
export function writeZeros(view: DataView, start: number, end: number): void {
  let at = start;
  for (; at + 8 <= end; at += 8) view.setFloat64(at, 0);
  for (; at < end; at++) view.setUint8(at, 0);
}

/** Where the zeros at `start` end; `end` at the latest. */
export function skipZeros(view: DataView, start: number, end: number): number {
  let at = start;
  while (at + 8 <= end && (view.getUint32(at) | view.getUint32(at + 4)) === 0) at += 8;
  while (at < end && view.getUint8(at) === 0) at++;
  return at;
}

/** Copies between buffers that do not overlap, by words: no view is made, so nothing is allocated. */
export function copyBytes(from: DataView, fromOffset: number, to: DataView, toOffset: number, bytes: number): void {
  let i = 0;
  for (; i + 4 <= bytes; i += 4) to.setUint32(toOffset + i, from.getUint32(fromOffset + i));
  for (; i < bytes; i++) to.setUint8(toOffset + i, from.getUint8(fromOffset + i));
}

export function equalBytes(view: DataView, offset: number, bytes: Uint8Array): boolean {
  for (let i = 0; i < bytes.length; i++) if (view.getUint8(offset + i) !== bytes[i]) return false;
  return true;
}
