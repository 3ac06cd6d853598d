import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  answerOffer,
  createOffer,
  ExchangePattern,
  flowKeys,
  type Hello,
  OfferFlag,
  type OpeningFacts,
  offerFlags,
  openingPrologue,
  readAnswer,
  readProof,
  writeProof,
} from './exchange.ts';
import { generateKeyPair, writeMessage } from './noise/index.ts';
import { countingPrimitives, lowOrderPoints } from './testing/counting.ts';

const primitives = countingPrimitives(2);
const client = generateKeyPair(primitives);
const server = generateKeyPair(primitives);
const hello: Hello = { flags: 0, credential: Uint8Array.of(1, 2, 3) };
const facts: OpeningFacts = {
  protocol: 6,
  service: new Uint8Array(32).fill(3),
  source: undefined,
  flow: { hi: 1, lo: 2 },
  nonce: { hi: 3, lo: 4 },
  segment: Uint8Array.of(5),
};
const prologue = openingPrologue(facts);

function answer(pattern: number, message: Uint8Array, ephemeralKey = generateKeyPair(primitives), from = prologue) {
  return answerOffer(primitives, { prologue: from, pattern, staticKey: server, ephemeralKey, hello }, message);
}

/** Both ends under XX, the proof still to come. */
function beforeProof() {
  const offer = createOffer(primitives, OfferFlag.IDENTITY);
  const answered = answer(ExchangePattern.XX, offer.message);
  assert.ok(answered);
  const read = readAnswer(primitives, prologue, offer, ExchangePattern.XX, answered.message, client);
  assert.ok(read);
  return { answered, read };
}

