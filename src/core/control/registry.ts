// The controller's registrations (docs/protocol-control.md, "Registry"): soft state that an instance refreshes and that
// lapses with its lease. Pure: REGISTER and UNREGISTER in, an answer out, the service table kept in step.
// Invariant: for one (instance, protocol, prefix) the pair (boot, sequence) never goes back, also for a while after it
// was unregistered, so that a late or repeated REGISTER cannot bring a name back to life.

import {
  type FlowId,
  formatFlowId,
  formatLocator,
  formatPrefix,
  formatServiceId,
  type Locator,
  type Prefix,
  prefixContains,
  Reason,
  type ServiceId,
  sameLocator,
  ssIdBytes,
} from '../base/index.ts';
import {
  createExpiringMap,
  deleteExpiring,
  type ExpiringMap,
  expiringEntries,
  findRule,
  findTarget,
  getExpiring,
  insertTarget,
  nextExpiryUs,
  removeTarget,
  type ServiceTable,
  setExpiring,
  takeExpired,
} from '../tables/index.ts';
import { type ControlMessage, MessageType } from './messages.ts';

export interface RegistryOptions {
  /** Registered targets go here, owner `registered`. */
  readonly table: ServiceTable;
  /** Random; another one tells the instances that this router has forgotten them. */
  readonly boot: FlowId;
  /** Longest lease granted. */
  readonly leaseUs: number;
  /** Names of the router itself: no prefix that holds one can be registered. */
  readonly reserved?: readonly ServiceId[];
  /** Default 100,000. */
  readonly maxRegistrations?: number;
  /** Per sending address, whatever its port; default 10,000. */
  readonly maxPerSender?: number;
}

export interface RegistryCounters {
  registered: number;
  refreshed: number;
  unregistered: number;
  expired: number;
  /** Older than what is known, hence refused. */
  stale: number;
  /** Over a limit or a reserved name. */
  refused: number;
}

/** Orders what one instance said about one name. */
interface Version {
  readonly boot: FlowId;
  readonly sequence: number;
}

export interface Registration {
  readonly prefix: Prefix;
  readonly protocol: number;
  readonly instance: FlowId;
  readonly sinceUs: number;
  version: Version;
  locator: Locator;
  /** As the instance asked; a rule set by hand may differ in the table. */
  weight: number;
  priority: number;
  expiresUs: number;
}

export interface Registry {
  readonly options: RegistryOptions;
  readonly registrations: ExpiringMap<string, Registration>;
  /** Names taken back lately. */
  readonly tombstones: ExpiringMap<string, Version>;
  /** Registrations by address. */
  readonly perSender: Map<string, number>;
  readonly counters: RegistryCounters;
}

const defaultMaxRegistrations = 100_000;
const defaultMaxPerSender = 10_000;
const shortestLeaseUs = 1_000_000;
/** Longer than a packet lives. */
const tombstoneUs = 30_000_000;
/** Shorter prefixes would span service systems. */
const shortestPrefixBits = ssIdBytes * 8;

export function createRegistry(options: RegistryOptions): Registry {
  const capacity = options.maxRegistrations ?? defaultMaxRegistrations;
  return {
    options,
    registrations: createExpiringMap(capacity, 'refuse'),
    tombstones: createExpiringMap(capacity, 'evict'),
    perSender: new Map(),
    counters: { registered: 0, refreshed: 0, unregistered: 0, expired: 0, stale: 0, refused: 0 },
  };
}

/** Applies a REGISTER that came from `remote` and fills `reply` (REGISTERED). */
export function handleRegister(
  registry: Registry,
  message: ControlMessage,
  remote: Locator,
  nowUs: number,
  reply: ControlMessage,
): void {
  expireRegistry(registry, nowUs);
  const leaseUs = Math.max(shortestLeaseUs, Math.min(registry.options.leaseUs, message.leaseMs * 1000));
  reply.type = MessageType.REGISTERED;
  reply.transaction = message.transaction;
  reply.boot = registry.options.boot;
  reply.observed = remote;
  reply.reason = register(registry, message, remote, nowUs, leaseUs);
  reply.leaseMs = reply.reason === Reason.OK ? Math.floor(leaseUs / 1000) : 0;
}

/** Applies an UNREGISTER and fills `reply` (UNREGISTERED). A name that is not there is well unregistered. */
export function handleUnregister(
  registry: Registry,
  message: ControlMessage,
  nowUs: number,
  reply: ControlMessage,
): void {
  expireRegistry(registry, nowUs);
  reply.type = MessageType.UNREGISTERED;
  reply.transaction = message.transaction;
  reply.boot = registry.options.boot;
  reply.reason = unregister(registry, message, nowUs);
}

/** Removes what has lapsed by `nowUs`; answers how many registrations that was. */
export function expireRegistry(registry: Registry, nowUs: number): number {
  while (takeExpired(registry.tombstones, nowUs));
  let expired = 0;
  for (;;) {
    const lapsed = takeExpired(registry.registrations, nowUs);
    if (lapsed === undefined) break;
    forget(registry, lapsed.value);
    expired++;
  }
  registry.counters.expired += expired;
  return expired;
}

/** When a lease ends next; Infinity when there is none. */
export function registryDeadlineUs(registry: Registry): number {
  return nextExpiryUs(registry.registrations);
}

/** One line of `caracal ls`; plain JSON. */
export interface RegistrationInfo {
  readonly service: string;
  readonly bits: number;
  readonly protocol: number;
  readonly instance: string;
  readonly locator: string;
  readonly weight: number;
  readonly priority: number;
  readonly ageMs: number;
  /** What is left of the lease. */
  readonly leaseMs: number;
}

