// The vectors of docs/protocol.md, "Key exchange": whole openings with every key fixed, and what is sent on the flow then.
// They were written from the tables of that page and of docs/keys.md with node:crypto, by other code. Here both ends
// play each opening, by the functions that the stack plays it with, and every byte must be the same.

import { strict as assert } from 'node:assert';
import { describe, test } from 'node:test';
import {
  type Aead,
  type Crypto,
  type FlowId,
  type Mac,
  type Primitives,
  Reason,
  type ServiceId,
} from '../../src/core/base/index.ts';
import * as security from '../../src/core/security/index.ts';
import * as packets from '../../src/core/stack/testing/flow-end.ts';
import * as wire from '../../src/core/wire/index.ts';
import { createCrypto } from '../../src/crypto/index.ts';
import { createPrimitives } from '../../src/io/index.ts';
import { fromHex, loadVectors, toHex, viewOf } from './load.ts';

interface End {
  readonly flow: string;
  readonly nonce: string;
  readonly ephemeralScalar: string;
  readonly staticScalar?: string;
  /** Absent: empty. */
  readonly credential?: string;
  /** What the transport says in SYN or SYN-ACK. */
  readonly segment: string;
}

interface OpeningVector {
  readonly name: string;
  readonly pattern: 'NX' | 'XX';
  readonly protocol: number;
  readonly service: string;
  readonly source?: string;
  /** Both want the clear. */
  readonly insecure?: boolean;
  readonly client: End & { readonly flags: number };
  readonly server: End & { readonly staticScalar: string };
  readonly prologue: string;
  readonly messages: readonly string[];
  readonly keys: Readonly<Record<'answer' | 'clientSeal' | 'serverSeal' | 'clientTag' | 'serverTag', string>> & {
    /** After UPDATE. */
    readonly clientSealNext?: string;
    readonly serverSealNext?: string;
  };
  /** Without the padding of the SYN's datagram. */
  readonly packets: Readonly<Record<'syn' | 'synAck' | 'ack', string>> & {
    /** The server asks the client to go on elsewhere, and the client's answer. */
    readonly shed?: string;
    readonly shedAck?: string;
  };
  /** Of streams. The client's first one stands in the ACK. */
  readonly records?: readonly Readonly<Sent & { type: number; body: string }>[];
  /** Of datagram flows: whole packets. */
  readonly datagrams?: readonly Readonly<Sent & { payload: string }>[];
}

interface Sent {
  readonly sender: 'client' | 'server';
  readonly number: number;
  readonly hex: string;
}

/** One end after its exchange. */
interface Played extends packets.FlowEnd {
  readonly keys: security.FlowKeys;
}

const { nowSeconds, vectors } = loadVectors<{ nowSeconds: number; vectors: OpeningVector[] }>('exchange.json');
const nothing = new Uint8Array(0);
const paddingBytes = 16;

test('vectors: exchange: both patterns, protocols and modes are there', () => {
  const kinds = vectors.map(({ pattern, protocol, insecure }) => `${pattern} ${protocol}${insecure ? ' clear' : ''}`);
  assert.deepEqual(kinds, ['NX 6', 'NX 6', 'XX 6', 'XX 17', 'NX 6 clear', 'NX 17 clear', 'NX 6']);
});

for (const [kind, crypto] of [
  ['node:crypto', createCrypto()],
  ["the driver's cryptography", createPrimitives()],
] as const)
  describe(`vectors: exchange, ${kind}`, () => {
    for (const vector of vectors)
      test(vector.name, () => {
        const primitives = primitivesOf(crypto);
        checkCredentials(primitives, vector);
        const { client, server } = play(primitives, vector);
        checkOpeningAck(client, vector);
        checkShed(client, server, vector);
        checkRecords(primitives, client, server, vector);
        checkDatagrams(client, server, vector);
      });
  });

