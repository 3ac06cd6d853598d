// Fuzz target: a pipe of records. The bytes say what is written, how much of it has arrived when the reader looks, and what is
// damaged on the way; what the reader refuses comes again, as a transport's retransmission does, and so does at last what
// it waits for in vain. Now and then another writer goes on in the place of the first, or the first takes the stream back. Under a cipher that notices, what is read is always the beginning of what was written, and in the
// end all of it. Under the null cipher damage may pass, but no more than what arrived ever comes out.

import { strict as assert } from 'node:assert';
import {
  branchOff,
  createRecordCipher,
  createRecordReader,
  createRecordResult,
  createRecordWriter,
  handOver,
  nullCipher,
  type Piece,
  type RecordCipher,
  type RecordReader,
  type RecordWriter,
  readRecord,
  takeBack,
  updateKey,
  writeClose,
  writeRecords,
} from '../../../src/core/security/index.ts';
import { maxRecordBodyBytes, recordHeaderBytes, recordNumberEnd } from '../../../src/core/wire/index.ts';
import { createCheckingCipher } from '../checking-cipher.ts';
import { fillContent, firstStrange } from '../content.ts';
import { createOperations, more, oneOf, open, u8, u16 } from '../operations.ts';
import { createToyCrypto } from '../toy-crypto.ts';

export const maxBytes = 256;

export function fuzz(data: Uint8Array): void {
  open(operations, data);
  const pipe = createPipe(u8(operations));
  while (more(operations)) oneOf(operations, steps)(pipe);
  settle(pipe);
  pipe.writer.cipher.release();
  pipe.reader.cipher.release();
  assert.equal(crypto.keysHeld(), 0, 'no key outlives its pipe');
  if (!pipe.noticing && pipe.damaged) return;
  assert.equal(pipe.readBytes, pipe.plainBytes, 'everything arrives');
  assert.equal(pipe.reader.closed, pipe.closed);
}

type Kind = 'null' | 'sealed' | 'checking';

