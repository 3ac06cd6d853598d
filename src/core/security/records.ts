// Records, the unit of authentication in a stream (docs/protocol.md, "Records"): 12 bytes of header, up to 64 KiB of
// body, the cipher's tag. The engine acknowledges only what `readRecord` found authentic, so a forged segment costs a
// retransmission and never the flow. Invariant: a number is used once per direction, in order; it is the cipher's nonce.
// Bodies are sealed straight into the send buffer and opened straight out of the receive buffer: no copy of their own.
// One record per segment was rejected: the calls into the cipher, not the bytes, are what costs (DESIGN section 6).

import { Reason, sameBytes } from '../base/index.ts';
import {
  branchBodyBytes,
  createRecordHeader,
  emitBranch,
  emitRecordHeader,
  maxRecordBodyBytes,
  mostResumeBytes,
  paddedLengthBytes,
  parseBranch,
  parseRecordHeader,
  type RecordHeader,
  RecordType,
  recordHeaderBytes,
} from '../wire/index.ts';

/** A stretch of a buffer in place, within one block. */
export interface Piece {
  block: Uint8Array;
  start: number;
  length: number;
}

/** Where a writer puts bytes, in order: the engine's send buffer. */
export interface ByteSink {
  /** Adds room for `length` bytes, whose content `piece` then gives access to; answers where it begins. */
  extend(length: number): number;
  /** The first stretch of `length` bytes at `at`, into `out`; go on at `at + out.length`. */
  piece(at: number, length: number, out: Piece): void;
}

/** The engine's contiguous received bytes that are not yet accepted; `at` counts from the first of them. */
export interface ByteSource {
  readonly readableBytes: number;
  copy(at: number, target: Uint8Array, targetOffset: number, length: number): void;
  piece(at: number, length: number, out: Piece): void;
}

/** Seals and opens the body of one record in pieces. What stands before it in the clear is associated data: the header. */
export interface RecordCipher {
  readonly tagBytes: number;
  /** Records under one key, after which the writer must change it. */
  readonly recordLimit: number;
  beginSeal(header: Uint8Array, recordNumber: number): void;
  beginOpen(header: Uint8Array, recordNumber: number): void;
  /** Source and target may be the same bytes. */
  update(source: Uint8Array, sourceOffset: number, target: Uint8Array, targetOffset: number, length: number): void;
  /** Writes `tagBytes`. */
  finishSeal(tag: Uint8Array): void;
  /** False: not authentic. */
  finishOpen(tag: Uint8Array): boolean;
  /** From the next record on another key, which follows from this one; this one is forgotten. */
  nextKey(): void;
  /** Another cipher, on the branch of the present key that has this number; this one stays as it is. */
  branch(number: number): RecordCipher;
  /** A copy of the present key; empty where there is none. */
  exportKey(): Uint8Array;
  /** The key is forgotten; the cipher must not be used again. */
  release(): void;
}

/** No protection: bodies travel as they are. */
export const nullCipher: RecordCipher = {
  tagBytes: 0,
  recordLimit: Infinity,
  beginSeal() {},
  beginOpen() {},
  update(source, sourceOffset, target, targetOffset, length) {
    target.set(source.subarray(sourceOffset, sourceOffset + length), targetOffset);
  },
  finishSeal() {},
  finishOpen: () => true,
  nextKey() {},
  branch: () => nullCipher,
  exportKey: () => empty,
  release() {},
};

const smallestBulkBody = 4096;
/** A full buffer leaves small gaps; records shorter than this are not made to fill them. */
const shortestFiller = 1024;
const mostTagBytes = 16;
/** The body of ADDRESS: 8 locators. */
const mostAddressBytes = 160;
const empty = new Uint8Array(0);
const zeros = new Uint8Array(4096);

export interface RecordWriter {
  cipher: RecordCipher;
  /** Bodies are filled up to a multiple of this; 0: not at all. */
  readonly paddingBytes: number;
  /** Number of the next record. */
  next: number;
  /** Of the first record under the present key. */
  keyedFrom: number;
}

