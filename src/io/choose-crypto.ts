// Which cryptography a process uses: Node's own OpenSSL by FFI, or node:crypto. The choice is made once per thread, and
// never silently: the report says which and why. Before the binding is used it answers a list of questions with
// node:crypto beside it; one differing byte, or an exception, and it is not used.

import type { Crypto } from '../core/base/index.ts';
import { createCrypto as createNodeCrypto } from '../crypto/index.ts';
import { type Libcrypto, loadLibcrypto } from './libcrypto.ts';
import { OpensslAead } from './openssl-aead.ts';
import { createCurves } from './openssl-curves.ts';
import { OpensslMac, Sha256 } from './openssl-sha256.ts';

export interface CryptoReport {
  readonly kind: 'openssl' | 'node';
  readonly why: string;
  /** OpenSSL's. */
  readonly version: string;
}

/** One operation at a time is under way in each of them. Throws when the kind asked for cannot be had. */
export function createCrypto(): Crypto {
  const { library } = choose();
  return library === undefined ? createNodeCrypto() : createOpensslCrypto(library);
}

/** For `caracal doctor`. Throws like `createCrypto`. */
export function cryptoReport(): CryptoReport {
  return choose().report;
}

export function createOpensslCrypto(library: Libcrypto): Crypto {
  const sha256 = new Sha256(library);
  return {
    ...createCurves(library, createNodeCrypto()),
    sha256: (data) => sha256.hash(data),
    hmac: (key, data) => sha256.hmac(key, data),
    aead: new OpensslAead(library),
    mac: new OpensslMac(sha256),
  };
}

/** Undefined when both answer alike, else in words where they do not. */
export function findDifference(candidate: Crypto, reference: Crypto): string | undefined {
  try {
    for (const [what, ask] of questions) {
      const [answer, expected] = [ask(candidate), ask(reference)];
      if (Buffer.compare(answer, expected) !== 0) return `${what} differs from node:crypto`;
    }
    return undefined;
  } catch (error) {
    return `the self-test failed: ${error instanceof Error ? error.message : String(error)}`;
  }
}

interface Choice {
  readonly report: CryptoReport;
  /** Undefined: node:crypto. */
  readonly library?: Libcrypto;
}

let chosen: Choice | undefined;

function choose(): Choice {
  chosen ??= decide();
  return chosen;
}

function decide(): Choice {
  const version = process.versions['openssl'] ?? '';
  const asked = kindFromEnvironment();
  if (asked === 'node') return { report: { kind: 'node', why: 'asked for', version } };
  const loaded = loadLibcrypto();
  const problem = typeof loaded === 'string' ? loaded : testLibrary(loaded);
  if (typeof loaded !== 'string' && problem === undefined) {
    const why = asked === undefined ? 'its functions are there and answer as node:crypto does' : 'asked for';
    return { report: { kind: 'openssl', why, version }, library: loaded };
  }
  const why = problem ?? '';
  if (asked === undefined) return { report: { kind: 'node', why, version } };
  throw Object.assign(new Error(`CARACAL_CRYPTO=openssl, but ${why}`), { code: 'ERR_CARACAL_CRYPTO' });
}

function testLibrary(library: Libcrypto): string | undefined {
  try {
    return findDifference(createOpensslCrypto(library), createNodeCrypto());
  } catch (error) {
    return `it cannot be set up: ${error instanceof Error ? error.message : String(error)}`;
  }
}

function kindFromEnvironment(): 'openssl' | 'node' | undefined {
  const kind = process.env['CARACAL_CRYPTO'];
  if (kind === undefined || kind === '' || kind === 'auto') return undefined;
  if (kind === 'openssl' || kind === 'node') return kind;
  const message = `CARACAL_CRYPTO is "openssl", "node" or "auto", not "${kind}"`;
  throw Object.assign(new TypeError(message), { code: 'ERR_INVALID_ARG_VALUE' });
}

/** Bytes that repeat nowhere near. */
function pattern(bytes: number, seed: number): Uint8Array {
  return Uint8Array.from({ length: bytes }, (_, i) => (i * 167 + (i >>> 8) * 13 + seed * 59 + 1) & 0xff);
}

const secret = pattern(32, 3);
const message = pattern(1_000, 5);

