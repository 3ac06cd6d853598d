import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { createRecordCipher } from './record-cipher.ts';
import {
  branchOff,
  createRecordReader,
  createRecordResult,
  createRecordWriter,
  handOver,
  nullCipher,
  type Piece,
  type RecordReader,
  readRecord,
  recordBytesFor,
  takeBack,
  updateKey,
  writeClose,
  writeRecords,
} from './records.ts';
import { countingPrimitives } from './testing/counting.ts';

const headerBytes = 12;
const branch = 2 ** 52 + 5;
const allocate = (bytes: number) => new Uint8Array(bytes);

/** A byte pipe as the engine is one: a sink in front, a source behind. Pieces are short, so that records span many. */
class Pipe {
  bytes = new Uint8Array(0);
  get readableBytes() {
    return this.bytes.length;
  }
  extend(length: number) {
    const at = this.bytes.length;
    const longer = new Uint8Array(at + length);
    longer.set(this.bytes);
    this.bytes = longer;
    return at;
  }
  piece(at: number, length: number, out: Piece) {
    assert.ok(at + length <= this.bytes.length, 'stays inside');
    out.block = this.bytes;
    out.start = at;
    out.length = Math.min(length, 37 - (at % 37));
  }
  copy(at: number, target: Uint8Array, targetOffset: number, length: number) {
    assert.ok(at + length <= this.bytes.length, 'reads only what is readable');
    target.set(this.bytes.subarray(at, at + length), targetOffset);
  }
  accept(count: number) {
    this.bytes = this.bytes.slice(count);
  }
}