export interface RecordReader {
  cipher: RecordCipher;
  /** Number that the next record must have. */
  expected: number;
  /** Of the first record under the present key, and the tag of the UPDATE before it where records come by several ways. */
  keyedFrom: number;
  updateTag: Uint8Array;
  /** The close record was read: nothing may follow. */
  closed: boolean;
}

/** Of the record at hand; kept by no reader or writer, of which there may be a hundred thousand. */
const header = new Uint8Array(recordHeaderBytes);
const headerView = new DataView(header.buffer);
const parsed = createRecordHeader();
const tag = new Uint8Array(mostTagBytes);
const lengthField = new Uint8Array(paddedLengthBytes);
const branchHead = new Uint8Array(recordHeaderBytes + branchBodyBytes);
const branchView = new DataView(branchHead.buffer);
const piece: Piece = { block: empty, start: 0, length: 0 };

export function createRecordWriter(cipher: RecordCipher, paddingBytes = 0): RecordWriter {
  return { cipher, paddingBytes, next: 0, keyedFrom: 0 };
}

export function createRecordReader(cipher: RecordCipher): RecordReader {
  return { cipher, expected: 0, keyedFrom: 0, updateTag: empty, closed: false };
}

/**
 * Body size for bulk data: half a flight, so that the verification of a record never waits for more than one; at least
 * 4 KiB, since a cipher call costs as much as that many bytes, and at most `maxRecordBodyBytes`.
 */
export function recordBytesFor(cwndBytes: number): number {
  return Math.min(maxRecordBodyBytes, Math.max(smallestBulkBody, cwndBytes >>> 1));
}

/**
 * Frames plaintext from `offset` on into records of at most `bodyBytes`, as many as fit into `spaceBytes` of the sink,
 * headers and tags included. Answers how many plaintext bytes were taken; 0 when the space is too small to be worth
 * a record (a sink with less than about 1 KiB of capacity would never progress).
 */
export function writeRecords(
  writer: RecordWriter,
  plain: Uint8Array,
  offset: number,
  bodyBytes: number,
  spaceBytes: number,
  sink: ByteSink,
): number {
  const { cipher, paddingBytes } = writer;
  const overhead = recordHeaderBytes + cipher.tagBytes;
  const extra = paddingBytes > 0 ? paddedLengthBytes : 0;
  const largest = Math.min(bodyBytes, maxRecordBodyBytes) - extra;
  let at = offset;
  while (at < plain.length) {
    const wanted = Math.min(largest, plain.length - at);
    const body = Math.min(wanted, spaceBytes - overhead - extra);
    if (body < Math.min(wanted, shortestFiller)) break;
    if (writer.next - writer.keyedFrom >= cipher.recordLimit) spaceBytes -= updateKey(writer, sink);
    if (extra > 0) writePadded(writer, plain, at, body, sink);
    else writeRecord(writer, RecordType.DATA, plain, at, body, sink);
    spaceBytes -= overhead + extra + body;
    at += body;
  }
  return at - offset;
}

/** The empty record after which nothing follows: `recordHeaderBytes` and the tag. */
export function writeClose(writer: RecordWriter, sink: ByteSink): void {
  writeRecord(writer, RecordType.CLOSE, empty, 0, 0, sink);
}

/** Where else this end is (wire/address.ts). */
export function writeAddresses(writer: RecordWriter, body: Uint8Array, sink: ByteSink): void {
  writeRecord(writer, RecordType.ADDRESS, body, 0, body.length, sink);
}

/** Where a lost connection stands (wire/resume.ts). */
export function writeResume(writer: RecordWriter, body: Uint8Array, sink: ByteSink): void {
  writeRecord(writer, RecordType.RESUME, body, 0, body.length, sink);
}

/** What follows is sealed under the next key. Answers the bytes written. */
export function updateKey(writer: RecordWriter, sink: ByteSink): number {
  writeRecord(writer, RecordType.UPDATE, empty, 0, 0, sink);
  writer.cipher.nextKey();
  writer.keyedFrom = writer.next;
  return recordHeaderBytes + writer.cipher.tagBytes;
}

