// A record cipher for fuzzing: it hides nothing, but its tag, FNV-1a over key, header and body, notices damage and records
// that were sealed under another key. A real one costs microseconds per record; what that notices is for its own tests.

import type { RecordCipher } from '../../src/core/security/index.ts';

/** Keys change after this many records, so that short inputs meet it. */
const recordLimit = 5;
const offsetBasis = 0x811c9dc5;
const prime = 0x01000193;
/** No chain of keys is as long. */
const branchDistance = 1e6;

export function createCheckingCipher(firstKey = 0): RecordCipher {
  let key = firstKey;
  let sum = 0;
  const add = (bytes: Uint8Array, from: number, length: number) => {
    for (let i = from; i < from + length; i++) sum = Math.imul(sum ^ bytes[i]!, prime);
  };
  const begin = (header: Uint8Array) => {
    sum = Math.imul(offsetBasis ^ key, prime);
    add(header, 0, header.length);
  };
  let opening = false;
  return {
    tagBytes: 4,
    recordLimit,
    beginSeal(header) {
      opening = false;
      begin(header);
    },
    beginOpen(header) {
      opening = true;
      begin(header);
    },
    update(source, sourceOffset, target, targetOffset, length) {
      if (opening) add(source, sourceOffset, length);
      target.set(source.subarray(sourceOffset, sourceOffset + length), targetOffset);
      if (!opening) add(target, targetOffset, length);
    },
    finishSeal: (tag) => new DataView(tag.buffer, tag.byteOffset).setInt32(0, sum),
    finishOpen: (tag) => new DataView(tag.buffer, tag.byteOffset).getInt32(0) === sum,
    nextKey() {
      key++;
    },
    branch: () => createCheckingCipher(key + branchDistance),
    exportKey() {
      const bytes = new Uint8Array(8);
      new DataView(bytes.buffer).setFloat64(0, key);
      return bytes;
    },
    release() {},
  };
}
