// The control plane's messages (docs/protocol-control.md, "Messages"): payloads of unbound datagrams between instances,
// clients, routers and the controller. An 8-byte header, then the fields of the type at fixed places, described once in
// `layouts`. Bytes past the known fields are skipped, so that later versions may append (a credential to REGISTER).
// CBOR was rejected here: fixed fields are smaller, need no library in core, and leave a parser nothing to be fooled by.

import { type FlowId, type Locator, makePrefix, noFlow, type Prefix, Reason, type ServiceId } from '../base/index.ts';
import { type Field, id64, locator, prefix, reason, service, text, u8, u16, u32, u53 } from './fields.ts';

export const controlVersion = 1;
export const controlHeaderBytes = 8;
/** No message of this version is longer. */
export const maxControlBytes = 320;

export const MessageType = {
  SOLICIT: 1,
  ADVERT: 2,
  OFFER: 3,
  WITHDRAW: 4,
  REGISTER: 5,
  REGISTERED: 6,
  UNREGISTER: 7,
  UNREGISTERED: 8,
  NAME_QUERY: 9,
  NAME_ANSWER: 10,
} as const;

export type MessageType = (typeof MessageType)[keyof typeof MessageType];

/** `ADVERT.flags`: answers name queries; takes registrations; has started lately and may not know every name yet. */
export const AdvertFlag = { DIRECTORY: 1, CONTROLLER: 2, LEARNING: 4 } as const;

/** One record for every message, reused: only the fields of its `type` count. */
export interface ControlMessage {
  type: MessageType;
  /** 32 bits; an answer repeats its question's. */
  transaction: number;
  /** IANA number, 0 for any. */
  protocol: number;
  /** SOLICIT: undefined searches for a router. NAME_ANSWER: undefined when the name is unknown. */
  service: ServiceId | undefined;
  /** OFFER, WITHDRAW, REGISTER, UNREGISTER. */
  prefix: Prefix;
  /** SOLICIT, WITHDRAW: the sender's UDP port; 0 = the one it came from (multicast leaves from another). */
  replyPort: number;
  /** ADVERT, REGISTERED, UNREGISTERED: of the router. REGISTER, UNREGISTER: of the instance. */
  boot: FlowId;
  instance: FlowId;
  /** REGISTER, UNREGISTER; below 2^53. */
  sequence: number;
  /** ADVERT: `AdvertFlag` bits. */
  flags: number;
  weight: number;
  priority: number;
  /** ADVERT, REGISTER, REGISTERED: lease. OFFER: time to live. */
  leaseMs: number;
  /** REGISTERED, UNREGISTERED; below 64. */
  reason: Reason;
  /** REGISTERED: where the router saw the sender. */
  observed: Locator;
  /** NAME_QUERY, NAME_ANSWER: up to 253 ASCII characters. */
  name: string;
}

interface NamedField {
  /** Undefined: reserved, written as zero and skipped. */
  readonly name: keyof ControlMessage | undefined;
  readonly kind: Field<unknown>;
}

const registration: readonly NamedField[] = [
  field('instance', id64),
  field('boot', id64),
  field('sequence', u53),
  field('protocol', u8),
  reserved(u8),
];

const layouts: Record<MessageType, readonly NamedField[]> = {
  [MessageType.SOLICIT]: [field('protocol', u8), reserved(u8), field('replyPort', u16), field('service', service)],
  [MessageType.ADVERT]: [field('boot', id64), field('flags', u16), reserved(u16), field('leaseMs', u32)],
  [MessageType.OFFER]: [
    field('instance', id64),
    field('protocol', u8),
    reserved(u8),
    field('prefix', prefix),
    field('weight', u16),
    field('priority', u16),
    field('leaseMs', u32),
  ],
  [MessageType.WITHDRAW]: [
    field('instance', id64),
    field('protocol', u8),
    reserved(u8),
    field('replyPort', u16),
    field('prefix', prefix),
  ],
  [MessageType.REGISTER]: [
    ...registration,
    field('prefix', prefix),
    field('weight', u16),
    field('priority', u16),
    field('leaseMs', u32),
  ],
  [MessageType.REGISTERED]: [
    field('boot', id64),
    field('reason', reason),
    reserved(u8),
    field('observed', locator),
    field('leaseMs', u32),
  ],
  [MessageType.UNREGISTER]: [...registration, field('prefix', prefix)],
  [MessageType.UNREGISTERED]: [field('boot', id64), field('reason', reason)],
  [MessageType.NAME_QUERY]: [field('name', text)],
  [MessageType.NAME_ANSWER]: [field('service', service), field('name', text)],
};

export function createControlMessage(): ControlMessage {
  return {
    type: MessageType.SOLICIT,
    transaction: 0,
    protocol: 0,
    service: undefined,
    prefix: makePrefix(new Uint8Array(32), 0),
    replyPort: 0,
    boot: noFlow,
    instance: noFlow,
    sequence: 0,
    flags: 0,
    weight: 0,
    priority: 0,
    leaseMs: 0,
    reason: Reason.OK,
    observed: { address: new Uint8Array(4), port: 0 },
    name: '',
  };
}

/** Fills `out` from `length` bytes at `offset`: OK, or why not, and then `out` is not to be used. Keeps no view of `bytes`. */
export function parseControl(bytes: Uint8Array, offset: number, length: number, out: ControlMessage): Reason {
  if (length < controlHeaderBytes) return Reason.TRUNCATED;
  const view = new DataView(bytes.buffer, bytes.byteOffset + offset, length);
  if (view.getUint8(1) !== controlVersion) return Reason.BAD_VERSION;
  const type = view.getUint8(0) as MessageType;
  const layout: readonly NamedField[] | undefined = layouts[type];
  if (layout === undefined) return Reason.BAD_MESSAGE;
  out.type = type;
  out.transaction = view.getUint32(4);
  return parseFields(layout, view, out);
}

/** Writes the message at `offset` and answers its length; the caller leaves `maxControlBytes` of room. */
export function emitControl(message: ControlMessage, bytes: Uint8Array, offset: number): number {
  const view = new DataView(bytes.buffer, bytes.byteOffset + offset);
  view.setUint8(0, message.type);
  view.setUint8(1, controlVersion);
  view.setUint16(2, 0);
  view.setUint32(4, message.transaction);
  let at = controlHeaderBytes;
  for (const { name, kind } of layouts[message.type]) at += kind.emit(view, at, name === undefined ? 0 : message[name]);
  return at;
}

function parseFields(layout: readonly NamedField[], view: DataView, out: ControlMessage): Reason {
  const values = out as unknown as Record<string, unknown>;
  let at = controlHeaderBytes;
  for (const { name, kind } of layout) {
    const length = kind.length(view, at);
    if (at + length > view.byteLength) return Reason.TRUNCATED;
    const value = kind.parse(view, at);
    if (value === null) return Reason.BAD_MESSAGE;
    if (name !== undefined) values[name] = value;
    at += length;
  }
  return Reason.OK;
}

function field<K extends keyof ControlMessage>(name: K, kind: Field<ControlMessage[K]>): NamedField {
  return { name, kind: kind as Field<unknown> };
}

function reserved(kind: Field<number>): NamedField {
  return { name: undefined, kind: kind as Field<unknown> };
}