/**
 * Another process will go on with this stream from record `writer.next`: answers its key, which this end forgets. What this
 * end still has is the branch `number` of that key, and only `takeBack` with the same number may use it.
 */
export function handOver(writer: RecordWriter, number: number, sink: ByteSink): Uint8Array {
  updateKey(writer, sink);
  const key = writer.cipher.exportKey();
  takeBranch(writer, number);
  return key;
}

/** Nobody else goes on: this end does, under a key that it has never told. */
export function takeBack(writer: RecordWriter, number: number, sink: ByteSink): void {
  writeBranch(writer, number, sink);
}

/** From here on under a key that a copy of this end does not have: whoever draws another `number` has another one. */
export function branchOff(writer: RecordWriter, number: number, sink: ByteSink): void {
  takeBranch(writer, number);
  writeBranch(writer, number, sink);
}

function takeBranch(writer: RecordWriter, number: number): void {
  const branch = writer.cipher.branch(number);
  writer.cipher.release();
  writer.cipher = branch;
}

/** Header and number in the clear, the tag over both. */
function writeBranch(writer: RecordWriter, number: number, sink: ByteSink): void {
  const { cipher } = writer;
  const recordNumber = writer.next++;
  writer.keyedFrom = recordNumber;
  emitRecordHeader(branchView, 0, RecordType.BRANCH, branchBodyBytes, recordNumber);
  emitBranch(branchView, recordHeaderBytes, number);
  const at = sink.extend(branchHead.length + cipher.tagBytes);
  writeInto(sink, at, branchHead, branchHead.length);
  cipher.beginSeal(branchHead, recordNumber);
  endRecord(writer, sink, at + branchHead.length);
}

/**
 * `need`: incomplete; it will be `bytes` long (or `bytes` are needed to learn that). `data`: `plain` is authentic, accept
 * `bytes`. `address`, `resume`: the same, but `plain` is a list of addresses, or where a lost connection stands. `close`: an
 * authentic end, accept `bytes`. `bad`: discard `bytes`, the peer will send them again. `malformed`: no record that belongs
 * here begins here, so its end is unknown: discard all that is readable.
 */
export type RecordVerdict = 'need' | 'data' | 'address' | 'resume' | 'close' | 'bad' | 'malformed';

export interface RecordResult {
  bytes: number;
  plain: Uint8Array;
  /** Of the record, once it is known. */
  type: number;
  recordNumber: number;
}

export function createRecordResult(): RecordResult {
  return { bytes: 0, plain: empty, type: 0, recordNumber: 0 };
}

/** Judges the record at the front of `source`. `allocate` is called only for a complete record with a body. */
export function readRecord(
  reader: RecordReader,
  source: ByteSource,
  allocate: (bytes: number) => Uint8Array,
  result: RecordResult,
): RecordVerdict {
  if (!readHeader(source, result)) return 'need';
  if (!belongsHere(reader)) return 'malformed';
  if (parsed.type === RecordType.BRANCH) return readBranch(reader, source, result);
  const verdict = openBody(reader, source, allocate, result);
  if (verdict !== 'data') return verdict;
  reader.expected++;
  if (parsed.type === RecordType.UPDATE) advanceReader(reader);
  if (parsed.type === RecordType.ADDRESS) return 'address';
  if (parsed.type === RecordType.RESUME) return 'resume';
  if (parsed.type !== RecordType.CLOSE) return 'data';
  reader.closed = true;
  return 'close';
}

/**
 * The same where records come by several ways: any number below `endNumber` under the present key is taken, and what it
 * does to the reader is the caller's business. `data` stands for all types; `result` tells which, and the number.
 */
