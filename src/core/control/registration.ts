// The instance's side of registration (docs/protocol-control.md, "Registrar"): every bound name is announced to the
// router, announced again before its lease ends, and taken back when it is closed. One record per (prefix, protocol).
// Driven by deadlines: `pollRegistrar` gives the messages that are due, for whoever owns the socket to send.
// Invariants: an entry has one exchange open at most, and a new one gets a new transaction, so that late answers are
// ignored; every message that leaves has a sequence of its own, so that a copy of one is never a new one.

import {
  type Crypto,
  type FlowId,
  formatPrefix,
  type Locator,
  type Prefix,
  type Primitives,
  Reason,
  sameFlow,
  sameLocator,
} from '../base/index.ts';
import type { Identity } from '../security/index.ts';
import { type ControlMessage, MessageType, noNonce, signControl } from './messages.ts';

export interface RegistrarOptions {
  /** Of names without an identity that has one. */
  readonly instance: FlowId;
  /** Greater at each start under the same instance id: the seconds since 1970, and chance (`bootNow`). */
  readonly boot: FlowId;
  /** Lease to ask for. */
  readonly leaseUs: number;
  readonly primitives: Pick<Crypto, 'sign'> & Pick<Primitives, 'random' | 'unixSeconds'>;
}

/**
 * idle: no router. registering: asked, no lease. registered: the lease runs, also while it is being refreshed.
 * refused: the router said no; asked again now and then. unregistering: being taken back.
 */
export type RegistrationState = 'idle' | 'registering' | 'registered' | 'refused' | 'unregistering';

export interface RegistrationEntry {
  readonly prefix: Prefix;
  readonly protocol: number;
  weight: number;
  priority: number;
  /** Signs for it; undefined or without a credential: nobody does. */
  identity: Identity | undefined;
  state: RegistrationState;
  transaction: number;
  /** Times this exchange's message was sent; 0 between exchanges. */
  attempts: number;
  /** When the next message is due. */
  deadlineUs: number;
  /** When the lease ends; -Infinity without one. */
  leaseEndUs: number;
  /** Exchanges made again at once, for a nonce and for a later sequence, since the router last settled the matter. */
  nonceRepeats: number;
  orderRepeats: number;
}

export interface Registrar {
  readonly options: RegistrarOptions;
  readonly entries: Map<string, RegistrationEntry>;
  /** Open exchanges by transaction. */
  readonly exchanges: Map<number, RegistrationEntry>;
  router: Locator | undefined;
  /** Undefined until the router has told. */
  routerBoot: FlowId | undefined;
  /** What the router wants to see next time. */
  nonce: Uint8Array;
  boot: FlowId;
  /** A router has taken a signed registration under this boot. */
  accepted: boolean;
  /** Where the router last saw us. */
  observed: Locator | undefined;
  /** Silent for too long: time to search for a router again. Any answer clears it. */
  routerLost: boolean;
  sequence: number;
  /** No entry is due before this. */
  deadlineUs: number;
}

export interface RegistrarEvent {
  /** `repeating`: the router asks for the same again, with its nonce or a later sequence. */
  readonly kind: 'registered' | 'refused' | 'unregistered' | 'repeating';
  readonly entry: RegistrationEntry;
  /** Not a mere refresh or a repeated refusal. */
  readonly first: boolean;
  readonly reason: Reason;
}

const firstRetryUs = 100_000;
const longestRetryUs = 2_000_000;
const refusedRetryUs = 5_000_000;
/** Unanswered sends, 3.1 s, after which the router counts as lost. */
const lostAttempts = 5;
const unregisterAttempts = 4;
/** A nonce may be too old twice, if the address changes meanwhile; a router that never takes one is not asked on. */
const mostNonceRepeats = 3;

/** A boot of this moment. */
export function bootNow({ random, unixSeconds }: Pick<Primitives, 'random' | 'unixSeconds'>): FlowId {
  return { hi: unixSeconds() >>> 0, lo: random.uint32() };
}

export function createRegistrar(options: RegistrarOptions): Registrar {
  return {
    options,
    entries: new Map(),
    exchanges: new Map(),
    router: undefined,
    routerBoot: undefined,
    nonce: noNonce,
    boot: options.boot,
    accepted: false,
    observed: undefined,
    routerLost: false,
    sequence: 0,
    deadlineUs: Infinity,
  };
}

