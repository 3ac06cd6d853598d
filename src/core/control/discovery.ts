// Ad hoc resolution (docs/protocol-control.md, "Discovery"): with no router, a name is asked for on the local network
// and the instances that bind it answer with OFFERs, which become forward targets until they expire. This is also the
// instance's answering side. Only OFFERs to a search of ours count; they are never authenticated (labels are not).

import {
  type FlowId,
  formatFlowId,
  formatPrefix,
  formatServiceId,
  type Locator,
  makePrefix,
  memberBits,
  type Prefix,
  prefixContains,
  type Random,
  type ServiceId,
  sameLocator,
  serviceBits,
} from '../base/index.ts';
import {
  createExpiringMap,
  deleteExpiring,
  type ExpiringMap,
  expiringEntries,
  findRule,
  findTarget,
  insertTarget,
  localTarget,
  lookupLocalRule,
  nextExpiryUs,
  removeTarget,
  type ServiceTable,
  setExpiring,
  takeExpired,
} from '../tables/index.ts';
import { type ControlMessage, MessageType } from './messages.ts';

/** A search under way. */
export interface Resolution {
  readonly service: ServiceId;
  readonly protocol: number;
  readonly transaction: number;
  readonly sinceUs: number;
  /** SOLICITs sent. */
  attempts: number;
  /** An OFFER has come; the deadline is the end of gathering. */
  offered: boolean;
  deadlineUs: number;
}

/** An OFFER that is installed: names its target. */
export interface Offer {
  readonly prefix: Prefix;
  readonly instance: FlowId;
  readonly protocol: number;
}

export interface Discovery {
  readonly table: ServiceTable;
  readonly random: Random;
  /** By service and protocol. */
  readonly pending: Map<string, Resolution>;
  readonly offers: ExpiringMap<string, Offer>;
}

/** `solicit`: multicast the message. `resolved`, `failed` (no such service): the search for that name is over. */
export type DiscoveryOutcome =
  | { readonly kind: 'solicit' }
  | { readonly kind: 'resolved' | 'failed'; readonly service: ServiceId; readonly protocol: number };

/** When SOLICITs go out, after the start of a search; the last entry is its end. */
const scheduleUs = [0, 50_000, 150_000, 350_000, 500_000];
/** After the first OFFER, so that the choice is among all instances near by and not for the quickest. */
const gatherUs = 5_000;
const shortestTtlUs = 1_000_000;
const longestTtlUs = 60_000_000;
const maxPending = 1024;
const defaultMaxOffers = 4096;
const solicited: DiscoveryOutcome = { kind: 'solicit' };

/** OFFERs are installed into `table`, owner `discovered`. */
export function createDiscovery(table: ServiceTable, random: Random, maxOffers = defaultMaxOffers): Discovery {
  return { table, random, pending: new Map(), offers: createExpiringMap(maxOffers, 'refuse') };
}

/** Starts a search for instances of `service`, or joins the one under way; false when too many are under way. */
export function resolve(discovery: Discovery, service: ServiceId, protocol: number, nowUs: number): boolean {
  const { pending, random } = discovery;
  const key = keyOf(service, protocol);
  if (pending.has(key)) return true;
  if (pending.size >= maxPending) return false;
  const transaction = random.uint32();
  pending.set(key, { service, protocol, transaction, sinceUs: nowUs, attempts: 0, offered: false, deadlineUs: nowUs });
  return true;
}

/** True when the OFFER answers a search under way; its sender is then a forward target. */
export function handleOffer(discovery: Discovery, message: ControlMessage, remote: Locator, nowUs: number): boolean {
  const resolution = resolutionOf(discovery, message);
  if (resolution === undefined) return false;
  installOffer(discovery, message, resolution.service, remote, nowUs);
  if (!resolution.offered) {
    resolution.offered = true;
    resolution.deadlineUs = Math.min(nowUs + gatherUs, resolution.sinceUs + scheduleUs.at(-1)!);
  }
  return true;
}

/** True when it took away a target that was discovered at `remote`. */
export function handleWithdraw(discovery: Discovery, message: ControlMessage, remote: Locator): boolean {
  const { prefix, instance, protocol } = message;
  const rule = findRule(discovery.table, prefix);
  const target = rule && findTarget(rule, 'discovered', instance, protocol);
  if (!target?.locator || !sameLocator(target.locator, remote)) return false;
  return dropOffer(discovery, prefix, instance, protocol);
}

/** Forgets what led to an instance that refused or stayed silent: its offers that hold `service`. */
export function forgetOffer(discovery: Discovery, service: ServiceId, protocol: number, remote: Locator): void {
  for (const { prefix, instance, protocol: offered } of [...expiringEntries(discovery.offers)]) {
    if (offered !== protocol || !prefixContains(prefix, service)) continue;
    const rule = findRule(discovery.table, prefix);
    const target = rule && findTarget(rule, 'discovered', instance, protocol);
    if (target?.locator && sameLocator(target.locator, remote)) dropOffer(discovery, prefix, instance, protocol);
  }
}