/** Plays the three messages; every one, and the keys that follow, must be the vector's. */
function play(primitives: Primitives, vector: OpeningVector): { client: Played; server: Played } {
  const pattern = security.ExchangePattern[vector.pattern];
  const facts = factsOf(vector);
  const prologue = security.openingPrologue(facts);
  assert.equal(toHex(prologue), vector.prologue);
  const scripted = { ...primitives, random: randomOf(fromHex(vector.client.ephemeralScalar)) };
  const offer = security.createOffer(scripted, vector.client.flags);
  assert.equal(toHex(offer.message), vector.messages[0]);
  const client = createEnd(primitives, vector, vector.client, vector.server);
  packets.setOffer(client, offer, facts.segment);
  checkSyn(client, vector);

  const server = createEnd(primitives, vector, vector.server, vector.client);
  const hello = { flags: vector.insecure ? security.AnswerFlag.INSECURE : 0, credential: credentialOf(vector.server) };
  const staticKey = pairOf(primitives, vector.server.staticScalar);
  const ephemeralKey = pairOf(primitives, vector.server.ephemeralScalar);
  const options = { prologue, pattern, staticKey, ephemeralKey, hello };
  const answer = security.answerOffer(primitives, options, offer.message);
  assert.ok(answer);
  assert.equal(toHex(answer.message), vector.messages[1]);
  assert.equal(toHex(answer.answerKey), vector.keys.answer);
  const segment = fromHex(vector.server.segment);
  const synAck = packets.buildSynAck(server.stack, server.connection, pattern, answer, segment);
  assert.equal(toHex(synAck), vector.packets.synAck);

  const own = vector.client.staticScalar === undefined ? undefined : pairOf(primitives, vector.client.staticScalar);
  const read = security.readAnswer(primitives, prologue, offer, pattern, fromHex(vector.messages[1] ?? ''), own);
  assert.ok(read);
  assert.deepEqual(read.answerKey, answer.answerKey);
  assert.deepEqual(read.server, { ...hello, staticKey: staticKey.publicKey });
  const proof = prove(vector, read.state, answer.state, own);
  return {
    client: withKeys(primitives, client, vector, read.state, proof),
    server: withKeys(primitives, server, vector, answer.state),
  };
}

/** The third message, under XX alone. */
function prove(
  { messages, client, pattern }: OpeningVector,
  ofClient: security.HandshakeState,
  ofServer: security.HandshakeState,
  own: security.KeyPair | undefined,
): Uint8Array | undefined {
  assert.equal(messages.length, pattern === 'XX' ? 3 : 2);
  if (pattern === 'NX') return undefined;
  const credential = credentialOf(client);
  const proof = security.writeProof(ofClient, { flags: 0, credential });
  assert.equal(toHex(proof), messages[2]);
  assert.deepEqual(security.readProof(ofServer, proof), { flags: 0, credential, staticKey: own?.publicKey });
  return proof;
}

function withKeys(
  primitives: Primitives,
  end: packets.FlowEnd,
  { keys: expected }: OpeningVector,
  state: security.HandshakeState,
  proof?: Uint8Array,
): Played {
  const { initiator } = state;
  const imported: string[] = [];
  // Nothing else is asked of the slabs.
  const noting = (inner: Aead | Mac) => ({
    importKey(key: Uint8Array) {
      imported.push(toHex(key));
      return inner.importKey(key);
    },
  });
  const { aead, mac } = primitives;
  const slabs = { aead: noting(aead) as Aead, mac: noting(mac) as Mac };
  const keys = security.flowKeys({ ...primitives, ...slabs }, state, initiator);
  const { clientSeal, serverSeal, clientTag, serverTag } = expected;
  const ofClient = [clientSeal, serverSeal, clientTag, serverTag];
  const ofServer = [serverSeal, clientSeal, serverTag, clientTag];
  assert.deepEqual(imported, initiator ? ofClient : ofServer);
  packets.setKeys(end, keys, proof);
  return { ...end, keys };
}

function checkCredentials(primitives: Crypto, { client, server, service, source }: OpeningVector): void {
  for (const [{ credential, staticScalar = '' }, name] of [
    [client, source],
    [server, service],
  ] as const) {
    if (credential === undefined) continue;
    const { reason, verified } = security.verifyCredential(primitives, fromHex(credential), nowSeconds);
    assert.equal(reason, Reason.OK);
    assert.ok(verified);
    assert.equal(toHex(security.selfCertifyingId(primitives, verified.rootKey)), name);
    assert.deepEqual(verified.staticKey, primitives.x25519Public(fromHex(staticScalar)));
  }
}

