import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { createCrypto } from '../../crypto/index.ts';
import { seededRandom } from '../base/index.ts';
import { type CookieClaim, type CookieSecret, checkCookie, createCookieSecret, makeCookie } from './cookie.ts';

const primitives = { ...createCrypto(), random: seededRandom(3) };
const minuteUs = 60_000_000;
const startUs = 5_000_000;

const word = fc.integer({ min: 0, max: 2 ** 32 - 1 });
const claims: fc.Arbitrary<CookieClaim> = fc.record({
  locator: fc.record({
    address: fc.oneof(bytes(4), bytes(16)),
    port: fc.integer({ min: 0, max: 65_535 }),
  }),
  flowHi: word,
  flowLo: word,
  nonceHi: word,
  nonceLo: word,
  service: bytes(32),
  message: fc.uint8Array({ maxLength: 200 }),
});

function bytes(length: number): fc.Arbitrary<Uint8Array> {
  return fc.uint8Array({ minLength: length, maxLength: length });
}

const claim: CookieClaim = {
  locator: { address: Uint8Array.of(192, 0, 2, 1), port: 40_000 },
  flowHi: 1,
  flowLo: 2,
  nonceHi: 3,
  nonceLo: 4,
  service: new Uint8Array(32).fill(5),
  message: new Uint8Array(40).fill(6),
};

/** Made at `startUs`, with the secret that made it. */
function make(of: CookieClaim = claim): { secret: CookieSecret; cookie: Uint8Array } {
  const secret = createCookieSecret(primitives, startUs);
  return { secret, cookie: makeCookie(primitives, secret, startUs, of) };
}

function check(secret: CookieSecret, cookie: Uint8Array, of: CookieClaim = claim, nowUs = startUs): boolean {
  return checkCookie(primitives, secret, nowUs, of, cookie);
}

/** One bit of `value` in `bits` flipped. */
function flip(value: number, bit: number): number {
  return (value ^ (1 << bit)) >>> 0;
}

function flipBit(value: Uint8Array, bit: number): Uint8Array {
  return value.map((byte, i) => (i === bit >> 3 ? byte ^ (1 << (bit & 7)) : byte));
}

