// A connection as it travels to the process that goes on with it, as a record and as bytes (docs/protocol.md, "Handoff"). The
// bytes are a version and then the fields of the record, in its order; a later version appends, and an earlier one ignores
// what it does not know. So processes of two versions can hand to each other in a rolling deployment. Nothing in them
// depends on a clock: times are what is left, or how long ago. They hold keys: whoever has them wipes them.

import type { FlowId, Locator, Prefix, ServiceId } from '../base/index.ts';
import { type Field, id64, locator, prefix, service, u8, u32, u53 } from '../control/index.ts';
import type { PathModel, Stretch, TransportState } from '../transport/index.ts';
import type { Moves } from './moves.ts';

export interface HandoffState {
  readonly client: boolean;
  readonly service: ServiceId | undefined;
  readonly sourceService: ServiceId | undefined;
  readonly remoteService: ServiceId | undefined;
  /** The flowID that the peer knows until it has committed the move. */
  readonly formerFlow: FlowId;
  readonly localNonce: FlowId;
  readonly remoteFlow: FlowId;
  readonly remoteNonce: FlowId;
  readonly peer: Locator;
  /** The peer has told where it is, and is listened to there alone. */
  readonly pinned: boolean;
  /** The address that its packets left from; empty: not known. */
  readonly source: Uint8Array;

  /** The client can go on at another instance. */
  readonly resumes: boolean;
  readonly nagle: boolean;
  readonly keepAliveUs: number;
  readonly paddingBytes: number;

  readonly authenticated: boolean;
  readonly encrypted: boolean;
  /** Empty: the peer showed no credential. */
  readonly rootKey: Uint8Array;
  /** Its names; bits 0 with an empty `rootKey`. */
  readonly proven: Prefix;

  /** 32 bytes each; the first two are empty in the clear. */
  readonly sealKey: Uint8Array;
  readonly openKey: Uint8Array;
  readonly tagKey: Uint8Array;
  readonly verifyKey: Uint8Array;
  readonly tagEpoch: number;
  readonly verifyEpoch: number;
  readonly nextRecord: number;
  readonly expectedRecord: number;

  /** Of the stream above the transport, and of the application's. */
  readonly sentBytes: number;
  readonly receivedBytes: number;
  readonly bytesIn: number;
  readonly bytesOut: number;
  /** Verified, and not yet given to the application. */
  readonly unread: Uint8Array;
  readonly distrustUs: number;
  readonly tagAllUs: number;

  readonly moves: Moves;
  readonly transport: TransportState;
}

export const handoffVersion = 1;

/** Room for all fields but the long ones. */
const fixedBytes = 2048;
const stretchHeadBytes = 12;

export function encodeHandoff(state: HandoffState): Uint8Array {
  const { unacknowledged, received } = state.transport;
  let bytes = fixedBytes + state.unread.length + unacknowledged.length + 8 * state.moves.own.length;
  for (const stretch of received) bytes += stretchHeadBytes + stretch.bytes.length;
  const encoded = new Uint8Array(bytes);
  const view = new DataView(encoded.buffer);
  view.setUint8(0, handoffVersion);
  const length = emitRecord(layout, view, 1, state);
  const exact = encoded.slice(0, length);
  encoded.fill(0, 0, length);
  return exact;
}

/** Undefined: no state, or one of a version that cannot be read. Keeps no view of `bytes`. */
export function parseHandoff(bytes: Uint8Array): HandoffState | undefined {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  if (bytes.length === 0 || view.getUint8(0) !== handoffVersion) return undefined;
  const parsed = parseRecord(layout, view, 1);
  return parsed?.value;
}

/** Every field has its kind; they are written in this order. */
type Layout<T> = { readonly [K in keyof T]-?: Kind<T[K]> };

/** A field, or a record of them. */
type Kind<T> = Field<T> | { readonly record: Layout<T> };

const flag: Field<boolean> = {
  length: () => 1,
  parse: (view, at) => (view.getUint8(at) > 1 ? null : view.getUint8(at) === 1),
  emit: (view, at, value) => u8.emit(view, at, value ? 1 : 0),
};

/** Anything but NaN. */
const f64: Field<number> = {
  length: () => 8,
  parse(view, at) {
    const value = view.getFloat64(at);
    return Number.isNaN(value) ? null : value;
  },
  emit(view, at, value) {
    view.setFloat64(at, value);
    return 8;
  },
};

/** Length 4, bytes. */
const bytes: Field<Uint8Array> = {
  length: (view, at) => 4 + (at + 4 <= view.byteLength ? view.getUint32(at) : 0),
  parse: (view, at) => new Uint8Array(view.buffer, view.byteOffset + at + 4, view.getUint32(at)).slice(),
  emit(view, at, value) {
    view.setUint32(at, value.length);
    new Uint8Array(view.buffer, view.byteOffset + at + 4, value.length).set(value);
    return 4 + value.length;
  },
};

/** Count 4, elements. */
function list<T>(element: Field<T>): Field<T[]> {
  return {
    length(view, at) {
      let length = 4;
      const count = at + 4 <= view.byteLength ? view.getUint32(at) : 0;
      for (let i = 0; i < count && at + length <= view.byteLength; i++) length += element.length(view, at + length);
      return length;
    },
    parse(view, at) {
      const values: T[] = [];
      const count = view.getUint32(at);
      for (let i = 0, next = at + 4; i < count; i++) {
        const value = element.parse(view, next);
        if (value === null) return null;
        values.push(value);
        next += element.length(view, next);
      }
      return values;
    },
    emit(view, at, values) {
      view.setUint32(at, values.length);
      let next = at + 4;
      for (const value of values) next += element.emit(view, next, value);
      return next - at;
    },
  };
}