/** Begins to register; idle until a router is known. Called again it changes weight and priority. */
export function registerService(
  registrar: Registrar,
  prefix: Prefix,
  protocol: number,
  weight: number,
  priority: number,
  nowUs: number,
  identity?: Identity,
): RegistrationEntry {
  const key = keyOf(prefix, protocol);
  const known = registrar.entries.get(key);
  const entry = known ?? blankEntry(prefix, protocol);
  const same = known && known.state !== 'unregistering' && known.weight === weight && known.priority === priority;
  entry.identity = identity;
  if (same) return entry;
  registrar.entries.set(key, entry);
  entry.weight = weight;
  entry.priority = priority;
  if (entry.state !== 'registered') entry.state = registrar.router ? 'registering' : 'idle';
  if (registrar.router) restart(registrar, entry, nowUs);
  return entry;
}

/** Another credential for a name: told with the next refresh, at once where the last one was refused. */
export function renewIdentity(
  registrar: Registrar,
  prefix: Prefix,
  protocol: number,
  identity: Identity,
  nowUs: number,
): void {
  const entry = registrar.entries.get(keyOf(prefix, protocol));
  if (entry === undefined) return;
  entry.identity = identity;
  if (entry.state === 'refused') registerAnew(registrar, entry, nowUs);
}

/** Begins to take a name back; the entry goes when the router has answered, or does not. */
export function unregisterService(registrar: Registrar, prefix: Prefix, protocol: number, nowUs: number): void {
  const entry = registrar.entries.get(keyOf(prefix, protocol));
  if (entry === undefined || entry.state === 'unregistering') return;
  if (registrar.router === undefined) {
    removeEntry(registrar, entry);
  } else {
    entry.state = 'unregistering';
    restart(registrar, entry, nowUs);
  }
}

/** Forgets a name without telling the router. */
export function dropRegistration(registrar: Registrar, prefix: Prefix, protocol: number): void {
  const entry = registrar.entries.get(keyOf(prefix, protocol));
  if (entry) removeEntry(registrar, entry);
}

export function isRegistered(registrar: Registrar, prefix: Prefix, protocol: number): boolean {
  return registrar.entries.get(keyOf(prefix, protocol))?.state === 'registered';
}

/** Whether nothing is left of a name: `unregisterService` is through with it. */
export function isUnregistered(registrar: Registrar, prefix: Prefix, protocol: number): boolean {
  return !registrar.entries.has(keyOf(prefix, protocol));
}

/**
 * A router was found, replaced, restarted (another boot) or, with undefined, given up: names are registered anew. The
 * same router found again is asked again at once what it left unanswered.
 */
export function setRegistrarRouter(
  registrar: Registrar,
  router: Locator | undefined,
  boot: FlowId | undefined,
  nowUs: number,
): void {
  registrar.routerLost = false;
  const { router: before, routerBoot } = registrar;
  const sameRouter = before && router ? sameLocator(before, router) : before === router;
  if (sameRouter && (boot === undefined || routerBoot === undefined || sameFlow(boot, routerBoot))) {
    registrar.routerBoot ??= boot;
    for (const entry of registrar.entries.values()) if (entry.attempts > 0) restart(registrar, entry, nowUs);
    return;
  }
  registrar.router = router;
  registrar.routerBoot = boot;
  if (!sameRouter) registrar.nonce = noNonce;
  for (const entry of [...registrar.entries.values()]) {
    if (router) registerAnew(registrar, entry, nowUs);
    else if (entry.state === 'unregistering') removeEntry(registrar, entry);
    else rest(registrar, entry);
  }
}

/** This stack is reached elsewhere: the router is told at once where. */
export function refreshRegistrations(registrar: Registrar, nowUs: number): void {
  if (registrar.router === undefined) return;
  for (const entry of registrar.entries.values()) {
    // From there it is another nonce.
    settle(entry);
    restart(registrar, entry, nowUs);
  }
}

/** What would be refreshed by `untilUs` is so now, with what is sent anyway: to wake for it costs more than to send it early. */
export function refreshEarly(registrar: Registrar, untilUs: number, nowUs: number): void {
  for (const entry of registrar.entries.values())
    if (entry.state === 'registered' && entry.attempts === 0 && entry.deadlineUs <= untilUs)
      setDeadline(registrar, entry, nowUs);
}

