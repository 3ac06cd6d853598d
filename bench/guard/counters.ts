// What is counted from outside, so that the product knows nothing of it: calls into core's primitives, copies and views
// made by the methods of typed arrays, promises. Installed for a whole process, which measures nothing else: what counts
// also slows down. Node's own modules hold the methods that they use from the start, and are not counted.

import { createHook } from 'node:async_hooks';
import type { Primitives } from '../../src/core/base/index.ts';

export type Counts = Record<string, number>;
type Method = (this: Uint8Array, ...args: never[]) => unknown;

export interface Counters {
  readonly counts: Counts;
  /** As `crypto`, and counted. */
  readonly crypto: Omit<Primitives, 'random'>;
}

export function installCounters(crypto: Omit<Primitives, 'random'>): Counters {
  const counts: Counts = {};
  const add = (name: string, by = 1): void => {
    counts[name] = (counts[name] ?? 0) + by;
  };
  countCopies(add);
  createHook({ init: (_id, type) => type === 'PROMISE' && add('promises') }).enable();
  return { counts, crypto: countCalls(crypto, add) };
}

type Add = (name: string, by?: number) => void;

function countCalls(crypto: Omit<Primitives, 'random'>, add: Add): Omit<Primitives, 'random'> {
  const { aead, mac, allocate } = crypto;
  const counted = <F extends (...args: never[]) => unknown>(name: string, call: F): F =>
    ((...args) => {
      add(name);
      return call(...args);
    }) as F;
  return {
    ...crypto,
    sha256: counted('hashes', crypto.sha256),
    hmac: counted('hashes', crypto.hmac),
    x25519Public: counted('curve operations', crypto.x25519Public),
    x25519: counted('curve operations', crypto.x25519),
    sign: counted('curve operations', crypto.sign),
    verify: counted('curve operations', crypto.verify),
    allocate(bytes) {
      add('chunks');
      add('chunk bytes', bytes);
      return allocate(bytes);
    },
    mac: {
      importKey: (key) => mac.importKey(key),
      releaseKey: (key) => mac.releaseKey(key),
      exportKey: (key) => mac.exportKey(key),
      tag(key, bytes, offset, length, tag, tagOffset) {
        add('tags');
        add('tagged bytes', length);
        mac.tag(key, bytes, offset, length, tag, tagOffset);
      },
    },
    aead: {
      importKey: (key) => aead.importKey(key),
      releaseKey: (key) => aead.releaseKey(key),
      exportKey: (key) => aead.exportKey(key),
      beginSeal: counted('seals and opens', aead.beginSeal.bind(aead)),
      beginOpen: counted('seals and opens', aead.beginOpen.bind(aead)),
      finishSeal: aead.finishSeal.bind(aead),
      finishOpen: aead.finishOpen.bind(aead),
      update(source, sourceOffset, target, targetOffset, length) {
        add('cipher calls');
        add('cipher bytes', length);
        aead.update(source, sourceOffset, target, targetOffset, length);
      },
    },
  };
}

function countCopies(add: Add): void {
  const prototype = Object.getPrototypeOf(Uint8Array.prototype) as Record<string, Method>;
  const patch = (name: string, note: (self: Uint8Array, args: readonly unknown[], result: unknown) => void): void => {
    const method = prototype[name] as Method;
    prototype[name] = function (...args) {
      const result = method.apply(this, args);
      note(this, args, result);
      return result;
    };
  };
  const copied = (bytes: number): void => {
    add('copies');
    add('copied bytes', bytes);
  };
  patch('set', (_self, [source]) => copied((source as Uint8Array).length));
  patch('slice', (_self, _args, result) => copied((result as Uint8Array).length));
  patch('copyWithin', (self, [, start = 0, end = self.length]) => copied((end as number) - (start as number)));
  patch('subarray', () => add('views'));
}
