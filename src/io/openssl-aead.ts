// AES-256-GCM on Node's own OpenSSL, in place, nothing allocated per operation. Two contexts serve all connections, one
// per direction: setting a key costs 0.1 us, a context per connection 1 KB and more. Each remembers the key that it was
// given last; a released key is overwritten in the slab and in the contexts, so an index given out again is a new key.

import { type Aead, aeadKeyBytes, aeadTagBytes, type KeyIndex } from '../core/base/index.ts';
import { KeySlab } from '../crypto/index.ts';
import type { Address, Libcrypto } from './libcrypto.ts';
import { checkKey, checkRange, Pin } from './pin.ts';

/** EVP_CTRL_AEAD_GET_TAG and EVP_CTRL_AEAD_SET_TAG. */
const getTag = 0x10;
const setTag = 0x11;

/** One call's `int`. */
const mostUpdateBytes = 2 ** 31 - 1;
const noKey: KeyIndex = -1;

/** Offsets in the scratch memory. The IV's first four bytes stay zero; so does the key that replaces released ones. */
const ivAt = 0;
const bytesOutAt = 16;
const zeroKeyAt = 32;
const associatedAt = 64;
const mostCopiedBytes = 64;

interface Context {
  readonly address: Address;
  readonly encrypt: 0 | 1;
  /** Of its own: sealing and opening take turns, each over and over in the same two buffers. */
  readonly source: Pin;
  readonly target: Pin;
  readonly tag: Pin;
  /** The key that the context holds, or `noKey`. */
  key: KeyIndex;
}

export class OpensslAead implements Aead {
  readonly #library: Libcrypto;
  readonly #keys = new KeySlab(aeadKeyBytes, (bytes) => Buffer.alloc(bytes));
  #keysSeen: Uint8Array;
  #keysAddress: Address;
  readonly #scratch = Buffer.alloc(associatedAt + mostCopiedBytes);
  readonly #iv = new DataView(this.#scratch.buffer, this.#scratch.byteOffset + ivAt, 12);
  readonly #scratchAddress: Address;
  readonly #sealing: Context;
  readonly #opening: Context;
  #current: Context | undefined;

  /** Throws when OpenSSL has no AES-256-GCM to give. */
  constructor(library: Libcrypto) {
    this.#library = library;
    this.#keysSeen = this.#keys.bytes;
    this.#keysAddress = library.addressOf(this.#keysSeen);
    this.#scratchAddress = library.addressOf(this.#scratch);
    this.#sealing = this.#createContext(1);
    this.#opening = this.#createContext(0);
  }

  importKey(key: Uint8Array): KeyIndex {
    return this.#keys.add(key);
  }

