import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import {
  createRecordReader,
  createRecordResult,
  createRecordWriter,
  nullCipher,
  type RecordCipher,
  type RecordReader,
  readRecord,
  recordBytesFor,
  writeClose,
  writeRecords,
} from './records.ts';

const headerBytes = 12;
const allocate = (bytes: number) => new Uint8Array(bytes);

/** A byte pipe as the engine is one: a sink in front, a source behind. */
class Pipe {
  bytes = new Uint8Array(0);
  get readableBytes() {
    return this.bytes.length;
  }
  enqueue(bytes: Uint8Array, offset: number, length: number) {
    this.bytes = Uint8Array.of(...this.bytes, ...bytes.subarray(offset, offset + length));
  }
  copy(at: number, target: Uint8Array, targetOffset: number, length: number) {
    assert.ok(at + length <= this.bytes.length, 'reads only what is readable');
    target.set(this.bytes.subarray(at, at + length), targetOffset);
  }
  accept(count: number) {
    this.bytes = this.bytes.slice(count);
  }
}

function checksum(header: Uint8Array, body: Uint8Array): number {
  let sum = 7;
  for (const byte of [...header, ...body]) sum = (Math.imul(sum, 31) + byte) >>> 0;
  return sum;
}

/** Shows where a real cipher stands: it changes the body, covers the header, and appends a tag. Protects nothing. */
const toyCipher: RecordCipher = {
  tagBytes: 4,
  seal(header, plain, offset, length, sink) {
    const body = plain.slice(offset, offset + length).map((byte) => byte ^ 0x55);
    sink.enqueue(body, 0, length);
    const tag = new Uint8Array(4);
    new DataView(tag.buffer).setUint32(0, checksum(header, body));
    sink.enqueue(tag, 0, 4);
  },
  open(header, source, at, plain) {
    const tag = new Uint8Array(4);
    source.copy(at, plain, 0, plain.length);
    source.copy(at + plain.length, tag, 0, 4);
    if (new DataView(tag.buffer).getUint32(0) !== checksum(header, plain)) return false;
    for (let i = 0; i < plain.length; i++) plain[i]! ^= 0x55;
    return true;
  },
};

/** Reads records until one is not authentic or not whole; the verdicts and the plaintext. */
function readAll(reader: RecordReader, pipe: Pipe) {
  const result = createRecordResult();
  const verdicts: string[] = [];
  const plain: number[] = [];
  for (;;) {
    const verdict = readRecord(reader, pipe, allocate, result);
    verdicts.push(verdict);
    if (verdict !== 'data' && verdict !== 'close') return { verdicts, plain, result };
    plain.push(...result.plain);
    pipe.accept(result.bytes);
  }
}

