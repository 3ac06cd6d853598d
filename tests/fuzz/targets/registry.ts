// Fuzz target: a sequence of control messages and pauses against a registry. The messages are short choices that meet often,
// or raw bytes through the parser. In every state the service table holds exactly the live registrations, the bounds
// hold, and what one instance says of one name never goes back, not even a while after it took the name back.

import { strict as assert } from 'node:assert';
import { formatPrefix, type Locator, makePrefix, Reason, type ServiceId } from '../../../src/core/base/index.ts';
import {
  type ControlMessage,
  createControlMessage,
  createRegistry,
  expireRegistry,
  handleRegister,
  handleUnregister,
  listRegistry,
  MessageType,
  parseControl,
  type Registry,
  registryDeadlineUs,
} from '../../../src/core/control/index.ts';
import { createServiceTable, expiringEntries, findRule, findTarget } from '../../../src/core/tables/index.ts';
import { below, createOperations, more, oneOf, open, take, u8 } from '../operations.ts';

export const maxBytes = 512;

export function fuzz(data: Uint8Array): void {
  open(operations, data);
  const world = createWorld(below(operations, 2) === 0);
  while (more(operations)) {
    const operation = below(operations, 8);
    if (operation < 4) say(world, readMessage(MessageType.REGISTER), readSender());
    else if (operation < 6) say(world, readMessage(MessageType.UNREGISTER), readSender());
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
  readonly untilUs: number | undefined;
}

interface World {
  readonly registry: Registry;
  /** Limits so wide that nothing is ever forgotten early. */
  readonly roomy: boolean;
  /** By what was said of: the newest that was accepted. */
  readonly said: Map<string, Said>;
  nowUs: number;
}

const operations = createOperations();
const message = createControlMessage();
const reply = createControlMessage();
const second = 1_000_000;
const leaseUs = 5 * second;
const tombstoneUs = 30 * second;
const names = [1, 2, 3, 200].map((first) => new Uint8Array(32).fill(first) as ServiceId);
const reserved = names[3]!;
const lengths = [224, 256, 64, 63, 0, 96];
const senders: readonly Locator[] = [
  { address: Uint8Array.of(192, 0, 2, 1), port: 1 },
  { address: Uint8Array.of(192, 0, 2, 1), port: 2 },
  { address: Uint8Array.of(192, 0, 2, 2), port: 1 },
  { address: new Uint8Array(16).fill(3), port: 1 },
];

function createWorld(roomy: boolean): World {
  const limits = roomy ? {} : { maxRegistrations: 4, maxPerSender: 3 };
  const options = { table: createServiceTable(), boot: { hi: 1, lo: 2 }, leaseUs, reserved: [reserved], ...limits };
  return { registry: createRegistry(options), roomy, said: new Map(), nowUs: 0 };
}

function readSender(): Locator {
  return oneOf(operations, senders);
}

function readMessage(type: MessageType): ControlMessage {
  const choice = u8(operations);
  message.type = type;
  message.transaction = choice;
  message.instance = { hi: 0, lo: choice & 3 };
  message.boot = { hi: 0, lo: (choice >> 2) & 1 };
  message.protocol = choice & 8 ? 6 : 17;
  message.prefix = makePrefix(names[(choice >> 4) & 3]!, lengths[choice >> 6] ?? 224);
  message.sequence = below(operations, 16);
  message.weight = choice & 3;
  message.priority = choice >> 7;
  message.leaseMs = u8(operations) * 50;
  return message;
}

function sayRaw(world: World): void {
  const bytes = take(operations, u8(operations));
  if (parseControl(bytes, 0, bytes.length, message) === Reason.OK) say(world, message, readSender());
}

function pause(world: World): void {
  const step = u8(operations);
  // To the next lapse, or by up to 16 s.
  const deadlineUs = registryDeadlineUs(world.registry);
  if (step === 0 && deadlineUs !== Infinity) world.nowUs = Math.max(world.nowUs, deadlineUs);
  else world.nowUs += step * 64_000;
  expireRegistry(world.registry, world.nowUs);
}

function say(world: World, said: ControlMessage, remote: Locator): void {
  const { registry, nowUs } = world;
  const register = said.type === MessageType.REGISTER;
  if (!register && said.type !== MessageType.UNREGISTER) return;
  forget(world);
  if (register) handleRegister(registry, said, remote, nowUs, reply);
  else handleUnregister(registry, said, nowUs, reply);
  assert.equal(reply.type, register ? MessageType.REGISTERED : MessageType.UNREGISTERED);
  assert.equal(reply.transaction, said.transaction);
  if (register) assert.ok(reply.leaseMs * 1000 <= leaseUs && reply.leaseMs >= 0);
  if (reply.reason === Reason.OK) remember(world, said, register);
  else assert.ok(reply.reason < 64, 'the reason may travel');
}

function keyOf({ instance, protocol, prefix }: Pick<ControlMessage, 'instance' | 'protocol' | 'prefix'>): string {
  return `${instance.hi} ${instance.lo} ${protocol} ${formatPrefix(prefix)}`;
}

/** Registrations that lapsed take what they said with them. */
function forget({ registry, said, nowUs }: World): void {
  expireRegistry(registry, nowUs);
  const live = new Set([...expiringEntries(registry.registrations)].map(keyOf));
  for (const [key, { untilUs }] of said)
    if (untilUs === undefined ? !live.has(key) : untilUs <= nowUs) said.delete(key);
}

function remember({ said, roomy, nowUs }: World, message: ControlMessage, register: boolean): void {
  const key = keyOf(message);
  const boot = message.boot.hi * 2 ** 32 + message.boot.lo;
  const { sequence } = message;
  const last = said.get(key);
  if (last !== undefined && roomy) {
    const step = boot - last.boot || sequence - last.sequence;
    assert.ok(register && last.untilUs !== undefined ? step > 0 : step >= 0, 'what an instance says never goes back');
  }
  said.set(key, { boot, sequence, untilUs: register ? undefined : nowUs + tombstoneUs });
}

function check({ registry, nowUs }: World): void {
  const { registrations, tombstones, perSender, options } = registry;
  const { maxRegistrations = Infinity, table } = options;
  const live = registrations.slots.size;
  assert.ok(live <= maxRegistrations && tombstones.slots.size <= maxRegistrations);
  let counted = 0;
  for (const count of perSender.values()) {
    assert.ok(count > 0);
    counted += count;
  }
  assert.equal(counted, live);
  for (const { prefix, instance, protocol, locator } of expiringEntries(registrations)) {
    assert.ok(prefix.bits >= 64, 'no prefix spans service systems');
    const rule = findRule(table, prefix);
    const target = rule && findTarget(rule, 'registered', instance, protocol);
    assert.equal(target?.locator, locator);
  }
  assert.equal(countTargets(registry), live);
  assert.ok(registryDeadlineUs(registry) > nowUs || live > 0);
}

function countTargets({ options: { table } }: Registry): number {
  let targets = 0;
  for (const rule of table.rules) targets += rule?.targets.length ?? 0;
  return targets;
}

function checkList({ registry, nowUs }: World): void {
  expireRegistry(registry, nowUs);
  const lines = listRegistry(registry, nowUs);
  assert.equal(lines.length, registry.registrations.slots.size);
  for (const { leaseMs } of lines) assert.ok(leaseMs >= 0 && leaseMs * 1000 <= leaseUs + 1000);
}