interface Pipe {
  writer: RecordWriter;
  readonly reader: RecordReader;
  readonly kind: Kind;
  /** The cipher tells damage. */
  readonly noticing: boolean;
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
const crypto = createToyCrypto();
const key = new Uint8Array(32).fill(1);
const result = createRecordResult();
const roomBytes = 1 << 17;
/** What the writer made, and what of it the reader sees. */
const sent = new Uint8Array(roomBytes);
const seen = new Uint8Array(roomBytes);
const plain = new Uint8Array(roomBytes);
fillContent(plain, 0, roomBytes, 0, 0);
const bodySizes = [16, 17, 100, 1024, 4096, 16_384, maxRecordBodyBytes, maxRecordBodyBytes + 1];
const paddings = [0, 0, 16, 1000];
/** More than a record's overhead and filling, a key update and a close record. */
const slackBytes = 1200;
const branch = recordNumberEnd;
const steps = [write, write, write, arrive, arrive, look, look, damage, damage, update, close, handTo, recall, part];

function createPipe(choice: number): Pipe {
  const noticing = (choice & 1) !== 0;
  const kind = !noticing ? 'null' : choice & 8 ? 'sealed' : 'checking';
  return {
    writer: createRecordWriter(cipherOf(kind), paddings[(choice >> 1) & 3]),
    reader: createRecordReader(cipherOf(kind)),
    kind,
    noticing,
    sentBytes: 0,
    arrived: 0,
    accepted: 0,
    plainBytes: 0,
    readBytes: 0,
    closed: false,
    damaged: false,
  };
}

/** Under the first key, or one that was given away. */
function cipherOf(kind: Kind, given?: Uint8Array): RecordCipher {
  if (kind === 'null') return nullCipher;
  if (kind === 'sealed') return createRecordCipher(crypto.aead, crypto.aead.importKey(given ?? key));
  return createCheckingCipher(given === undefined ? 0 : new DataView(given.buffer).getFloat64(0));
}

/** Blocks of an odd size, so that records span them anywhere. */
function pieceOf(bytes: Uint8Array, at: number, length: number, out: Piece): void {
  out.block = bytes;
  out.start = at;
  out.length = Math.min(length, 331 - (at % 331));
}

function sinkOf(pipe: Pipe) {
  return {
    extend(length: number): number {
      pipe.sentBytes += length;
      return pipe.sentBytes - length;
    },
    piece(at: number, length: number, out: Piece): void {
      assert.ok(length > 0 && at >= 0 && at + length <= pipe.sentBytes, 'nothing is written outside of the record');
      pieceOf(sent, at, length, out);
    },
  };
}

function sourceOf({ accepted, arrived }: Pipe) {
  const check = (at: number, length: number) =>
    assert.ok(at >= 0 && accepted + at + length <= arrived, 'nothing is read that has not arrived');
  return {
    readableBytes: arrived - accepted,
    copy(at: number, target: Uint8Array, targetOffset: number, length: number): void {
      check(at, length);
      target.set(seen.subarray(accepted + at, accepted + at + length), targetOffset);
    },
    piece(at: number, length: number, out: Piece): void {
      check(at, length);
      pieceOf(seen, accepted + at, length, out);
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
  // Filling is not counted as space, so a record is at least as long as what it is filled up to.
  const bodyBytes = Math.max(pipe.writer.paddingBytes, oneOf(operations, bodySizes));
  const spaceBytes = Math.min(2 * readLength(), ((roomBytes - pipe.sentBytes) >> 2) - slackBytes);
  const slice = plain.subarray(0, Math.min(roomBytes, pipe.plainBytes + wanted));
  const taken = writeRecords(pipe.writer, slice, pipe.plainBytes, bodyBytes, spaceBytes, sinkOf(pipe));
  assert.ok(taken >= 0 && taken <= wanted && taken <= Math.max(0, spaceBytes));
  assert.ok(pipe.sentBytes <= roomBytes);
  pipe.plainBytes += taken;
}

function update(pipe: Pipe): void {
  if (pipe.closed || pipe.sentBytes + slackBytes > roomBytes) return;
  updateKey(pipe.writer, sinkOf(pipe));
}

/** An heir writes on with the key that it was given. */
function handTo(pipe: Pipe): void {
  if (pipe.closed || pipe.sentBytes + slackBytes > roomBytes) return;
  const { writer } = pipe;
  const given = handOver(writer, branch, sinkOf(pipe));
  const cipher = cipherOf(pipe.kind, given);
  writer.cipher.release();
  pipe.writer = createRecordWriter(cipher, writer.paddingBytes);
  pipe.writer.next = writer.next;
  pipe.writer.keyedFrom = writer.next;
}

function recall(pipe: Pipe): void {
  if (pipe.closed || pipe.sentBytes + slackBytes > roomBytes) return;
  handOver(pipe.writer, branch, sinkOf(pipe));
  takeBack(pipe.writer, branch, sinkOf(pipe));
}

/** As an end does that has moved. */
function part(pipe: Pipe): void {
  if (pipe.closed || pipe.sentBytes + slackBytes > roomBytes) return;
  branchOff(pipe.writer, branch, sinkOf(pipe));
}

function close(pipe: Pipe): void {
  if (pipe.closed || pipe.sentBytes + slackBytes > roomBytes || u8(operations) < 192) return;
  pipe.closed = true;
  writeClose(pipe.writer, sinkOf(pipe));
}

function arrive(pipe: Pipe): void {
  arriveUpTo(pipe, pipe.arrived + readLength());
}

function arriveUpTo(pipe: Pipe, at: number): void {
  const until = Math.min(pipe.sentBytes, at);
  seen.set(sent.subarray(pipe.arrived, until), pipe.arrived);
  pipe.arrived = until;
}

/** Changes a byte that has arrived and is not accepted yet. */
function damage(pipe: Pipe): void {
  const within = pipe.arrived - pipe.accepted;
  if (within === 0) return;
  pipe.damaged = true;
  seen[pipe.accepted + (u16(operations) % within)]! ^= 1 << (u8(operations) & 7);
}

function look(pipe: Pipe): void {
  const source = sourceOf(pipe);
  const verdict = readRecord(pipe.reader, source, allocate, result);
  const { bytes } = result;
  if (verdict === 'need') return assert.ok(bytes > source.readableBytes);
  assert.ok(bytes > 0 && bytes <= source.readableBytes);
  if (verdict === 'bad' || verdict === 'malformed') return repeat(pipe);
  assert.ok(bytes >= recordHeaderBytes);
  pipe.accepted += bytes;
  takePlain(pipe);
  assert.equal(verdict === 'close', pipe.reader.closed);
}

function allocate(bytes: number): Uint8Array {
  assert.ok(bytes > 0 && bytes <= maxRecordBodyBytes);
  return new Uint8Array(bytes);
}

/** What was refused is sent again. */
function repeat(pipe: Pipe): void {
  assert.ok(pipe.damaged, 'what nobody touched is not refused');
  pipe.arrived = pipe.accepted;
}

function takePlain(pipe: Pipe): void {
  const { plain: got } = result;
  const from = pipe.readBytes;
  pipe.readBytes += got.length;
  assert.ok(pipe.readBytes <= pipe.accepted, 'never more than arrived');
  if (!pipe.noticing && pipe.damaged) return;
  assert.equal(firstStrange(got, 0, got.length, 0, from), -1, 'what is read is what was written');
}

/** All that is left, as often as it takes. */
function settle(pipe: Pipe): void {
  arriveUpTo(pipe, pipe.sentBytes);
  while (pipe.accepted < pipe.sentBytes) {
    const { accepted, arrived } = pipe;
    look(pipe);
    if (pipe.accepted > accepted) continue;
    if (!pipe.noticing && pipe.damaged) return;
    if (pipe.arrived === arrived) repeat(pipe);
    arriveUpTo(pipe, pipe.sentBytes);
  }
}
