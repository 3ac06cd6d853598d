export {
  abandon,
  chainingKey,
  createHandshakeState,
  generateKeyPair,
  type HandshakeOptions,
  type HandshakeState,
  isFinished,
  type KeyPair,
  readMessage,
  type SplitKeys,
  split,
  writeMessage,
} from './handshake-state.ts';
export { deriveKey } from './hkdf.ts';
export { type Pattern, type PatternName, patterns, type Token } from './patterns.ts';
export { restoreResponder, savedBytes, saveState } from './saved-state.ts';
