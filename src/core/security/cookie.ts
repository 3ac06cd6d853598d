// The stateless cookie (docs/protocol.md, "Cookies"): proof that whoever sends a SYN receives at the address that it
// claims. A tag over address, flow and first message under a secret that changes every minute; the one before is still
// taken. Nothing is remembered of those who were asked.

import { type Crypto, type Locator, type Primitives, randomBytes, sameBytes } from '../base/index.ts';

export const cookieTagBytes = 16;
const secretUs = 60_000_000;

export interface CookieSecret {
  current: Uint8Array;
  previous: Uint8Array;
  /** Counts the secrets: a cookie names the one that it was made with. */
  epoch: number;
  rotatedUs: number;
}

/** What a cookie stands for. */
export interface CookieClaim {
  /** The sender, as seen here. */
  readonly locator: Locator;
  readonly flowHi: number;
  readonly flowLo: number;
  readonly nonceHi: number;
  readonly nonceLo: number;
  readonly service: Uint8Array;
  /** The first message of the key exchange. */
  readonly message: Uint8Array;
}

export function createCookieSecret({ random }: Pick<Primitives, 'random'>, nowUs: number): CookieSecret {
  return { current: randomBytes(random, 32), previous: randomBytes(random, 32), epoch: 0, rotatedUs: nowUs };
}

/** Epoch 1, tag 16. */
export function makeCookie(
  primitives: Pick<Primitives, 'random' | 'hmac'>,
  secret: CookieSecret,
  nowUs: number,
  claim: CookieClaim,
): Uint8Array {
  rotate(primitives, secret, nowUs);
  return seal(primitives, secret.current, secret.epoch, claim);
}

export function checkCookie(
  primitives: Pick<Primitives, 'random' | 'hmac'>,
  secret: CookieSecret,
  nowUs: number,
  claim: CookieClaim,
  cookie: Uint8Array,
): boolean {
  rotate(primitives, secret, nowUs);
  const { epoch } = secret;
  const shown = cookie[0];
  if (cookie.length !== 1 + cookieTagBytes) return false;
  if (shown === epoch) return sameBytes(cookie, seal(primitives, secret.current, epoch, claim));
  const before = (epoch + 255) % 256;
  return shown === before && sameBytes(cookie, seal(primitives, secret.previous, before, claim));
}

/** After a long rest neither secret may stand: what was made with them is too old. */
function rotate({ random }: Pick<Primitives, 'random'>, secret: CookieSecret, nowUs: number): void {
  const periods = Math.floor((nowUs - secret.rotatedUs) / secretUs);
  if (periods < 1) return;
  secret.previous = periods === 1 ? secret.current : randomBytes(random, 32);
  secret.current = randomBytes(random, 32);
  secret.epoch = (secret.epoch + 1) % 256;
  secret.rotatedUs += periods * secretUs;
}

function seal({ hmac }: Pick<Crypto, 'hmac'>, secret: Uint8Array, epoch: number, claim: CookieClaim): Uint8Array {
  const { locator, service, message } = claim;
  const { address } = locator;
  const bytes = new Uint8Array(20 + address.length + service.length + message.length);
  const view = new DataView(bytes.buffer);
  view.setUint8(0, epoch);
  view.setUint8(1, address.length);
  view.setUint16(2, locator.port);
  view.setUint32(4, claim.flowHi);
  view.setUint32(8, claim.flowLo);
  view.setUint32(12, claim.nonceHi);
  view.setUint32(16, claim.nonceLo);
  bytes.set(address, 20);
  bytes.set(service, 20 + address.length);
  bytes.set(message, 20 + address.length + service.length);
  const cookie = new Uint8Array(1 + cookieTagBytes);
  cookie[0] = epoch;
  cookie.set(hmac(secret, bytes).subarray(0, cookieTagBytes), 1);
  return cookie;
}