describe('records', () => {
  for (const [name, cipher] of Object.entries({ nullCipher, toyCipher })) {
    it(`${name}: any writes in any sizes come out in order, then the close`, () => {
      fc.assert(
        fc.property(
          fc.array(fc.uint8Array({ minLength: 1, maxLength: 300 }), { maxLength: 6 }),
          fc.integer({ min: 1, max: 200 }),
          (writes, bodyBytes) => {
            const pipe = new Pipe();
            const writer = createRecordWriter(cipher);
            for (const bytes of writes)
              assert.equal(writeRecords(writer, bytes, 0, bodyBytes, 1e6, pipe), bytes.length);
            writeClose(writer, pipe);
            const { verdicts, plain } = readAll(createRecordReader(cipher), pipe);
            assert.deepEqual(
              plain,
              writes.flatMap((bytes) => [...bytes]),
            );
            assert.deepEqual(verdicts.slice(-2), ['close', 'need']);
            assert.equal(pipe.readableBytes, 0);
          },
        ),
        { numRuns: 60 },
      );
    });
  }

  it('the wire form: type, length, number, body', () => {
    const pipe = new Pipe();
    const writer = createRecordWriter(nullCipher);
    writer.next = 2 ** 32 + 5;
    writeRecords(writer, Uint8Array.of(9, 8, 7), 1, 100, 100, pipe);
    assert.deepEqual([...pipe.bytes], [1, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 5, 8, 7]);
    pipe.bytes = new Uint8Array(0);
    writeClose(writer, pipe);
    assert.deepEqual([...pipe.bytes], [2, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 6]);
  });

  it('a record is needed whole, tag included', () => {
    const pipe = new Pipe();
    writeRecords(createRecordWriter(toyCipher), new Uint8Array(20).fill(1), 0, 100, 100, pipe);
    const whole = pipe.bytes;
    const reader = createRecordReader(toyCipher);
    const result = createRecordResult();
    for (let length = 0; length < whole.length; length++) {
      pipe.bytes = whole.slice(0, length);
      assert.equal(readRecord(reader, pipe, allocate, result), 'need');
      assert.equal(result.bytes, length < headerBytes ? headerBytes : whole.length);
    }
    pipe.bytes = whole;
    assert.equal(readRecord(reader, pipe, allocate, result), 'data');
    assert.equal(result.bytes, whole.length);
  });

  it('one wrong bit anywhere: the record is refused, and the right bytes in its place are taken', () => {
    const plain = new Uint8Array(40).map((_, i) => i);
    const pipe = new Pipe();
    writeRecords(createRecordWriter(toyCipher), plain, 0, 100, 100, pipe);
    const whole = pipe.bytes;
    const reader = createRecordReader(toyCipher);
    const result = createRecordResult();
    for (let bit = 0; bit < whole.length * 8; bit++) {
      pipe.bytes = whole.slice();
      pipe.bytes[bit >> 3]! ^= 1 << (bit & 7);
      const verdict = readRecord(reader, pipe, allocate, result);
      if (bit >= 8 && bit < 32)
        assert.ok(['need', 'bad', 'malformed'].includes(verdict), `length bit ${bit}: ${verdict}`);
      else assert.equal(verdict, bit < headerBytes * 8 ? 'malformed' : 'bad', `bit ${bit}`);
      if (verdict === 'bad') assert.ok(result.bytes <= whole.length);
      if (verdict === 'malformed') assert.equal(result.bytes, whole.length);
    }
    pipe.bytes = whole;
    assert.equal(readRecord(reader, pipe, allocate, result), 'data');
    assert.deepEqual(result.plain, plain);
  });

  it('a repeated record, a skipped one and one after the close are malformed', () => {
    const pipe = new Pipe();
    const writer = createRecordWriter(nullCipher);
    writeRecords(writer, Uint8Array.of(1), 0, 10, 100, pipe);
    const first = pipe.bytes;
    const reader = createRecordReader(nullCipher);
    assert.deepEqual(readAll(reader, pipe).verdicts, ['data', 'need']);
    pipe.bytes = first;
    assert.deepEqual(readAll(reader, pipe).verdicts, ['malformed']);
    writer.next = 2;
    pipe.bytes = new Uint8Array(0);
    writeRecords(writer, Uint8Array.of(1), 0, 10, 100, pipe);
    assert.deepEqual(readAll(reader, pipe).verdicts, ['malformed']);
    writer.next = 1;
    pipe.bytes = new Uint8Array(0);
    writeClose(writer, pipe);
    writeRecords(writer, Uint8Array.of(1), 0, 10, 100, pipe);
    assert.deepEqual(readAll(reader, pipe).verdicts, ['close', 'malformed']);
  });

  it('headers with an unknown type, an oversized body, a data record without and a close with a body are malformed', () => {
    const headers = [
      [3, 0, 0, 1],
      [0, 0, 0, 1],
      [1, 1, 0, 1],
      [1, 0, 0, 0],
      [2, 0, 0, 1],
    ];
    for (const header of headers) {
      const pipe = new Pipe();
      pipe.bytes = Uint8Array.of(...header, 0, 0, 0, 0, 0, 0, 0, 0, 99, 99);
      const { verdicts, result } = readAll(createRecordReader(nullCipher), pipe);
      assert.deepEqual(verdicts, ['malformed'], `${header}`);
      assert.equal(result.bytes, 14);
    }
  });

  it('writing stops where the space ends, without crumbs', () => {
    const pipe = new Pipe();
    const writer = createRecordWriter(toyCipher);
    const plain = new Uint8Array(10_000);
    assert.equal(writeRecords(writer, plain, 0, 4096, 4096 + 16 + 1000, pipe), 4096);
    assert.equal(writeRecords(writer, plain, 4096, 4096, 2000, pipe), 1984);
    assert.equal(writeRecords(writer, plain, 9990, 4096, 25, pipe), 0);
    assert.equal(writeRecords(writer, plain, 9990, 4096, 26, pipe), 10);
    assert.equal(writeRecords(writer, plain, 10_000, 4096, 1e6, pipe), 0);
    assert.equal(writer.next, 3);
  });

  it('record size follows the congestion window: half a flight, 4 KiB to 64 KiB', () => {
    assert.deepEqual([0, 8192, 14_000, 131_072, 1e9].map(recordBytesFor), [4096, 4096, 7000, 65_536, 65_536]);
  });
});
