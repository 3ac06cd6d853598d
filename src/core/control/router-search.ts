// The search for a router (docs/protocol-control.md, "Router search"): SOLICIT without a service, quickly at start,
// then slowly for ever, until a router answers with ADVERT. The stack sends each SOLICIT to the multicast group and to
// the candidates on this machine. Only answers to our own SOLICIT count: an unasked ADVERT could lure a stack away.

import { type FlowId, isLoopback, type Locator, type Random } from '../base/index.ts';
import { type ControlMessage, MessageType } from './messages.ts';

export interface RouterSearch {
  state: 'searching' | 'found';
  transaction: number;
  /** SOLICITs sent since the search began. */
  attempts: number;
  /** When the next is due. */
  deadlineUs: number;
  router: Locator | undefined;
  routerBoot: FlowId | undefined;
  /** From the ADVERT: `AdvertFlag` bits, and the lease that the router grants. */
  flags: number;
  leaseMs: number;
}

/** Gaps between SOLICITs; the last is repeated. */
const gapsUs = [50_000, 100_000, 200_000, 1_000_000, 2_000_000, 4_000_000, 8_000_000, 10_000_000];

export function createRouterSearch(random: Random, nowUs: number): RouterSearch {
  return {
    state: 'searching',
    transaction: random.uint32(),
    attempts: 0,
    deadlineUs: nowUs,
    router: undefined,
    routerBoot: undefined,
    flags: 0,
    leaseMs: 0,
  };
}

/** Searches again, from the quick schedule on: the router is lost, or the network changed. */
export function restartRouterSearch(search: RouterSearch, random: Random, nowUs: number): void {
  Object.assign(search, createRouterSearch(random, nowUs));
}

/**
 * True when this ADVERT set or changed the router. The first answer counts, but a router on this machine takes the
 * place of one elsewhere that was quicker: it is the one that the user started here.
 */
export function handleAdvert(search: RouterSearch, message: ControlMessage, remote: Locator): boolean {
  if (message.type !== MessageType.ADVERT || message.transaction !== search.transaction) return false;
  if (search.router && (isLoopback(search.router) || !isLoopback(remote))) return false;
  search.state = 'found';
  search.deadlineUs = Infinity;
  search.router = remote;
  search.routerBoot = message.boot;
  search.flags = message.flags;
  search.leaseMs = message.leaseMs;
  return true;
}

/** Fills a SOLICIT that is due; false when none is. */
export function pollRouterSearch(search: RouterSearch, nowUs: number, out: ControlMessage): boolean {
  if (nowUs < search.deadlineUs) return false;
  search.deadlineUs = nowUs + gapsUs[Math.min(search.attempts, gapsUs.length - 1)]!;
  search.attempts++;
  out.type = MessageType.SOLICIT;
  out.transaction = search.transaction;
  out.protocol = 0;
  out.service = undefined;
  out.replyPort = 0;
  return true;
}

/** Infinity once a router is found. */
export function routerSearchDeadlineUs(search: RouterSearch): number {
  return search.deadlineUs;
}
