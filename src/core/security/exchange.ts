// The key exchange inside an opening (docs/protocol.md, "Key exchange"): Noise NX, or XX where the client proves a name,
// too. Its three messages ride on SYN, SYN-ACK and ACK. The first one is the same for both patterns, so the client keeps
// its offer and begins the exchange only when the answer says which pattern it is. What an end says of itself is a byte
// of flags and its credential, encrypted but for the client's flags, which the transcript covers.
// No negotiation: one suite, and the patterns differ only in who is known to whom.

import { asciiBytes, type Crypto, type FlowId, type KeyIndex, type Primitives } from '../base/index.ts';
import {
  abandon,
  chainingKey,
  createHandshakeState,
  deriveKey,
  generateKeyPair,
  type HandshakeState,
  type KeyPair,
  readMessage,
  restoreResponder,
  savedBytes,
  saveState,
  split,
  writeMessage,
} from './noise/index.ts';

/** HANDSHAKE's pattern: 0 in the client's first message, which leaves the choice to the server. */
export const ExchangePattern = { OPEN: 0, NX: 1, XX: 2 } as const;

/** In the first message: data in the clear would do; the client will prove a name (and so wants XX); it can go on elsewhere;
 * it goes on for a connection that was lost. */
export const OfferFlag = { INSECURE: 1, IDENTITY: 2, RESUMES: 4, RESUMING: 8 } as const;
/** In the second and third: data goes in the clear, as both want it. */
export const AnswerFlag = { INSECURE: 1 } as const;

/** What the client keeps between SYN and SYN-ACK. */
export interface Offer {
  readonly ephemeralKey: KeyPair;
  readonly flags: number;
  /** Ephemeral key 32, flags 1. */
  readonly message: Uint8Array;
}

/** What an end says of itself. */
export interface Hello {
  readonly flags: number;
  /** Empty: it proves no name. */
  readonly credential: Uint8Array;
}

/** What was read of the other end: `staticKey` is proven, the credential is still to be judged. */
export interface Introduction extends Hello {
  readonly staticKey: Uint8Array;
}

export interface Answer {
  readonly state: HandshakeState;
  readonly message: Uint8Array;
  /** 32 bytes: the key of the SYN-ACK's tag. */
  readonly answerKey: Uint8Array;
}

/** The keys of one flow, as indices into the slabs of the primitives. */
export interface FlowKeys {
  /** -1 once a record cipher has taken it over. */
  sealKey: KeyIndex;
  openKey: KeyIndex;
  tagKey: KeyIndex;
  verifyKey: KeyIndex;
  /** Epochs of the two before: how often the end that makes the tags has moved to another process. */
  tagEpoch: number;
  verifyEpoch: number;
}

/** What both ends of an opening know before there are keys, and routers may not change. */
export interface OpeningFacts {
  readonly protocol: number;
  readonly service: Uint8Array;
  readonly source: Uint8Array | undefined;
  /** Of the client. */
  readonly flow: FlowId;
  readonly nonce: FlowId;
  /** The transport's SYN; empty for datagrams. */
  readonly segment: Uint8Array;
}

/** Of `saveExchange`. */
export const savedExchangeBytes = savedBytes;
const offerBytes = 33;
const helloHeadBytes = 3;
const nothing = new Uint8Array(0);
const prologueLabel = asciiBytes('caracal opening 1');

/** Label 17, protocol 1, flow 8, nonce 8, destination 32, source 32 (zero: none), the transport's SYN. */
export function openingPrologue({ protocol, service, source, flow, nonce, segment }: OpeningFacts): Uint8Array {
  const fixed = prologueLabel.length + 17 + 64;
  const prologue = new Uint8Array(fixed + segment.length);
  const view = new DataView(prologue.buffer);
  prologue.set(prologueLabel);
  let at = prologueLabel.length;
  view.setUint8(at, protocol);
  view.setUint32(at + 1, flow.hi);
  view.setUint32(at + 5, flow.lo);
  view.setUint32(at + 9, nonce.hi);
  view.setUint32(at + 13, nonce.lo);
  at += 17;
  prologue.set(service, at);
  if (source !== undefined) prologue.set(source, at + 32);
  prologue.set(segment, fixed);
  return prologue;
}

export function createOffer(primitives: Primitives, flags: number): Offer {
  const ephemeralKey = generateKeyPair(primitives);
  const message = new Uint8Array(offerBytes);
  message.set(ephemeralKey.publicKey);
  message[32] = flags;
  return { ephemeralKey, flags, message };
}

/** The flags of a first message; undefined for what is none. */
export function offerFlags(message: Uint8Array): number | undefined {
  return message.length === offerBytes ? message[32] : undefined;
}

export interface AnswerOptions {
  readonly prologue: Uint8Array;
  /** `ExchangePattern.NX` or `.XX`. */
  readonly pattern: number;
  readonly staticKey: KeyPair;
  readonly ephemeralKey: KeyPair;
  readonly hello: Hello;
}

