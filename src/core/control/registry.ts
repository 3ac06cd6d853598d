// The controller's registrations (docs/protocol-control.md, "Registry"): soft state that an instance refreshes and that
// lapses with its lease, or with the heartbeats of its stack. Pure: REGISTER, UNREGISTER and HEARTBEAT in, an answer out, the
// service table kept in step. Who speaks and may is authority.ts's to say; whose a label is, claims.ts's; who is there,
// presence.ts's.
// Invariants: nothing changes before a message has passed every check; for one signer, (instance, protocol, prefix) and
// address of those without a key, the pair (boot, sequence) never goes back, also for a while after the name is gone, so
// that a copy of a message cannot bring it back to life.

import {
  type FlowId,
  formatFlowId,
  formatLocator,
  formatPrefix,
  isPrivate,
  type Locator,
  type Prefix,
  type Primitives,
  prefixContains,
  Reason,
  reasonName,
  type ServiceId,
  sameLocator,
} from '../base/index.ts';
import { isCredentialRevoked, isIssuedBy, nameKind } from '../security/index.ts';
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
import { type Authority, type AuthorityOptions, authorize, type Signer, signerOf, type Verdict } from './authority.ts';
import { addClaim, type Claims, createClaims, isWide, maxWideClaims, meet, removeClaim } from './claims.ts';
import { type ControlMessage, MessageType } from './messages.ts';
import { createNonceSecret, isNonceOf, longestNonceUs, type NonceSecret, nonceFor } from './nonce.ts';
import {
  addPlaced,
  countAt,
  countFrom,
  createPlaces,
  type Places,
  placedAt,
  removePlaced,
  senderOf,
} from './places.ts';
import {
  createPresences,
  dropHeldAnswer,
  forgetPresence,
  notePresence,
  type Presences,
  presencesDeadlineUs,
  takeHeldAnswer,
  takeSilent,
} from './presence.ts';

export interface RegistryOptions extends AuthorityOptions {
  readonly primitives: AuthorityOptions['primitives'] & Pick<Primitives, 'hmac' | 'random'>;
  /** Registered targets go here, owner `registered`. */
  readonly table: ServiceTable;
  /** Another one tells the instances that this router has forgotten them. */
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
  /** Taken out because their stack sent no more heartbeats. */
  silenced: number;
  /** Taken out because their certificate was revoked, or because a key came for a label that they used without one. */
  revoked: number;
  displaced: number;
  /** Messages answered with anything but OK, and how many with which reason (its name). */
  refused: number;
  readonly refusedBy: Record<string, number>;
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
  /** The root key in text; undefined: made without a key. */
  readonly rootKey: string | undefined;
  /** Undefined: made without a key. */
  authority: Authority | undefined;
  version: Version;
  locator: Locator;
  /** As the instance asked; a rule set by hand may differ in the table. */
  weight: number;
  priority: number;
  expiresUs: number;
}

export interface Registry {
  readonly options: RegistryOptions;
  readonly nonces: NonceSecret;
  readonly registrations: ExpiringMap<string, Registration>;
  /** The last version of names that are gone, by who registered them. */
  readonly tombstones: ExpiringMap<string, Version>;
  readonly labels: Claims<Registration>;
  readonly places: Places<Registration>;
  readonly presences: Presences;
  readonly counters: RegistryCounters;
}

const defaultMaxRegistrations = 100_000;
const defaultMaxPerSender = 10_000;
const shortestLeaseUs = 1_000_000;

