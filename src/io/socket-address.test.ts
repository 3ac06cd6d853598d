import { strict as assert } from 'node:assert';
import { test } from 'node:test';
import fc from 'fast-check';
import { formatLocator, type Locator, sameLocator } from '../core/base/index.ts';
import { Linux } from './libc.ts';
import { addressText, emitSocketAddress, LocatorCache, parseAddress } from './socket-address.ts';

const notMapped = (address: Uint8Array): boolean =>
  address.length === 4 ||
  !(address.subarray(0, 10).every((byte) => byte === 0) && address[10] === 0xff && address[11] === 0xff);

const locators = fc.record({
  address: fc
    .oneof(fc.uint8Array({ minLength: 4, maxLength: 4 }), fc.uint8Array({ minLength: 16, maxLength: 16 }))
    .filter(notMapped),
  port: fc.integer({ min: 1, max: 65_535 }),
});

function roundTrip(cache: LocatorCache, family: number, locator: Locator): Locator | undefined {
  const view = new DataView(new ArrayBuffer(40));
  assert.notEqual(emitSocketAddress(view, 8, family, locator), 0);
  return cache.lookup(view, 8);
}

test('socket address: what is emitted for a dual-stack socket is looked up as the same locator', () => {
  const cache = new LocatorCache(16);
  fc.assert(
    fc.property(locators, (locator) => {
      const back = roundTrip(cache, Linux.AF_INET6, locator);
      assert.equal(back && formatLocator(back), formatLocator(locator));
    }),
  );
});

test('socket address: an IPv4 socket reaches IPv4 locators only', () => {
  const cache = new LocatorCache(16);
  const v4: Locator = { address: Uint8Array.of(192, 0, 2, 7), port: 4_000 };
  const back = roundTrip(cache, Linux.AF_INET, v4);
  assert.ok(back !== undefined && sameLocator(back, v4));
  const v6: Locator = { address: new Uint8Array(16).fill(1), port: 4_000 };
  assert.equal(emitSocketAddress(new DataView(new ArrayBuffer(28)), 0, Linux.AF_INET, v6), 0);
});

test('locator cache: one sender is one object, and a colliding sender evicts without confusion', () => {
  const cache = new LocatorCache(1);
  const one: Locator = { address: Uint8Array.of(10, 0, 0, 1), port: 1_000 };
  const two: Locator = { address: Uint8Array.of(10, 0, 0, 1), port: 1_001 };
  const first = roundTrip(cache, Linux.AF_INET6, one);
  assert.equal(roundTrip(cache, Linux.AF_INET6, one), first);
  const other = roundTrip(cache, Linux.AF_INET6, two);
  assert.ok(other !== undefined && sameLocator(other, two));
  const again = roundTrip(cache, Linux.AF_INET6, one);
  assert.ok(again !== undefined && again !== first && sameLocator(again, one));
});

test('locator cache: another address family has no locator', () => {
  const view = new DataView(new ArrayBuffer(28));
  view.setUint16(0, 1, true);
  assert.equal(new LocatorCache(2).lookup(view, 0), undefined);
});

test('address text: parsed back to the same bytes, mapped or not', () => {
  fc.assert(
    fc.property(locators, fc.boolean(), (locator, mapped) => {
      const bytes = parseAddress(addressText(locator, mapped));
      assert.deepEqual(bytes && [...bytes], [...locator.address]);
    }),
  );
});

test('address text: short forms, and what is no plain IP address', () => {
  const tail = (...bytes: number[]): number[] => [...new Array<number>(16 - bytes.length).fill(0), ...bytes];
  assert.deepEqual([...(parseAddress('::') ?? [])], tail());
  assert.deepEqual([...(parseAddress('::1') ?? [])], tail(1));
  assert.deepEqual([...(parseAddress('fd00::2') ?? [])], [0xfd, ...new Array<number>(14).fill(0), 2]);
  assert.deepEqual([...(parseAddress('::ffff:10.1.2.3') ?? [])], [10, 1, 2, 3]);
  for (const text of ['', 'localhost', '10.1.2', 'fe80::1%eth0', '1:2:3']) assert.equal(parseAddress(text), undefined);
});