/** What is asked, by name; answers are bytes, yes and no are 1 and 0. */
const questions: readonly (readonly [string, (crypto: Crypto) => Uint8Array])[] = [
  ...[0, 3, 55, 56, 64, 119, 1_000].map(
    (bytes) => [`SHA-256 of ${bytes} bytes`, (crypto: Crypto) => crypto.sha256(pattern(bytes, 1))] as const,
  ),
  ...[0, 32, 64, 65, 200].map(
    (bytes) =>
      [`HMAC with ${bytes} bytes of key`, (crypto: Crypto) => crypto.hmac(pattern(bytes, 2), message)] as const,
  ),
  ['X25519', ({ x25519, x25519Public }) => x25519(secret, x25519Public(pattern(32, 4))) ?? new Uint8Array(0)],
  ['X25519 of a point of low order', ({ x25519 }) => x25519(secret, new Uint8Array(32)) ?? new Uint8Array(0)],
  ['the Ed25519 public key', ({ ed25519Public }) => ed25519Public(secret)],
  ['the Ed25519 signature', ({ sign }) => sign(secret, message)],
  ['Ed25519 verification', askVerify],
  ['AES-256-GCM', askAead],
  ['AES-256-GCM verification', askTampered],
  ['the tag of packets', askMac],
];

function askVerify({ ed25519Public, sign, verify }: Crypto): Uint8Array {
  const key = ed25519Public(secret);
  const signature = sign(secret, message);
  const answers = [verify(key, message, signature), verify(key, message.subarray(1), signature)];
  signature[3] = (signature[3] ?? 0) ^ 4;
  return Uint8Array.from([...answers, verify(key, message, signature)], Number);
}

/** Two keys in turn, in pieces and in place, and opened again. */
function askAead({ aead }: Crypto): Uint8Array {
  const keys = [aead.importKey(secret), aead.importKey(pattern(32, 6))];
  const sealed = new Uint8Array(4 * 1_016);
  for (let i = 0; i < 4; i++) {
    const at = i * 1_016;
    sealed.set(message, at);
    aead.beginSeal(keys[i % 2] ?? 0, i * 2 ** 40 + i, pattern(i * 30, 7));
    aead.update(sealed, at, sealed, at, 333);
    aead.update(sealed, at + 333, sealed, at + 333, 667);
    aead.finishSeal(sealed, at + 1_000);
  }
  const opened = new Uint8Array(sealed.length);
  for (let i = 0; i < 4; i++) {
    const at = i * 1_016;
    aead.beginOpen(keys[i % 2] ?? 0, i * 2 ** 40 + i, pattern(i * 30, 7));
    aead.update(sealed, at, opened, at, 1_000);
    opened[at + 1_000] = Number(aead.finishOpen(sealed, at + 1_000));
  }
  const exported = keys.map((key) => aead.exportKey(key));
  for (const key of keys) aead.releaseKey(key);
  return Buffer.concat([sealed, opened, ...exported]);
}

/** A released key's index is given out again for another key; a wrong tag and wrong associated data are refused. */
function askTampered({ aead }: Crypto): Uint8Array {
  const text = new Uint8Array(32);
  const tags = new Uint8Array(32);
  const seal = (key: Uint8Array, tagOffset: number): void => {
    const index = aead.importKey(key);
    aead.beginSeal(index, 1, key);
    aead.update(message, 0, text, 0, 32);
    aead.finishSeal(tags, tagOffset);
    aead.releaseKey(index);
  };
  seal(secret, 0);
  seal(pattern(32, 8), 16);
  const index = aead.importKey(pattern(32, 8));
  const open = (associatedData: Uint8Array, tagOffset: number): boolean => {
    aead.beginOpen(index, 1, associatedData);
    aead.update(text, 0, new Uint8Array(32), 0, 32);
    return aead.finishOpen(tags, tagOffset);
  };
  const answers = [open(pattern(32, 8), 0), open(pattern(32, 8), 16), open(secret, 16)];
  aead.releaseKey(index);
  return Buffer.concat([tags, Uint8Array.from(answers, Number)]);
}

function askMac({ mac }: Crypto): Uint8Array {
  const keys = [mac.importKey(secret), mac.importKey(pattern(32, 9))];
  const tags = new Uint8Array(4 * 16);
  for (let i = 0; i < 4; i++) mac.tag(keys[i % 2] ?? 0, message, i * 7, i * 300, tags, i * 16);
  const exported = keys.map((key) => mac.exportKey(key));
  for (const key of keys) mac.releaseKey(key);
  return Buffer.concat([tags, ...exported]);
}