export function createRegistry(options: RegistryOptions): Registry {
  const capacity = options.maxRegistrations ?? defaultMaxRegistrations;
  return {
    options,
    nonces: createNonceSecret(options.primitives),
    registrations: createExpiringMap(capacity, 'refuse'),
    tombstones: createExpiringMap(capacity, 'evict'),
    labels: createClaims(),
    places: createPlaces(),
    presences: createPresences(capacity),
    counters: {
      registered: 0,
      refreshed: 0,
      unregistered: 0,
      expired: 0,
      silenced: 0,
      revoked: 0,
      displaced: 0,
      refused: 0,
      refusedBy: {},
    },
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
  const request = openRequest(registry, MessageType.REGISTERED, message, remote, nowUs, reply);
  const verdict = examine(registry, request);
  const reason = verdict.reason === Reason.OK ? register(registry, request, verdict.authority) : verdict.reason;
  reply.observed = remote;
  reply.reason = count(registry, reason);
  const { expiresUs = nowUs } = getExpiring(registry.registrations, request.key, nowUs) ?? {};
  reply.leaseMs = reason === Reason.OK ? Math.floor((expiresUs - nowUs) / 1000) : 0;
}

/** Applies an UNREGISTER and fills `reply` (UNREGISTERED). A name that is not there is well unregistered. */
export function handleUnregister(
  registry: Registry,
  message: ControlMessage,
  remote: Locator,
  nowUs: number,
  reply: ControlMessage,
): void {
  const request = openRequest(registry, MessageType.UNREGISTERED, message, remote, nowUs, reply);
  const verdict = examine(registry, request);
  const reason = verdict.reason === Reason.OK ? unregister(registry, request) : verdict.reason;
  reply.reason = count(registry, reason);
}

/**
 * Notes a HEARTBEAT and fills `reply` (HEARTBEAT-ANSWER); false: it is held, and `pollHeldAnswer` gives it. What an earlier
 * process left at the same locator is over.
 */
export function handleHeartbeat(
  registry: Registry,
  message: ControlMessage,
  remote: Locator,
  nowUs: number,
  reply: ControlMessage,
): boolean {
  const { present } = openRequest(registry, MessageType.HEARTBEAT_ANSWER, message, remote, nowUs, reply);
  reply.reason = count(registry, present ? Reason.OK : Reason.NONCE_REQUIRED);
  reply.held = 0;
  if (!present) return true;
  for (const registration of placedAt(registry.places, formatLocator(remote)))
    if (order({ boot: message.boot, sequence: 0 }, { ...registration.version, sequence: 0 }) > 0)
      remove(registry, registration, nowUs);
    else reply.held++;
  return reply.held === 0 || !notePresence(registry.presences, remote, message, nowUs);
}

/** Fills the held answer that is due, with how things are now, and says for whom; undefined when none is. Call until then. */
export function pollHeldAnswer(registry: Registry, nowUs: number, reply: ControlMessage): Locator | undefined {
  const due = takeHeldAnswer(registry.presences, nowUs);
  if (due === undefined) return undefined;
  const { remote, transaction } = due;
  openReply(registry, MessageType.HEARTBEAT_ANSWER, transaction, remote, nowUs, reply);
  reply.reason = Reason.OK;
  reply.held = countAt(registry.places, remote);
  return remote;
}

/** Removes what has lapsed by `nowUs`; answers how many registrations that was. */
export function expireRegistry(registry: Registry, nowUs: number): number {
  while (takeExpired(registry.tombstones, nowUs));
  let expired = 0;
  for (;;) {
    const lapsed = takeExpired(registry.registrations, nowUs);
    if (lapsed === undefined) break;
    forget(registry, lapsed.key, lapsed.value, nowUs);
    expired++;
  }
  registry.counters.expired += expired;
  return expired + dropSilent(registry, nowUs);
}

function dropSilent(registry: Registry, nowUs: number): number {
  let dropped = 0;
  for (;;) {
    const silent = takeSilent(registry.presences, nowUs);
    if (silent === undefined) break;
    for (const registration of placedAt(registry.places, silent)) {
      remove(registry, registration, nowUs);
      dropped++;
    }
  }
  registry.counters.silenced += dropped;
  return dropped;
}

/** After a new revocation list: takes out every registration whose credential is void now; answers how many. */
export function dropRevoked(registry: Registry, nowUs: number): number {
  const { revocations } = registry.options;
  const isVoid = ({ authority }: Registration): boolean =>
    authority !== undefined && isCredentialRevoked(revocations, authority.credential);
  const revoked = [...expiringEntries(registry.registrations)].filter(isVoid);
  for (const registration of revoked) remove(registry, registration, nowUs);
  registry.counters.revoked += revoked.length;
  return revoked.length;
}

/** Whether a certificate by this key (in text) stands behind a registration here: its revocations matter. */
export function isIssuer(registry: Registry, issuerKey: Uint8Array): boolean {
  for (const { authority } of expiringEntries(registry.registrations))
    if (authority !== undefined && isIssuedBy(authority.credential, issuerKey)) return true;
  return false;
}

/** When a lease ends next, silence lasts too long or a held answer is due; Infinity when there is none of them. */
export function registryDeadlineUs(registry: Registry): number {
  return Math.min(nextExpiryUs(registry.registrations), presencesDeadlineUs(registry.presences));
}

interface Request {
  readonly message: ControlMessage;
  readonly remote: Locator;
  readonly nowUs: number;
  /** Of the registration that it is about. */
  readonly key: string;
  /** Its sender receives where it says it is. */
  readonly present: boolean;
  /** Whose word it would be, if the signature is right; not looked for before the sender is known to be there. */
  readonly signer: Signer | undefined;
}

function openRequest(
  registry: Registry,
  type: MessageType,
  message: ControlMessage,
  remote: Locator,
  nowUs: number,
  reply: ControlMessage,
): Request {
  expireRegistry(registry, nowUs);
  openReply(registry, type, message.transaction, remote, nowUs, reply);
  const present = isNonceOf(registry.nonces, remote, nowUs, message.nonce);
  return { message, remote, nowUs, key: keyOf(message), present, signer: present ? signerOf(message) : undefined };
}

/** What every answer says, and the nonce for the next time. */
function openReply(
  { options, nonces }: Registry,
  type: MessageType,
  transaction: number,
  remote: Locator,
  nowUs: number,
  reply: ControlMessage,
): void {
  reply.type = type;
  reply.transaction = transaction;
  reply.boot = options.boot;
  reply.nonce = nonceFor(nonces, remote, nowUs);
}

/** Nonce, version, proof, and whose the entry is, if there is one; what is cheap to check comes first. */
function examine(registry: Registry, request: Request): Verdict {
  const { message, remote, nowUs, key, present, signer } = request;
  if (!present) return { reason: Reason.NONCE_REQUIRED };
  const known = getExpiring(registry.registrations, key, nowUs);
  const tombstone = getExpiring(registry.tombstones, tombstoneKey(key, signer, remote), nowUs);
  const ours = known !== undefined && sameSigner(known.authority?.signer, signer);
  // What takes a name back may come twice; what was said before that brings nothing back.
  const dead = message.type === MessageType.REGISTER ? 0 : -1;
  if ((ours && order(message, known.version) < 0) || (tombstone && order(message, tombstone) <= dead))
    return { reason: Reason.OUT_OF_DATE };
  const verdict = authorize(registry.options, message, remote);
  // A key takes the place of none (`claim` decides about that), and nothing else takes another's.
  const another = known !== undefined && !ours && (signer === undefined || known.authority !== undefined);
  return verdict.reason === Reason.OK && another ? { reason: Reason.NOT_AUTHORIZED } : verdict;
}

function register(registry: Registry, request: Request, authority: Authority | undefined): Reason {
  const { message, nowUs, key } = request;
  const known = getExpiring(registry.registrations, key, nowUs);
  if (known !== undefined && sameSigner(known.authority?.signer, authority?.signer)) {
    // A copy of what was said already changes nothing, not even the lease.
    if (order(message, known.version) > 0) refresh(registry, known, request, authority);
    return Reason.OK;
  }
  const reason = claim(registry, request, authority);
  if (reason === Reason.OK) enter(registry, request, authority);
  return reason;
}

/** Whether a newcomer finds room, and its label free; who must give way to it goes. */
function claim(registry: Registry, { message, remote, nowUs }: Request, authority: Authority | undefined): Reason {
  const { reserved = [], maxPerSender = defaultMaxPerSender } = registry.options;
  const { slots, capacity } = registry.registrations;
  const { prefix } = message;
  if (reserved.some((id) => prefixContains(prefix, id))) return Reason.POLICY_DROP;
  if (slots.size >= capacity || countFrom(registry.places, remote) >= maxPerSender) return Reason.OVERLOADED;
  if (nameKind(prefix.id) !== 'label') return Reason.OK;
  const mayDisplace = authority?.known === true || isPrivate(remote);
  const meeting = meet(registry.labels, prefix, authority?.signer.rootKey, mayDisplace);
  if (meeting.kind === 'taken') return Reason.NOT_AUTHORIZED;
  if (isWide(prefix) && registry.labels.wide.size >= maxWideClaims) return Reason.OVERLOADED;
  for (const registration of meeting.displaces) remove(registry, registration, nowUs);
  registry.counters.displaced += meeting.displaces.length;
  return Reason.OK;
}

function enter(registry: Registry, request: Request, authority: Authority | undefined): void {
  const { message, remote, nowUs, key } = request;
  const { prefix, protocol, instance, weight, priority } = message;
  const registration: Registration = {
    prefix,
    protocol,
    instance,
    sinceUs: nowUs,
    rootKey: authority?.signer.rootKey,
    authority,
    version: versionOf(message),
    locator: remote,
    weight,
    priority,
    expiresUs: nowUs + leaseFor(registry, message, authority),
  };
  setExpiring(registry.registrations, key, registration, registration.expiresUs);
  if (nameKind(prefix.id) === 'label') addClaim(registry.labels, registration);
  registry.counters.registered++;
  addPlaced(registry.places, registration);
  install(registry, registration);
}

/** What was asked for, within bounds; it never outlives the certificate. */
function leaseFor({ options }: Registry, { leaseMs }: ControlMessage, authority: Authority | undefined): number {
  const grantedUs = Math.max(shortestLeaseUs, Math.min(options.leaseUs, leaseMs * 1000));
  return authority === undefined ? grantedUs : Math.min(grantedUs, authority.validSeconds * 1_000_000);
}

/** A weight or priority that was set by hand in the table stays until the instance itself asks for another. */
function refresh(
  registry: Registry,
  known: Registration,
  { message, remote, nowUs, key }: Request,
  authority: Authority | undefined,
): void {
  const { weight, priority } = message;
  const changed = known.weight !== weight || known.priority !== priority;
  const moved = !sameLocator(known.locator, remote);
  if (moved) {
    displace(registry, known);
    // Without a key the address is the speaker: a copy of its last word must not bring the name back from there.
    if (authority === undefined) bury(registry, tombstoneKey(key, undefined, known.locator), known.version, nowUs);
  }
  const rule = findRule(registry.options.table, known.prefix);
  const target = rule && findTarget(rule, 'registered', known.instance, known.protocol);
  const expiresUs = nowUs + leaseFor(registry, message, authority);
  Object.assign(known, { authority, version: versionOf(message), locator: remote, weight, priority, expiresUs });
  if (moved) addPlaced(registry.places, known);
  if (changed || !target) install(registry, known);
  else if (moved) target.locator = remote;
  setExpiring(registry.registrations, key, known, expiresUs);
  registry.counters.refreshed++;
}

/** What was registered without a key only its own address takes back: there is nothing else to know it by. */
function unregister(registry: Registry, { message, remote, nowUs, key, signer }: Request): Reason {
  const known = getExpiring(registry.registrations, key, nowUs);
  if (known !== undefined) {
    if (signer === undefined && senderOf(known.locator) !== senderOf(remote)) return Reason.NOT_AUTHORIZED;
    if (!sameSigner(known.authority?.signer, signer)) return Reason.NOT_AUTHORIZED;
    remove(registry, known, nowUs);
    registry.counters.unregistered++;
    if (countAt(registry.places, known.locator) === 0) forgetPresence(registry.presences, known.locator);
  }
  bury(registry, tombstoneKey(key, signer, remote), versionOf(message), nowUs);
  return Reason.OK;
}

function install(registry: Registry, registration: Registration): void {
  const { prefix, protocol, instance, locator, weight, priority } = registration;
  const target = { owner: 'registered', action: 'forward', protocol, instance, locator, weight, priority } as const;
  insertTarget(registry.options.table, prefix, target);
}

function remove(registry: Registry, registration: Registration, nowUs: number): void {
  const key = keyOf(registration);
  deleteExpiring(registry.registrations, key);
  forget(registry, key, registration, nowUs);
}

/** Follows an entry that left the map. */
function forget(registry: Registry, key: string, registration: Registration, nowUs: number): void {
  const { prefix, protocol, instance, locator, version, authority } = registration;
  removeTarget(registry.options.table, prefix, 'registered', instance, protocol);
  removeClaim(registry.labels, registration);
  displace(registry, registration);
  bury(registry, tombstoneKey(key, authority?.signer, locator), version, nowUs);
}

/** For as long as a copy of a message could still be sent to any effect. */
function bury(registry: Registry, key: string, version: Version, nowUs: number): void {
  setExpiring(registry.tombstones, key, version, nowUs + longestNonceUs + registry.options.leaseUs);
}

function count({ counters }: Registry, reason: Reason): Reason {
  if (reason === Reason.OK) return reason;
  const name = reasonName(reason);
  counters.refused++;
  counters.refusedBy[name] = (counters.refusedBy[name] ?? 0) + 1;
  return reason;
}

/** Before a registration is elsewhere or gone. Of a locator that has none any more nothing is held either. */
function displace({ places, presences }: Registry, registration: Registration): void {
  if (removePlaced(places, registration)) dropHeldAnswer(presences, formatLocator(registration.locator));
}

function keyOf({ instance, protocol, prefix }: Pick<Registration, 'instance' | 'protocol' | 'prefix'>): string {
  return `${formatFlowId(instance)} ${protocol} ${formatPrefix(prefix)}`;
}

/** By who said it: nobody can bury what another registers. */
function tombstoneKey(key: string, signer: Signer | undefined, remote: Locator): string {
  return `${signer === undefined ? senderOf(remote) : `${signer.rootKey} ${signer.signKey}`} ${key}`;
}

function sameSigner(a: Signer | undefined, b: Signer | undefined): boolean {
  return a?.rootKey === b?.rootKey && a?.signKey === b?.signKey;
}

function versionOf(message: ControlMessage): Version {
  return { boot: message.boot, sequence: message.sequence };
}

/** -1 when `a` was said before `b`, 0 for copies of one message, else 1. */
function order(a: Version, b: Version): number {
  if (a.boot.hi !== b.boot.hi) return Math.sign(a.boot.hi - b.boot.hi);
  if (a.boot.lo !== b.boot.lo) return Math.sign(a.boot.lo - b.boot.lo);
  return Math.sign(a.sequence - b.sequence);
}