describe('key exchange', () => {
  it('NX: the client learns who the server is, and both have the same keys', () => {
    const offer = createOffer(primitives, 0);
    const answered = answer(ExchangePattern.NX, offer.message);
    assert.ok(answered);
    const read = readAnswer(primitives, prologue, offer, ExchangePattern.NX, answered.message, undefined);
    assert.ok(read);
    assert.deepEqual(read.server, { ...hello, staticKey: server.publicKey });
    assert.deepEqual(read.answerKey, answered.answerKey);
    checkKeys(flowKeys(primitives, read.state, true), flowKeys(primitives, answered.state, false));
  });

  it('XX: each learns who the other is', () => {
    const { answered, read } = beforeProof();
    const proof = writeProof(read.state, { flags: 1, credential: new Uint8Array(0) });
    assert.deepEqual(readProof(answered.state, proof), {
      flags: 1,
      credential: new Uint8Array(0),
      staticKey: client.publicKey,
    });
    checkKeys(flowKeys(primitives, read.state, true), flowKeys(primitives, answered.state, false));
  });

  it('an offer of low order gets no answer: any stranger can make one', () => {
    const { held } = primitives.aead;
    for (const point of lowOrderPoints)
      for (const pattern of [ExchangePattern.NX, ExchangePattern.XX])
        assert.equal(answer(pattern, Uint8Array.of(...point, 0)), undefined);
    assert.equal(primitives.aead.held, held);
  });

  it('a spoilt proof does not end the exchange', () => {
    const { answered, read } = beforeProof();
    const proof = writeProof(read.state, hello);
    for (let at = 0; at < proof.length; at++) {
      const spoilt = proof.map((byte, i) => (i === at ? byte ^ 1 : byte));
      assert.equal(readProof(answered.state, spoilt), undefined);
      assert.equal(readProof(answered.state, proof.subarray(0, at)), undefined);
    }
    assert.deepEqual(readProof(answered.state, proof), { ...hello, staticKey: client.publicKey });
  });

  it('a proof that is authentic and malformed ends it, and what follows is refused', () => {
    for (const payload of [new Uint8Array(0), Uint8Array.of(0, 0), Uint8Array.of(0, 0, 1)]) {
      const { answered, read } = beforeProof();
      const proof = writeMessage(read.state, payload);
      assert.ok(proof);
      assert.equal(readProof(answered.state, proof), undefined);
      assert.equal(readProof(answered.state, proof), undefined);
      assert.ok(answered.state.closed);
    }
  });

  it('an answer by another pattern than it says is refused, and so is one that needs a key that is not there', () => {
    const offer = createOffer(primitives, 0);
    const [nx, xx] = [ExchangePattern.NX, ExchangePattern.XX].map((pattern) => answer(pattern, offer.message)?.message);
    assert.ok(nx && xx);
    const read = (pattern: number, message: Uint8Array, key = true) =>
      readAnswer(primitives, prologue, offer, pattern, message, key ? client : undefined);
    assert.ok(read(ExchangePattern.NX, nx));
    assert.ok(read(ExchangePattern.XX, xx));
    assert.equal(read(ExchangePattern.NX, xx), undefined);
    assert.equal(read(ExchangePattern.XX, nx), undefined);
    assert.equal(read(ExchangePattern.XX, xx, false), undefined);
    for (const pattern of [ExchangePattern.OPEN, 3, 255]) assert.equal(read(pattern, nx), undefined);
  });

  it('an answer to other facts of the opening is refused, whichever fact it is', () => {
    const offer = createOffer(primitives, 0);
    const others: Record<string, Partial<OpeningFacts>> = {
      protocol: { protocol: 17 },
      service: { service: facts.service.map((byte, i) => (i === 31 ? byte ^ 1 : byte)) },
      source: { source: new Uint8Array(32).fill(1, 31) },
      'flow, high': { flow: { hi: 0, lo: 2 } },
      'flow, low': { flow: { hi: 1, lo: 3 } },
      'nonce, high': { nonce: { hi: 2, lo: 4 } },
      'nonce, low': { nonce: { hi: 3, lo: 5 } },
      'flow and nonce exchanged': { flow: facts.nonce, nonce: facts.flow },
      'source and service exchanged': { service: new Uint8Array(32), source: facts.service },
      segment: { segment: Uint8Array.of(4) },
      'a longer segment': { segment: Uint8Array.of(5, 0) },
      'no segment': { segment: new Uint8Array(0) },
    };
    for (const pattern of [ExchangePattern.NX, ExchangePattern.XX])
      for (const [name, other] of [['the same', {}], ...Object.entries(others)] as const) {
        const from = openingPrologue({ ...facts, ...other });
        const answered = answer(pattern, offer.message, generateKeyPair(primitives), from);
        assert.ok(answered);
        const read = readAnswer(primitives, prologue, offer, pattern, answered.message, client);
        assert.equal(read !== undefined, name === 'the same', name);
      }
  });

  it('an answer to another offer is refused, be it only for its flags', () => {
    const offer = createOffer(primitives, OfferFlag.INSECURE | OfferFlag.IDENTITY);
    assert.equal(offerFlags(offer.message), OfferFlag.INSECURE | OfferFlag.IDENTITY);
    for (let bit = 0; bit < offer.message.length * 8; bit++) {
      const changed = offer.message.map((byte, i) => (i === bit >> 3 ? byte ^ (1 << (bit & 7)) : byte));
      const answered = answer(ExchangePattern.XX, changed);
      assert.ok(answered);
      const read = readAnswer(primitives, prologue, offer, ExchangePattern.XX, answered.message, client);
      assert.equal(read, undefined, `bit ${bit}`);
    }
  });

  it('an offer has 33 bytes', () => {
    const { message } = createOffer(primitives, OfferFlag.IDENTITY);
    for (let length = 0; length < 66; length++) {
      const other = new Uint8Array(length);
      other.set(message.subarray(0, length));
      assert.equal(offerFlags(other), length === 33 ? OfferFlag.IDENTITY : undefined, `${length} bytes`);
      if (length < 32) assert.equal(answer(ExchangePattern.NX, other), undefined, `${length} bytes`);
    }
  });

  it('the same offer with the same ephemeral key gets the same answer, byte for byte', () => {
    const offer = createOffer(primitives, 0);
    for (const pattern of [ExchangePattern.NX, ExchangePattern.XX]) {
      const ephemeralKey = generateKeyPair(primitives);
      const [first, second, other] = [ephemeralKey, ephemeralKey, generateKeyPair(primitives)].map((key) =>
        answer(pattern, offer.message, key),
      );
      assert.ok(first && second && other);
      assert.deepEqual(second.message, first.message);
      assert.deepEqual(second.answerKey, first.answerKey);
      assert.notDeepEqual(other.message, first.message);
      assert.notDeepEqual(other.answerKey, first.answerKey);
    }
  });

  it('what later versions append to a hello is skipped', () => {
    const appended = Uint8Array.of(1, 0, 2, 7, 8, 0xff, 0xff, 0xff);
    const { answered, read } = beforeProof();
    const proof = writeMessage(read.state, appended);
    assert.ok(proof);
    const introduction = readProof(answered.state, proof);
    assert.deepEqual(introduction, { flags: 1, credential: Uint8Array.of(7, 8), staticKey: client.publicKey });
    checkKeys(flowKeys(primitives, read.state, true), flowKeys(primitives, answered.state, false));
  });
});

/** What one end seals and tags, the other opens and verifies; a slab of these primitives serves both. */
function checkKeys(ofClient: ReturnType<typeof flowKeys>, ofServer: ReturnType<typeof flowKeys>): void {
  for (const [from, to] of [
    [ofClient, ofServer],
    [ofServer, ofClient],
  ] as const) {
    assert.deepEqual(tag(from.tagKey), tag(to.verifyKey));
    const sealed = new Uint8Array(16);
    primitives.aead.beginSeal(from.sealKey, 0, prologue);
    primitives.aead.finishSeal(sealed, 0);
    for (const [key, authentic] of [
      [to.openKey, true],
      [to.sealKey, false],
    ] as const) {
      primitives.aead.beginOpen(key, 0, prologue);
      assert.equal(primitives.aead.finishOpen(sealed, 0), authentic);
    }
  }
  assert.notDeepEqual(tag(ofClient.tagKey), tag(ofServer.tagKey));
  for (const { sealKey, openKey, tagKey, verifyKey } of [ofClient, ofServer]) {
    for (const key of [sealKey, openKey]) primitives.aead.releaseKey(key);
    for (const key of [tagKey, verifyKey]) primitives.mac.releaseKey(key);
  }
}

function tag(key: number): Uint8Array {
  const bytes = new Uint8Array(16);
  primitives.mac.tag(key, prologue, 0, prologue.length, bytes, 0);
  return bytes;
}
