// What is handed to another process, sealed so that any channel may carry it: Noise N (rev. 34 section 7.4) to a key that the
// importer made for this one state, then the state under the key that follows (docs/protocol.md, "Handoff"). The key opens
// once: it is overwritten, so that neither the same bytes nor what somebody recorded can be taken in again.
// Who sealed it is not said here: the channel has to know whom it takes states from.

import { aeadTagBytes, asciiBytes, type Crypto, type Primitives } from '../base/index.ts';
import {
  createHandshakeState,
  generateKeyPair,
  type HandshakeState,
  type KeyPair,
  readMessage,
  split,
  writeMessage,
} from './noise/index.ts';

/** For one state. */
export interface ImportKey {
  readonly publicKey: Uint8Array;
  /** Undefined once it has opened something. */
  scalar: Uint8Array | undefined;
}

/** Ephemeral key 32, tag 16. */
const messageBytes = 48;
const prologue = asciiBytes('caracal handoff 1');
const nothing = new Uint8Array(0);

export function createImportKey(primitives: Primitives): ImportKey {
  return generateKeyPair(primitives);
}

/** Undefined: the key is of low order. */
export function sealState(primitives: Primitives, publicKey: Uint8Array, state: Uint8Array): Uint8Array | undefined {
  const ephemeralKey = generateKeyPair(primitives);
  const handshake = createHandshakeState({
    primitives,
    pattern: 'N',
    initiator: true,
    prologue,
    ephemeralKey,
    remoteStatic: publicKey,
  });
  const message = writeMessage(handshake, nothing);
  ephemeralKey.scalar.fill(0);
  if (message === undefined) return undefined;
  const sealed = new Uint8Array(messageBytes + state.length + aeadTagBytes);
  sealed.set(message);
  withKey(primitives, handshake, (key) => {
    const { aead } = primitives;
    aead.beginSeal(key, 0, nothing);
    aead.update(state, 0, sealed, messageBytes, state.length);
    aead.finishSeal(sealed, messageBytes + state.length);
  });
  return sealed;
}

/** The state in memory of its own; undefined: not for this key, changed on the way, or the key was used. */
export function openState(primitives: Crypto, importKey: ImportKey, sealed: Uint8Array): Uint8Array | undefined {
  const { publicKey, scalar } = importKey;
  const stateBytes = sealed.length - messageBytes - aeadTagBytes;
  if (scalar === undefined || stateBytes < 0) return undefined;
  const staticKey: KeyPair = { scalar, publicKey };
  // A responder of N sends nothing, so its ephemeral key is never looked at.
  const handshake = createHandshakeState({
    primitives,
    pattern: 'N',
    initiator: false,
    prologue,
    staticKey,
    ephemeralKey: staticKey,
  });
  if (readMessage(handshake, sealed.subarray(0, messageBytes)) === undefined) return undefined;
  const state = new Uint8Array(stateBytes);
  const authentic = withKey(primitives, handshake, (key) => {
    const { aead } = primitives;
    aead.beginOpen(key, 0, nothing);
    aead.update(sealed, messageBytes, state, 0, stateBytes);
    return aead.finishOpen(sealed, messageBytes + stateBytes);
  });
  if (!authentic) return undefined;
  scalar.fill(0);
  importKey.scalar = undefined;
  return state;
}

function withKey<T>(primitives: Crypto, handshake: HandshakeState, use: (key: number) => T): T {
  const { aead } = primitives;
  const { initiatorKey, responderKey, chainingKey } = split(handshake);
  const key = aead.importKey(initiatorKey);
  for (const secret of [initiatorKey, responderKey, chainingKey]) secret.fill(0);
  try {
    return use(key);
  } finally {
    aead.releaseKey(key);
  }
}