export function readAnyRecord(
  reader: RecordReader,
  source: ByteSource,
  allocate: (bytes: number) => Uint8Array,
  endNumber: number,
  result: RecordResult,
): RecordVerdict {
  if (!readHeader(source, result)) return 'need';
  const known = parseRecordHeader(headerView, 0, recordHeaderBytes, parsed) === Reason.OK && hasItsBody(parsed);
  if (!known) return 'malformed';
  result.type = parsed.type;
  result.recordNumber = parsed.recordNumber;
  // Written before its sender knew that there are several ways: it came by the first one, in order.
  if (parsed.type === RecordType.BRANCH) return belongsHere(reader) ? readBranch(reader, source, result) : 'malformed';
  if (isLastUpdate(reader)) return readUpdateAgain(reader, source, result);
  if (parsed.recordNumber < reader.keyedFrom || parsed.recordNumber >= endNumber) return 'malformed';
  const verdict = openBody(reader, source, allocate, result);
  if (verdict === 'data' && parsed.type === RecordType.UPDATE) reader.updateTag = tag.slice();
  return verdict;
}

/** Of the records before the present key a writer may repeat only the one that announced it. */
function isLastUpdate({ keyedFrom }: RecordReader): boolean {
  return parsed.type === RecordType.UPDATE && parsed.recordNumber === keyedFrom - 1;
}

/** Its key is gone; it is what it was if its tag is. */
function readUpdateAgain({ cipher, updateTag }: RecordReader, source: ByteSource, result: RecordResult): RecordVerdict {
  result.bytes = recordHeaderBytes + cipher.tagBytes;
  if (source.readableBytes < result.bytes) return 'need';
  source.copy(recordHeaderBytes, tag, 0, cipher.tagBytes);
  return sameBytes(tag, updateTag) ? 'data' : 'bad';
}

/** False: it is not all there, and as many bytes are needed. */
function readHeader(source: ByteSource, result: RecordResult): boolean {
  result.plain = empty;
  result.bytes = recordHeaderBytes;
  if (source.readableBytes < recordHeaderBytes) return false;
  source.copy(0, header, 0, recordHeaderBytes);
  result.bytes = source.readableBytes;
  return true;
}

/** The record whose header was read: `need`, `bad`, or `data` with its content. */
function openBody(
  reader: RecordReader,
  source: ByteSource,
  allocate: (bytes: number) => Uint8Array,
  result: RecordResult,
): RecordVerdict {
  const { cipher } = reader;
  const { bodyBytes } = parsed;
  result.bytes = recordHeaderBytes + bodyBytes + cipher.tagBytes;
  if (source.readableBytes < result.bytes) return 'need';
  const body = bodyBytes === 0 ? empty : allocate(bodyBytes);
  if (!open(cipher, source, body)) return 'bad';
  const plain = parsed.type === RecordType.PADDED ? unpadded(body) : body;
  if (plain === undefined) return 'bad';
  result.plain = plain;
  return 'data';
}

/** The peer's next record is under the next key. */
export function advanceReader(reader: RecordReader): void {
  reader.cipher.nextKey();
  reader.keyedFrom = reader.expected;
}

/** The peer has moved, or had handed the stream over and took it back. */
function readBranch(reader: RecordReader, source: ByteSource, result: RecordResult): RecordVerdict {
  const { cipher } = reader;
  result.bytes = branchHead.length + cipher.tagBytes;
  if (source.readableBytes < result.bytes) return 'need';
  source.copy(0, branchHead, 0, branchHead.length);
  const number = parseBranch(branchView, recordHeaderBytes);
  if (number === undefined) return 'malformed';
  const branch = cipher.branch(number);
  branch.beginOpen(branchHead, parsed.recordNumber);
  if (branch.tagBytes > 0) source.copy(branchHead.length, tag, 0, branch.tagBytes);
  const authentic = branch.finishOpen(tag);
  (authentic ? cipher : branch).release();
  if (!authentic) return 'bad';
  reader.cipher = branch;
  reader.keyedFrom = reader.expected++;
  return 'data';
}

function open(cipher: RecordCipher, source: ByteSource, body: Uint8Array): boolean {
  cipher.beginOpen(header, parsed.recordNumber);
  for (let at = 0; at < body.length; at += piece.length) {
    source.piece(recordHeaderBytes + at, body.length - at, piece);
    cipher.update(piece.block, piece.start, body, at, piece.length);
  }
  if (cipher.tagBytes > 0) source.copy(recordHeaderBytes + body.length, tag, 0, cipher.tagBytes);
  return cipher.finishOpen(tag);
}

