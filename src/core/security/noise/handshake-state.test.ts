import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { countingPrimitives, lowOrderPoints } from '../testing/counting.ts';
import {
  abandon,
  chainingKey,
  createHandshakeState,
  generateKeyPair,
  type HandshakeState,
  isFinished,
  type KeyPair,
  type PatternName,
  patterns,
  readMessage,
  split,
  writeMessage,
} from './index.ts';

const primitives = countingPrimitives(1);
const prologue = Uint8Array.of(1, 2, 3);
const payload = Uint8Array.of(9, 8, 7, 6);
const nothing = new Uint8Array(0);
const names: readonly PatternName[] = ['NX', 'XX'];
const invalidState = { name: 'TypeError', code: 'ERR_INVALID_STATE' };

interface Keys {
  readonly client: KeyPair;
  readonly clientEphemeral: KeyPair;
  readonly server: KeyPair;
  readonly serverEphemeral: KeyPair;
}

function makeKeys(): Keys {
  const pair = (): KeyPair => generateKeyPair(primitives);
  return { client: pair(), clientEphemeral: pair(), server: pair(), serverEphemeral: pair() };
}

const keys = makeKeys();

function client(pattern: PatternName, own: Keys = keys, from = prologue): HandshakeState {
  const { client: staticKey, clientEphemeral: ephemeralKey } = own;
  return createHandshakeState({ primitives, pattern, initiator: true, prologue: from, staticKey, ephemeralKey });
}

function server(pattern: PatternName, own: Keys = keys): HandshakeState {
  const { server: staticKey, serverEphemeral: ephemeralKey } = own;
  return createHandshakeState({ primitives, pattern, initiator: false, prologue, staticKey, ephemeralKey });
}

function write(state: HandshakeState, text = payload): Uint8Array {
  const message = writeMessage(state, text);
  assert.ok(message);
  return message;
}

/** Two ends that have done all messages before number `next`, which is the one in hand. */
function upTo(pattern: PatternName, next: number): { reader: HandshakeState; message: Uint8Array } {
  let [writer, reader] = [client(pattern), server(pattern)];
  for (let i = 0; i < next; i++) {
    assert.deepEqual(readMessage(reader, write(writer)), payload);
    [writer, reader] = [reader, writer];
  }
  return { reader, message: write(writer) };
}

/** Every message that is the later of a pattern's: the first has nothing yet that could vouch for it. */
const sealedMessages = [
  ['NX', 1],
  ['XX', 1],
  ['XX', 2],
] as const;

