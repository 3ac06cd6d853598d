import { strict as assert } from 'node:assert';
import { execFileSync } from 'node:child_process';
import { createRequire } from 'node:module';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import type { Aead, Crypto } from '../core/base/index.ts';
import { createCrypto as createNodeCrypto } from '../crypto/index.ts';
import { createOpensslCrypto, cryptoReport, findDifference } from './choose-crypto.ts';
import { loadLibcrypto } from './libcrypto.ts';

const library = loadLibcrypto();
const reference = createNodeCrypto();

const bytes = (minLength: number, maxLength = minLength): fc.Arbitrary<Uint8Array> =>
  fc.uint8Array({ minLength, maxLength });
const key = bytes(32);

if (typeof library === 'string') test('openssl: equals node:crypto', { skip: library }, () => {});
else describe('openssl', () => testBinding(createOpensslCrypto(library)));

function testBinding(fast: Crypto): void {
  test('the self-test finds no difference, and one that was planted', () => {
    assert.equal(findDifference(fast, reference), undefined);
    const wrongTag = {
      importKey: fast.mac.importKey.bind(fast.mac),
      releaseKey() {},
      exportKey: fast.mac.exportKey.bind(fast.mac),
      tag() {},
    };
    assert.equal(findDifference({ ...fast, mac: wrongTag }, reference), 'the tag of packets differs from node:crypto');
    const always = { ...fast, verify: () => true };
    assert.equal(findDifference(always, reference), 'Ed25519 verification differs from node:crypto');
    const throwing = {
      ...fast,
      sign() {
        throw new Error('no');
      },
    };
    assert.equal(findDifference(throwing, reference), 'the self-test failed: no');
  });

  test('sealing in pieces, in place or not, equals node:crypto; each opens what the other sealed', () => {
    const property = fc.property(
      key,
      fc.maxSafeNat(),
      bytes(0, 200),
      bytes(0, 3_000),
      fc.array(fc.nat(1_000), { maxLength: 5 }),
      fc.nat(40),
      fc.boolean(),
      (secret, counter, associatedData, text, cuts, offset, inPlace) => {
        const operation = { secret, counter, associatedData, cuts, offset, inPlace };
        const sealed = seal(fast.aead, operation, text);
        assert.deepEqual(sealed, seal(reference.aead, operation, text));
        for (const { aead } of [fast, reference]) assert.deepEqual(open(aead, operation, sealed), text);
      },
    );
    fc.assert(property, { numRuns: 300 });
  });

  test('the greatest counter and the bounds of 32 bits equal node:crypto', () => {
    for (const counter of [0, 1, 2 ** 31, 2 ** 32 - 1, 2 ** 32, 2 ** 32 + 1, 2 ** 52, Number.MAX_SAFE_INTEGER]) {
      const operation = { ...plain, counter };
      const text = new Uint8Array(100);
      assert.deepEqual(seal(fast.aead, operation, text), seal(reference.aead, operation, text));
    }
  });

  test('one changed bit in text, tag or associated data is refused, and nothing is left for node:tls', () => {
    const peekError = createRequire(import.meta.url)('koffi')
      .load(null)
      .func('unsigned long ERR_peek_error()');
    const property = fc.property(key, bytes(1, 100), bytes(1, 300), fc.nat(), (secret, associatedData, text, bit) => {
      const operation = { ...plain, secret, associatedData };
      const sealed = seal(fast.aead, operation, text);
      const changed = sealed.slice();
      changed[(bit >>> 3) % changed.length]! ^= 1 << (bit & 7);
      assert.equal(open(fast.aead, operation, changed), undefined);
      const otherData = associatedData.slice();
      otherData[(bit >>> 3) % otherData.length]! ^= 1 << (bit & 7);
      assert.equal(open(fast.aead, { ...operation, associatedData: otherData }, sealed), undefined);
      assert.equal(fast.verify(secret, text, new Uint8Array(64)), false);
      assert.equal(Number(peekError()), 0);
      assert.deepEqual(open(fast.aead, operation, sealed), text);
    });
    fc.assert(property, { numRuns: 100 });
  });

  test('keys that come, go and are used in any order equal node:crypto', () => {
    const step = fc.record({
      kind: fc.constantFrom('import', 'release', 'seal', 'seal', 'open', 'tag'),
      key: fc.nat(11),
      counter: fc.nat(3),
      bytes: fc.nat(300),
    });
    const property = fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      assert.deepEqual(runSteps(fast, steps), runSteps(reference, steps));
    });
    fc.assert(property, { numRuns: 100 });
  });

  test('more keys than the slab first holds: all stay what they were, and an index is given out again', () => {
    const secrets = Array.from({ length: 300 }, (_, i) => new Uint8Array(32).fill(i).fill(i >> 8, 0, 1));
    const aeadKeys = secrets.map((secret) => fast.aead.importKey(secret));
    const macKeys = secrets.map((secret) => fast.mac.importKey(secret));
    const text = new Uint8Array(50);
    for (const [i, secret] of secrets.entries()) {
      const expected = seal(reference.aead, { ...plain, secret }, text);
      assert.deepEqual(sealWith(fast.aead, aeadKeys[i]!, plain, text), expected);
      const tag = new Uint8Array(16);
      fast.mac.tag(macKeys[i]!, text, 0, 50, tag, 0);
      assert.deepEqual(tag, reference.hmac(secret, text).slice(0, 16));
    }
    fast.aead.releaseKey(aeadKeys[299]!);
    const again = fast.aead.importKey(secrets[1]!);
    assert.equal(again, aeadKeys[299]);
    const expected = seal(reference.aead, { ...plain, secret: secrets[1]! }, text);
    assert.deepEqual(sealWith(fast.aead, again, plain, text), expected);
    for (const index of [...aeadKeys.slice(0, 299), again]) fast.aead.releaseKey(index);
    for (const index of macKeys) fast.mac.releaseKey(index);
  });

  test('a key released in the midst of an operation ends it', () => {
    const index = fast.aead.importKey(plain.secret);
    fast.aead.beginSeal(index, 1, new Uint8Array(0));
    fast.aead.releaseKey(index);
    assert.throws(() => fast.aead.update(new Uint8Array(8), 0, new Uint8Array(8), 0, 8), invalidState);
    assert.throws(() => fast.aead.finishSeal(new Uint8Array(16), 0), invalidState);
    const other = fast.aead.importKey(plain.secret);
    fast.aead.beginOpen(other, 1, new Uint8Array(0));
    fast.aead.releaseKey(other);
    assert.equal(fast.aead.finishOpen(new Uint8Array(16), 0), false);
  });

  test('the tag over any range, into the same array or another, equals node:crypto', () => {
    const property = fc.property(key, bytes(16, 2_000), fc.nat(), fc.nat(), fc.nat(), (secret, data, a, b, c) => {
      const offset = a % data.length;
      const length = b % (data.length - offset + 1);
      const tagOffset = c % (data.length - 15);
      const answers = [fast, reference].map(({ mac }) => {
        const same = data.slice();
        const other = new Uint8Array(data.length);
        const index = mac.importKey(secret);
        mac.tag(index, data, offset, length, other, tagOffset);
        mac.tag(index, same, offset, length, same, tagOffset);
        mac.releaseKey(index);
        return [other, same];
      });
      assert.deepEqual(answers[0], answers[1]);
    });
    fc.assert(property, { numRuns: 300 });
  });

  test('SHA-256 and HMAC of any lengths equal node:crypto', () => {
    const property = fc.property(bytes(0, 200), bytes(0, 2_000), fc.nat(20), (secret, data, offset) => {
      const view = data.subarray(Math.min(offset, data.length));
      assert.deepEqual(fast.sha256(view), reference.sha256(view));
      assert.deepEqual(fast.hmac(secret, view), reference.hmac(secret, view));
    });
    fc.assert(property, { numRuns: 500 });
  });

  test('X25519 equals node:crypto', () => {
    const property = fc.property(key, key, (scalar, point) => {
      assert.deepEqual(fast.x25519Public(scalar), reference.x25519Public(scalar));
      assert.deepEqual(fast.x25519(scalar, point), reference.x25519(scalar, point));
    });
    fc.assert(property, { numRuns: 100 });
    assert.equal(fast.x25519(plain.secret, new Uint8Array(31)), undefined);
  });

  test('X25519 of a point of low order, RFC 7748 section 6.1: no secret', () => {
    const points = [
      '0000000000000000000000000000000000000000000000000000000000000000',
      '0100000000000000000000000000000000000000000000000000000000000000',
      'e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800',
      '5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157',
      'ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
      'edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
      'eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
    ];
    for (const hex of points) {
      const point = Uint8Array.from(Buffer.from(hex, 'hex'));
      assert.equal(fast.x25519(plain.secret, point), undefined, hex);
      assert.equal(reference.x25519(plain.secret, point), undefined, hex);
    }
  });

  test('Ed25519 equals node:crypto, and what is no signature is false', () => {
    const property = fc.property(key, bytes(0, 300), fc.nat(511), (seed, message, bit) => {
      const publicKey = fast.ed25519Public(seed);
      const signature = fast.sign(seed, message);
      assert.deepEqual(publicKey, reference.ed25519Public(seed));
      assert.deepEqual(signature, reference.sign(seed, message));
      assert.equal(fast.verify(publicKey, message, signature), true);
      const changed = signature.slice();
      changed[bit >>> 3]! ^= 1 << (bit & 7);
      assert.equal(fast.verify(publicKey, message, changed), false);
      assert.equal(fast.verify(seed, message, signature), reference.verify(seed, message, signature));
    });
    fc.assert(property, { numRuns: 60 });
    for (const [publicBytes, signatureBytes] of [
      [31, 64],
      [33, 64],
      [32, 63],
      [32, 65],
      [0, 0],
    ] as const) {
      const wrong = fast.verify(new Uint8Array(publicBytes), new Uint8Array(9), new Uint8Array(signatureBytes));
      assert.equal(wrong, false);
    }
  });

  test('a range outside its array throws before memory is touched', () => {
    const { aead, mac } = fast;
    const outside = { code: 'ERR_OUT_OF_RANGE' };
    const array = new Uint8Array(100);
    const index = aead.importKey(plain.secret);
    const macIndex = mac.importKey(plain.secret);
    const bad: [number, number][] = [
      [-1, 4],
      [97, 4],
      [101, 1],
      [0, 101],
      [0, -1],
      [Number.NaN, 4],
      [0, Number.NaN],
      [0.5, 4],
      [2 ** 53, 4],
    ];
    for (const [offset, length] of bad) {
      aead.beginSeal(index, 1, array);
      assert.throws(() => aead.update(array, offset, new Uint8Array(200), 0, length), outside);
      assert.throws(() => aead.update(new Uint8Array(200), 0, array, offset, length), outside);
      assert.throws(() => mac.tag(macIndex, array, offset, length, array, 0), outside);
    }
    for (const offset of [-1, 85, Number.NaN]) {
      aead.beginSeal(index, 1, array);
      assert.throws(() => aead.finishSeal(array, offset), outside);
      aead.beginOpen(index, 1, array);
      assert.throws(() => aead.finishOpen(array, offset), outside);
      assert.throws(() => mac.tag(macIndex, array, 0, 4, array, offset), outside);
    }
    for (const key of [-1, 0.5, 1e6, Number.NaN]) {
      assert.throws(() => aead.beginSeal(key, 1, array), outside);
      assert.throws(() => aead.releaseKey(key), outside);
      assert.throws(() => mac.tag(key, array, 0, 4, array, 0), outside);
      assert.throws(() => mac.releaseKey(key), outside);
    }
    for (const counter of [-1, 2 ** 53, 0.5, Number.NaN])
      assert.throws(() => aead.beginSeal(index, counter, array), outside);
    aead.beginSeal(index, 1, array);
    assert.throws(() => aead.update(array, 0, array, 1, 50), outside);
    for (const length of [0, 31, 33]) {
      const secret = new Uint8Array(length);
      assert.throws(() => aead.importKey(secret), RangeError);
      assert.throws(() => mac.importKey(secret), RangeError);
      assert.throws(() => fast.sign(secret, array), RangeError);
      assert.throws(() => fast.ed25519Public(secret), RangeError);
      assert.throws(() => fast.x25519Public(secret), RangeError);
    }
    aead.releaseKey(index);
    mac.releaseKey(macIndex);
  });

  test('memory that was handed to another thread is refused', () => {
    const array = new Uint8Array(100);
    const index = fast.mac.importKey(plain.secret);
    fast.mac.tag(index, array, 0, 50, array, 60);
    structuredClone(array.buffer, { transfer: [array.buffer] });
    assert.throws(() => fast.mac.tag(index, array, 0, 50, new Uint8Array(16), 0), RangeError);
    fast.mac.releaseKey(index);
  });

  test('10^5 operations do not grow memory', () => {
    const round = (): void => {
      for (let i = 0; i < 10_000; i++) {
        const index = fast.aead.importKey(plain.secret);
        const operation = { ...plain, counter: i };
        const sealed = sealWith(fast.aead, index, operation, new Uint8Array(64));
        fast.aead.beginOpen(index, i, plain.associatedData);
        assert.equal(fast.aead.finishOpen(sealed, 64), false);
        fast.aead.releaseKey(index);
        fast.mac.releaseKey(fast.mac.importKey(plain.secret));
        fast.hmac(plain.secret, sealed);
      }
      for (let i = 0; i < 100; i++) {
        const publicKey = fast.ed25519Public(plain.secret);
        fast.verify(publicKey, plain.secret, fast.sign(plain.secret, publicKey));
        fast.verify(publicKey, publicKey, new Uint8Array(64));
        fast.x25519(plain.secret, publicKey);
      }
    };
    for (let i = 0; i < 4; i++) round();
    const before = process.memoryUsage.rss();
    for (let i = 0; i < 10; i++) round();
    const grown = process.memoryUsage.rss() - before;
    assert.ok(grown < 8 << 20, `${grown} bytes`);
  });
}

