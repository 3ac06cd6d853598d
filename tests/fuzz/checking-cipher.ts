// A record cipher for fuzzing: it hides nothing, but its tag, FNV-1a over header and body, notices damage. A real one costs
// microseconds per record; whether that notices damage is for its own tests.

import type { RecordCipher } from '../../src/core/security/index.ts';

export const checkingCipher: RecordCipher = {
  tagBytes: 4,
  seal(header, bytes, offset, length, sink) {
    sink.enqueue(bytes, offset, length);
    tagView.setUint32(0, sumOf(header, bytes, offset, length));
    sink.enqueue(tag, 0, tag.length);
  },
  open(header, source, at, bytes) {
    source.copy(at, bytes, 0, bytes.length);
    source.copy(at + bytes.length, tag, 0, tag.length);
    return tagView.getUint32(0) === sumOf(header, bytes, 0, bytes.length);
  },
};

const tag = new Uint8Array(4);
const tagView = new DataView(tag.buffer);

function sumOf(header: Uint8Array, bytes: Uint8Array, offset: number, length: number): number {
  let sum = 0x811c9dc5;
  for (const byte of header) sum = Math.imul(sum ^ byte, 0x01000193);
  for (let i = offset; i < offset + length; i++) sum = Math.imul(sum ^ bytes[i]!, 0x01000193);
  return sum >>> 0;
}