function checkSyn({ connection }: packets.FlowEnd, { packets: expected, messages, client }: OpeningVector): void {
  const syn = packets.buildSyn(connection);
  assert.equal(syn.length, wire.synBytes);
  assert.equal(toHex(syn), expected.syn.padEnd(wire.synBytes * 2, '0'));
  const packet = wire.createPacket();
  assert.equal(wire.parsePacket(viewOf(syn), 0, syn.length, packet), Reason.OK);
  const handshake = wire.createHandshake();
  assert.equal(wire.parseHandshake(viewOf(syn), packet.handshakeOffset, handshake), Reason.OK);
  const { bodyOffset, bodyBytes } = handshake;
  assert.equal(toHex(syn.subarray(bodyOffset, bodyOffset + bodyBytes)), messages[0]);
  assert.equal(security.offerFlags(fromHex(messages[0] ?? '')), client.flags);
}

/** Of datagrams by itself; of a stream in front of a segment, as `poll` writes it. */
function checkOpeningAck(client: Played, { protocol, packets: expected, server, records }: OpeningVector): void {
  const { stack, connection } = client;
  if (protocol === 17) return assert.equal(toHex(packets.buildAck(stack, connection)), expected.ack);
  const headerBytes = packets.taggedHeaderBytes + packets.openingBytes(connection);
  const bytes = fromHex(expected.ack).fill(0xff, 0, headerBytes);
  const view = viewOf(bytes);
  const segment = wire.createSegment();
  assert.equal(wire.parseSegment(view, headerBytes, bytes.length - headerBytes, segment), Reason.OK);
  assert.equal(toHex(bytes.subarray(headerBytes + segment.dataOffsetBytes)), records?.[0]?.hex);
  const { hi, lo } = idOf(server.flow);
  wire.emitBase(view, 0, headerBytes, protocol, bytes.length, hi, lo);
  const at = wire.baseHeaderBytes + packets.emitOpeningAck(view, wire.baseHeaderBytes, connection);
  wire.emitMac(view, at, 0);
  packets.tagPacket(stack, connection, bytes, 0, bytes.length, at);
  assert.equal(toHex(bytes), expected.ack);
}

function checkShed(
  client: Played,
  server: Played,
  { packets: { shed, shedAck }, client: { flags } }: OpeningVector,
): void {
  assert.equal(shed !== undefined, (flags & security.OfferFlag.RESUMES) !== 0);
  if (shed === undefined) return;
  const { FAIL, ACK } = wire.ControlFlag;
  assert.equal(toHex(packets.buildShed(server.stack, server.connection)), shed);
  assert.equal(toHex(packets.buildShed(client.stack, client.connection, FAIL | ACK)), shedAck);
}

/** Sealed by one end, opened by the other. */
function checkRecords(primitives: Primitives, client: Played, server: Played, vector: OpeningVector): void {
  const { records, insecure, keys } = vector;
  assert.equal(records !== undefined, vector.protocol === 6);
  for (const [sender, from, to, nextKey] of [
    ['client', client, server, keys.clientSealNext],
    ['server', server, client, keys.serverSealNext],
  ] as const) {
    const cipher = (key: number) =>
      insecure ? security.nullCipher : security.createRecordCipher(primitives.aead, key);
    let writer = security.createRecordWriter(cipher(from.keys.sealKey));
    const reader = security.createRecordReader(cipher(to.keys.openKey));
    for (const record of records?.filter((one) => one.sender === sender) ?? []) {
      assert.equal(record.number, writer.next);
      assert.equal(toHex(writtenRecord(writer, record)), record.hex, `${sender}, record ${record.number}`);
      checkRead(reader, record);
      // The reader goes on by itself; what the next key is must be in the vector, too.
      if (record.type !== wire.RecordType.UPDATE) continue;
      const { next } = writer;
      writer = security.createRecordWriter(cipher(primitives.aead.importKey(fromHex(nextKey ?? ''))));
      writer.next = next;
    }
  }
}

function writtenRecord(writer: security.RecordWriter, { type, body }: { type: number; body: string }): Uint8Array {
  const { DATA, CLOSE, PADDED, UPDATE } = wire.RecordType;
  const sink = new Pipe();
  const plain = type === PADDED ? unpadded(fromHex(body)) : fromHex(body);
  if (type === CLOSE) security.writeClose(writer, sink);
  else if (type === UPDATE) security.updateKey(writer, sink);
  else {
    assert.ok(type === DATA || type === PADDED);
    const padding = type === PADDED ? { ...writer, paddingBytes } : writer;
    assert.equal(security.writeRecords(padding, plain, 0, 4096, 8192, sink), plain.length);
    writer.next = padding.next;
  }
  return sink.bytes;
}