test('node:crypto: a tag that is cut short is no tag', () => {
  const sealed = seal(reference.aead, plain, new Uint8Array(20));
  const index = reference.aead.importKey(plain.secret);
  for (const kept of [0, 4, 8, 12, 15]) {
    reference.aead.beginOpen(index, plain.counter, plain.associatedData);
    reference.aead.update(sealed, 0, new Uint8Array(20), 0, 20);
    assert.equal(reference.aead.finishOpen(sealed.subarray(0, 20 + kept), 20), false, `${kept} bytes`);
  }
  reference.aead.releaseKey(index);
});

test('openssl: the report says what was chosen and why; the environment can ask for either', () => {
  const { kind, why, version } = cryptoReport();
  assert.equal(kind, typeof library === 'string' ? 'node' : 'openssl');
  assert.ok(why.length > 0);
  assert.equal(version, process.versions.openssl);
  assert.deepEqual(reportWith('node'), { kind: 'node', why: 'asked for', version });
  assert.equal(reportWith('sodium'), 'ERR_INVALID_ARG_VALUE');
  const forced = reportWith('openssl');
  if (typeof library === 'string') assert.equal(forced, 'ERR_CARACAL_CRYPTO');
  else assert.deepEqual(forced, { kind: 'openssl', why: 'asked for', version });
});

