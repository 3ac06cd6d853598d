// Records, the unit of authentication in a stream (docs/protocol.md, "Records"): 12 bytes of header, up to 64 KiB of
// body, the cipher's tag. The engine acknowledges only what `readRecord` found authentic, so a forged segment costs a
// retransmission and never the flow. Invariant: a number is used once per direction, in order; it is the cipher's nonce.
// One record per segment was rejected: the calls into the cipher, not the bytes, are what costs (DESIGN section 6).

import { Reason } from '../base/index.ts';
import {
  createRecordHeader,
  emitRecordHeader,
  maxRecordBodyBytes,
  parseRecordHeader,
  type RecordHeader,
  RecordType,
  recordHeaderBytes,
} from '../wire/index.ts';

/** Where a writer puts bytes, in order: the engine's send buffer, which copies them. */
export interface ByteSink {
  enqueue(bytes: Uint8Array, offset: number, length: number): void;
}

/** The engine's contiguous received bytes that are not yet accepted; `at` counts from the first of them. */
export interface ByteSource {
  readonly readableBytes: number;
  copy(at: number, target: Uint8Array, targetOffset: number, length: number): void;
}

/** Seals and opens one record. The 12 header bytes are associated data and hold the record number. */
export interface RecordCipher {
  readonly tagBytes: number;
  /** Enqueues the sealed body (`length` bytes) and then the tag (`tagBytes`); leaves `plain` as it is. */
  seal(header: Uint8Array, plain: Uint8Array, offset: number, length: number, sink: ByteSink): void;
  /** Opens the body of `plain.length` bytes that stands at `at`, its tag behind it, into `plain`. False: not authentic. */
  open(header: Uint8Array, source: ByteSource, at: number, plain: Uint8Array): boolean;
}

/** No protection: bodies travel as they are. */
export const nullCipher: RecordCipher = {
  tagBytes: 0,
  seal(_header, plain, offset, length, sink) {
    sink.enqueue(plain, offset, length);
  },
  open(_header, source, at, plain) {
    source.copy(at, plain, 0, plain.length);
    return true;
  },
};

const smallestBulkBody = 4096;
/** A full buffer leaves small gaps; records shorter than this are not made to fill them. */
const shortestFiller = 1024;
const empty = new Uint8Array(0);

export interface RecordWriter {
  cipher: RecordCipher;
  /** Number of the next record. */
  next: number;
  readonly header: Uint8Array;
  readonly headerView: DataView;
}

export interface RecordReader {
  cipher: RecordCipher;
  /** Number that the next record must have. */
  expected: number;
  /** The close record was read: nothing may follow. */
  closed: boolean;
  readonly header: Uint8Array;
  readonly headerView: DataView;
  readonly parsed: RecordHeader;
}

export function createRecordWriter(cipher: RecordCipher): RecordWriter {
  const header = new Uint8Array(recordHeaderBytes);
  return { cipher, next: 0, header, headerView: new DataView(header.buffer) };
}

export function createRecordReader(cipher: RecordCipher): RecordReader {
  const header = new Uint8Array(recordHeaderBytes);
  const headerView = new DataView(header.buffer);
  return { cipher, expected: 0, closed: false, header, headerView, parsed: createRecordHeader() };
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
  const overhead = recordHeaderBytes + writer.cipher.tagBytes;
  const largest = Math.min(bodyBytes, maxRecordBodyBytes);
  let at = offset;
  while (at < plain.length) {
    const wanted = Math.min(largest, plain.length - at);
    const body = Math.min(wanted, spaceBytes - overhead);
    if (body < Math.min(wanted, shortestFiller)) break;
    writeRecord(writer, RecordType.DATA, plain, at, body, sink);
    spaceBytes -= overhead + body;
    at += body;
  }
  return at - offset;
}

/** The empty record after which nothing follows: `recordHeaderBytes` and the tag. */
export function writeClose(writer: RecordWriter, sink: ByteSink): void {
  writeRecord(writer, RecordType.CLOSE, empty, 0, 0, sink);
}

/**
 * `need`: incomplete; it will be `bytes` long (or `bytes` are needed to learn that). `data`: `plain` is authentic, accept
 * `bytes`. `close`: an authentic end, accept `bytes`. `bad`: discard `bytes`, the peer will send them again.
 * `malformed`: no record that belongs here begins here, so its end is unknown: discard all that is readable.
 */
export type RecordVerdict = 'need' | 'data' | 'close' | 'bad' | 'malformed';

export interface RecordResult {
  bytes: number;
  plain: Uint8Array;
}

export function createRecordResult(): RecordResult {
  return { bytes: 0, plain: empty };
}

/** Judges the record at the front of `source`. `allocate` is called only for a complete record with a body. */
export function readRecord(
  reader: RecordReader,
  source: ByteSource,
  allocate: (bytes: number) => Uint8Array,
  result: RecordResult,
): RecordVerdict {
  const { header, cipher, parsed } = reader;
  const { readableBytes } = source;
  result.plain = empty;
  result.bytes = recordHeaderBytes;
  if (readableBytes < recordHeaderBytes) return 'need';
  source.copy(0, header, 0, recordHeaderBytes);
  result.bytes = readableBytes;
  if (!belongsHere(reader)) return 'malformed';
  const { bodyBytes } = parsed;
  result.bytes = recordHeaderBytes + bodyBytes + cipher.tagBytes;
  if (readableBytes < result.bytes) return 'need';
  const plain = bodyBytes === 0 ? empty : allocate(bodyBytes);
  if (!cipher.open(header, source, recordHeaderBytes, plain)) return 'bad';
  reader.expected++;
  result.plain = plain;
  if (parsed.type === RecordType.DATA) return 'data';
  reader.closed = true;
  return 'close';
}

function writeRecord(
  writer: RecordWriter,
  type: number,
  plain: Uint8Array,
  offset: number,
  length: number,
  sink: ByteSink,
): void {
  const { header, headerView, cipher } = writer;
  emitRecordHeader(headerView, 0, type, length, writer.next++);
  sink.enqueue(header, 0, recordHeaderBytes);
  cipher.seal(header, plain, offset, length, sink);
}

/** Whether the header just read is that of this stream's next record. Only a close record has no body. */
function belongsHere({ headerView, parsed, expected, closed }: RecordReader): boolean {
  if (parseRecordHeader(headerView, 0, recordHeaderBytes, parsed) !== Reason.OK) return false;
  if (closed || parsed.recordNumber !== expected) return false;
  return (parsed.type === RecordType.CLOSE) === (parsed.bodyBytes === 0);
}