/** Absent in the bytes of versions that did not have it. Those after it must be such, too. */
function appended<T>(field: Field<T>): Field<T | undefined> {
  const has = (view: DataView, at: number): boolean => at < view.byteLength && view.getUint8(at) === 1;
  return {
    length: (view, at) => (at === view.byteLength ? 0 : has(view, at) ? 1 + field.length(view, at + 1) : 1),
    parse: (view, at) => (has(view, at) ? field.parse(view, at + 1) : undefined),
    emit(view, at, value) {
      view.setUint8(at, value === undefined ? 0 : 1);
      return value === undefined ? 1 : 1 + field.emit(view, at + 1, value);
    },
  };
}

const pathModel: Field<PathModel> = {
  length: () => 24,
  parse(view, at) {
    const [bytesPerUs, minRttUs, inflightBytes] = [0, 8, 16].map((offset) => f64.parse(view, at + offset));
    if (bytesPerUs == null || minRttUs == null || inflightBytes == null) return null;
    return { bytesPerUs, minRttUs, inflightBytes };
  },
  emit(view, at, { bytesPerUs, minRttUs, inflightBytes }) {
    f64.emit(view, at, bytesPerUs);
    f64.emit(view, at + 8, minRttUs);
    f64.emit(view, at + 16, inflightBytes);
    return 24;
  },
};

const stretch: Field<Stretch> = {
  length: (view, at) => 8 + bytes.length(view, at + 8),
  parse(view, at) {
    const start = u53.parse(view, at);
    const content = bytes.parse(view, at + 8);
    return start === null || content === null ? null : { start, bytes: content };
  },
  emit: (view, at, value) => u53.emit(view, at, value.start) + bytes.emit(view, at + 8, value.bytes),
};

const layout: Layout<HandoffState> = {
  client: flag,
  service,
  sourceService: service,
  remoteService: service,
  formerFlow: id64,
  localNonce: id64,
  remoteFlow: id64,
  remoteNonce: id64,
  peer: locator,
  pinned: flag,
  source: bytes,
  resumes: flag,
  nagle: flag,
  keepAliveUs: f64,
  paddingBytes: u32,
  authenticated: flag,
  encrypted: flag,
  rootKey: bytes,
  proven: prefix,
  sealKey: bytes,
  openKey: bytes,
  tagKey: bytes,
  verifyKey: bytes,
  tagEpoch: u32,
  verifyEpoch: u32,
  nextRecord: u53,
  expectedRecord: u53,
  sentBytes: u53,
  receivedBytes: u53,
  bytesIn: u53,
  bytesOut: u53,
  unread: bytes,
  distrustUs: f64,
  tagAllUs: f64,
  moves: { record: { own: list(id64), known: u32, peerMove: id64 } },
  transport: {
    record: {
      iss: u32,
      irs: u32,
      sackPermitted: flag,
      timestamps: flag,
      sndScale: u8,
      rcvScale: u8,
      peerMss: u32,
      sndUna: u53,
      sndNxt: u53,
      sndWnd: u53,
      sndWl1: u53,
      maxSndWnd: u53,
      sndSml: u53,
      unacknowledged: bytes,
      rcvAcked: u53,
      rcvConsumed: u53,
      rcvAdv: u53,
      rcvBufBytes: f64,
      rcvMss: u32,
      rcvRttUs: f64,
      received: list(stretch),
      tsRecent: u32,
      tsRecentAgeUs: f64,
      tsNewest: u32,
      tsval: u32,
      packetBytes: u32,
      srttUs: f64,
      rttVarUs: f64,
      minRttUs: f64,
      cwndBytes: u53,
      ssthreshBytes: f64,
      peakBytes: f64,
      model: appended(pathModel),
    },
  },
};

/** Where the fields end. */
function emitRecord<T extends object>(fields: Layout<T>, view: DataView, offset: number, value: T): number {
  let at = offset;
  for (const key of keysOf(fields)) {
    const kind = fields[key];
    if (isField(kind)) at += kind.emit(view, at, value[key]);
    else at = emitRecord(kind.record as Layout<object>, view, at, value[key] as object);
  }
  return at;
}

function parseRecord<T>(fields: Layout<T>, view: DataView, offset: number): { value: T; end: number } | undefined {
  const value: Partial<T> = {};
  let at = offset;
  for (const key of keysOf(fields)) {
    const kind = fields[key];
    if (isField(kind)) {
      const length = kind.length(view, at);
      if (at + length > view.byteLength) return undefined;
      const parsed = kind.parse(view, at);
      if (parsed === null) return undefined;
      value[key] = parsed;
      at += length;
    } else {
      const parsed = parseRecord(kind.record, view, at);
      if (parsed === undefined) return undefined;
      value[key] = parsed.value;
      at = parsed.end;
    }
  }
  return { value: value as T, end: at };
}

function isField<T>(kind: Kind<T>): kind is Field<T> {
  return 'emit' in kind;
}

function keysOf<T>(fields: Layout<T>): (keyof T)[] {
  return Object.keys(fields) as (keyof T)[];
}