function reportWith(asked: string): unknown {
  const url = new URL('./choose-crypto.js', import.meta.url).href;
  const script = `import { cryptoReport } from ${JSON.stringify(url)};
    let answer;
    try { answer = cryptoReport(); } catch (error) { answer = error.code; }
    console.log(JSON.stringify(answer));`;
  const env = { ...process.env, CARACAL_CRYPTO: asked };
  const output = execFileSync(process.execPath, ['--input-type=module', '--eval', script], { env, encoding: 'utf8' });
  return JSON.parse(output);
}

interface Operation {
  readonly secret: Uint8Array;
  readonly counter: number;
  readonly associatedData: Uint8Array;
  /** Lengths of the pieces; what is left over is the last. */
  readonly cuts: readonly number[];
  /** Of the bytes in their array. */
  readonly offset: number;
  readonly inPlace: boolean;
}

const plain: Operation = {
  secret: new Uint8Array(32).fill(7),
  counter: 1,
  associatedData: Uint8Array.of(1, 2, 3),
  cuts: [],
  offset: 0,
  inPlace: false,
};

const invalidState = { code: 'ERR_CRYPTO_INVALID_STATE' };

/** Text and tag. */
function seal(aead: Aead, operation: Operation, text: Uint8Array): Uint8Array {
  const index = aead.importKey(operation.secret);
  const sealed = sealWith(aead, index, operation, text);
  aead.releaseKey(index);
  return sealed;
}

