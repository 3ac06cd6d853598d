// The OpenSSL inside Node, by FFI (koffi): what the fast cryptography is built of. Node exports its OpenSSL's symbols for
// addons, so `koffi.load(null)` finds them and nothing is shipped. Memory and contexts are passed as addresses, numbers
// below 2^53: 20-45 ns less per argument than a typed array. Whoever calls checks lengths and keeps the memory alive.
// OpenSSL 3 and little-endian 64-bit systems only, where SHA256_CTX has the layout that openssl-sha256.ts writes.

import { createRequire } from 'node:module';

/** Of native memory; 0 is NULL. */
export type Address = number;

/** As in C: 1 for success. EVP_CIPHER_CTX and its like are addresses, `bytes` arguments are passed as they are. */
export interface Libcrypto {
  cipherNew(): Address;
  cipherFree(context: Address): void;
  aes256Gcm(): Address;
  /** EVP_CipherInit_ex: 0 keeps what was set. */
  cipherInit(context: Address, cipher: Address, engine: 0, key: Address, iv: Address, encrypt: number): number;
  cipherUpdate(context: Address, target: Address, bytesOut: Address, source: Address, bytes: number): number;
  cipherFinal(context: Address, target: Address, bytesOut: Address): number;
  cipherControl(context: Address, command: number, bytes: number, pointer: Address): number;
  sha256Init(context: Address): number;
  sha256Update(context: Address, data: Address, bytes: number): number;
  sha256Final(digest: Address, context: Address): number;
  /** Compresses one block of 64 bytes into the state. */
  sha256Transform(context: Address, block: Address): void;
  /** Answers 0 for a shared secret of zeros. Not in OpenSSL's headers, so a shared libcrypto may hide it. */
  readonly x25519: ((secret: Uint8Array, scalar: Uint8Array, point: Uint8Array) => number) | undefined;
  readonly x25519Public: ((point: Uint8Array, scalar: Uint8Array) => void) | undefined;
  privateKeyNew(type: number, engine: 0, key: Uint8Array, bytes: number): Address;
  publicKeyNew(type: number, engine: 0, key: Uint8Array, bytes: number): Address;
  keyFree(key: Address): void;
  keyPublic(key: Address, point: Uint8Array, bytes: BigUint64Array): number;
  digestNew(): Address;
  digestFree(context: Address): void;
  signInit(context: Address, keyContext: 0, digest: 0, engine: 0, key: Address): number;
  sign(
    context: Address,
    signature: Uint8Array,
    signatureBytes: BigUint64Array,
    data: Uint8Array,
    bytes: number,
  ): number;
  verifyInit(context: Address, keyContext: 0, digest: 0, engine: 0, key: Address): number;
  verify(context: Address, signature: Uint8Array, signatureBytes: number, data: Uint8Array, bytes: number): number;
  /** After every failure: node:tls takes an error left in the thread's queue for its own. */
  clearErrors(): void;
  addressOf(memory: Uint8Array): Address;
}

const platforms = ['linux', 'darwin'];
const architectures = ['x64', 'arm64', 'riscv64', 'loong64'];

let loaded: Libcrypto | string | undefined;

/** The binding, or in words why there is none. Loaded once per thread. */
export function loadLibcrypto(): Libcrypto | string {
  loaded ??= tryLoad();
  return loaded;
}

type Koffi = typeof import('koffi');
type Library = ReturnType<Koffi['load']>;

function tryLoad(): Libcrypto | string {
  if (!platforms.includes(process.platform)) return `this is ${process.platform}`;
  if (!architectures.includes(process.arch)) return `no structure layouts for ${process.arch}`;
  const version = process.versions['openssl'] ?? 'none';
  if (!version.startsWith('3.')) return `OpenSSL 3 is needed, this Node has ${version}`;
  try {
    const koffi = createRequire(import.meta.url)('koffi') as Koffi;
    return declare(koffi, koffi.load(null));
  } catch (error) {
    return `the symbols cannot be had: ${error instanceof Error ? error.message : String(error)}`;
  }
}

function declare(koffi: Koffi, library: Library): Libcrypto {
  const ptr = 'uint64_t';
  const keyNew = `(int, ${ptr}, const void *, size_t)`;
  return {
    cipherNew: library.func(`${ptr} EVP_CIPHER_CTX_new()`),
    cipherFree: library.func(`void EVP_CIPHER_CTX_free(${ptr})`),
    aes256Gcm: library.func(`${ptr} EVP_aes_256_gcm()`),
    cipherInit: library.func(`int EVP_CipherInit_ex(${ptr}, ${ptr}, ${ptr}, ${ptr}, ${ptr}, int)`),
    cipherUpdate: library.func(`int EVP_CipherUpdate(${ptr}, ${ptr}, ${ptr}, ${ptr}, int)`),
    cipherFinal: library.func(`int EVP_CipherFinal_ex(${ptr}, ${ptr}, ${ptr})`),
    cipherControl: library.func(`int EVP_CIPHER_CTX_ctrl(${ptr}, int, int, ${ptr})`),
    sha256Init: library.func(`int SHA256_Init(${ptr})`),
    sha256Update: library.func(`int SHA256_Update(${ptr}, ${ptr}, size_t)`),
    sha256Final: library.func(`int SHA256_Final(${ptr}, ${ptr})`),
    sha256Transform: library.func(`void SHA256_Transform(${ptr}, ${ptr})`),
    x25519: optional(library, 'int ossl_x25519(void *, const void *, const void *)'),
    x25519Public: optional(library, 'void ossl_x25519_public_from_private(void *, const void *)'),
    privateKeyNew: library.func(`${ptr} EVP_PKEY_new_raw_private_key${keyNew}`),
    publicKeyNew: library.func(`${ptr} EVP_PKEY_new_raw_public_key${keyNew}`),
    keyFree: library.func(`void EVP_PKEY_free(${ptr})`),
    keyPublic: library.func(`int EVP_PKEY_get_raw_public_key(${ptr}, void *, void *)`),
    digestNew: library.func(`${ptr} EVP_MD_CTX_new()`),
    digestFree: library.func(`void EVP_MD_CTX_free(${ptr})`),
    signInit: library.func(`int EVP_DigestSignInit(${ptr}, ${ptr}, ${ptr}, ${ptr}, ${ptr})`),
    sign: library.func(`int EVP_DigestSign(${ptr}, void *, void *, const void *, size_t)`),
    verifyInit: library.func(`int EVP_DigestVerifyInit(${ptr}, ${ptr}, ${ptr}, ${ptr}, ${ptr})`),
    verify: library.func(`int EVP_DigestVerify(${ptr}, const void *, size_t, const void *, size_t)`),
    clearErrors: library.func('void ERR_clear_error()'),
    addressOf: (memory) => Number(koffi.address(memory)),
  };
}

function optional(library: Library, prototype: string): ReturnType<Library['func']> | undefined {
  try {
    return library.func(prototype);
  } catch {
    return undefined;
  }
}
