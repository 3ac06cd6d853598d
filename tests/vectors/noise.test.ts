// The published Noise vectors of our suite (25519, AESGCM, SHA256; without PSK) through the product's interpreter: what
// each message must be, byte for byte, both ways, then what each end sends with the keys of Split. Where from and under
// which licence stands in the files. Patterns that the product does not have come from the test's own table.

import { strict as assert } from 'node:assert';
import { test } from 'node:test';
import { aeadTagBytes, type Crypto } from '../../src/core/base/index.ts';
import * as noise from '../../src/core/security/index.ts';
import { createCrypto } from '../../src/crypto/index.ts';
import { createPrimitives } from '../../src/io/index.ts';
import { fromHex, loadVectors, toHex } from './load.ts';
import { otherPatterns } from './noise/patterns.ts';

/** Keys are X25519: private ones of each end, and public ones of the other that it knows beforehand. */
interface Vector {
  readonly protocol_name: string;
  readonly init_prologue: string;
  readonly init_static?: string;
  readonly init_ephemeral: string;
  readonly init_remote_static?: string;
  readonly resp_prologue: string;
  readonly resp_static?: string;
  /** Missing where the responder never writes. */
  readonly resp_ephemeral?: string;
  readonly resp_remote_static?: string;
  readonly handshake_hash?: string;
  readonly messages: readonly { readonly payload: string; readonly ciphertext: string }[];
}

interface Ends {
  readonly initiator: noise.HandshakeState;
  readonly responder: noise.HandshakeState;
}

const suites: readonly (readonly [string, Crypto])[] = [
  ['node:crypto', createCrypto()],
  ["the driver's cryptography", createPrimitives()],
];
const patternCount = 38;
const unused = '00'.repeat(32);

for (const source of ['cacophony', 'snow']) {
  const { vectors } = loadVectors<{ vectors: Vector[] }>(`noise/${source}.json`);

  test(`vectors: noise: ${source} has the ${patternCount} patterns once each`, () => {
    const names = vectors.map(nameOf);
    const known = [...Object.keys(noise.patterns), ...otherPatterns.keys()];
    assert.equal(known.length, patternCount);
    assert.deepEqual([...names].sort(), known.sort());
  });

  for (const [name, crypto] of suites)
    test(`vectors: noise: all ${patternCount} of ${source} with ${name}`, () => {
      for (const vector of vectors) check(crypto, vector, patternOf(nameOf(vector)));
    });

  test(`vectors: noise: NX and XX of ${source} by their names in the product`, () => {
    for (const name of ['NX', 'XX'] as const) {
      const vector = vectors.find((candidate) => nameOf(candidate) === name);
      assert.ok(vector);
      check(createCrypto(), vector, name);
    }
  });
}

function check(crypto: Crypto, vector: Vector, pattern: noise.Pattern | noise.PatternName): void {
  const ends = createEnds(crypto, vector, pattern);
  const handshakeMessages = ends.initiator.pattern.messages.length;
  assert.ok(vector.messages.length > handshakeMessages, 'nothing is sent after the handshake');
  for (const [i, message] of vector.messages.slice(0, handshakeMessages).entries()) {
    const [writer, reader] = i % 2 === 0 ? [ends.initiator, ends.responder] : [ends.responder, ends.initiator];
    const what = `${vector.protocol_name}, message ${i}`;
    assert.equal(hexOf(noise.writeMessage(writer, fromHex(message.payload))), message.ciphertext, what);
    assert.equal(hexOf(noise.readMessage(reader, fromHex(message.ciphertext))), message.payload, what);
  }
  assert.ok(noise.isFinished(ends.initiator) && noise.isFinished(ends.responder));
  checkRemoteKeys(ends);
  const keys = noise.split(ends.initiator);
  assert.deepEqual(noise.split(ends.responder), keys);
  if (vector.handshake_hash !== undefined) assert.equal(toHex(keys.handshakeHash), vector.handshake_hash);
  checkTransport(crypto, vector, handshakeMessages, keys);
}

function createEnds(crypto: Crypto, vector: Vector, pattern: noise.Pattern | noise.PatternName): Ends {
  const pair = (hex: string): noise.KeyPair => {
    const scalar = fromHex(hex);
    return { scalar, publicKey: crypto.x25519Public(scalar) };
  };
  const end = (initiator: boolean): noise.HandshakeState => {
    const side = initiator ? 'init' : 'resp';
    const staticKey = vector[`${side}_static`];
    const remoteStatic = vector[`${side}_remote_static`];
    return noise.createHandshakeState({
      primitives: crypto,
      pattern,
      initiator,
      prologue: fromHex(vector[`${side}_prologue`]),
      ephemeralKey: pair(vector[`${side}_ephemeral`] ?? unused),
      ...(staticKey === undefined ? {} : { staticKey: pair(staticKey) }),
      ...(remoteStatic === undefined ? {} : { remoteStatic: fromHex(remoteStatic) }),
    });
  };
  return { initiator: end(true), responder: end(false) };
}

function checkRemoteKeys({ initiator, responder }: Ends): void {
  for (const [own, other] of [
    [initiator, responder],
    [responder, initiator],
  ] as const) {
    if (own.remoteEphemeral !== undefined) assert.deepEqual(own.remoteEphemeral, other.ephemeralKey.publicKey);
    assert.deepEqual(own.remoteStatic, other.staticKey?.publicKey);
  }
}

/** The ends send in turn, as they did in the handshake; where the responder never writes, the initiator sends all. */
function checkTransport(crypto: Crypto, vector: Vector, from: number, keys: noise.SplitKeys): void {
  const sent = { initiator: 0, responder: 0 };
  for (const [i, { payload, ciphertext }] of [...vector.messages.entries()].slice(from)) {
    const sender = from === 1 || i % 2 === 0 ? 'initiator' : 'responder';
    const key = sender === 'initiator' ? keys.initiatorKey : keys.responderKey;
    assert.equal(seal(crypto, key, sent[sender]++, fromHex(payload)), ciphertext, `${vector.protocol_name}, ${i}`);
  }
}

function seal({ aead }: Crypto, key: Uint8Array, counter: number, plain: Uint8Array): string {
  const index = aead.importKey(key);
  const sealed = new Uint8Array(plain.length + aeadTagBytes);
  aead.beginSeal(index, counter, new Uint8Array(0));
  aead.update(plain, 0, sealed, 0, plain.length);
  aead.finishSeal(sealed, plain.length);
  aead.releaseKey(index);
  return toHex(sealed);
}

function nameOf({ protocol_name: name }: Vector): string {
  return name.split('_')[1] ?? '';
}

function patternOf(name: string): noise.Pattern {
  const pattern = Object.values(noise.patterns).find((own) => own.name === name) ?? otherPatterns.get(name);
  assert.ok(pattern, name);
  return pattern;
}

/** What is undefined equals no vector. */
function hexOf(bytes: Uint8Array | undefined): string | undefined {
  return bytes && toHex(bytes);
}