function sealWith(aead: Aead, index: number, operation: Operation, text: Uint8Array): Uint8Array {
  aead.beginSeal(index, operation.counter, operation.associatedData);
  const target = transform(aead, operation, text, 16);
  aead.finishSeal(target, operation.offset + text.length);
  return target.slice(operation.offset);
}

/** Undefined when it is refused. */
function open(aead: Aead, operation: Operation, sealed: Uint8Array): Uint8Array | undefined {
  const index = aead.importKey(operation.secret);
  aead.beginOpen(index, operation.counter, operation.associatedData);
  const textBytes = sealed.length - 16;
  const target = transform(aead, operation, sealed.subarray(0, textBytes), 0);
  const authentic = aead.finishOpen(sealed, textBytes);
  aead.releaseKey(index);
  return authentic ? target.slice(operation.offset) : undefined;
}

function transform(aead: Aead, { cuts, offset, inPlace }: Operation, text: Uint8Array, room: number): Uint8Array {
  const target = new Uint8Array(offset + text.length + room);
  if (inPlace) target.set(text, offset);
  const [source, sourceOffset] = inPlace ? [target, offset] : [text, 0];
  let at = 0;
  for (const cut of [...cuts, text.length]) {
    const length = Math.min(cut, text.length - at);
    aead.update(source, sourceOffset + at, target, offset + at, length);
    at += length;
  }
  return target;
}