/** Takes REGISTERED and UNREGISTERED. Undefined for an answer to nothing: late, repeated or forged. */
export function handleRegistrarReply(
  registrar: Registrar,
  message: ControlMessage,
  nowUs: number,
): RegistrarEvent | undefined {
  const entry = registrar.exchanges.get(message.transaction);
  const wanted = entry?.state === 'unregistering' ? MessageType.UNREGISTERED : MessageType.REGISTERED;
  if (entry === undefined || message.type !== wanted) return undefined;
  closeExchange(registrar, entry);
  noteRouterBoot(registrar, message.boot, nowUs, entry);
  registrar.nonce = message.nonce;
  const { reason } = message;
  if (mayRepeat(entry, reason)) return repeat(registrar, entry, reason, nowUs);
  if (message.type === MessageType.UNREGISTERED) {
    removeEntry(registrar, entry);
    return { kind: 'unregistered', entry, first: true, reason };
  }
  registrar.observed = message.observed;
  if (reason !== Reason.OK) return noteRefusal(registrar, entry, reason, nowUs);
  const first = entry.state !== 'registered';
  entry.state = 'registered';
  settle(entry);
  if (isSigned(entry)) registrar.accepted = true;
  entry.leaseEndUs = nowUs + message.leaseMs * 1000;
  setDeadline(registrar, entry, nowUs + Math.max(firstRetryUs, (message.leaseMs * 1000) / 3));
  return { kind: 'registered', entry, first, reason };
}

/** Fills the next message that is due, for `registrar.router`; false when none is. Call until false. */
export function pollRegistrar(registrar: Registrar, nowUs: number, out: ControlMessage): boolean {
  if (nowUs < registrar.deadlineUs) return false;
  for (const entry of registrar.entries.values())
    if (entry.deadlineUs <= nowUs && transmit(registrar, entry, nowUs, out)) return true;
  registrar.deadlineUs = Infinity;
  for (const entry of registrar.entries.values())
    registrar.deadlineUs = Math.min(registrar.deadlineUs, entry.deadlineUs);
  return false;
}

/** Infinity when there is nothing to do. */
export function registrarDeadlineUs(registrar: Registrar): number {
  return registrar.deadlineUs;
}

/** Sends or repeats the entry's message; false when it gave up instead. */
function transmit(registrar: Registrar, entry: RegistrationEntry, nowUs: number, out: ControlMessage): boolean {
  const { state } = entry;
  if (state === 'unregistering' && entry.attempts === unregisterAttempts) {
    removeEntry(registrar, entry);
    return false;
  }
  if (entry.attempts === 0) openExchange(registrar, entry);
  if (entry.attempts >= lostAttempts) registrar.routerLost = true;
  if (state === 'registered' && entry.leaseEndUs <= nowUs) entry.state = 'registering';
  setDeadline(registrar, entry, nowUs + Math.min(longestRetryUs, firstRetryUs * 2 ** entry.attempts));
  entry.attempts++;
  fill(registrar, entry, out);
  return true;
}

function fill(registrar: Registrar, entry: RegistrationEntry, out: ControlMessage): void {
  const { instance, leaseUs, primitives } = registrar.options;
  const { identity } = entry;
  out.type = entry.state === 'unregistering' ? MessageType.UNREGISTER : MessageType.REGISTER;
  out.transaction = entry.transaction;
  out.instance = identity !== undefined && isSigned(entry) ? identity.instance : instance;
  out.boot = registrar.boot;
  out.sequence = ++registrar.sequence;
  out.protocol = entry.protocol;
  out.prefix = entry.prefix;
  out.weight = entry.weight;
  out.priority = entry.priority;
  out.leaseMs = Math.round(leaseUs / 1000);
  out.nonce = registrar.nonce;
  out.proof = undefined;
  if (identity !== undefined && isSigned(entry)) signControl(primitives, out, identity);
}

function isSigned({ identity }: RegistrationEntry): boolean {
  return identity !== undefined && identity.credential.length > 0;
}

/** The router wants its nonce, or knows of a later message: a network that reorders explains that once. */
function mayRepeat({ nonceRepeats, orderRepeats }: RegistrationEntry, reason: Reason): boolean {
  if (reason === Reason.NONCE_REQUIRED) return nonceRepeats < mostNonceRepeats;
  return reason === Reason.OUT_OF_DATE && orderRepeats === 0;
}

function settle(entry: RegistrationEntry): void {
  entry.nonceRepeats = 0;
  entry.orderRepeats = 0;
}

