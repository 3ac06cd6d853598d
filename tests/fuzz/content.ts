// What streams carry in the stateful targets: a byte for each offset, so that any piece shows where it belongs. Below 128,
// so that a target can tell forged bytes from it. Here and not in the targets, because loops over bytes are not what
// the coverage of a target should be about.

/** `stream` tells one stream from another. */
export function contentAt(stream: number, offset: number): number {
  return (offset * 31 + (offset >>> 7) * 5 + stream * 11) & 0x7f;
}

export function fillContent(target: Uint8Array, at: number, length: number, stream: number, offset: number): void {
  for (let i = 0; i < length; i++) target[at + i] = contentAt(stream, offset + i);
}

/** The first byte that is not the content of its offset; -1: all are. Looks at every one of the first 64, then at some. */
export function firstStrange(bytes: Uint8Array, at: number, length: number, stream: number, offset: number): number {
  for (let i = 0; i < length; i += i < 64 ? 1 : 13) if (bytes[at + i] !== contentAt(stream, offset + i)) return at + i;
  return -1;
}

/** The first of `length` bytes in which two views differ; -1: none. */
export function firstDifference(a: DataView, aOffset: number, b: DataView, bOffset: number, length: number): number {
  for (let i = 0; i < length; i++) if (a.getUint8(aOffset + i) !== b.getUint8(bOffset + i)) return i;
  return -1;
}