interface Step {
  readonly kind: string;
  readonly key: number;
  readonly counter: number;
  readonly bytes: number;
}

/** Everything that is answered; key `n` is the n-th of those that are held, its bytes follow from the step's number. */
function runSteps({ aead, mac }: Crypto, steps: readonly Step[]): Uint8Array[] {
  const answers: Uint8Array[] = [];
  const held: { aeadKey: number; macKey: number }[] = [];
  for (const [i, step] of steps.entries()) {
    const chosen = held[step.key % Math.max(1, held.length)];
    const text = new Uint8Array(step.bytes).fill(i);
    const operation = { ...plain, counter: step.counter };
    if (step.kind === 'import') {
      const secret = new Uint8Array(32).fill(i);
      held.push({ aeadKey: aead.importKey(secret), macKey: mac.importKey(secret) });
    } else if (chosen === undefined) continue;
    else if (step.kind === 'release') {
      held.splice(held.indexOf(chosen), 1);
      aead.releaseKey(chosen.aeadKey);
      mac.releaseKey(chosen.macKey);
    } else if (step.kind === 'seal') answers.push(sealWith(aead, chosen.aeadKey, operation, text));
    else if (step.kind === 'open') {
      const sealed = sealWith(aead, chosen.aeadKey, operation, text);
      aead.beginOpen(chosen.aeadKey, step.counter + (i % 2), plain.associatedData);
      const target = transform(aead, plain, sealed.subarray(0, step.bytes), 0);
      answers.push(Uint8Array.of(Number(aead.finishOpen(sealed, step.bytes))), target);
    } else {
      const tag = new Uint8Array(16);
      mac.tag(chosen.macKey, text, 0, text.length, tag, 0);
      answers.push(tag);
    }
  }
  for (const { aeadKey, macKey } of held) {
    aead.releaseKey(aeadKey);
    mac.releaseKey(macKey);
  }
  return answers;
}