function checkRead(
  reader: security.RecordReader,
  { type, body, hex }: { type: number; body: string; hex: string },
): void {
  const source = new Pipe(fromHex(hex));
  const result = security.createRecordResult();
  const verdict = security.readRecord(reader, source, (bytes) => new Uint8Array(bytes), result);
  assert.equal(verdict, type === wire.RecordType.CLOSE ? 'close' : 'data');
  const plain = type === wire.RecordType.PADDED ? unpadded(fromHex(body)) : fromHex(body);
  assert.deepEqual([toHex(result.plain), result.bytes], [toHex(plain), hex.length / 2]);
}

function checkDatagrams(client: Played, server: Played, { datagrams, protocol }: OpeningVector): void {
  assert.equal(datagrams !== undefined, protocol === 17);
  for (const { sender, number, payload, hex } of datagrams ?? []) {
    const { stack, connection } = sender === 'client' ? client : server;
    assert.equal(connection.nextDatagram, number);
    const bytes = packets.buildConnectedDatagram(stack, connection, fromHex(payload), false);
    assert.equal(toHex(bytes), hex, `${sender}, datagram ${number}`);
  }
}

function createEnd(primitives: Primitives, vector: OpeningVector, own: End, other: End): packets.FlowEnd {
  const { protocol, service, source, insecure = false } = vector;
  return packets.createFlowEnd({
    primitives,
    protocol,
    service: fromHex(service),
    source: source === undefined ? undefined : fromHex(source),
    localFlow: idOf(own.flow),
    localNonce: idOf(own.nonce),
    remoteFlow: idOf(other.flow),
    remoteNonce: idOf(other.nonce),
    encrypted: !insecure,
  });
}

function factsOf({ protocol, service, source, client }: OpeningVector): security.OpeningFacts {
  return {
    protocol,
    service: fromHex(service) as Uint8Array as ServiceId,
    source: source === undefined ? undefined : fromHex(source),
    flow: idOf(client.flow),
    nonce: idOf(client.nonce),
    segment: fromHex(client.segment),
  };
}

function primitivesOf(crypto: Crypto): Primitives {
  return {
    ...crypto,
    random: randomOf(nothing),
    allocate: (bytes) => new Uint8Array(bytes),
    unixSeconds: () => nowSeconds,
  };
}

/** Gives these bytes once. */
function randomOf(bytes: Uint8Array): Primitives['random'] {
  const words = new Uint32Array(bytes.slice().buffer);
  let next = 0;
  return {
    uint32() {
      const word = words[next++];
      assert.ok(word !== undefined, 'nothing else is random');
      return word;
    },
  };
}

class Pipe implements security.ByteSink, security.ByteSource {
  bytes: Uint8Array;
  constructor(bytes = nothing) {
    this.bytes = bytes;
  }
  get readableBytes(): number {
    return this.bytes.length;
  }
  extend(length: number): number {
    const at = this.bytes.length;
    this.bytes = Uint8Array.of(...this.bytes, ...new Uint8Array(length));
    return at;
  }
  piece(at: number, length: number, out: security.Piece): void {
    out.block = this.bytes;
    out.start = at;
    out.length = length;
  }
  copy(at: number, target: Uint8Array, targetOffset: number, length: number): void {
    target.set(this.bytes.subarray(at, at + length), targetOffset);
  }
}

function unpadded(body: Uint8Array): Uint8Array {
  return body.slice(4, 4 + viewOf(body).getUint32(0));
}

function pairOf(primitives: Crypto, scalar: string): security.KeyPair {
  return { scalar: fromHex(scalar), publicKey: primitives.x25519Public(fromHex(scalar)) };
}

function credentialOf({ credential }: End): Uint8Array {
  return credential === undefined ? nothing : fromHex(credential);
}

function idOf(hex: string): FlowId {
  return { hi: Number.parseInt(hex.slice(0, 8), 16), lo: Number.parseInt(hex.slice(8), 16) };
}
