// The handshake state (Noise rev. 34 section 5.3): runs a pattern, one message at a time. Its suite is fixed: X25519,
// AES-256-GCM, SHA-256. Invariant: a message that does not verify changes nothing, because anybody may send one: the true
// one may still come (Noise would end the exchange, over a transport that only its peer writes to). Ephemeral keys are
// the caller's, so that a client may begin before it knows the pattern and a server may make the same answer twice.

import { type Primitives, randomBytes } from '../../base/index.ts';
import { overheadBytes } from './cipher-state.ts';
import { hkdf2 } from './hkdf.ts';
import { type Pattern, type PatternName, patterns, type Token } from './patterns.ts';
import {
  copySymmetricState,
  createSymmetricState,
  decryptAndHash,
  encryptAndHash,
  mixHash,
  mixKey,
  type NoisePrimitives,
  type SymmetricState,
  wipe,
} from './symmetric-state.ts';

export const keyBytes = 32;
const maxMessageBytes = 65_535;
/** At most that much of a message is not payload: two keys and two tags. */
const maxOverheadBytes = 96;

/** X25519, 32 bytes each. */
export interface KeyPair {
  readonly scalar: Uint8Array;
  readonly publicKey: Uint8Array;
}

export interface HandshakeOptions {
  readonly primitives: NoisePrimitives;
  readonly pattern: PatternName | Pattern;
  readonly initiator: boolean;
  readonly prologue: Uint8Array;
  /** Required where the pattern sends it or has it known. */
  readonly staticKey?: KeyPair;
  /** For one exchange only, but for making the same message of it again. Stays the caller's. */
  readonly ephemeralKey: KeyPair;
  /** Required where the pattern has it known beforehand. */
  readonly remoteStatic?: Uint8Array;
}

