// When a stack asks for proof before it remembers a stranger (docs/protocol.md, "Cookies"), and how many of each thing it
// holds. A SYN that is answered without a cookie is a debt; the ACK that completes the opening pays it back, and the rest
// leaks away at `synsPerSecond`: an honest rush owes nothing, a flood of spoofed SYNs soon owes too much. What a router
// forwards costs it nothing to hold, so it asks just those addresses that have not shown lately that they receive.

import { formatLocator, type Locator, Reason } from '../base/index.ts';
import { checkCookie, makeCookie } from '../security/index.ts';
import { getExpiring, setExpiring } from '../tables/index.ts';
import { Direction, parseCookie } from '../wire/index.ts';
import { buildCookieRequest, sendForStranger } from './packets.ts';
import type { Connection, StackState } from './state.ts';
import type { Limits } from './types.ts';

export const defaultLimits: Limits = {
  halfOpen: 1024,
  halfOpenWithoutCookie: 128,
  synsPerSecond: 200,
  flows: 2 ** 18,
  flowsPerPeer: 16_384,
  associations: 1024,
  bufferBytes: 2 ** 30,
  stallUs: Number.POSITIVE_INFINITY,
};

const provenUs = 60_000_000;

/** Whether a SYN may go on: OK, or COOKIE_REQUIRED, and then its sender was asked for one. Nothing is remembered of it. */
export function admitSyn(stack: StackState, service: Uint8Array, client: Locator): Reason {
  if (hasCookie(stack, service, client)) {
    setExpiring(stack.provenAddresses, addressOf(client), true, stack.nowUs + provenUs);
    return Reason.OK;
  }
  if (!isPressed(stack, client)) {
    stack.synDebt++;
    return Reason.OK;
  }
  const { control } = stack.work;
  const { primitives } = stack.options;
  const cookie = makeCookie(primitives, stack.cookieSecret, stack.nowUs, claimOf(stack, service, client));
  sendForStranger(stack, buildCookieRequest(control, cookie), client);
  return Reason.COOKIE_REQUIRED;
}

/** An opening that began without a cookie was completed: it owes nothing any more. */
export function settleSynDebt(stack: StackState): void {
  stack.synDebt = Math.max(0, stack.synDebt - 1);
}

function isPressed(stack: StackState, client: Locator): boolean {
  const { limits, nowUs } = stack;
  stack.synDebt = Math.max(0, stack.synDebt - ((nowUs - stack.synDebtUs) * limits.synsPerSecond) / 1e6);
  stack.synDebtUs = nowUs;
  if (stack.options.forwarding && getExpiring(stack.provenAddresses, addressOf(client), nowUs) === true) return false;
  return stack.synDebt >= limits.synsPerSecond || stack.halfOpen >= limits.halfOpenWithoutCookie;
}

function hasCookie(stack: StackState, service: Uint8Array, client: Locator): boolean {
  const { packet, view, bytes, cookie } = stack.work;
  if (packet.cookieOffset === 0 || parseCookie(view, packet.cookieOffset, cookie) !== Reason.OK) return false;
  if (cookie.direction !== Direction.RESPONSE) return false;
  const shown = bytes.subarray(cookie.cookieOffset, cookie.cookieOffset + cookie.cookieBytes);
  const { primitives } = stack.options;
  return checkCookie(primitives, stack.cookieSecret, stack.nowUs, claimOf(stack, service, client), shown);
}

/** What a cookie is good for: this SYN, from this address. */
function claimOf(stack: StackState, service: Uint8Array, locator: Locator) {
  const { control, packet, bytes } = stack.work;
  const { flowHi, flowLo, nonceHi, nonceLo } = control;
  const at = packet.handshakeOffset;
  const message = bytes.subarray(at, at === 0 ? 0 : at + (bytes[at + 1] ?? 0) * 4);
  return { locator, flowHi, flowLo, nonceHi, nonceLo, service, message };
}

/** Whether the address of `peer` may have one more accepted connection; counts it if so. */
export function countPeer(stack: StackState, connection: Connection): boolean {
  const address = ownerOf(connection.peer);
  const held = stack.flowsByPeer.get(address) ?? 0;
  if (held >= stack.limits.flowsPerPeer) return false;
  stack.flowsByPeer.set(address, held + 1);
  connection.peerAddress = address;
  return true;
}

/** To be called when the flow is freed and when the application was told its end: it counts until both have come. */
export function uncountPeer(stack: StackState, connection: Connection): void {
  const { peerAddress } = connection;
  if (peerAddress === undefined || connection.state !== 'CLOSED' || stack.sockets.has(connection.socket)) return;
  connection.peerAddress = undefined;
  const held = (stack.flowsByPeer.get(peerAddress) ?? 1) - 1;
  if (held > 0) stack.flowsByPeer.set(peerAddress, held);
  else stack.flowsByPeer.delete(peerAddress);
}

/** Who has one IPv6 address has 2^64 of them, so a network of 64 bits counts as one. */
function ownerOf({ address }: Locator): string {
  if (address.length !== 16) return addressOf({ address, port: 0 });
  const network = new Uint8Array(16);
  network.set(address.subarray(0, 8));
  return addressOf({ address: network, port: 0 });
}

function addressOf({ address }: Locator): string {
  return formatLocator({ address, port: 0 });
}
