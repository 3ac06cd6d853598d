// Fuzz target: a pipe of records. The bytes say what is written, how much of it has arrived when the reader looks, and what is
// damaged on the way; what the reader refuses comes again, as a transport's retransmission does, and so does at last what
// it waits for in vain. Under a cipher that notices, what is read is always the beginning of what was written, and in the
// end all of it. Under the null cipher damage may pass, but no more than what arrived ever comes out.

import { strict as assert } from 'node:assert';
import {
  type ByteSink,
  type ByteSource,
  createRecordReader,
  createRecordResult,
  createRecordWriter,
  nullCipher,
  type RecordCipher,
  type RecordReader,
  type RecordWriter,
  readRecord,
  writeClose,
  writeRecords,
} from '../../../src/core/security/index.ts';
import { maxRecordBodyBytes, recordHeaderBytes } from '../../../src/core/wire/index.ts';
import { checkingCipher } from '../checking-cipher.ts';
import { fillContent, firstStrange } from '../content.ts';
import { below, createOperations, more, oneOf, open, u8, u16 } from '../operations.ts';

export const maxBytes = 256;

export function fuzz(data: Uint8Array): void {
  open(operations, data);
  const pipe = createPipe(below(operations, 2) === 0 ? nullCipher : checkingCipher);
  while (more(operations)) oneOf(operations, steps)(pipe);
  pipe.arrived = pipe.sentBytes;
  settle(pipe);
  if (pipe.cipher === nullCipher && pipe.damaged) return;
  assert.equal(pipe.readBytes, pipe.plainBytes, 'everything arrives');
  assert.equal(pipe.reader.closed, pipe.closed);
}

interface Pipe {
  readonly cipher: RecordCipher;
  readonly writer: RecordWriter;
  readonly reader: RecordReader;
  /** What left the writer, and what of it the reader sees. */
  readonly sent: Uint8Array;
  readonly seen: Uint8Array;
  sentBytes: number;
  /** Of `seen`: up to where it has come, and from where it is not accepted yet. */
  arrived: number;
  accepted: number;
  plainBytes: number;
  readBytes: number;
  closed: boolean;
  damaged: boolean;
}

const operations = createOperations();
const result = createRecordResult();
const roomBytes = 1 << 17;
const sent = new Uint8Array(roomBytes);
const seen = new Uint8Array(roomBytes);
const plain = new Uint8Array(roomBytes);
fillContent(plain, 0, roomBytes, 0, 0);
const bodySizes = [1, 2, 100, 1024, 4096, 16_384, maxRecordBodyBytes, maxRecordBodyBytes + 1];
const steps = [write, write, write, arrive, arrive, look, look, damage, damage, close];

function createPipe(cipher: RecordCipher): Pipe {
  return {
    cipher,
    writer: createRecordWriter(cipher),
    reader: createRecordReader(cipher),
    sent,
    seen,
    sentBytes: 0,
    arrived: 0,
    accepted: 0,
    plainBytes: 0,
    readBytes: 0,
    closed: false,
    damaged: false,
  };
}

function sinkOf(pipe: Pipe): ByteSink {
  return {
    enqueue(bytes, offset, length) {
      pipe.sent.set(bytes.subarray(offset, offset + length), pipe.sentBytes);
      pipe.seen.set(bytes.subarray(offset, offset + length), pipe.sentBytes);
      pipe.sentBytes += length;
    },
  };
}

/** Short mostly: long ones show little more and cost a hundred times as much. */
function readLength(): number {
  const scale = u8(operations);
  return u8(operations) << (scale < 230 ? scale & 3 : 8);
}

function write(pipe: Pipe): void {
  if (pipe.closed) return;
  const wanted = readLength();
  const bodyBytes = oneOf(operations, bodySizes);
  const spaceBytes = Math.min(2 * readLength(), roomBytes - pipe.sentBytes - 64);
  const before = pipe.sentBytes;
  const slice = plain.subarray(0, Math.min(roomBytes, pipe.plainBytes + wanted));
  const taken = writeRecords(pipe.writer, slice, pipe.plainBytes, bodyBytes, spaceBytes, sinkOf(pipe));
  assert.ok(taken >= 0 && taken <= wanted);
  assert.ok(pipe.sentBytes - before <= Math.max(0, spaceBytes), 'records keep to the space that there is');
  pipe.plainBytes += taken;
}

function close(pipe: Pipe): void {
  if (pipe.closed || pipe.sentBytes + 64 > roomBytes || u8(operations) < 192) return;
  pipe.closed = true;
  writeClose(pipe.writer, sinkOf(pipe));
}

function arrive(pipe: Pipe): void {
  pipe.arrived = Math.min(pipe.sentBytes, pipe.arrived + readLength());
}

/** Changes a byte that has not been accepted yet. */
function damage(pipe: Pipe): void {
  const within = pipe.sentBytes - pipe.accepted;
  if (within === 0) return;
  const at = u16(operations) % within;
  pipe.damaged = true;
  pipe.seen[pipe.accepted + at]! ^= 1 << (u8(operations) & 7);
}

function look(pipe: Pipe): void {
  const source = sourceOf(pipe);
  const verdict = readRecord(pipe.reader, source, allocate, result);
  const { bytes } = result;
  if (verdict === 'need') return assert.ok(bytes > source.readableBytes || source.readableBytes < recordHeaderBytes);
  assert.ok(bytes > 0 && bytes <= source.readableBytes);
  if (verdict === 'bad' || verdict === 'malformed') return repeat(pipe, bytes);
  pipe.accepted += bytes;
  takePlain(pipe);
  assert.equal(verdict === 'close', pipe.reader.closed);
}

function sourceOf(pipe: Pipe): ByteSource {
  const { accepted, arrived } = pipe;
  return {
    readableBytes: arrived - accepted,
    copy(at, target, targetOffset, length) {
      assert.ok(at >= 0 && accepted + at + length <= arrived, 'nothing is read that has not arrived');
      target.set(pipe.seen.subarray(accepted + at, accepted + at + length), targetOffset);
    },
  };
}

function allocate(bytes: number): Uint8Array {
  assert.ok(bytes > 0 && bytes <= maxRecordBodyBytes);
  return new Uint8Array(bytes);
}

/** What was refused is sent again. */
function repeat(pipe: Pipe, bytes: number): void {
  assert.ok(pipe.damaged, 'what nobody touched is not refused');
  const { accepted } = pipe;
  pipe.seen.set(pipe.sent.subarray(accepted, accepted + bytes), accepted);
  pipe.arrived = accepted;
}

function takePlain(pipe: Pipe): void {
  const { plain: got } = result;
  const from = pipe.readBytes;
  pipe.readBytes += got.length;
  assert.ok(pipe.readBytes <= pipe.accepted, 'never more than arrived');
  if (pipe.cipher === nullCipher && pipe.damaged) return;
  assert.equal(firstStrange(got, 0, got.length, 0, from), -1, 'what is read is what was written');
}

/** All that is left, as often as it takes. */
function settle(pipe: Pipe): void {
  const noticed = pipe.cipher !== nullCipher || !pipe.damaged;
  while (pipe.accepted < pipe.sentBytes) {
    const { accepted, arrived } = pipe;
    look(pipe);
    if (pipe.accepted > accepted) continue;
    if (!noticed) return;
    if (pipe.arrived === arrived && arrived === pipe.sentBytes) repeat(pipe, arrived - accepted);
    pipe.arrived = pipe.sentBytes;
  }
}