/** The server's message; undefined for an offer that no honest client makes. */
export function answerOffer(primitives: Crypto, options: AnswerOptions, offer: Uint8Array): Answer | undefined {
  const { prologue, pattern, staticKey, ephemeralKey, hello } = options;
  const name = patternName(pattern);
  const state = createHandshakeState({
    primitives,
    pattern: name,
    initiator: false,
    prologue,
    staticKey,
    ephemeralKey,
  });
  const message = readMessage(state, offer) && writeMessage(state, encodeHello(hello));
  return message && { state, message, answerKey: answerKeyOf(primitives, state) };
}

export interface ReadAnswer {
  readonly state: HandshakeState;
  readonly answerKey: Uint8Array;
  readonly server: Introduction;
}

/** The client reads the server's message. `staticKey` proves the client's own name under XX. Undefined: not authentic. */
export function readAnswer(
  primitives: Primitives,
  prologue: Uint8Array,
  offer: Offer,
  pattern: number,
  message: Uint8Array,
  staticKey: KeyPair | undefined,
): ReadAnswer | undefined {
  if (pattern !== ExchangePattern.NX && pattern !== ExchangePattern.XX) return undefined;
  if (pattern === ExchangePattern.XX && staticKey === undefined) return undefined;
  const state = createHandshakeState({
    primitives,
    pattern: patternName(pattern),
    initiator: true,
    prologue,
    ephemeralKey: offer.ephemeralKey,
    ...(staticKey === undefined ? {} : { staticKey }),
  });
  writeMessage(state, offer.message.subarray(32));
  const server = introduction(state, message);
  if (server !== undefined) return { state, answerKey: answerKeyOf(primitives, state), server };
  abandon(state);
  return undefined;
}

/** The client's second message, under XX alone. */
export function writeProof(state: HandshakeState, hello: Hello): Uint8Array {
  const message = writeMessage(state, encodeHello(hello));
  // The server's key was shared with already, when its answer was read.
  if (message === undefined) throw new Error('a key of low order was taken');
  return message;
}

/** Undefined: not authentic, and the exchange may go on with another one; or its sender does not keep to the protocol. */
export function readProof(state: HandshakeState, message: Uint8Array): Introduction | undefined {
  return introduction(state, message);
}

/** The exchange is over: the keys of the flow. Those of tags follow from the chaining key, never from public values. */
export function flowKeys(primitives: Primitives, state: HandshakeState, initiator: boolean): FlowKeys {
  const { initiatorKey, responderKey, chainingKey: chaining } = split(state);
  const { aead, mac } = primitives;
  const initiatorTag = deriveKey(primitives, chaining, 'caracal tag initiator');
  const responderTag = deriveKey(primitives, chaining, 'caracal tag responder');
  const keys = {
    sealKey: aead.importKey(initiator ? initiatorKey : responderKey),
    openKey: aead.importKey(initiator ? responderKey : initiatorKey),
    tagKey: mac.importKey(initiator ? initiatorTag : responderTag),
    verifyKey: mac.importKey(initiator ? responderTag : initiatorTag),
    tagEpoch: 0,
    verifyEpoch: 0,
  };
  for (const secret of [initiatorKey, responderKey, chaining, initiatorTag, responderTag]) secret.fill(0);
  return keys;
}

/** A server's exchange, its answer made, as `savedExchangeBytes` bytes; it goes on in what `resumeExchange` answers. */
export function saveExchange(state: HandshakeState): Uint8Array {
  const saved = saveState(state);
  abandon(state);
  return saved;
}

/** As often as wanted: a proof that does not verify leaves what was saved as it is. */
export function resumeExchange(primitives: Crypto, pattern: number, saved: Uint8Array): HandshakeState {
  return restoreResponder(primitives, patternName(pattern), saved);
}

/** Ends an exchange that leads nowhere. */
export function abandonExchange(state: HandshakeState): void {
  abandon(state);
}

function patternName(pattern: number): 'NX' | 'XX' {
  return pattern === ExchangePattern.XX ? 'XX' : 'NX';
}

function answerKeyOf(primitives: Crypto, state: HandshakeState): Uint8Array {
  return deriveKey(primitives, chainingKey(state), 'caracal answer');
}

function introduction(state: HandshakeState, message: Uint8Array): Introduction | undefined {
  const payload = readMessage(state, message);
  if (payload === undefined) return undefined;
  const hello = decodeHello(payload);
  const staticKey = state.remoteStatic;
  if (hello !== undefined && staticKey !== undefined) return { ...hello, staticKey };
  abandon(state);
  return undefined;
}

function encodeHello({ flags, credential }: Hello): Uint8Array {
  const payload = new Uint8Array(helloHeadBytes + credential.length);
  payload[0] = flags;
  new DataView(payload.buffer).setUint16(1, credential.length);
  payload.set(credential, helloHeadBytes);
  return payload;
}

/** What later versions append is skipped. */
function decodeHello(payload: Uint8Array): Hello | undefined {
  if (payload.length < helloHeadBytes) return undefined;
  const view = new DataView(payload.buffer, payload.byteOffset, payload.length);
  const length = view.getUint16(1);
  if (helloHeadBytes + length > payload.length) return undefined;
  const credential = length === 0 ? nothing : payload.slice(helloHeadBytes, helloHeadBytes + length);
  return { flags: view.getUint8(0), credential };
}