describe('handshake state', () => {
  it('both ends agree on keys and know what the pattern shows', () => {
    for (const name of names) {
      const [initiator, responder] = [client(name), server(name)];
      for (let i = 0; i < patterns[name].messages.length; i++) {
        assert.ok(!isFinished(initiator));
        const [writer, reader] = i % 2 === 0 ? [initiator, responder] : [responder, initiator];
        assert.deepEqual(readMessage(reader, write(writer)), payload);
      }
      assert.deepEqual(initiator.remoteStatic, keys.server.publicKey);
      assert.deepEqual(responder.remoteStatic, name === 'XX' ? keys.client.publicKey : undefined);
      const agreed = split(initiator);
      assert.deepEqual(split(responder), agreed);
      const all = Object.values(agreed).map((key) => Buffer.from(key).toString('hex'));
      assert.equal(new Set(all).size, 4);
    }
  });

  it('a client that wrote the first message writes the same again, once it knows the pattern', () => {
    const first = write(client('NX'));
    assert.deepEqual(write(client('XX')), first);
    for (const chosen of names) {
      const responder = server(chosen);
      assert.deepEqual(readMessage(responder, first), payload);
      const answer = write(responder);
      for (const tried of names) {
        const initiator = client(tried);
        write(initiator);
        assert.deepEqual(readMessage(initiator, answer), tried === chosen ? payload : undefined, `${tried} ${chosen}`);
      }
    }
  });

  it('the same answer can be made twice', () => {
    const first = write(client('NX'));
    const answers = [server('NX'), server('NX')].map((state) => {
      readMessage(state, first);
      return write(state);
    });
    assert.deepEqual(answers[0], answers[1]);
  });

  it('a message with any bit flipped changes nothing, and the true one is taken after it', () => {
    for (const [name, number] of sealedMessages) {
      const { reader, message } = upTo(name, number);
      for (let bit = 0; bit < message.length * 8; bit++) {
        const forged = message.slice();
        forged[bit >> 3]! ^= 1 << (bit & 7);
        assert.equal(readMessage(reader, forged), undefined, `${name} ${number}: bit ${bit}`);
      }
      assert.deepEqual(readMessage(reader, message), payload);
    }
  });

  it('a message that is cut short or goes on is refused', () => {
    for (const [name, number] of sealedMessages) {
      const { reader, message } = upTo(name, number);
      for (let length = 0; length < message.length; length++)
        assert.equal(readMessage(reader, message.slice(0, length)), undefined, `${name} ${number}: ${length} bytes`);
      for (const length of [message.length + 1, 65_535, 65_536]) {
        const longer = new Uint8Array(length);
        longer.set(message);
        assert.equal(readMessage(reader, longer), undefined);
      }
      assert.deepEqual(readMessage(reader, message), payload);
    }
  });

  it('the first message has its key at least, and what was changed in it or the prologue spoils the answer', () => {
    const first = write(client('NX'));
    for (let length = 0; length < 32; length++)
      assert.equal(readMessage(server('NX'), first.slice(0, length)), undefined);
    for (let at = 0; at < first.length; at++) {
      const changed = first.map((byte, i) => (i === at ? byte ^ 0x80 : byte));
      const responder = server('NX');
      readMessage(responder, changed);
      const initiator = client('NX');
      write(initiator);
      assert.equal(readMessage(initiator, write(responder)), undefined, `byte ${at}`);
    }
    const elsewhere = client('NX', keys, Uint8Array.of(1, 2, 4));
    const responder = server('NX');
    readMessage(responder, write(elsewhere));
    assert.equal(readMessage(elsewhere, write(responder)), undefined);
  });

  it('bytes of any kind are refused or taken, and never thrown at', () => {
    const readers = sealedMessages.map(([name, number]) => upTo(name, number).reader);
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), fc.nat(2), (bytes, which) => {
        assert.equal(readMessage(readers[which]!, bytes), undefined);
        assert.equal(readMessage(server('XX'), bytes) !== undefined, bytes.length >= 32);
      }),
    );
  });

  it('payloads of any length arrive', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), fc.constantFrom(...names), (text, name) => {
        let [writer, reader] = [client(name), server(name)];
        for (const _ of patterns[name].messages) {
          assert.deepEqual(readMessage(reader, write(writer, text)), text);
          [writer, reader] = [reader, writer];
        }
      }),
      { numRuns: 50 },
    );
  });

  it('keeps no view of what it read, not even of a Buffer', () => {
    const [initiator, responder] = [client('XX'), server('XX')];
    const first = Buffer.from(write(initiator));
    const text = readMessage(responder, first);
    const answer = Buffer.from(write(responder));
    readMessage(initiator, answer);
    first.fill(0);
    answer.fill(0);
    assert.deepEqual(text, payload);
    assert.deepEqual(responder.remoteEphemeral, keys.clientEphemeral.publicKey);
    assert.deepEqual(initiator.remoteEphemeral, keys.serverEphemeral.publicKey);
    assert.deepEqual(initiator.remoteStatic, keys.server.publicKey);
    assert.deepEqual(readMessage(responder, write(initiator)), payload);
  });
});