describe('cookie', () => {
  it('whatever the claim, its own cookie is taken, of 17 bytes', () => {
    fc.assert(
      fc.property(claims, (any) => {
        const { secret, cookie } = make(any);
        assert.equal(cookie.length, 17);
        assert.ok(check(secret, cookie, any));
      }),
    );
  });

  it('is an HMAC over epoch, lengths and every field, in this order', () => {
    const { secret, cookie } = make();
    const input = Buffer.alloc(20);
    input.writeUInt8(4, 1);
    input.writeUInt16BE(40_000, 2);
    for (const [i, value] of [1, 2, 3, 4].entries()) input.writeUInt32BE(value, 4 + 4 * i);
    const { locator, service, message } = claim;
    const hmac = createHmac('sha256', secret.current).update(input).update(locator.address);
    const digest = hmac.update(service).update(message).digest();
    assert.deepEqual(Buffer.from(cookie), Buffer.concat([Buffer.of(0), digest.subarray(0, 16)]));
  });

  it('any other claim is refused', () => {
    fc.assert(
      fc.property(claims, claims, (one, other) => {
        fc.pre(!same(one, other));
        const { secret, cookie } = make(one);
        assert.ok(!check(secret, cookie, other));
      }),
    );
  });

  it('a claim with any one bit changed is refused: address, port, flow, nonce, service, message', () => {
    fc.assert(
      fc.property(claims, fc.nat(), (any, number) => {
        const { secret, cookie } = make(any);
        const { locator, service, message } = any;
        const { address, port } = locator;
        const others: CookieClaim[] = [
          { ...any, locator: { port, address: flipBit(address, number % (address.length * 8)) } },
          { ...any, locator: { address, port: flip(port, number % 16) } },
          { ...any, flowHi: flip(any.flowHi, number % 32) },
          { ...any, flowLo: flip(any.flowLo, number % 32) },
          { ...any, nonceHi: flip(any.nonceHi, number % 32) },
          { ...any, nonceLo: flip(any.nonceLo, number % 32) },
          { ...any, service: flipBit(service, number % 256) },
          { ...any, message: Uint8Array.of(...message, 0) },
        ];
        if (message.length > 0) {
          others.push({ ...any, message: flipBit(message, number % (message.length * 8)) });
          others.push({ ...any, message: message.slice(1) }, { ...any, message: message.slice(0, -1) });
        }
        for (const other of others) assert.ok(!check(secret, cookie, other));
        assert.ok(check(secret, cookie, any));
      }),
    );
  });

  it('an IPv4 address is not the IPv6 address that begins with it', () => {
    const { secret, cookie } = make();
    const { locator, service, message } = claim;
    const address = Uint8Array.of(...locator.address, ...service.subarray(0, 12));
    const longer = {
      ...claim,
      locator: { ...locator, address },
      service: Uint8Array.of(...service.subarray(12), ...message.subarray(0, 12)),
      message: message.subarray(12),
    };
    assert.ok(!check(secret, cookie, longer));
  });

  it('a cookie with any one bit changed is refused, and one cut or longer', () => {
    const { secret, cookie } = make();
    for (let bit = 0; bit < cookie.length * 8; bit++) assert.ok(!check(secret, flipBit(cookie, bit)), `bit ${bit}`);
    for (let length = 0; length < cookie.length; length++) assert.ok(!check(secret, cookie.slice(0, length)));
    assert.ok(!check(secret, Uint8Array.of(...cookie, 0)));
    assert.ok(check(secret, cookie));
  });

  it('another stack takes none of it', () => {
    const { cookie } = make();
    for (let i = 0; i < 20; i++) assert.ok(!check(createCookieSecret(primitives, startUs), cookie));
  });

  it('the secret changes every minute, and the one before is taken still: a cookie lives for one to two minutes', () => {
    fc.assert(
      fc.property(fc.nat(minuteUs - 1), fc.nat(2 * minuteUs), (madeAfterUs, checkedAfterUs) => {
        fc.pre(checkedAfterUs >= madeAfterUs);
        const secret = createCookieSecret(primitives, startUs);
        const cookie = makeCookie(primitives, secret, startUs + madeAfterUs, claim);
        assert.equal(check(secret, cookie, claim, startUs + checkedAfterUs), checkedAfterUs < 2 * minuteUs);
      }),
    );
  });

  it('expires at the second change, also if nobody asked in between', () => {
    for (const askedUs of [[], [minuteUs], [minuteUs, minuteUs + 1, 2 * minuteUs - 1]]) {
      const { secret, cookie } = make();
      for (const us of askedUs) assert.ok(check(secret, cookie, claim, startUs + us));
      assert.ok(!check(secret, cookie, claim, startUs + 2 * minuteUs));
    }
    for (const minutes of [2, 3, 255, 256, 257, 1e6]) {
      const { secret, cookie } = make();
      assert.ok(!check(secret, cookie, claim, startUs + minutes * minuteUs), `${minutes} minutes`);
      const fresh = makeCookie(primitives, secret, startUs + minutes * minuteUs, claim);
      assert.ok(check(secret, fresh, claim, startUs + minutes * minuteUs));
    }
  });

  it('does not come back when the count of secrets has gone round', () => {
    const { secret, cookie } = make();
    for (let minute = 2; minute <= 514; minute++) assert.ok(!check(secret, cookie, claim, startUs + minute * minuteUs));
  });

  it('keeps to its minutes, however seldom it is asked', () => {
    const secret = createCookieSecret(primitives, startUs);
    makeCookie(primitives, secret, startUs + 2.5 * minuteUs, claim);
    assert.equal(secret.rotatedUs, startUs + 2 * minuteUs);
    const { current } = secret;
    makeCookie(primitives, secret, startUs + 3 * minuteUs - 1, claim);
    assert.equal(secret.current, current);
    makeCookie(primitives, secret, startUs + 3 * minuteUs, claim);
    assert.equal(secret.previous, current);
  });
});

function same(one: CookieClaim, other: CookieClaim): boolean {
  return JSON.stringify(one) === JSON.stringify(other);
}