/**
 * An instance id of a credential outlives its process. Where none of this one's registrations was ever taken, the one before
 * it may have begun in the same second: a boot a second later comes after it. Once taken, a later boot is another process
 * with the same identity, and has the name.
 */
function repeat(registrar: Registrar, entry: RegistrationEntry, reason: Reason, nowUs: number): RegistrarEvent {
  if (reason === Reason.OUT_OF_DATE && isSigned(entry) && !registrar.accepted) {
    const now = bootNow(registrar.options.primitives);
    registrar.boot = { hi: Math.max(now.hi, registrar.boot.hi + 1), lo: now.lo };
  }
  if (reason === Reason.OUT_OF_DATE) entry.orderRepeats++;
  else entry.nonceRepeats++;
  restart(registrar, entry, nowUs);
  return { kind: 'repeating', entry, first: false, reason };
}

/** The router lives. With another boot than it had it has forgotten the names that were not just answered for, too. */
export function noteRouterBoot(registrar: Registrar, boot: FlowId, nowUs: number, answered?: RegistrationEntry): void {
  const before = registrar.routerBoot;
  registrar.routerLost = false;
  registrar.routerBoot = boot;
  if (before !== undefined && !sameFlow(before, boot)) registerEverything(registrar, nowUs, answered);
}

/** The router holds less than was registered with it. */
export function registerEverything(registrar: Registrar, nowUs: number, but?: RegistrationEntry): void {
  for (const entry of registrar.entries.values())
    if (entry !== but && entry.state === 'registered') registerAnew(registrar, entry, nowUs);
}

/** Whether the router holds a name of ours, as far as we know. */
export function hasRegistrations({ entries }: Registrar): boolean {
  for (const { state } of entries.values()) if (state === 'registered') return true;
  return false;
}

export function registrationsHeld({ entries }: Registrar): number {
  let held = 0;
  for (const { state } of entries.values()) if (state === 'registered') held++;
  return held;
}

function noteRefusal(registrar: Registrar, entry: RegistrationEntry, reason: Reason, nowUs: number): RegistrarEvent {
  const first = entry.state !== 'refused';
  entry.state = 'refused';
  settle(entry);
  entry.leaseEndUs = -Infinity;
  setDeadline(registrar, entry, nowUs + refusedRetryUs);
  return { kind: 'refused', entry, first, reason };
}

function registerAnew(registrar: Registrar, entry: RegistrationEntry, nowUs: number): void {
  if (entry.state !== 'unregistering') entry.state = 'registering';
  entry.leaseEndUs = -Infinity;
  restart(registrar, entry, nowUs);
}

/** Makes a new exchange due now, in place of the one under way. */
function restart(registrar: Registrar, entry: RegistrationEntry, nowUs: number): void {
  closeExchange(registrar, entry);
  setDeadline(registrar, entry, nowUs);
}

function rest(registrar: Registrar, entry: RegistrationEntry): void {
  closeExchange(registrar, entry);
  entry.state = 'idle';
  entry.leaseEndUs = -Infinity;
  entry.deadlineUs = Infinity;
}

function openExchange(registrar: Registrar, entry: RegistrationEntry): void {
  do entry.transaction = registrar.options.primitives.random.uint32();
  while (registrar.exchanges.has(entry.transaction));
  registrar.exchanges.set(entry.transaction, entry);
}

function closeExchange(registrar: Registrar, entry: RegistrationEntry): void {
  if (entry.attempts > 0) registrar.exchanges.delete(entry.transaction);
  entry.attempts = 0;
}

function removeEntry(registrar: Registrar, entry: RegistrationEntry): void {
  closeExchange(registrar, entry);
  registrar.entries.delete(keyOf(entry.prefix, entry.protocol));
}

function setDeadline(registrar: Registrar, entry: RegistrationEntry, deadlineUs: number): void {
  entry.deadlineUs = deadlineUs;
  registrar.deadlineUs = Math.min(registrar.deadlineUs, deadlineUs);
}

function blankEntry(prefix: Prefix, protocol: number): RegistrationEntry {
  return {
    prefix,
    protocol,
    weight: 0,
    priority: 0,
    state: 'idle',
    identity: undefined,
    transaction: 0,
    attempts: 0,
    deadlineUs: Infinity,
    leaseEndUs: -Infinity,
    nonceRepeats: 0,
    orderRepeats: 0,
  };
}

function keyOf(prefix: Prefix, protocol: number): string {
  return `${protocol} ${formatPrefix(prefix)}`;
}