describe('handshake state: keys of low order', () => {
  it("the initiator's ephemeral key: there is no answer, and the exchange is closed", () => {
    for (const point of lowOrderPoints) {
      const responder = server('NX');
      assert.deepEqual(readMessage(responder, point), nothing);
      assert.equal(writeMessage(responder, payload), undefined);
      assert.ok(responder.closed);
      assert.equal(readMessage(responder, point), undefined);
      assert.throws(() => writeMessage(responder, payload), invalidState);
    }
  });

  it("the responder's ephemeral key: its answer is refused, the true one is not", () => {
    const { reader, message } = upTo('NX', 1);
    for (const point of lowOrderPoints) {
      const forged = message.slice();
      forged.set(point);
      assert.equal(readMessage(reader, forged), undefined);
    }
    assert.deepEqual(readMessage(reader, message), payload);
  });

  it('a static key, by whoever holds the other keys', () => {
    for (const publicKey of lowOrderPoints) {
      const broken = { ...keys, client: { ...keys.client, publicKey }, server: { ...keys.server, publicKey } };
      const responder = server('NX', broken);
      const initiator = client('NX');
      readMessage(responder, write(initiator));
      assert.equal(readMessage(initiator, write(responder)), undefined);

      const [guest, host] = [client('XX', broken), server('XX')];
      readMessage(host, write(guest));
      readMessage(guest, write(host));
      assert.equal(readMessage(host, write(guest)), undefined);
      assert.equal(host.remoteStatic, undefined);
    }
  });
});

describe('handshake state: what it holds', () => {
  it('no key stands in the slab between two calls, whatever came in', () => {
    const before = primitives.aead.imported;
    const free = (): void => assert.equal(primitives.aead.held, 0);
    for (const [name, number] of sealedMessages) {
      const { reader, message } = upTo(name, number);
      free();
      readMessage(reader, message.slice(0, -1));
      free();
      readMessage(reader, message.slice(0, 40));
      free();
      readMessage(reader, message);
      free();
      if (isFinished(reader)) split(reader);
      else abandon(reader);
      free();
    }
    const [guest, host] = [client('XX'), server('XX')];
    readMessage(host, lowOrderPoints[0]!);
    writeMessage(host, payload);
    abandon(guest);
    free();
    assert.ok(primitives.aead.imported > before + 10, 'something was sealed');
  });

  it('a cipher that fails leaves none either', () => {
    const failing = {
      ...primitives,
      aead: {
        ...primitives.aead,
        finishSeal() {
          throw new Error('no memory');
        },
      },
    };
    const { server: staticKey, serverEphemeral: ephemeralKey } = keys;
    const options = {
      primitives: failing,
      pattern: 'NX',
      initiator: false,
      prologue,
      staticKey,
      ephemeralKey,
    } as const;
    const responder = createHandshakeState(options);
    readMessage(responder, write(client('NX')));
    assert.throws(() => writeMessage(responder, payload), /no memory/);
    assert.equal(primitives.aead.held, 0);
  });

  it('the secrets are overwritten at the end; the keys of the caller stay', () => {
    for (const end of [split, abandon]) {
      const { reader, message } = upTo('NX', 1);
      readMessage(reader, message);
      const { symmetric } = reader;
      const { key } = symmetric.cipher;
      const chain = chainingKey(reader);
      assert.ok([...chain, ...(key ?? [])].filter((byte) => byte !== 0).length > 32);
      end(reader);
      assert.deepEqual([...chain, ...(key ?? [])], new Array(64).fill(0));
      assert.ok(keys.clientEphemeral.scalar.some((byte) => byte !== 0));
    }
  });

  it('what a message supersedes is overwritten, and what a refused one had led to', () => {
    const derived: Uint8Array[] = [];
    const hmac = (key: Uint8Array, data: Uint8Array): Uint8Array => {
      const digest = primitives.hmac(key, data);
      derived.push(digest);
      return digest;
    };
    const { message } = upTo('NX', 1);
    const { clientEphemeral: ephemeralKey } = keys;
    const options = { primitives: { ...primitives, hmac }, pattern: 'NX', initiator: true, prologue } as const;
    const reader = createHandshakeState({ ...options, ephemeralKey });
    write(reader);
    const secrets = (): number => derived.filter((bytes) => bytes.some((byte) => byte !== 0)).length;
    const forged = message.slice();
    forged[forged.length - 1]! ^= 1;
    readMessage(reader, forged);
    assert.equal(derived.length, 6, 'ee and es');
    assert.equal(secrets(), 0);
    const { chainingKey: superseded } = reader.symmetric;
    readMessage(reader, message);
    assert.equal(secrets(), 2, 'the chaining key and the key of the cipher');
    assert.ok(superseded.every((byte) => byte === 0));
    abandon(reader);
    assert.equal(secrets(), 0);
  });

  it('what a refused message had mixed in is not what a later one finds', () => {
    const { reader, message } = upTo('NX', 1);
    const before = { hash: reader.symmetric.hash, chain: chainingKey(reader).slice() };
    const forged = message.slice();
    forged[forged.length - 1]! ^= 1;
    readMessage(reader, forged);
    assert.deepEqual(reader.symmetric.hash, before.hash);
    assert.deepEqual(chainingKey(reader), before.chain);
    assert.equal(reader.remoteStatic, undefined);
    assert.equal(reader.remoteEphemeral, undefined);
  });
});