export interface HandshakeState {
  symmetric: SymmetricState;
  readonly pattern: Pattern;
  readonly initiator: boolean;
  readonly staticKey: KeyPair | undefined;
  readonly ephemeralKey: KeyPair;
  remoteStatic: Uint8Array | undefined;
  remoteEphemeral: Uint8Array | undefined;
  /** Messages done. */
  next: number;
  /** Split, abandoned, or met a remote key with which nothing can be shared: nothing more is read or written. */
  closed: boolean;
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

/** Throws TypeError ERR_MISSING_OPTION without a key that the pattern needs. */
export function createHandshakeState(options: HandshakeOptions): HandshakeState {
  const { primitives, initiator, prologue, staticKey, ephemeralKey, remoteStatic } = options;
  const pattern = typeof options.pattern === 'string' ? patterns[options.pattern] : options.pattern;
  const symmetric = createSymmetricState(primitives, `Noise_${pattern.name}_25519_AESGCM_SHA256`);
  mixHash(symmetric, prologue);
  if (sendsStatic(pattern, initiator)) required('staticKey', staticKey);
  const known = (ours: boolean): Uint8Array =>
    ours ? required('staticKey', staticKey).publicKey : required('remoteStatic', remoteStatic);
  if (pattern.initiatorKnown) mixHash(symmetric, known(initiator));
  if (pattern.responderKnown) mixHash(symmetric, known(!initiator));
  return {
    symmetric,
    pattern,
    initiator,
    staticKey,
    ephemeralKey,
    remoteStatic,
    remoteEphemeral: undefined,
    next: 0,
    closed: false,
  };
}

/** All messages are done; what is left is `split`. */
export function isFinished({ next, pattern, closed }: HandshakeState): boolean {
  return !closed && next === pattern.messages.length;
}

/**
 * The message; undefined if a key that the other end sent is of low order: the state is closed then. Throws TypeError
 * ERR_INVALID_STATE when it is not our turn, RangeError ERR_OUT_OF_RANGE for too long a payload.
 */
export function writeMessage(state: HandshakeState, payload: Uint8Array): Uint8Array | undefined {
  const tokens = turn(state, state.initiator);
  if (payload.length > maxMessageBytes - maxOverheadBytes)
    throw Object.assign(new RangeError(`a payload of ${payload.length} bytes is too long`), {
      code: 'ERR_OUT_OF_RANGE',
    });
  const parts: Uint8Array[] = [];
  for (const token of tokens) {
    if (writeToken(state, token, parts)) continue;
    abandon(state);
    return undefined;
  }
  parts.push(encryptAndHash(state.symmetric, payload));
  state.next++;
  return join(parts);
}

/**
 * The payload; undefined for a message that is malformed or not authentic, or if the state is closed: the state is as
 * before. Keeps no view of `message`. Throws TypeError ERR_INVALID_STATE when it is our turn.
 */
export function readMessage(state: HandshakeState, message: Uint8Array): Uint8Array | undefined {
  if (state.closed) return undefined;
  const tokens = turn(state, !state.initiator);
  if (message.length > maxMessageBytes) return undefined;
  const trial = { ...state, symmetric: copySymmetricState(state.symmetric) };
  const payload = readParts(trial, tokens, message);
  wipe(payload === undefined ? trial.symmetric : state.symmetric);
  if (payload === undefined) return undefined;
  state.symmetric = trial.symmetric;
  state.remoteStatic = trial.remoteStatic;
  state.remoteEphemeral = trial.remoteEphemeral;
  state.next++;
  return payload;
}

/** What the exchange agreed on; the state is closed. Throws TypeError ERR_INVALID_STATE before all messages are done. */
export function split(state: HandshakeState): SplitKeys {
  if (!isFinished(state)) throw misuse('the exchange is not finished');
  const { primitives, hash } = state.symmetric;
  const chainingKey = state.symmetric.chainingKey.slice();
  const [initiatorKey, responderKey] = hkdf2(primitives, chainingKey, new Uint8Array(0));
  abandon(state);
  return { initiatorKey, responderKey, chainingKey, handshakeHash: hash };
}

/** Of the messages so far; for keys of our own before the exchange is over (`deriveKey`). Not to be kept. */
export function chainingKey(state: HandshakeState): Uint8Array {
  return state.symmetric.chainingKey;
}

/** Overwrites the secrets that are the state's own, and closes it. */
export function abandon(state: HandshakeState): void {
  state.closed = true;
  wipe(state.symmetric);
}

function sendsStatic({ messages }: Pattern, initiator: boolean): boolean {
  return messages.some((tokens, i) => (i % 2 === 0) === initiator && tokens.includes('s'));
}

function required<T>(name: string, value: T | undefined): T {
  if (value !== undefined) return value;
  throw Object.assign(new TypeError(`this pattern needs ${name}`), { code: 'ERR_MISSING_OPTION' });
}

function misuse(message: string): TypeError {
  return Object.assign(new TypeError(message), { code: 'ERR_INVALID_STATE' });
}

function turn(state: HandshakeState, ours: boolean): readonly Token[] {
  const tokens = state.pattern.messages[state.next];
  const initiators = state.next % 2 === 0;
  if (state.closed || tokens === undefined || initiators !== ours) throw misuse('the exchange has no such message now');
  return tokens;
}

/** False: nothing can be shared with the remote key. */
function writeToken(state: HandshakeState, token: Token, parts: Uint8Array[]): boolean {
  const { symmetric, ephemeralKey } = state;
  if (token === 'e') {
    parts.push(ephemeralKey.publicKey);
    mixHash(symmetric, ephemeralKey.publicKey);
    return true;
  }
  if (token !== 's') return mixShared(state, token);
  parts.push(encryptAndHash(symmetric, required('staticKey', state.staticKey).publicKey));
  return true;
}

function readParts(state: HandshakeState, tokens: readonly Token[], message: Uint8Array): Uint8Array | undefined {
  let at = 0;
  for (const token of tokens) {
    const bytes = partBytes(state, token);
    if (at + bytes > message.length || !readToken(state, token, message.subarray(at, at + bytes))) return undefined;
    at += bytes;
  }
  return decryptAndHash(state.symmetric, message.subarray(at));
}

function partBytes({ symmetric }: HandshakeState, token: Token): number {
  if (token === 'e') return keyBytes;
  return token === 's' ? keyBytes + overheadBytes(symmetric.cipher) : 0;
}

function readToken(state: HandshakeState, token: Token, part: Uint8Array): boolean {
  const { symmetric } = state;
  if (token === 'e') {
    // Not `slice`, which does not copy if the caller's bytes are Node's own class.
    state.remoteEphemeral = new Uint8Array(part);
    mixHash(symmetric, part);
    return true;
  }
  if (token !== 's') return mixShared(state, token);
  state.remoteStatic = decryptAndHash(symmetric, part);
  return state.remoteStatic !== undefined;
}

/** False: the shared secret would be zero, known to everybody, since the remote key is of low order. */
function mixShared(state: HandshakeState, token: Token): boolean {
  const [own, remote] = state.initiator ? [token[0], token[1]] : [token[1], token[0]];
  const { scalar } = own === 'e' ? state.ephemeralKey : required('staticKey', state.staticKey);
  const publicKey = remote === 'e' ? state.remoteEphemeral : state.remoteStatic;
  const shared = publicKey && state.symmetric.primitives.x25519(scalar, publicKey);
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
