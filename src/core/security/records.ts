/** Where a writer puts bytes, in order: the engine's send buffer, which copies them. */
export interface ByteSink {
  enqueue(bytes: Uint8Array, offset: number, length: number): void;
}
/** The engine's contiguous received bytes not yet accepted; `at` counts from the first of them. */
export interface ByteSource {
  readonly readableBytes: number;
  copy(at: number, target: Uint8Array, targetOffset: number, length: number): void;
}
/** Seals and opens one record; the header is associated data and holds the record number, the nonce. */
export interface RecordCipher {
  readonly tagBytes: number;
  /** Enqueues the sealed body (`length` bytes) and then the tag (`tagBytes`). */
  seal(header: Uint8Array, plain: Uint8Array, offset: number, length: number, sink: ByteSink): void;
  /** Opens the body of `plain.length` bytes at `at`, tag behind it, into `plain`. False: not authentic. */
  open(header: Uint8Array, source: ByteSource, at: number, plain: Uint8Array): boolean;
}
export declare const nullCipher: RecordCipher;
export declare const recordHeaderBytes: number;
export declare const maxRecordBody: number;

export interface RecordWriter {
  cipher: RecordCipher;
  /** Number of the next record. */
  next: number;
  readonly header: Uint8Array;
}
export interface RecordReader {
  cipher: RecordCipher;
  /** Number that the next record must have. */
  expected: number;
  closed: boolean;
  readonly header: Uint8Array;
}
export declare function createRecordWriter(cipher: RecordCipher): RecordWriter;
export declare function createRecordReader(cipher: RecordCipher): RecordReader;

/** Body size for bulk data at this congestion window: a few KB at first, then up to 64 KiB, never above half a flight. */
export declare function recordBytesFor(cwndBytes: number): number;
/**
 * Frames plaintext from `offset` into records of at most `bodyBytes`, as many as fit into `spaceBytes` of the sink (headers
 * and tags included). Answers how many plaintext bytes were taken.
 */
export declare function writeRecords(
  writer: RecordWriter,
  plain: Uint8Array,
  offset: number,
  bodyBytes: number,
  spaceBytes: number,
  sink: ByteSink,
): number;
/** The empty record after which nothing follows: recordHeaderBytes + tagBytes. */
export declare function writeClose(writer: RecordWriter, sink: ByteSink): void;

/**
 * need: `bytes` more or less than what must be readable before calling again makes sense. data: `plain` is authentic, accept `bytes`.
 * close: authentic end, accept `bytes`. bad: discard `bytes` at the front and have them sent again. malformed: no record
 * begins here, so its end is unknown: discard all that is readable (`bytes`).
 */
export type RecordVerdict = 'need' | 'data' | 'close' | 'bad' | 'malformed';
export interface RecordResult {
  bytes: number;
  plain: Uint8Array;
}
export declare function createRecordResult(): RecordResult;
/** Judges the record at the front of `source`. `allocate` is called only for a complete record. */
export declare function readRecord(
  reader: RecordReader,
  source: ByteSource,
  allocate: (bytes: number) => Uint8Array,
  result: RecordResult,
): RecordVerdict;