  releaseKey(key: KeyIndex): void {
    checkKey(this.#keys, key);
    this.#keys.release(key);
    for (const context of [this.#sealing, this.#opening]) {
      if (context.key !== key) continue;
      if (this.#current === context) this.#current = undefined;
      context.key = noKey;
      this.#init(context, 0, this.#scratchAddress + zeroKeyAt);
    }
  }

  exportKey(key: KeyIndex): Uint8Array {
    checkKey(this.#keys, key);
    return this.#keys.copy(key);
  }

  beginSeal(key: KeyIndex, counter: number, associatedData: Uint8Array): void {
    this.#begin(this.#sealing, key, counter, associatedData);
  }

  beginOpen(key: KeyIndex, counter: number, associatedData: Uint8Array): void {
    this.#begin(this.#opening, key, counter, associatedData);
  }

  update(source: Uint8Array, sourceOffset: number, target: Uint8Array, targetOffset: number, length: number): void {
    const context = this.#current ?? refuse('no operation has begun');
    if (length === 0) return;
    const from = context.source.at(source, sourceOffset, length);
    const into = context.target.at(target, targetOffset, length);
    if (from !== into && Math.abs(from - into) < length)
      throw Object.assign(new RangeError('source and target overlap in part'), { code: 'ERR_OUT_OF_RANGE' });
    this.#feed(context, into, from, length);
  }

  finishSeal(tag: Uint8Array, offset: number): void {
    const context = this.#sealing;
    if (this.#current !== context) refuse('nothing is being sealed');
    const address = context.tag.at(tag, offset, aeadTagBytes);
    this.#current = undefined;
    this.#require(this.#finish(context));
    this.#require(this.#library.cipherControl(context.address, getTag, aeadTagBytes, address));
  }

  finishOpen(tag: Uint8Array, offset: number): boolean {
    const context = this.#opening;
    if (this.#current !== context) return false;
    const address = context.tag.at(tag, offset, aeadTagBytes);
    this.#current = undefined;
    this.#require(this.#library.cipherControl(context.address, setTag, aeadTagBytes, address));
    if (this.#finish(context) === 1) return true;
    this.#library.clearErrors();
    return false;
  }

  #createContext(encrypt: 0 | 1): Context {
    const library = this.#library;
    const context: Context = {
      address: library.cipherNew(),
      encrypt,
      source: new Pin(library),
      target: new Pin(library),
      tag: new Pin(library),
      key: noKey,
    };
    if (context.address === 0) refuse('no memory for a cipher');
    contexts.register(this, { library, address: context.address });
    this.#init(context, library.aes256Gcm(), this.#scratchAddress + zeroKeyAt);
    return context;
  }

  #begin(context: Context, key: KeyIndex, counter: number, associatedData: Uint8Array): void {
    checkKey(this.#keys, key);
    if (!(Number.isSafeInteger(counter) && counter >= 0))
      throw Object.assign(new RangeError(`${counter} is no counter`), { code: 'ERR_OUT_OF_RANGE' });
    this.#current = undefined;
    this.#iv.setUint32(4, Math.floor(counter / 2 ** 32));
    this.#iv.setUint32(8, counter >>> 0);
    this.#init(context, 0, context.key === key ? 0 : this.#keyAddress(key));
    context.key = key;
    const { length } = associatedData;
    if (length > 0) this.#feed(context, 0, this.#associatedAddress(context, associatedData), length);
    this.#current = context;
  }

  #init({ address, encrypt }: Context, cipher: Address, key: Address): void {
    this.#require(this.#library.cipherInit(address, cipher, 0, key, this.#scratchAddress + ivAt, encrypt));
  }

  #feed({ address }: Context, into: Address, from: Address, length: number): void {
    if (length > mostUpdateBytes) checkRange(this.#scratch, 0, length);
    this.#require(this.#library.cipherUpdate(address, into, this.#scratchAddress + bytesOutAt, from, length));
  }

  /** GCM has no bytes left to write: the target is never touched. */
  #finish({ address }: Context): number {
    const scratch = this.#scratchAddress;
    return this.#library.cipherFinal(address, scratch + associatedAt, scratch + bytesOutAt);
  }

  /** Short ones are copied: V8 keeps them on its heap and would first have to move them out. */
  #associatedAddress({ source }: Context, bytes: Uint8Array): Address {
    if (bytes.length > mostCopiedBytes) return source.at(bytes, 0, bytes.length);
    this.#scratch.set(bytes, associatedAt);
    return this.#scratchAddress + associatedAt;
  }

  #keyAddress(key: KeyIndex): Address {
    if (this.#keys.bytes !== this.#keysSeen) {
      this.#keysSeen = this.#keys.bytes;
      this.#keysAddress = this.#library.addressOf(this.#keysSeen);
    }
    return this.#keysAddress + key * aeadKeyBytes;
  }

  #require(result: number): void {
    if (result === 1) return;
    this.#current = undefined;
    this.#library.clearErrors();
    refuse('OpenSSL refused');
  }
}

/** The contexts' own memory goes with the object that used them; freeing overwrites the key. */
const contexts = new FinalizationRegistry<{ library: Libcrypto; address: Address }>(({ library, address }) =>
  library.cipherFree(address),
);

function refuse(why: string): never {
  throw Object.assign(new Error(`AES-256-GCM: ${why}`), { code: 'ERR_CRYPTO_INVALID_STATE' });
}