export function listRegistry(registry: Registry, nowUs: number): RegistrationInfo[] {
  const lines: RegistrationInfo[] = [];
  for (const registration of expiringEntries(registry.registrations)) {
    const { prefix, protocol, instance, locator, weight, priority, sinceUs, expiresUs } = registration;
    if (expiresUs <= nowUs) continue;
    lines.push({
      service: formatServiceId(prefix.id),
      bits: prefix.bits,
      protocol,
      instance: formatFlowId(instance),
      locator: formatLocator(locator),
      weight,
      priority,
      ageMs: Math.round((nowUs - sinceUs) / 1000),
      leaseMs: Math.round((expiresUs - nowUs) / 1000),
    });
  }
  return lines;
}

function register(
  registry: Registry,
  message: ControlMessage,
  remote: Locator,
  nowUs: number,
  leaseUs: number,
): Reason {
  const { registrations, tombstones, counters } = registry;
  const key = keyOf(message);
  const known = getExpiring(registrations, key, nowUs);
  const tombstone = getExpiring(tombstones, key, nowUs);
  if ((known && order(message, known.version) < 0) || (tombstone && order(message, tombstone) <= 0)) {
    counters.stale++;
    return Reason.REFUSED;
  }
  const refusal = known ? Reason.OK : admit(registry, message, remote);
  if (refusal !== Reason.OK) {
    counters.refused++;
    return refusal;
  }
  const expiresUs = nowUs + leaseUs;
  if (known) refresh(registry, known, message, remote, expiresUs);
  const registration = known ?? enter(registry, message, remote, nowUs, expiresUs);
  setExpiring(registrations, key, registration, expiresUs);
  deleteExpiring(tombstones, key);
  return Reason.OK;
}

function admit(registry: Registry, message: ControlMessage, remote: Locator): Reason {
  const { reserved = [], maxPerSender = defaultMaxPerSender } = registry.options;
  const { prefix } = message;
  if (prefix.bits < shortestPrefixBits || reserved.some((id) => prefixContains(prefix, id))) return Reason.POLICY_DROP;
  if (registry.registrations.slots.size >= registry.registrations.capacity) return Reason.OVERLOADED;
  return (registry.perSender.get(senderOf(remote)) ?? 0) < maxPerSender ? Reason.OK : Reason.OVERLOADED;
}

function enter(
  registry: Registry,
  message: ControlMessage,
  remote: Locator,
  nowUs: number,
  expiresUs: number,
): Registration {
  const { prefix, protocol, instance, weight, priority } = message;
  const version = versionOf(message);
  const entry = { prefix, protocol, instance, sinceUs: nowUs, version, locator: remote, weight, priority, expiresUs };
  registry.counters.registered++;
  countSender(registry, remote, 1);
  install(registry, entry);
  return entry;
}

/** A weight or priority that was set by hand in the table stays until the instance itself asks for another. */
function refresh(
  registry: Registry,
  known: Registration,
  message: ControlMessage,
  remote: Locator,
  expiresUs: number,
): void {
  const { weight, priority } = message;
  const changed = known.weight !== weight || known.priority !== priority;
  const moved = !sameLocator(known.locator, remote);
  if (moved) {
    countSender(registry, known.locator, -1);
    countSender(registry, remote, 1);
  }
  const rule = findRule(registry.options.table, known.prefix);
  const target = rule && findTarget(rule, 'registered', known.instance, known.protocol);
  Object.assign(known, { version: versionOf(message), locator: remote, weight, priority, expiresUs });
  if (changed || !target) install(registry, known);
  else if (moved) target.locator = remote;
  registry.counters.refreshed++;
}

function unregister(registry: Registry, message: ControlMessage, nowUs: number): Reason {
  const { registrations, tombstones, counters } = registry;
  const key = keyOf(message);
  const known = getExpiring(registrations, key, nowUs);
  const last = known?.version ?? getExpiring(tombstones, key, nowUs);
  if (last && order(message, last) < 0) {
    counters.stale++;
    return Reason.REFUSED;
  }
  if (known) {
    deleteExpiring(registrations, key);
    forget(registry, known);
    counters.unregistered++;
  }
  setExpiring(tombstones, key, versionOf(message), nowUs + tombstoneUs);
  return Reason.OK;
}

function install(registry: Registry, registration: Registration): void {
  const { prefix, protocol, instance, locator, weight, priority } = registration;
  const target = { owner: 'registered', action: 'forward', protocol, instance, locator, weight, priority } as const;
  insertTarget(registry.options.table, prefix, target);
}

function forget(registry: Registry, registration: Registration): void {
  const { prefix, protocol, instance, locator } = registration;
  removeTarget(registry.options.table, prefix, 'registered', instance, protocol);
  countSender(registry, locator, -1);
}

function countSender(registry: Registry, locator: Locator, change: 1 | -1): void {
  const sender = senderOf(locator);
  const count = (registry.perSender.get(sender) ?? 0) + change;
  if (count > 0) registry.perSender.set(sender, count);
  else registry.perSender.delete(sender);
}

function senderOf(locator: Locator): string {
  return locator.address.join('.');
}

function keyOf(message: ControlMessage): string {
  return `${formatFlowId(message.instance)} ${message.protocol} ${formatPrefix(message.prefix)}`;
}

function versionOf(message: ControlMessage): Version {
  return { boot: message.boot, sequence: message.sequence };
}

/** Negative when `a` was said before `b`. */
function order(a: Version, b: Version): number {
  if (a.boot.hi !== b.boot.hi) return a.boot.hi - b.boot.hi;
  if (a.boot.lo !== b.boot.lo) return a.boot.lo - b.boot.lo;
  return a.sequence - b.sequence;
}
