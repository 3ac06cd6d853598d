// The control plane's messages (docs/protocol-control.md, "Messages"): payloads of unbound datagrams between instances,
// clients, routers and the controller. An 8-byte header, then the fields of the type at fixed places, described once in
// `layouts`. Bytes past the known fields are skipped, so that later versions may append; what was appended (`additions`)
// may be absent as a whole, but not cut short: a message with a broken proof is never taken for one without.
// CBOR was rejected here: fixed fields are smaller, need no library in core, and leave a parser nothing to be fooled by.

import {
  asciiBytes,
  type Crypto,
  type FlowId,
  type Locator,
  makePrefix,
  noFlow,
  type Prefix,
  Reason,
  type ServiceId,
} from '../base/index.ts';
import { type Identity, maxCredentialBytes } from '../security/index.ts';
import {
  type Field,
  id64,
  locator,
  nonce,
  nonceBytes,
  type Proof,
  peerState,
  prefix,
  proof,
  reason,
  service,
  signatureBytes,
  text,
  u8,
  u16,
  u32,
  u53,
} from './fields.ts';

export const controlVersion = 1;
export const controlHeaderBytes = 8;
/** A REGISTER with three certificates: with its headers it stays below 1,200 bytes. No message is longer. */
export const maxControlBytes = 76 + nonceBytes + 2 + maxCredentialBytes + signatureBytes;

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
  HEARTBEAT: 11,
  HEARTBEAT_ANSWER: 12,
  LIVENESS_QUERY: 13,
  LIVENESS_ANSWER: 14,
} as const;

export type MessageType = (typeof MessageType)[keyof typeof MessageType];

/** `ADVERT.flags`: answers name queries; takes registrations; has started lately and may not know every name yet. */
export const AdvertFlag = { DIRECTORY: 1, CONTROLLER: 2, LEARNING: 4 } as const;

/** LIVENESS_ANSWER: what the router knows of a peer by its heartbeats. */
export const PeerState = { UNKNOWN: 0, ALIVE: 1, GONE: 2 } as const;

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
  /** ADVERT and answers: of the router. REGISTER, UNREGISTER, HEARTBEAT: of the instance. */
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
  /** REGISTERED, UNREGISTERED, HEARTBEAT_ANSWER; below 64. */
  reason: Reason;
  /** REGISTERED: where the router saw the sender. LIVENESS_QUERY: where its sender sees the peer. */
  observed: Locator;
  /** HEARTBEAT: until the next one. LIVENESS_ANSWER: since the last one. */
  intervalMs: number;
  /** HEARTBEAT_ANSWER: registrations that the router holds of who sent the heartbeat. */
  held: number;
  /** LIVENESS_ANSWER: a `PeerState`. */
  peerState: number;
  /** NAME_QUERY, NAME_ANSWER: up to 253 ASCII characters. */
  name: string;
  /** REGISTERED, UNREGISTERED, HEARTBEAT_ANSWER: to be repeated by the next message of the instance. All zero: none. */
  nonce: Uint8Array;
  /** REGISTER, UNREGISTER; undefined: nobody vouches for it. */
  proof: Proof | undefined;
  /** With a proof: the bytes that its signature is for. Filled by parsing and by signing. */
  signedPart: Uint8Array;
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
  [MessageType.HEARTBEAT]: [
    field('instance', id64),
    field('boot', id64),
    field('intervalMs', u32),
    field('nonce', nonce),
  ],
  [MessageType.HEARTBEAT_ANSWER]: [
    field('boot', id64),
    field('reason', reason),
    reserved(u8),
    reserved(u16),
    field('held', u32),
    field('nonce', nonce),
  ],
  [MessageType.LIVENESS_QUERY]: [field('observed', locator)],
  [MessageType.LIVENESS_ANSWER]: [field('peerState', peerState), reserved(u8), reserved(u16), field('intervalMs', u32)],
};

