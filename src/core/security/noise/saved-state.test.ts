import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { countingPrimitives } from '../testing/counting.ts';
import {
  abandon,
  createHandshakeState,
  generateKeyPair,
  type HandshakeState,
  type PatternName,
  readMessage,
  restoreResponder,
  savedBytes,
  saveState,
  split,
  writeMessage,
} from './index.ts';

const primitives = countingPrimitives(5);
const payload = Uint8Array.of(1, 2, 3);

/** Both ends after the responder's message. */
function answered(pattern: PatternName): { client: HandshakeState; server: HandshakeState } {
  const end = (initiator: boolean): HandshakeState =>
    createHandshakeState({
      primitives,
      pattern,
      initiator,
      prologue: payload,
      staticKey: generateKeyPair(primitives),
      ephemeralKey: generateKeyPair(primitives),
    });
  const [client, server] = [end(true), end(false)];
  assert.ok(readMessage(server, writeMessage(client, payload)!));
  assert.ok(readMessage(client, writeMessage(server, payload)!));
  return { client, server };
}

describe('saved state', () => {
  it('NX: what was saved splits into the same keys, after the state itself was wiped', () => {
    const { client, server } = answered('NX');
    const saved = saveState(server);
    assert.equal(saved.length, savedBytes);
    abandon(server);
    assert.deepEqual(split(restoreResponder(primitives, 'NX', saved)), split(client));
  });

  it('XX: a proof is read from what was saved, as often as wanted; a wrong one changes nothing', () => {
    const { client, server } = answered('XX');
    const saved = saveState(server);
    abandon(server);
    const proof = writeMessage(client, payload)!;
    const wrong = proof.slice();
    wrong[40]! ^= 1;
    const expected = split(client);
    for (let i = 0; i < 2; i++) {
      const state = restoreResponder(primitives, 'XX', saved);
      assert.equal(readMessage(state, wrong), undefined);
      assert.deepEqual(readMessage(state, proof), payload);
      assert.deepEqual(state.remoteStatic, client.staticKey?.publicKey);
      assert.deepEqual(split(state), expected);
    }
  });
});