const primitives = countingPrimitives(6);
const { aead } = primitives;
const key = Uint8Array.from({ length: 32 }, (_, i) => i);
const gcm = (raw: Uint8Array = key) => createRecordCipher(aead, aead.importKey(raw));
const clear = () => nullCipher;

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
  for (const [name, cipher] of Object.entries({ clear, gcm })) {
    it(`${name}: any writes in any sizes come out in order, then the close`, () => {
      fc.assert(
        fc.property(
          fc.array(fc.uint8Array({ minLength: 1, maxLength: 300 }), { maxLength: 6 }),
          fc.integer({ min: 1, max: 200 }),
          (writes, bodyBytes) => {
            const pipe = new Pipe();
            const writer = createRecordWriter(cipher());
            for (const bytes of writes)
              assert.equal(writeRecords(writer, bytes, 0, bodyBytes, 1e6, pipe), bytes.length);
            writeClose(writer, pipe);
            const { verdicts, plain } = readAll(createRecordReader(cipher()), pipe);
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
    writeRecords(createRecordWriter(gcm()), new Uint8Array(20).fill(1), 0, 100, 100, pipe);
    const whole = pipe.bytes;
    const reader = createRecordReader(gcm());
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
    writeRecords(createRecordWriter(gcm()), plain, 0, 100, 100, pipe);
    const whole = pipe.bytes;
    const reader = createRecordReader(gcm());
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
      [4, 0, 0, 3],
      [5, 0, 0, 1],
    ];
    for (const header of headers) {
      const pipe = new Pipe();
      pipe.bytes = Uint8Array.of(...header, 0, 0, 0, 0, 0, 0, 0, 0, 99, 99);
      const { verdicts, result } = readAll(createRecordReader(nullCipher), pipe);
      assert.deepEqual(verdicts, ['malformed'], `${header}`);
      assert.equal(result.bytes, 14);
    }
  });

  it('padding: the length of the data does not show, and the data come out as they were', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 3000 }), fc.constantFrom(1, 16, 256, 1000), (length, multiple) => {
        const pipe = new Pipe();
        const writer = createRecordWriter(gcm(), multiple);
        const plain = Uint8Array.from({ length }, (_, i) => i);
        assert.equal(writeRecords(writer, plain, 0, 4096, 1e6, pipe), length);
        assert.equal((pipe.bytes.length - 28) % multiple, 0);
        const read = readAll(createRecordReader(gcm()), pipe);
        assert.deepEqual(read.plain, [...plain]);
      }),
      { numRuns: 60 },
    );
  });

  it('padding: the largest record holds no more than the format can, and no space is overrun', () => {
    const pipe = new Pipe();
    const writer = createRecordWriter(gcm(), 1000);
    assert.equal(writeRecords(writer, new Uint8Array(70_000), 0, 65_536, 65_564, pipe), 65_532);
    assert.equal(pipe.bytes.length, 65_564);
    assert.equal(readAll(createRecordReader(gcm()), pipe).plain.length, 65_532);
  });

  it('a length of data that passes its padded body is not authentic, whatever the tag says', () => {
    const pipe = new Pipe();
    const writer = createRecordWriter(nullCipher, 16);
    writeRecords(writer, Uint8Array.of(1), 0, 100, 100, pipe);
    pipe.bytes[15] = 13;
    assert.deepEqual(readAll(createRecordReader(nullCipher), pipe).verdicts, ['bad']);
  });

  it('keys: after an update both ends go on under the next one, and the old one opens nothing', () => {
    const pipe = new Pipe();
    const writer = createRecordWriter(gcm());
    const send = (byte: number) => writeRecords(writer, Uint8Array.of(byte), 0, 10, 100, pipe);
    send(1);
    updateKey(writer, pipe);
    send(2);
    updateKey(writer, pipe);
    send(3);
    assert.deepEqual(readAll(createRecordReader(gcm()), pipe).plain, [1, 2, 3]);
    const deaf = createRecordReader(gcm());
    deaf.expected = 5;
    send(4);
    assert.deepEqual(readAll(deaf, pipe).verdicts, ['bad']);
  });

  it('handed over: an heir goes on with the key that was given away, and its reader notices nothing', () => {
    const pipe = new Pipe();
    const writer = createRecordWriter(gcm());
    writeRecords(writer, Uint8Array.of(1), 0, 10, 100, pipe);
    const heir = createRecordWriter(gcm(handOver(writer, branch, pipe)));
    heir.next = writer.next;
    writeRecords(heir, Uint8Array.of(2), 0, 10, 100, pipe);
    assert.deepEqual(readAll(createRecordReader(gcm()), pipe).plain, [1, 2]);
  });

  it('taken back: the stream goes on under a key that was never given away, again and again', () => {
    const pipe = new Pipe();
    const writer = createRecordWriter(gcm());
    const reader = createRecordReader(gcm());
    for (let i = 1; i <= 3; i++) {
      const given = handOver(writer, branch, pipe);
      takeBack(writer, branch, pipe);
      writeRecords(writer, Uint8Array.of(i), 0, 10, 100, pipe);
      assert.notDeepEqual(writer.cipher.exportKey(), given);
    }
    assert.deepEqual(readAll(reader, pipe).plain, [1, 2, 3]);
    assert.deepEqual(reader.cipher.exportKey(), writer.cipher.exportKey());
  });

  it('taken back: a record of that kind that is not authentic changes nothing', () => {
    const pipe = new Pipe();
    const writer = createRecordWriter(gcm());
    handOver(writer, branch, pipe);
    const reader = createRecordReader(gcm());
    readAll(reader, pipe);
    const { held } = primitives.aead;
    for (const changed of [0, 3, 11, 12, 19, 20, 35]) {
      const forged = new Pipe();
      takeBack(Object.assign(createRecordWriter(writer.cipher), { next: writer.next }), branch, forged);
      forged.bytes[changed]! ^= changed === 0 ? 13 : 1;
      assert.ok(!readAll(reader, forged).verdicts.includes('data'), `byte ${changed}`);
    }
    assert.equal(primitives.aead.held, held);
    takeBack(writer, branch, pipe);
    assert.deepEqual(readAll(reader, pipe).verdicts, ['data', 'need']);
  });

  it('branched off: two copies of a writer seal the same number under different keys, and a reader follows either', () => {
    const sent = new Pipe();
    const original = createRecordWriter(gcm());
    writeRecords(original, Uint8Array.of(1), 0, 10, 100, sent);
    const bodies = [branch, branch + 1].map((number) => {
      const pipe = new Pipe();
      pipe.bytes = sent.bytes.slice();
      const copy = createRecordWriter(gcm(original.cipher.exportKey()));
      copy.next = original.next;
      branchOff(copy, number, pipe);
      const from = pipe.bytes.length;
      writeRecords(copy, Uint8Array.of(2), 0, 10, 100, pipe);
      const sealed = pipe.bytes.slice(from);
      assert.deepEqual(readAll(createRecordReader(gcm()), pipe).plain, [1, 2]);
      return [...sealed];
    });
    assert.deepEqual(bodies[0]?.slice(0, headerBytes), bodies[1]?.slice(0, headerBytes));
    assert.notDeepEqual(bodies[0]?.slice(headerBytes), bodies[1]?.slice(headerBytes));
  });

  it('branched off: a number that a record could have, or the next key has, is malformed', () => {
    for (const number of [0, 2 ** 52 - 1, 2 ** 52 + 2 ** 51, 2 ** 53 - 1]) {
      const pipe = new Pipe();
      branchOff(createRecordWriter(gcm()), number, pipe);
      assert.deepEqual(readAll(createRecordReader(gcm()), pipe).verdicts, ['malformed'], `${number}`);
    }
  });

  it('keys: the writer changes them by itself at the limit', () => {
    const limited = Object.assign(gcm(), { recordLimit: 3 });
    const pipe = new Pipe();
    const writer = createRecordWriter(limited);
    for (let i = 0; i < 8; i++) writeRecords(writer, Uint8Array.of(i), 0, 10, 1000, pipe);
    assert.equal(writer.next, 10);
    assert.deepEqual(readAll(createRecordReader(gcm()), pipe).plain, [0, 1, 2, 3, 4, 5, 6, 7]);
  });

  it('writing stops where the space ends, without crumbs', () => {
    const pipe = new Pipe();
    const writer = createRecordWriter(gcm());
    const plain = new Uint8Array(10_000);
    assert.equal(writeRecords(writer, plain, 0, 4096, 4096 + 28 + 1000, pipe), 4096);
    assert.equal(writeRecords(writer, plain, 4096, 4096, 2000, pipe), 1972);
    assert.equal(writeRecords(writer, plain, 9990, 4096, 37, pipe), 0);
    assert.equal(writeRecords(writer, plain, 9990, 4096, 38, pipe), 10);
    assert.equal(writeRecords(writer, plain, 10_000, 4096, 1e6, pipe), 0);
    assert.equal(writer.next, 3);
  });

  it('record size follows the congestion window: half a flight, 4 KiB to 64 KiB', () => {
    assert.deepEqual([0, 8192, 14_000, 131_072, 1e9].map(recordBytesFor), [4096, 4096, 7000, 65_536, 65_536]);
  });
});