/** Forgets all: a router was found, and its word counts. */
export function clearOffers(discovery: Discovery): void {
  for (;;) {
    const offer = takeExpired(discovery.offers, Infinity);
    if (offer === undefined) return;
    uninstallOffer(discovery, offer.value);
  }
}

/** The next thing that is due, or undefined: call until undefined. Offers that have lapsed go on the way. */
export function pollDiscovery(discovery: Discovery, nowUs: number, out: ControlMessage): DiscoveryOutcome | undefined {
  for (;;) {
    const lapsed = takeExpired(discovery.offers, nowUs);
    if (lapsed === undefined) break;
    uninstallOffer(discovery, lapsed.value);
  }
  for (const resolution of discovery.pending.values())
    if (resolution.deadlineUs <= nowUs) return advance(discovery, resolution, out);
  return undefined;
}

/** Infinity when nothing is under way. */
export function discoveryDeadlineUs(discovery: Discovery): number {
  let deadlineUs = nextExpiryUs(discovery.offers);
  for (const resolution of discovery.pending.values()) deadlineUs = Math.min(deadlineUs, resolution.deadlineUs);
  return deadlineUs;
}

/** The other side: fills the OFFER for a SOLICIT whose service is bound here; false when it is not. */
export function offerFor(
  table: ServiceTable,
  solicit: ControlMessage,
  instance: FlowId,
  ttlMs: number,
  out: ControlMessage,
): boolean {
  const { service, protocol, transaction } = solicit;
  const rule = service && lookupLocalRule(table, protocol, service, 0);
  const target = rule && localTarget(rule, protocol);
  if (!rule || !target) return false;
  out.type = MessageType.OFFER;
  out.transaction = transaction;
  out.instance = instance;
  out.protocol = protocol;
  out.prefix = rule.prefix;
  out.weight = target.weight;
  out.priority = target.priority;
  out.leaseMs = ttlMs;
  return true;
}

function advance(discovery: Discovery, resolution: Resolution, out: ControlMessage): DiscoveryOutcome {
  const { service, protocol } = resolution;
  if (resolution.offered || resolution.attempts === scheduleUs.length - 1) {
    discovery.pending.delete(keyOf(service, protocol));
    return { kind: resolution.offered ? 'resolved' : 'failed', service, protocol };
  }
  resolution.attempts++;
  resolution.deadlineUs = resolution.sinceUs + scheduleUs[resolution.attempts]!;
  out.type = MessageType.SOLICIT;
  out.transaction = resolution.transaction;
  out.protocol = protocol;
  out.service = service;
  out.replyPort = 0;
  return solicited;
}

function resolutionOf(discovery: Discovery, message: ControlMessage): Resolution | undefined {
  for (const resolution of discovery.pending.values()) {
    if (resolution.transaction !== message.transaction) continue;
    const { service, protocol } = resolution;
    return message.protocol === protocol && prefixContains(message.prefix, service) ? resolution : undefined;
  }
  return undefined;
}

/** A bind wider than a service is believed for the name that was asked for only: it would capture other names. */
function installOffer(
  discovery: Discovery,
  message: ControlMessage,
  service: ServiceId,
  remote: Locator,
  nowUs: number,
): void {
  const { instance, protocol, weight, priority } = message;
  const prefix = message.prefix.bits >= serviceBits ? message.prefix : makePrefix(service, memberBits);
  const offer = { prefix, instance, protocol };
  const expiresUs = nowUs + Math.min(longestTtlUs, Math.max(shortestTtlUs, message.leaseMs * 1000));
  const key = offerKey(offer);
  if (!setExpiring(discovery.offers, key, offer, expiresUs)) {
    const oldest = takeExpired(discovery.offers, Infinity);
    if (oldest) uninstallOffer(discovery, oldest.value);
    setExpiring(discovery.offers, key, offer, expiresUs);
  }
  const target = {
    owner: 'discovered',
    action: 'forward',
    instance,
    protocol,
    locator: remote,
    weight,
    priority,
  } as const;
  insertTarget(discovery.table, prefix, target);
}

function uninstallOffer(discovery: Discovery, { prefix, instance, protocol }: Offer): void {
  removeTarget(discovery.table, prefix, 'discovered', instance, protocol);
}

function dropOffer(discovery: Discovery, prefix: Prefix, instance: FlowId, protocol: number): boolean {
  deleteExpiring(discovery.offers, offerKey({ prefix, instance, protocol }));
  return removeTarget(discovery.table, prefix, 'discovered', instance, protocol);
}

function offerKey({ prefix, instance, protocol }: Offer): string {
  return `${formatFlowId(instance)} ${protocol} ${formatPrefix(prefix)}`;
}

function keyOf(service: ServiceId, protocol: number): string {
  return `${protocol} ${formatServiceId(service)}`;
}
