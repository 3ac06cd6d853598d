// The handshake state (Noise rev. 34 section 5.3): runs a pattern, one message at a time, as plain data. Its suite is fixed:
// X25519, AES-256-GCM, SHA-256. Ephemeral keys are the caller's, so that a client may begin before it knows the pattern
// (the first message is the same in all that it takes) and a server may make the same answer twice.

import { type Crypto, type Primitives, randomBytes } from '../../base/index.ts';
import { hkdf2 } from './hkdf.ts';
import { type Pattern, type PatternName, patterns, type Token } from './patterns.ts';
import {
  createSymmetricState,
  decryptAndHash,
  encryptAndHash,
  mixHash,
  mixKey,
  overheadBytes,
  releaseKey,
  type SymmetricState,
} from './symmetric-state.ts';

const keyBytes = 32;

/** X25519, 32 bytes each. */
export interface KeyPair {
  readonly scalar: Uint8Array;
  readonly publicKey: Uint8Array;
}

export interface HandshakeOptions {
  readonly primitives: Crypto;
  readonly pattern: PatternName | Pattern;
  readonly initiator: boolean;
  readonly prologue: Uint8Array;
  readonly staticKey?: KeyPair;
  readonly ephemeralKey: KeyPair;
  /** Where the pattern has it known beforehand. */
  readonly remoteStatic?: Uint8Array;
}

export interface HandshakeState {
  readonly symmetric: SymmetricState;
  readonly pattern: Pattern;
  readonly initiator: boolean;
  readonly staticKey: KeyPair | undefined;
  readonly ephemeralKey: KeyPair;
  remoteStatic: Uint8Array | undefined;
  remoteEphemeral: Uint8Array | undefined;
  /** Messages done. */
  next: number;
  /** A message failed: nothing more is read or written. */
  dead: boolean;
}

export interface SplitKeys {
  /** Initiator to responder, and back. */
  readonly initiatorKey: Uint8Array;
  readonly responderKey: Uint8Array;
  readonly chainingKey: Uint8Array;
  readonly handshakeHash: Uint8Array;
}

export function generateKeyPair(primitives: Pick<Primitives, 'random' | 'x25519Public'>): KeyPair {
  const scalar = randomBytes(primitives.random, keyBytes);
  return { scalar, publicKey: primitives.x25519Public(scalar) };
}

export function createHandshakeState(options: HandshakeOptions): HandshakeState {
  const { primitives, initiator, prologue, staticKey, ephemeralKey, remoteStatic } = options;
  const pattern = typeof options.pattern === 'string' ? patterns[options.pattern] : options.pattern;
  const symmetric = createSymmetricState(primitives, `Noise_${pattern.name}_25519_AESGCM_SHA256`);
  mixHash(symmetric, prologue);
  const known = (isKnown: boolean | undefined, isOurs: boolean): void => {
    const key = isOurs ? staticKey?.publicKey : remoteStatic;
    if (isKnown && key !== undefined) mixHash(symmetric, key);
  };
  known(pattern.initiatorKnown, initiator);
  known(pattern.responderKnown, !initiator);
  return {
    symmetric,
    pattern,
    initiator,
    staticKey,
    ephemeralKey,
    remoteStatic,
    remoteEphemeral: undefined,
    next: 0,
    dead: false,
  };
}

export function isFinished({ next, pattern }: HandshakeState): boolean {
  return next === pattern.messages.length;
}

/** Throws Error ERR_INVALID_STATE when it is not our turn. */
export function writeMessage(state: HandshakeState, payload: Uint8Array): Uint8Array {
  const parts: Uint8Array[] = [];
  for (const token of turn(state, state.initiator)) writeToken(state, token, parts);
  parts.push(encryptAndHash(state.symmetric, payload));
  state.next++;
  return join(parts);
}

/** The payload; undefined for a message that is malformed or not authentic: the state is dead then, its key given back. */
export function readMessage(state: HandshakeState, message: Uint8Array): Uint8Array | undefined {
  const reader = { message, at: 0 };
  for (const token of turn(state, !state.initiator)) if (!readToken(state, token, reader)) return die(state);
  const payload = decryptAndHash(state.symmetric, message.subarray(reader.at));
  if (payload === undefined) return die(state);
  state.next++;
  return payload;
}

/** What the exchange agreed on; the state is over. */
export function split(state: HandshakeState): SplitKeys {
  const { symmetric } = state;
  const [initiatorKey, responderKey] = hkdf2(symmetric.primitives, symmetric.chainingKey, new Uint8Array(0));
  const keys = { initiatorKey, responderKey, chainingKey: symmetric.chainingKey, handshakeHash: symmetric.hash };
  abandon(state);
  return keys;
}

/** Of the messages so far; for keys of our own before the exchange is over (`deriveKey`). */
export function chainingKey(state: HandshakeState): Uint8Array {
  return state.symmetric.chainingKey;
}

/** Gives back what the state holds; it cannot be used again. */
export function abandon(state: HandshakeState): void {
  state.dead = true;
  releaseKey(state.symmetric);
}

function die(state: HandshakeState): undefined {
  abandon(state);
  return undefined;
}

function turn(state: HandshakeState, ours: boolean): readonly Token[] {
  const tokens = state.pattern.messages[state.next];
  const initiators = state.next % 2 === 0;
  if (state.dead || tokens === undefined || initiators !== ours)
    throw Object.assign(new Error('the handshake has no such message now'), { code: 'ERR_INVALID_STATE' });
  return tokens;
}

function writeToken(state: HandshakeState, token: Token, parts: Uint8Array[]): void {
  const { symmetric, ephemeralKey, staticKey } = state;
  if (token === 'e') {
    parts.push(ephemeralKey.publicKey);
    mixHash(symmetric, ephemeralKey.publicKey);
  } else if (token === 's') {
    if (staticKey === undefined) throw misuse('this pattern needs a static key');
    parts.push(encryptAndHash(symmetric, staticKey.publicKey));
  } else if (!mixShared(state, token)) throw misuse('the remote key has no shared secret with ours');
}

function misuse(message: string): Error {
  return Object.assign(new Error(message), { code: 'ERR_INVALID_STATE' });
}

function readToken(state: HandshakeState, token: Token, reader: { message: Uint8Array; at: number }): boolean {
  const { symmetric } = state;
  if (token !== 'e' && token !== 's') return mixShared(state, token);
  const length = keyBytes + (token === 's' ? overheadBytes(symmetric) : 0);
  const part = reader.message.slice(reader.at, reader.at + length);
  if (part.length !== length) return false;
  reader.at += length;
  if (token === 'e') {
    state.remoteEphemeral = part;
    mixHash(symmetric, part);
    return true;
  }
  state.remoteStatic = decryptAndHash(symmetric, part);
  return state.remoteStatic !== undefined;
}

/** `es` is between the initiator's ephemeral and the responder's static key, whoever computes it. */
function mixShared(state: HandshakeState, token: Token): boolean {
  const [first, second] = state.initiator ? [token[0], token[1]] : [token[1], token[0]];
  const own = first === 'e' ? state.ephemeralKey : state.staticKey;
  const remote = second === 'e' ? state.remoteEphemeral : state.remoteStatic;
  if (own === undefined || remote === undefined) return false;
  const shared = state.symmetric.primitives.x25519(own.scalar, remote);
  if (shared === undefined) return false;
  mixKey(state.symmetric, shared);
  shared.fill(0);
  return true;
}

function join(parts: readonly Uint8Array[]): Uint8Array {
  const message = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    message.set(part, at);
    at += part.length;
  }
  return message;
}