/** The data of a padded body; undefined when its length is none. */
function unpadded(body: Uint8Array): Uint8Array | undefined {
  const length = new DataView(body.buffer, body.byteOffset).getUint32(0);
  return length <= body.length - paddedLengthBytes
    ? body.subarray(paddedLengthBytes, paddedLengthBytes + length)
    : undefined;
}

function writeRecord(
  writer: RecordWriter,
  type: number,
  plain: Uint8Array,
  offset: number,
  length: number,
  sink: ByteSink,
): void {
  const at = beginRecord(writer, type, length, sink);
  sealInto(writer.cipher, plain, offset, length, sink, at);
  endRecord(writer, sink, at + length);
}

/** Length, data, zeros up to the next multiple; a body that would pass the largest one is left as long as it is. */
function writePadded(writer: RecordWriter, plain: Uint8Array, offset: number, length: number, sink: ByteSink): void {
  const { cipher, paddingBytes } = writer;
  const bare = paddedLengthBytes + length;
  const bodyBytes = Math.min(Math.max(bare, Math.ceil(bare / paddingBytes) * paddingBytes), maxRecordBodyBytes);
  let at = beginRecord(writer, RecordType.PADDED, bodyBytes, sink);
  new DataView(lengthField.buffer).setUint32(0, length);
  sealInto(cipher, lengthField, 0, paddedLengthBytes, sink, at);
  sealInto(cipher, plain, offset, length, sink, at + paddedLengthBytes);
  const end = at + bodyBytes;
  for (at += bare; at < end; ) {
    const fill = Math.min(zeros.length, end - at);
    sealInto(cipher, zeros, 0, fill, sink, at);
    at += fill;
  }
  endRecord(writer, sink, end);
}

/** Writes the header and makes room for body and tag; answers where the body goes. */
function beginRecord(writer: RecordWriter, type: number, bodyBytes: number, sink: ByteSink): number {
  const { cipher } = writer;
  const recordNumber = writer.next++;
  emitRecordHeader(headerView, 0, type, bodyBytes, recordNumber);
  const at = sink.extend(recordHeaderBytes + bodyBytes + cipher.tagBytes);
  writeInto(sink, at, header, recordHeaderBytes);
  cipher.beginSeal(header, recordNumber);
  return at + recordHeaderBytes;
}

function endRecord({ cipher }: RecordWriter, sink: ByteSink, at: number): void {
  cipher.finishSeal(tag);
  writeInto(sink, at, tag, cipher.tagBytes);
}

function sealInto(
  cipher: RecordCipher,
  plain: Uint8Array,
  offset: number,
  length: number,
  sink: ByteSink,
  at: number,
): void {
  for (let done = 0; done < length; done += piece.length) {
    sink.piece(at + done, length - done, piece);
    cipher.update(plain, offset + done, piece.block, piece.start, piece.length);
  }
}

function writeInto(sink: ByteSink, at: number, bytes: Uint8Array, length: number): void {
  for (let done = 0; done < length; done += piece.length) {
    sink.piece(at + done, length - done, piece);
    for (let i = 0; i < piece.length; i++) piece.block[piece.start + i] = bytes[done + i] ?? 0;
  }
}

/** Whether the header just read is that of this stream's next record. */
function belongsHere({ expected, closed }: RecordReader): boolean {
  if (parseRecordHeader(headerView, 0, recordHeaderBytes, parsed) !== Reason.OK) return false;
  return !closed && parsed.recordNumber === expected && hasItsBody(parsed);
}

/** Whether the body is as long as one of this type can be. */
function hasItsBody({ type, bodyBytes }: RecordHeader): boolean {
  if (type === RecordType.DATA) return bodyBytes >= 1;
  if (type === RecordType.ADDRESS) return bodyBytes <= mostAddressBytes;
  if (type === RecordType.RESUME) return bodyBytes <= mostResumeBytes;
  if (type === RecordType.BRANCH) return bodyBytes === branchBodyBytes;
  return type === RecordType.PADDED ? bodyBytes >= paddedLengthBytes : bodyBytes === 0;
}
