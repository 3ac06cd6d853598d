// core's cryptography against what others published: the RFCs, McGrew and Viega's GCM cases, Wycheproof (origin and licence
// in its files), and node:crypto for what has no vectors, since our nonces begin with four zeros. Both implementations
// are asked: the one on node:crypto, and the one that the driver chooses (the same, where Node's OpenSSL is out of reach).

import { strict as assert } from 'node:assert';
import { createCipheriv, createHash, createPrivateKey, createPublicKey } from 'node:crypto';
import { test } from 'node:test';
import fc from 'fast-check';
import { type Aead, aeadTagBytes, type Crypto } from '../../src/core/base/index.ts';
import { createCrypto } from '../../src/crypto/index.ts';
import { createPrimitives } from '../../src/io/index.ts';
import { fromHex, loadVectors, toHex } from './load.ts';

interface Rows {
  readonly columns: readonly string[];
  /** Fields in hexadecimal with blanks between; `-` is empty. */
  readonly rows: readonly string[];
}

const bytes32 = fc.uint8Array({ minLength: 32, maxLength: 32 });
const basePoint = fromHex('09'.padEnd(64, '0'));

for (const [name, crypto] of [
  ['node:crypto', createCrypto()],
  ["the driver's", createPrimitives()],
] as const) {
  test(`vectors: x25519: RFC 7748 section 5.2, ${name}`, () => {
    for (const [scalar, point, shared] of rfc7748) assert.equal(exchange(crypto, scalar, point), shared);
    let [k, u] = [basePoint, basePoint];
    for (let i = 1; i <= 1000; i++) {
      const next = crypto.x25519(k, u);
      assert.ok(next);
      [k, u] = [new Uint8Array(next), k];
      if (i === 1) assert.equal(toHex(k), '422c8e7a6227d7bca1350b3e2bb7279f7897b87bb6854b783c60e80311ae3079');
    }
    assert.equal(toHex(k), '684cf59ba83309552800ef566f2f4d3c1c3887c49360e3875f2eb94d99532c51');
  });

  test(`vectors: x25519: Wycheproof, of which 31 of low order are refused, ${name}`, () => {
    const { rows } = wycheproof('x25519', 518);
    let refused = 0;
    for (const [id, point, scalar, shared] of rows) {
      const zero = /^0+$/.test(shared);
      if (zero) refused++;
      assert.equal(exchange(crypto, scalar, point), zero ? undefined : shared, `test ${id}`);
    }
    assert.equal(refused, 31);
  });

  test(`vectors: x25519: public keys are those of node:crypto, ${name}`, () => {
    fc.assert(
      fc.property(bytes32, (scalar) => {
        const key = { key: Buffer.concat([pkcs8Head, scalar]), format: 'der', type: 'pkcs8' } as const;
        const spki = createPublicKey(createPrivateKey(key)).export({ format: 'der', type: 'spki' });
        assert.equal(toHex(crypto.x25519Public(scalar)), spki.subarray(-32).toString('hex'));
        assert.equal(exchange(crypto, toHex(scalar), toHex(basePoint)), spki.subarray(-32).toString('hex'));
      }),
    );
  });

  test(`vectors: ed25519: RFC 8032 section 7.1, ${name}`, () => {
    for (const [seed, publicKey, message, signature] of rfc8032) {
      assert.equal(toHex(crypto.ed25519Public(fromHex(seed))), publicKey);
      assert.equal(toHex(crypto.sign(fromHex(seed), fromHex(message))), signature);
      assert.ok(crypto.verify(fromHex(publicKey), fromHex(message), fromHex(signature)));
    }
  });

  test(`vectors: ed25519: Wycheproof, 88 signatures and 63 that are none, ${name}`, () => {
    const { rows, valid } = wycheproof('ed25519', 151);
    assert.equal(valid, 88);
    for (const [id, result, publicKey, message, signature] of rows)
      assert.equal(
        crypto.verify(fromHex(publicKey), fromHex(message), fromHex(signature)),
        result === 'valid',
        `test ${id}`,
      );
  });

  test(`vectors: hmac: RFC 4231, ${name}`, () => {
    let tags = 0;
    for (const [key, data, digest] of rfc4231) {
      const whole = toHex(crypto.hmac(fromHex(key), fromHex(data)));
      assert.equal(whole.slice(0, digest.length), digest);
      if (key.length > 64) continue;
      tags++;
      // HMAC fills a key up with zeros anyway, so that one shorter than ours is ours with zeros behind it.
      assert.equal(macOf(crypto, fromHex(key.padEnd(64, '0')), fromHex(data)), digest.slice(0, 32));
    }
    assert.equal(tags, 5);
  });

  test(`vectors: hmac: Wycheproof, whole tags by hmac and short ones by mac, ${name}`, () => {
    const { rows, valid } = wycheproof('hmac-sha256', 174);
    assert.equal(valid, 66);
    let short = 0;
    for (const [id, result, key, message, tag] of rows) {
      const whole = toHex(crypto.hmac(fromHex(key), fromHex(message)));
      assert.equal(whole.startsWith(tag), result === 'valid', `test ${id}`);
      if (key.length !== 64 || tag.length !== 32) continue;
      short++;
      assert.equal(macOf(crypto, fromHex(key), fromHex(message)) === tag, result === 'valid', `test ${id}`);
    }
    assert.equal(short, 81);
  });

  test(`vectors: sha256: FIPS 180, and node:crypto for any bytes, ${name}`, () => {
    for (const [text, digest] of fips180) assert.equal(toHex(crypto.sha256(Buffer.from(text))), digest);
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 2000 }), (data) => {
        assert.equal(toHex(crypto.sha256(data)), createHash('sha256').update(data).digest('hex'));
      }),
    );
  });

  test(`vectors: aead: McGrew and Viega's cases 13 and 14, whose nonce is zero, ${name}`, () => {
    const key = new Uint8Array(32);
    const none = new Uint8Array(0);
    assert.equal(toHex(seal(crypto.aead, key, 0, none, none)), '530f8afbc74536b9a963b4f1c4cb738b');
    const sealed = 'cea7403d4d606b6e074ec5d3baf39d18d0d1c8a799996bf0265b98b5d48ab919';
    assert.equal(toHex(seal(crypto.aead, key, 0, none, new Uint8Array(16))), sealed);
  });

  test(`vectors: aead: node:crypto with a nonce of 32 zero bits and a 64-bit counter, in pieces and in place, ${name}`, () => {
    const pieces = fc.array(fc.nat(100), { maxLength: 5 });
    const text = fc.uint8Array({ maxLength: 300 });
    fc.assert(
      fc.property(bytes32, counters, text, text, pieces, fc.boolean(), (key, counter, ad, plain, cuts, inPlace) => {
        const expected = sealByNode(key, counter, ad, plain);
        assert.equal(toHex(seal(crypto.aead, key, counter, ad, plain, cuts, inPlace)), toHex(expected));
        assert.equal(hexOf(open(crypto.aead, key, counter, ad, expected, cuts, inPlace)), toHex(plain));
        if (counter > 0) assert.equal(open(crypto.aead, key, counter - 1, ad, expected), undefined);
      }),
      { numRuns: 300 },
    );
  });

  test(`vectors: aead: any flipped bit of text, tag or associated data is refused, ${name}`, () => {
    const [key, ad] = [new Uint8Array(32).fill(5), Uint8Array.of(1, 2, 3, 4)];
    const sealed = seal(crypto.aead, key, 7, ad, new Uint8Array(20).fill(6));
    for (let bit = 0; bit < (ad.length + sealed.length) * 8; bit++) {
      const both = Uint8Array.of(...ad, ...sealed);
      both[bit >> 3] = (both[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      const [otherAd, other] = [both.subarray(0, ad.length), both.subarray(ad.length)];
      assert.equal(open(crypto.aead, key, 7, otherAd, other), undefined, `bit ${bit}`);
    }
    assert.ok(open(crypto.aead, key, 7, ad, sealed));
  });
}

/** Scalar, point, shared secret. The second point has the bit set that is to be ignored. */
const rfc7748: readonly (readonly [string, string, string])[] = [
  [
    'a546e36bf0527c9d3b16154b82465edd62144c0ac1fc5a18506a2244ba449ac4',
    'e6db6867583030db3594c1a424b15f7c726624ec26b3353b10a903a6d0ab1c4c',
    'c3da55379de9c6908e94ea4df28d084f32eccf03491c71f754b4075577a28552',
  ],
  [
    '4b66e9d4d1b4673c5ad22691957d6af5c11b6421e0ea01d42ca4169e7918ba0d',
    'e5210f12786811d3f4b7959d0538ae2c31dbe7106fc03c3efc4cd549c715a493',
    '95cbde9476e8907d7aade45cb4b873f88b595a68799fa152e6f8f7647aac7957',
  ],
];

/** Seed, public key, message, signature: tests 1, 2, 3, 1024 and SHA(abc). */
const rfc8032: readonly (readonly [string, string, string, string])[] = [
  [
    '9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60',
    'd75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a',
    '',
    'e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b',
  ],
  [
    '4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb',
    '3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c',
    '72',
    '92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00',
  ],
  [
    'c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7',
    'fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025',
    'af82',
    '6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a',
  ],
  [
    'f5e5767cf153319517630f226876b86c8160cc583bc013744c6bf255f5cc0ee5',
    '278117fc144c72340f67d0f2316e8386ceffbf2b2428c9c51fef7c597f1d426e',
    '08b8b2b733424243760fe426a4b54908632110a66c2f6591eabd3345e3e4eb98fa6e264bf09efe12ee50f8f54e9f77b1e355' +
      'f6c50544e23fb1433ddf73be84d879de7c0046dc4996d9e773f4bc9efe5738829adb26c81b37c93a1b270b20329d658675fc' +
      '6ea534e0810a4432826bf58c941efb65d57a338bbd2e26640f89ffbc1a858efcb8550ee3a5e1998bd177e93a7363c344fe6b' +
      '199ee5d02e82d522c4feba15452f80288a821a579116ec6dad2b3b310da903401aa62100ab5d1a36553e06203b33890cc9b8' +
      '32f79ef80560ccb9a39ce767967ed628c6ad573cb116dbefefd75499da96bd68a8a97b928a8bbc103b6621fcde2beca1231d' +
      '206be6cd9ec7aff6f6c94fcd7204ed3455c68c83f4a41da4af2b74ef5c53f1d8ac70bdcb7ed185ce81bd84359d44254d9562' +
      '9e9855a94a7c1958d1f8ada5d0532ed8a5aa3fb2d17ba70eb6248e594e1a2297acbbb39d502f1a8c6eb6f1ce22b3de1a1f40' +
      'cc24554119a831a9aad6079cad88425de6bde1a9187ebb6092cf67bf2b13fd65f27088d78b7e883c8759d2c4f5c65adb7553' +
      '878ad575f9fad878e80a0c9ba63bcbcc2732e69485bbc9c90bfbd62481d9089beccf80cfe2df16a2cf65bd92dd597b0707e0' +
      '917af48bbb75fed413d238f5555a7a569d80c3414a8d0859dc65a46128bab27af87a71314f318c782b23ebfe808b82b0ce26' +
      '401d2e22f04d83d1255dc51addd3b75a2b1ae0784504df543af8969be3ea7082ff7fc9888c144da2af58429ec96031dbcad3' +
      'dad9af0dcbaaaf268cb8fcffead94f3c7ca495e056a9b47acdb751fb73e666c6c655ade8297297d07ad1ba5e43f1bca32301' +
      '651339e22904cc8c42f58c30c04aafdb038dda0847dd988dcda6f3bfd15c4b4c4525004aa06eeff8ca61783aacec57fb3d1f' +
      '92b0fe2fd1a85f6724517b65e614ad6808d6f6ee34dff7310fdc82aebfd904b01e1dc54b2927094b2db68d6f903b68401ade' +
      'bf5a7e08d78ff4ef5d63653a65040cf9bfd4aca7984a74d37145986780fc0b16ac451649de6188a7dbdf191f64b5fc5e2ab4' +
      '7b57f7f7276cd419c17a3ca8e1b939ae49e488acba6b965610b5480109c8b17b80e1b7b750dfc7598d5d5011fd2dcc5600a3' +
      '2ef5b52a1ecc820e308aa342721aac0943bf6686b64b2579376504ccc493d97e6aed3fb0f9cd71a43dd497f01f17c0e2cb37' +
      '97aa2a2f256656168e6c496afc5fb93246f6b1116398a346f1a641f3b041e989f7914f90cc2c7fff357876e506b50d334ba7' +
      '7c225bc307ba537152f3f1610e4eafe595f6d9d90d11faa933a15ef1369546868a7f3a45a96768d40fd9d03412c091c6315c' +
      'f4fde7cb68606937380db2eaaa707b4c4185c32eddcdd306705e4dc1ffc872eeee475a64dfac86aba41c0618983f8741c5ef' +
      '68d3a101e8a3b8cac60c905c15fc910840b94c00a0b9d0',
    '0aab4c900501b3e24d7cdf4663326a3a87df5e4843b2cbdb67cbf6e460fec350aa5371b1508f9f4528ecea23c436d94b5e8fcd4f681e30a6ac00a9704a188a03',
  ],
  [
    '833fe62409237b9d62ec77587520911e9a759cec1d19755b7da901b96dca3d42',
    'ec172b93ad5e563bf4932c70e1245034c35467ef2efd4d64ebf819683467e2bf',
    'ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f',
    'dc2a4459e7369633a52b1bf277839a00201009a3efbf3ecb69bea2186c26b58909351fc9ac90b3ecfdfbc7c66431e0303dca179c138ac17ad9bef1177331a704',
  ],
];

/** Key, data, digest: test cases 1 to 7. The digest of case 5 is cut to 16 bytes, as our tags are. */
const rfc4231: readonly (readonly [string, string, string])[] = [
  [
    '0b'.repeat(20),
    Buffer.from('Hi There').toString('hex'),
    'b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7',
  ],
  [
    Buffer.from('Jefe').toString('hex'),
    Buffer.from('what do ya want for nothing?').toString('hex'),
    '5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843',
  ],
  ['aa'.repeat(20), 'dd'.repeat(50), '773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe'],
  [
    '0102030405060708090a0b0c0d0e0f10111213141516171819',
    'cd'.repeat(50),
    '82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b',
  ],
  ['0c'.repeat(20), Buffer.from('Test With Truncation').toString('hex'), 'a3b6167473100ee06e0c796c2955552b'],
  [
    'aa'.repeat(131),
    Buffer.from('Test Using Larger Than Block-Size Key - Hash Key First').toString('hex'),
    '60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54',
  ],
  [
    'aa'.repeat(131),
    Buffer.from(
      'This is a test using a larger than block-size key and a larger than block-size data. ' +
        'The key needs to be hashed before being used by the HMAC algorithm.',
    ).toString('hex'),
    '9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2',
  ],
];

const fips180: readonly (readonly [string, string])[] = [
  ['', 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855'],
  ['abc', 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad'],
  [
    'abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq',
    '248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1',
  ],
];

const counters = fc.oneof(
  fc.constantFrom(0, 1, 2 ** 32 - 1, 2 ** 32, 2 ** 53 - 1),
  fc.integer({ min: 0, max: 2 ** 53 - 1 }),
);

/** PKCS #8 around 32 bytes of X25519 (RFC 8410). */
const pkcs8Head = Buffer.from('302e020100300506032b656e04220420', 'hex');

/** The fields of a row are what the test names them; `valid` counts those whose second field says so. */
function wycheproof(name: string, count: number) {
  const { columns, rows } = loadVectors<Rows>(`wycheproof/${name}.json`);
  assert.equal(rows.length, count);
  const split = rows.map((row) => row.split(' ').map((field) => (field === '-' ? '' : field)));
  for (const row of split) assert.equal(row.length, columns.length);
  return {
    rows: split as unknown as readonly (readonly [string, string, string, string, string])[],
    valid: split.filter((row) => row[1] === 'valid').length,
  };
}

/** Undefined: refused. */
function exchange(crypto: Crypto, scalar: string, point: string): string | undefined {
  return hexOf(crypto.x25519(fromHex(scalar), fromHex(point)));
}

function macOf({ mac }: Crypto, key: Uint8Array, message: Uint8Array): string {
  const index = mac.importKey(key);
  const tag = new Uint8Array(16);
  mac.tag(index, message, 0, message.length, tag, 0);
  mac.releaseKey(index);
  return toHex(tag);
}

function sealByNode(key: Uint8Array, counter: number, associatedData: Uint8Array, plain: Uint8Array): Uint8Array {
  const nonce = Buffer.alloc(12);
  nonce.writeBigUInt64BE(BigInt(counter), 4);
  const cipher = createCipheriv('aes-256-gcm', key, nonce).setAAD(associatedData);
  return Buffer.concat([cipher.update(plain), cipher.final(), cipher.getAuthTag()]);
}

/** Text and tag. */
function seal(
  aead: Aead,
  key: Uint8Array,
  counter: number,
  associatedData: Uint8Array,
  plain: Uint8Array,
  cuts: readonly number[] = [],
  inPlace = false,
): Uint8Array {
  const index = aead.importKey(key);
  aead.beginSeal(index, counter, associatedData);
  const sealed = transform(aead, plain, aeadTagBytes, cuts, inPlace);
  aead.finishSeal(sealed, plain.length);
  aead.releaseKey(index);
  return sealed;
}

/** Undefined: refused. */
function open(
  aead: Aead,
  key: Uint8Array,
  counter: number,
  associatedData: Uint8Array,
  sealed: Uint8Array,
  cuts: readonly number[] = [],
  inPlace = false,
): Uint8Array | undefined {
  const index = aead.importKey(key);
  aead.beginOpen(index, counter, associatedData);
  const text = sealed.subarray(0, sealed.length - aeadTagBytes);
  const plain = transform(aead, text, 0, cuts, inPlace);
  const authentic = aead.finishOpen(sealed, text.length);
  aead.releaseKey(index);
  return authentic ? plain : undefined;
}

function transform(
  aead: Aead,
  text: Uint8Array,
  room: number,
  cuts: readonly number[],
  inPlace: boolean,
): Uint8Array<ArrayBuffer> {
  const target = new Uint8Array(text.length + room);
  if (inPlace) target.set(text);
  let at = 0;
  for (const cut of [...cuts, text.length]) {
    const length = Math.min(cut, text.length - at);
    aead.update(inPlace ? target : text, at, target, at, length);
    at += length;
  }
  return target;
}

function hexOf(bytes: Uint8Array | undefined): string | undefined {
  return bytes && toHex(bytes);
}
