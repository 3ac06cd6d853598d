// What a Duplex holds of a connection that goes to another process: read and not taken, written and not passed on. Both
// are looked at and left where they are, since the connection may stay. Streams document no way to do that: reading would emit
// 'data', and passing on would say that it was written; so these two functions, and no other code, know Node's fields.

import type { Duplex } from 'node:stream';

interface Internals {
  readonly _readableState: {
    /** A list that can be walked; since Node 22 an array, of which the first `bufferIndex` are gone. */
    readonly buffer: Iterable<Buffer | string>;
    readonly bufferIndex?: number;
    readonly decoder?: { readonly lastChar: Buffer; readonly lastNeed: number; readonly lastTotal: number } | null;
    readonly encoding?: BufferEncoding | null;
  };
  readonly _writableState: { getBuffer(): readonly { readonly chunk: Buffer }[] };
}

/** What has come and the application has not taken. With an encoding set, the bytes of the strings, and of the rest of one. */
export function unreadOf(stream: Duplex): Uint8Array[] {
  const { buffer, bufferIndex = 0, decoder, encoding } = (stream as unknown as Internals)._readableState;
  const chunks = [...buffer].slice(bufferIndex).map((chunk) => asBytes(chunk, encoding ?? undefined));
  if (decoder && decoder.lastNeed > 0) chunks.push(decoder.lastChar.subarray(0, decoder.lastTotal - decoder.lastNeed));
  return chunks;
}

/** What was written behind the write under way. */
export function queuedOf(stream: Duplex): Uint8Array[] {
  return (stream as unknown as Internals)._writableState.getBuffer().map(({ chunk }) => chunk);
}

function asBytes(chunk: Buffer | string, encoding: BufferEncoding | undefined): Uint8Array {
  return typeof chunk === 'string' ? Buffer.from(chunk, encoding) : chunk;
}