const additions: Partial<Record<MessageType, readonly NamedField[]>> = {
  [MessageType.REGISTER]: [field('nonce', nonce), field('proof', proof)],
  [MessageType.REGISTERED]: [field('nonce', nonce)],
  [MessageType.UNREGISTER]: [field('nonce', nonce), field('proof', proof)],
  [MessageType.UNREGISTERED]: [field('nonce', nonce)],
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
    intervalMs: 0,
    held: 0,
    peerState: PeerState.UNKNOWN,
    name: '',
    nonce: noNonce,
    proof: undefined,
    signedPart: nothing,
  };
}

export const noNonce = new Uint8Array(nonceBytes);
const nothing = new Uint8Array(0);

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
  out.nonce = noNonce;
  const at = parseFields(layout, view, controlHeaderBytes, out);
  return at < 0 ? failure(at) : parseAdditions(view, at, out);
}

/** Writes the message at `offset` and answers its length; the caller leaves `maxControlBytes` of room. */
export function emitControl(message: ControlMessage, bytes: Uint8Array, offset: number): number {
  const view = new DataView(bytes.buffer, bytes.byteOffset + offset);
  view.setUint8(0, message.type);
  view.setUint8(1, controlVersion);
  view.setUint16(2, 0);
  view.setUint32(4, message.transaction);
  let at = controlHeaderBytes;
  for (const { name, kind } of [...layouts[message.type], ...(additions[message.type] ?? [])])
    at += kind.emit(view, at, name === undefined ? 0 : message[name]);
  return at;
}

/**
 * Signs a REGISTER or UNREGISTER, all of whose other fields are set: a change after that makes it void. Throws RangeError
 * ERR_OUT_OF_RANGE for more than three certificates.
 */
export function signControl(
  primitives: Pick<Crypto, 'sign'>,
  message: ControlMessage,
  { credential, signSeed }: Pick<Identity, 'credential' | 'signSeed'>,
): void {
  const bytes = new Uint8Array(maxControlBytes);
  message.proof = { credential, signature: new Uint8Array(signatureBytes) };
  const length = emitControl(message, bytes, 0);
  message.signedPart = signedPartOf(bytes, 0, length - signatureBytes);
  message.proof = { credential, signature: primitives.sign(signSeed, message.signedPart) };
}

/** Whether the holder of `signKey` made this message as it came. */
export function verifyControl(
  primitives: Pick<Crypto, 'verify'>,
  { proof, signedPart }: ControlMessage,
  signKey: Uint8Array,
): boolean {
  return proof !== undefined && primitives.verify(signKey, signedPart, proof.signature);
}

const domain = asciiBytes('caracal registration 1\0');

function signedPartOf(bytes: Uint8Array, offset: number, length: number): Uint8Array {
  const message = new Uint8Array(domain.length + length);
  message.set(domain);
  message.set(bytes.subarray(offset, offset + length), domain.length);
  return message;
}

/** Where the fields end; negative: why they are none. */
function parseFields(layout: readonly NamedField[], view: DataView, offset: number, out: ControlMessage): number {
  const values = out as unknown as Record<string, unknown>;
  let at = offset;
  for (const { name, kind } of layout) {
    const length = kind.length(view, at);
    if (at + length > view.byteLength) return -Reason.TRUNCATED;
    const value = kind.parse(view, at);
    if (value === null) return -Reason.BAD_MESSAGE;
    if (name !== undefined) values[name] = value;
    at += length;
  }
  return at;
}

function failure(at: number): Reason {
  return -at as Reason;
}

function parseAdditions(view: DataView, offset: number, out: ControlMessage): Reason {
  const layout = additions[out.type];
  out.proof = undefined;
  out.signedPart = nothing;
  if (layout === undefined || offset === view.byteLength) return Reason.OK;
  const at = parseFields(layout, view, offset, out);
  if (at < 0) return failure(at);
  // After a call that may have set it: TypeScript believes that it is still undefined.
  const { proof } = out as ControlMessage;
  if (proof !== undefined)
    out.signedPart = signedPartOf(new Uint8Array(view.buffer, view.byteOffset), 0, at - signatureBytes);
  return Reason.OK;
}

function field<K extends keyof ControlMessage>(name: K, kind: Field<ControlMessage[K]>): NamedField {
  return { name, kind: kind as Field<unknown> };
}

function reserved(kind: Field<number>): NamedField {
  return { name: undefined, kind: kind as Field<unknown> };
}