describe('handshake state: misuse', () => {
  const ephemeralKey = keys.clientEphemeral;
  const missing = { name: 'TypeError', code: 'ERR_MISSING_OPTION' };

  it('a key that the pattern needs must be there', () => {
    const options = { primitives, prologue, ephemeralKey };
    createHandshakeState({ ...options, pattern: 'NX', initiator: true });
    for (const [pattern, initiator] of [
      ['NX', false],
      ['XX', true],
      ['XX', false],
    ] as const)
      assert.throws(() => createHandshakeState({ ...options, pattern, initiator }), missing);
    const pattern = { name: 'NK', responderKnown: true, messages: [['e', 'es'] as const, ['e', 'ee'] as const] };
    assert.throws(() => createHandshakeState({ ...options, pattern, initiator: true }), missing);
    assert.throws(() => createHandshakeState({ ...options, pattern, initiator: false }), missing);
    createHandshakeState({ ...options, pattern, initiator: true, remoteStatic: keys.server.publicKey });
    createHandshakeState({ ...options, pattern, initiator: false, staticKey: keys.server });
  });

  it('messages have their turn', () => {
    const initiator = client('NX');
    assert.throws(() => readMessage(initiator, payload), invalidState);
    assert.throws(() => split(initiator), invalidState);
    assert.throws(() => writeMessage(server('NX'), payload), invalidState);
    write(initiator);
    assert.throws(() => writeMessage(initiator, payload), invalidState);
    const { reader, message } = upTo('NX', 1);
    readMessage(reader, message);
    assert.throws(() => writeMessage(reader, payload), invalidState);
    split(reader);
    assert.ok(!isFinished(reader));
    assert.throws(() => split(reader), invalidState);
    assert.throws(() => writeMessage(reader, payload), invalidState);
    assert.equal(readMessage(reader, message), undefined);
  });

  it('a payload has room in a message of 65,535 bytes', () => {
    const { reader } = upTo('NX', 0);
    const longest = new Uint8Array(65_535 - 96);
    assert.throws(() => write(client('NX'), new Uint8Array(longest.length + 1)), {
      name: 'RangeError',
      code: 'ERR_OUT_OF_RANGE',
    });
    assert.deepEqual(readMessage(reader, write(client('NX'), longest)), longest);
  });

  it('the name of a protocol is hashed if it is longer than a hash', () => {
    const pattern = { name: 'NNlonger', messages: [['e'] as const] };
    const { symmetric } = createHandshakeState({ primitives, prologue, ephemeralKey, pattern, initiator: true });
    const name = primitives.sha256(Buffer.from('Noise_NNlonger_25519_AESGCM_SHA256'));
    assert.deepEqual(symmetric.chainingKey, name);
    assert.deepEqual(symmetric.hash, primitives.sha256(Buffer.concat([name, prologue])));
  });
});
