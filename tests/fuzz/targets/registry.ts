// Fuzz target: a sequence of control messages and pauses against a registry. The messages are short choices that meet often,
// signed by one of a few or by nobody, or raw bytes through the parser. In every state the service table holds exactly the
// live registrations, each of them backed by who may; no key shares its label; what is refused changes nothing; and what
// one signer says of one name never goes back, not even a while after the name is gone.

import { strict as assert } from 'node:assert';
import {
  formatLocator,
  formatPrefix,
  formatServiceId,
  isPrivate,
  type Locator,
  makePrefix,
  prefixContains,
  prefixWithin,
  Reason,
} from '../../../src/core/base/index.ts';
import {
  type ControlMessage,
  createControlMessage,
  createRegistry,
  expireRegistry,
  handleHeartbeat,
  handleRegister,
  handleUnregister,
  listRegistry,
  MessageType,
  parseControl,
  pollHeldAnswer,
  type Registry,
  registryDeadlineUs,
  signControl,
} from '../../../src/core/control/index.ts';
import {
  createCredentialCache,
  createRevocations,
  createTrust,
  type Identity,
  parseCredential,
} from '../../../src/core/security/index.ts';
import { createServiceTable, expiringEntries, findRule, findTarget } from '../../../src/core/tables/index.ts';
import { identityOf, labelOf, primitives, root, servicePrefix, startSeconds } from '../identities.ts';
import { below, createOperations, more, oneOf, open, take, u8 } from '../operations.ts';

export const maxBytes = 384;

export function fuzz(data: Uint8Array): void {
  open(operations, data);
  const world = createWorld(below(operations, 2) === 0);
  while (more(operations)) {
    const operation = below(operations, 8);
    if (operation < 4) say(world, MessageType.REGISTER);
    else if (operation < 6) say(world, MessageType.UNREGISTER);
    else if (operation === 6) pause(world);
    else sayRaw(world);
    check(world);
  }
  checkList(world);
}

interface Said {
  readonly boot: number;
  readonly sequence: number;
  /** Undefined: live; otherwise when it may be forgotten. */
  untilUs: number | undefined;
}

interface World {
  readonly registry: Registry;
  /** Limits so wide that nothing is ever forgotten early. */
  readonly roomy: boolean;
  /** By who said what of what: the newest that was accepted. */
  readonly said: Map<string, Said>;
  nowUs: number;
}

type Live = Parameters<typeof keyOf>[0] & { readonly rootKey: string | undefined };

const operations = createOperations();
const message = createControlMessage();
const reply = createControlMessage();
const second = 1_000_000;
const leaseUs = 5 * second;
/** The longest that a nonce is taken, and the lease. */
const memoryUs = 120 * second + leaseUs;
const labels = [labelOf(1), labelOf(2), labelOf(3)];
const [first, other, third] = [root(1), root(2), root(3)] as const;
const pinned = labels[1]!;
const reserved = labels[2]!;
const names = [...labels, third.id];
const lengths = [224, 256, 64, 63, 0, 96];
const labelSystem = makePrefix(new Uint8Array(32), 64);
const identities: readonly (Identity | undefined)[] = [
  undefined,
  undefined,
  identityOf(first, servicePrefix(labels[0]!)),
  identityOf(first, labelSystem, true),
  identityOf(other, servicePrefix(labels[0]!)),
  identityOf(third, servicePrefix(third.id)),
  identityOf(other, makePrefix(new Uint8Array(32), 0)),
];
const senders: readonly Locator[] = [
  { address: Uint8Array.of(10, 0, 0, 1), port: 1 },
  { address: Uint8Array.of(10, 0, 0, 1), port: 2 },
  { address: Uint8Array.of(10, 0, 0, 2), port: 1 },
  { address: Uint8Array.of(203, 0, 113, 1), port: 1 },
];

function createWorld(roomy: boolean): World {
  const world = { roomy, said: new Map(), nowUs: 0 };
  const trust = createTrust();
  trust.pins.set(formatServiceId(pinned), formatServiceId(first.id));
  const registry = createRegistry({
    primitives: { ...primitives, unixSeconds: () => startSeconds + Math.floor(world.nowUs / second) },
    table: createServiceTable(),
    boot: { hi: 1, lo: 2 },
    leaseUs,
    reserved: [reserved],
    trust,
    credentials: createCredentialCache(),
    revocations: createRevocations(),
    ...(roomy ? {} : { maxRegistrations: 4, maxPerSender: 3 }),
  });
  return Object.assign(world, { registry });
}

