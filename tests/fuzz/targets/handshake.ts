// Fuzz target: the key exchange of one opening, both sides live. The bytes choose the pattern, what each end says of itself
// and what the network does to the three messages: nothing, other bytes, or raw ones instead. Left alone, both ends learn
// what the other said and have the same keys; touched, nobody takes a message for the other end's. No key is left over.

import { strict as assert } from 'node:assert';
import {
  type Answer,
  abandonExchange,
  answerOffer,
  createOffer,
  ExchangePattern,
  type FlowKeys,
  flowKeys,
  generateKeyPair,
  type Hello,
  type Introduction,
  offerFlags,
  openingPrologue,
  type ReadAnswer,
  readAnswer,
  readProof,
  writeProof,
} from '../../../src/core/security/index.ts';
import { labelOf, primitives as shared } from '../identities.ts';
import { createOperations, more, open, take, u8, u16 } from '../operations.ts';
import { createToyCrypto } from '../toy-crypto.ts';

export const maxBytes = 512;

export function fuzz(data: Uint8Array): void {
  open(operations, data);
  play(u8(operations));
  assert.equal(crypto.keysHeld(), 0, 'no key outlives its exchange');
}

const operations = createOperations();
const crypto = createToyCrypto();
const primitives = { ...shared, ...crypto, unixSeconds: () => 0, allocate: (bytes: number) => new Uint8Array(bytes) };
const clientKey = generateKeyPair(primitives);
const serverKey = generateKeyPair(primitives);
const serverEphemeral = generateKeyPair(primitives);

function play(choice: number): void {
  const xx = (choice & 1) !== 0;
  const pattern = xx ? ExchangePattern.XX : ExchangePattern.NX;
  const prologue = openingPrologue(facts(0));
  const ofServer = { flags: choice & 2 ? 1 : 0, credential: readCredential() };
  const ofClient = { flags: choice & 4 ? 1 : 0, credential: readCredential() };
  const offer = createOffer(primitives, choice >> 6);
  const offered = travel(offer.message);
  assert.equal(offerFlags(offered.bytes) === undefined, offered.bytes.length !== offer.message.length);
  const options = { prologue, pattern, staticKey: serverKey, ephemeralKey: serverEphemeral, hello: ofServer };
  const answer = answerOffer(primitives, options, offered.bytes);
  if (answer === undefined) return assert.ok(offered.touched, 'an honest offer is answered');
  const answered = travel(answer.message);
  // A different idea of what both know beforehand is as good as a changed message.
  const astray = (choice & 0x38) === 0x38;
  const theirs = astray ? openingPrologue(facts(1)) : prologue;
  const told = choice & 8 && answered.touched ? u8(operations) % 4 : pattern;
  const read = readAnswer(primitives, theirs, offer, told, answered.bytes, xx || choice & 16 ? clientKey : undefined);
  const touched = offered.touched || answered.touched || astray || told !== pattern;
  if (read === undefined) {
    assert.ok(touched, 'an honest answer is read');
    return abandonExchange(answer.state);
  }
  assert.ok(!touched, 'what was touched is not taken for the server');
  checkIntroduction(read.server, ofServer, serverKey.publicKey);
  assert.deepEqual(read.answerKey, answer.answerKey);
  if (xx) prove(read, answer, ofClient);
  else agree(read, answer);
}

function facts(protocol: number) {
  const flow = { hi: 1, lo: 2 };
  return { protocol, service: labelOf(1), source: undefined, flow, nonce: flow, segment: new Uint8Array(20) };
}

function readCredential(): Uint8Array {
  return take(operations, u8(operations) & 31).slice();
}

/** What arrives of a message. */
function travel(message: Uint8Array): { readonly bytes: Uint8Array; readonly touched: boolean } {
  const fate = more(operations) ? u8(operations) : 0;
  if (fate < 160) return { bytes: message, touched: false };
  const bytes = fate < 224 ? message.slice(0, Math.max(1, message.length - (fate & 15))) : readRaw();
  if (fate < 192) return { bytes: change(message.slice()), touched: true };
  return { bytes, touched: bytes.length !== message.length || bytes.some((byte, i) => byte !== message[i]) };
}

function readRaw(): Uint8Array {
  return take(operations, u8(operations)).slice();
}

function change(bytes: Uint8Array): Uint8Array {
  bytes[u16(operations) % bytes.length]! ^= u8(operations) || 1;
  return bytes;
}

/** The third message, under XX. */
function prove(read: ReadAnswer, answer: Answer, hello: Hello): void {
  const proof = travel(writeProof(read.state, hello));
  const client = readProof(answer.state, proof.bytes);
  if (client === undefined) {
    assert.ok(proof.touched, 'an honest proof is read');
    return abandonExchange(read.state);
  }
  assert.ok(!proof.touched, 'what was touched is not taken for the client');
  checkIntroduction(client, hello, clientKey.publicKey);
  agree(read, answer);
}

function checkIntroduction({ flags, credential, staticKey }: Introduction, hello: Hello, key: Uint8Array): void {
  assert.equal(flags, hello.flags);
  assert.deepEqual([...credential], [...hello.credential]);
  assert.deepEqual(staticKey, key);
}

/** What one end seals and tags, the other opens and finds right, each way. */
function agree(read: ReadAnswer, answer: Answer): void {
  const client = flowKeys(primitives, read.state, true);
  const server = flowKeys(primitives, answer.state, false);
  for (const [from, to] of [
    [client, server],
    [server, client],
  ] as const)
    checkKeys(from, to);
  for (const { sealKey, openKey, tagKey, verifyKey } of [client, server]) {
    for (const key of [sealKey, openKey]) crypto.aead.releaseKey(key);
    for (const key of [tagKey, verifyKey]) crypto.mac.releaseKey(key);
  }
}

const nothing = new Uint8Array(0);
const first = new Uint8Array(16);
const second = new Uint8Array(16);

function checkKeys(from: FlowKeys, to: FlowKeys): void {
  crypto.aead.beginSeal(from.sealKey, 0, nothing);
  crypto.aead.finishSeal(first, 0);
  crypto.aead.beginOpen(to.openKey, 0, nothing);
  assert.ok(crypto.aead.finishOpen(first, 0), 'both have the same keys');
  crypto.mac.tag(from.tagKey, labelOf(1), 0, 32, first, 0);
  crypto.mac.tag(to.verifyKey, labelOf(1), 0, 32, second, 0);
  assert.deepEqual(first, second);
}