/** What the registry answers to anybody there: its nonce for the address. */
function nonceFor({ registry, nowUs }: World, remote: Locator): Uint8Array {
  message.type = MessageType.UNREGISTER;
  message.proof = undefined;
  message.nonce = noNonce;
  handleUnregister(registry, message, remote, nowUs, reply);
  assert.equal(reply.reason, Reason.NONCE_REQUIRED);
  return reply.nonce;
}

const noNonce = new Uint8Array(16);

function say(world: World, type: MessageType): void {
  const choice = u8(operations);
  const remote = oneOf(operations, senders);
  const identity = oneOf(operations, identities);
  const nonce = (choice & 0x87) === 0x87 ? noNonce : nonceFor(world, remote);
  message.type = type;
  message.transaction = choice;
  message.instance = choice & 64 || identity === undefined ? { hi: 0, lo: 1 + (choice & 1) } : identity.instance;
  message.boot = { hi: 0, lo: (choice >> 2) & 1 };
  message.protocol = choice & 8 ? 6 : 17;
  message.prefix = makePrefix(names[(choice >> 4) & 3]!, oneOf(operations, lengths));
  message.sequence = below(operations, 16);
  message.weight = choice & 3;
  message.priority = choice >> 7;
  message.leaseMs = u8(operations) * 50;
  message.nonce = nonce;
  if (identity !== undefined) signControl(primitives, message, identity);
  apply(world, message, remote);
}

function sayRaw(world: World): void {
  const bytes = take(operations, u8(operations));
  if (parseControl(bytes, 0, bytes.length, message) !== Reason.OK) return;
  const remote = oneOf(operations, senders);
  if (message.type === MessageType.HEARTBEAT) return beat(world, remote);
  if (message.type !== MessageType.REGISTER && message.type !== MessageType.UNREGISTER) return;
  const { type, proof } = message;
  if (u8(operations) & 1) {
    const nonce = nonceFor(world, remote);
    Object.assign(message, { type, proof, nonce });
  }
  apply(world, message, remote);
}

/** A stack that has registrations says that it is there; it may fall silent at the next pause. */
function beat(world: World, remote: Locator): void {
  const { registry, nowUs } = world;
  const { boot, intervalMs } = message;
  const nonce = u8(operations) & 1 ? nonceFor(world, remote) : message.nonce;
  Object.assign(message, { type: MessageType.HEARTBEAT, boot, intervalMs, nonce });
  const answered = handleHeartbeat(registry, message, remote, nowUs, reply);
  assert.equal(reply.type, MessageType.HEARTBEAT_ANSWER);
  assert.ok(answered || (reply.reason === Reason.OK && reply.held > 0), 'only good news is held');
  if (reply.reason === Reason.OK)
    assert.equal(reply.held, registry.places.perLocator.get(formatLocator(remote))?.size ?? 0);
  else assert.equal(reply.reason, Reason.NONCE_REQUIRED);
}

function pause(world: World): void {
  const step = u8(operations);
  // To the next lapse, or by up to 65 s.
  const deadlineUs = registryDeadlineUs(world.registry);
  if (step === 0 && deadlineUs !== Infinity) world.nowUs = Math.max(world.nowUs, deadlineUs);
  else world.nowUs += step * step * 1000;
  expireRegistry(world.registry, world.nowUs);
  for (;;) {
    const remote = pollHeldAnswer(world.registry, world.nowUs, reply);
    if (remote === undefined) break;
    assert.ok(reply.held > 0 && reply.held === world.registry.places.perLocator.get(formatLocator(remote))?.size);
  }
}

function apply(world: World, said: ControlMessage, remote: Locator): void {
  const { registry, nowUs } = world;
  const register = said.type === MessageType.REGISTER;
  expireRegistry(registry, nowUs);
  const before = stateOf(registry);
  if (register) handleRegister(registry, said, remote, nowUs, reply);
  else handleUnregister(registry, said, remote, nowUs, reply);
  assert.equal(reply.type, register ? MessageType.REGISTERED : MessageType.UNREGISTERED);
  assert.equal(reply.transaction, said.transaction);
  if (register) assert.ok(reply.leaseMs * 1000 <= leaseUs && reply.leaseMs >= 0);
  if (reply.reason === Reason.OK) return remember(world, said, remote, register);
  assert.ok(reply.reason < 64, 'the reason may travel');
  assert.equal(stateOf(registry), before, 'what is refused changes nothing');
}

function stateOf({ registrations, tombstones, counters }: Registry): string {
  const { registered, refreshed, unregistered, displaced } = counters;
  return [registrations.slots.size, tombstones.slots.size, registered, refreshed, unregistered, displaced].join();
}

function keyOf({ instance, protocol, prefix }: Pick<ControlMessage, 'instance' | 'protocol' | 'prefix'>): string {
  return `${instance.hi} ${instance.lo} ${protocol} ${formatPrefix(prefix)}`;
}

/** Who says it: the keys, or the address of those without one. */
function speakerOf(credential: Uint8Array | undefined, remote: Locator): string {
  const chain = credential && parseCredential(credential);
  if (chain === undefined) return remote.address.join('.');
  return `${formatServiceId(chain[0]!.issuerKey)} ${formatServiceId(chain.at(-1)!.subjectKey)}`;
}

function remember(world: World, message: ControlMessage, remote: Locator, register: boolean): void {
  const { said, roomy, registry, nowUs } = world;
  const speaker = `${speakerOf(message.proof?.credential, remote)} ${keyOf(message)}`;
  const boot = message.boot.hi * 2 ** 32 + message.boot.lo;
  const { sequence } = message;
  const last = said.get(speaker);
  if (last !== undefined && roomy) {
    const step = boot - last.boot || sequence - last.sequence;
    assert.ok(register && last.untilUs !== undefined ? step > 0 : step >= 0, 'what one says of a name never goes back');
  }
  // A copy of what another address said is well and has no effect.
  if (!register || speakersOf(registry).has(speaker)) said.set(speaker, { boot, sequence, untilUs: undefined });
  bury(said, registry, nowUs);
}

/** Whose registrations are live. */
function speakersOf({ registrations }: Registry): Set<string> {
  const speakers = new Set<string>();
  for (const registration of expiringEntries(registrations)) {
    const { authority, locator } = registration;
    speakers.add(`${speakerOf(authority?.credential, locator)} ${keyOf(registration)}`);
  }
  return speakers;
}

/** What is no longer registered is remembered for a while. */
function bury(said: Map<string, Said>, registry: Registry, nowUs: number): void {
  const speakers = speakersOf(registry);
  for (const [speaker, entry] of said) {
    if (speakers.has(speaker)) entry.untilUs = undefined;
    else if (entry.untilUs === undefined) entry.untilUs = nowUs + memoryUs;
    else if (entry.untilUs <= nowUs) said.delete(speaker);
  }
}

function check({ registry, said, nowUs }: World): void {
  const { registrations, tombstones, options } = registry;
  const { maxRegistrations = Infinity, table } = options;
  expireRegistry(registry, nowUs);
  bury(said, registry, nowUs);
  const live = [...expiringEntries(registrations)];
  assert.ok(live.length <= maxRegistrations && tombstones.slots.size <= maxRegistrations);
  let counted = 0;
  for (const count of registry.places.perSender.values()) counted += count;
  assert.equal(counted, live.length);
  let placed = 0;
  for (const [key, there] of registry.places.perLocator) {
    placed += there.size;
    for (const { locator } of there) assert.equal(formatLocator(locator), key);
  }
  assert.equal(placed, live.length);
  assert.ok(registry.presences.present.slots.size <= senders.length, 'only who can register is waited for');
  for (const key of registry.presences.held.slots.keys())
    assert.ok(registry.places.perLocator.has(key), 'held for nobody');
  let targets = 0;
  for (const rule of table.rules) targets += rule?.targets.length ?? 0;
  assert.equal(targets, live.length);
  for (const registration of live) {
    const { prefix, instance, protocol, locator, authority } = registration;
    const rule = findRule(table, prefix);
    assert.equal((rule && findTarget(rule, 'registered', instance, protocol))?.locator, locator);
    assert.ok(prefix.bits >= 64 && !prefixContains(prefix, reserved), 'no prefix spans systems or takes what is ours');
    if (authority === undefined) assert.ok(isPrivate(locator) && prefixContains(labelSystem, prefix.id));
    else
      assert.ok(prefixWithin(parseCredential(authority.credential)!.at(-1)!.prefix, prefix), 'within its certificate');
    checkLabel(registration, live);
  }
}

/** A label that a key has registered, or is pinned to, is shared with nobody else. */
function checkLabel(registration: Live, live: readonly Live[]): void {
  const { prefix, rootKey } = registration;
  if (prefix.bits < 224 || !prefixContains(labelSystem, prefix.id)) return;
  const service = servicePrefix(prefix.id);
  if (prefixContains(service, pinned)) assert.equal(rootKey, formatServiceId(first.key), 'a pin');
  for (const { prefix: theirs, rootKey: another } of live)
    if (theirs.bits >= 224 && prefixWithin(service, theirs)) assert.equal(another, rootKey, 'no key shares its label');
}

function checkList({ registry, nowUs }: World): void {
  expireRegistry(registry, nowUs);
  const lines = listRegistry(registry, nowUs);
  assert.equal(lines.length, registry.registrations.slots.size);
  for (const { leaseMs } of lines) assert.ok(leaseMs >= 0 && leaseMs * 1000 <= leaseUs + 1000);
}
