import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { type FlowId, type Locator, makePrefix, type Prefix, Reason, type ServiceId } from '../base/index.ts';
import { createServiceTable, dump, findRule, lookup, type ServiceTable, setWeight } from '../tables/index.ts';
import { type ControlMessage, createControlMessage, MessageType } from './messages.ts';
import {
  createRegistry,
  expireRegistry,
  handleRegister,
  handleUnregister,
  listRegistry,
  type Registry,
  type RegistryOptions,
  registryDeadlineUs,
} from './registry.ts';

const tcp = 6;
const second = 1_000_000;
const boot: FlowId = { hi: 0xb0, lo: 0x07 };
const name = new Uint8Array(32).fill(5) as ServiceId;
const service = makePrefix(name, 224);
const here = locator(1);
const there = locator(2);

function locator(last: number, port = 7000): Locator {
  return { address: Uint8Array.of(192, 0, 2, last), port };
}

function setUp(options: Partial<RegistryOptions> = {}): { registry: Registry; table: ServiceTable } {
  const table = createServiceTable();
  return { registry: createRegistry({ table, boot, leaseUs: 5 * second, ...options }), table };
}

interface Said {
  instance?: number;
  boot?: number;
  sequence: number;
  prefix?: Prefix;
  weight?: number;
  priority?: number;
  leaseMs?: number;
}

function messageOf(type: MessageType, said: Said): ControlMessage {
  return {
    ...createControlMessage(),
    type,
    transaction: said.sequence + 1000,
    instance: { hi: 0, lo: said.instance ?? 1 },
    boot: { hi: 0, lo: said.boot ?? 1 },
    sequence: said.sequence,
    protocol: tcp,
    prefix: said.prefix ?? service,
    weight: said.weight ?? 100,
    priority: said.priority ?? 0,
    leaseMs: said.leaseMs ?? 5000,
  };
}

function register(registry: Registry, nowUs: number, said: Said, from = here): ControlMessage {
  const reply = createControlMessage();
  handleRegister(registry, messageOf(MessageType.REGISTER, said), from, nowUs, reply);
  return reply;
}

function unregister(registry: Registry, nowUs: number, said: Said): ControlMessage {
  const reply = createControlMessage();
  handleUnregister(registry, messageOf(MessageType.UNREGISTER, said), nowUs, reply);
  return reply;
}

function targets(table: ServiceTable) {
  return findRule(table, service)?.targets ?? [];
}

describe('registry', () => {
  it('a registration becomes a forward target and is answered', () => {
    const { registry, table } = setUp();
    const reply = register(registry, 0, { sequence: 1, weight: 7, priority: 3 });
    assert.deepEqual(
      [reply.type, reply.transaction, reply.boot, reply.reason, reply.leaseMs, reply.observed],
      [MessageType.REGISTERED, 1001, boot, Reason.OK, 5000, here],
    );
    const [target] = targets(table);
    assert.deepEqual(
      [target?.owner, target?.action, target?.locator, target?.weight, target?.priority, target?.instance],
      ['registered', 'forward', here, 7, 3, { hi: 0, lo: 1 }],
    );
    assert.equal(lookup(table, tcp, name, 0)?.prefix.bits, 224);
  });

  it('leases: granted at most, at least a second, refreshed, and gone at their end', () => {
    const { registry, table } = setUp();
    assert.equal(register(registry, 0, { sequence: 1, leaseMs: 60_000 }).leaseMs, 5000);
    assert.equal(register(registry, 0, { sequence: 1, instance: 2, leaseMs: 0 }).leaseMs, 1000);
    assert.equal(registryDeadlineUs(registry), second);
    assert.equal(expireRegistry(registry, second), 1);
    assert.equal(targets(table).length, 1);
    register(registry, 4 * second, { sequence: 2 });
    assert.equal(expireRegistry(registry, 8.9 * second), 0);
    assert.equal(expireRegistry(registry, 9 * second), 1);
    assert.equal(table.size, 0);
    assert.equal(registryDeadlineUs(registry), Infinity);
    assert.deepEqual([registry.counters.registered, registry.counters.refreshed, registry.counters.expired], [2, 1, 2]);
  });

  it('a late REGISTER cannot bring back a name that was unregistered, nor undo a newer one', () => {
    const { registry, table } = setUp();
    register(registry, 0, { sequence: 5 });
    assert.equal(register(registry, 1, { sequence: 4, weight: 1 }).reason, Reason.REFUSED);
    assert.equal(targets(table)[0]?.weight, 100);
    assert.equal(unregister(registry, 2, { sequence: 4 }).reason, Reason.REFUSED);
    assert.equal(unregister(registry, 2, { sequence: 6 }).reason, Reason.OK);
    assert.equal(table.size, 0);
    assert.equal(register(registry, 3, { sequence: 5 }).reason, Reason.REFUSED);
    assert.equal(register(registry, 3, { sequence: 6 }).reason, Reason.REFUSED);
    assert.equal(table.size, 0);
    assert.equal(register(registry, 4, { sequence: 7 }).reason, Reason.OK);
    assert.equal(table.size, 1);
    assert.equal(registry.counters.stale, 4);
  });

  it('repeated messages are answered alike and change nothing', () => {
    const { registry, table } = setUp();
    const first = register(registry, 0, { sequence: 1 });
    assert.deepEqual(register(registry, 10, { sequence: 1 }), first);
    assert.equal(targets(table).length, 1);
    assert.equal(unregister(registry, 20, { sequence: 2 }).reason, Reason.OK);
    assert.equal(unregister(registry, 30, { sequence: 2 }).reason, Reason.OK);
    assert.equal(registry.counters.unregistered, 1);
  });

  it('an UNREGISTER that overtakes its REGISTER still wins', () => {
    const { registry, table } = setUp();
    assert.equal(unregister(registry, 0, { sequence: 2 }).reason, Reason.OK);
    assert.equal(register(registry, 1, { sequence: 1 }).reason, Reason.REFUSED);
    assert.equal(table.size, 0);
  });

  it('a later boot of the instance starts over; an earlier one is stale', () => {
    const { registry } = setUp();
    register(registry, 0, { boot: 5, sequence: 90 });
    assert.equal(register(registry, 1, { boot: 6, sequence: 1 }).reason, Reason.OK);
    assert.equal(register(registry, 2, { boot: 5, sequence: 91 }).reason, Reason.REFUSED);
  });

  it('an instance that moved is forwarded to where it was last seen', () => {
    const { registry, table } = setUp({ maxPerSender: 1 });
    register(registry, 0, { sequence: 1 });
    register(registry, 1, { sequence: 2 }, there);
    assert.deepEqual(
      targets(table).map((target) => target.locator),
      [there],
    );
    assert.equal(register(registry, 2, { sequence: 1, instance: 2 }, here).reason, Reason.OK);
    assert.equal(register(registry, 3, { sequence: 1, instance: 3 }, there).reason, Reason.OVERLOADED);
  });

  it('a weight set by hand survives refreshes until the instance asks for another', () => {
    const { registry, table } = setUp();
    register(registry, 0, { sequence: 1 });
    setWeight(targets(table)[0]!, 3);
    register(registry, 1, { sequence: 2 }, there);
    assert.deepEqual([targets(table)[0]?.weight, targets(table)[0]?.locator], [3, there]);
    register(registry, 2, { sequence: 3, weight: 50 });
    assert.equal(targets(table)[0]?.weight, 50);
  });

  it('refuses reserved names and prefixes that hold them or span systems', () => {
    const { registry, table } = setUp({ reserved: [name] });
    for (const bits of [256, 224, 64, 3, 0])
      assert.equal(register(registry, 0, { sequence: 1, prefix: makePrefix(name, bits) }).reason, Reason.POLICY_DROP);
    const other = makePrefix(new Uint8Array(32).fill(6), 63);
    assert.equal(register(registry, 0, { sequence: 1, prefix: other }).reason, Reason.POLICY_DROP);
    assert.equal(table.size, 0);
    assert.equal(registry.counters.refused, 6);
  });

  it('limits: in all, and by sender; what leaves makes room', () => {
    const { registry } = setUp({ maxRegistrations: 3, maxPerSender: 2 });
    const reasons = [1, 2, 3].map(
      (instance) => register(registry, 0, { sequence: 1, instance }, locator(1, instance)).reason,
    );
    assert.deepEqual(reasons, [Reason.OK, Reason.OK, Reason.OVERLOADED]);
    assert.equal(register(registry, 0, { sequence: 1, instance: 4 }, there).reason, Reason.OK);
    assert.equal(register(registry, 0, { sequence: 1, instance: 5 }, locator(3)).reason, Reason.OVERLOADED);
    unregister(registry, 1, { sequence: 2, instance: 1 });
    assert.equal(register(registry, 2, { sequence: 1, instance: 3 }).reason, Reason.OK);
    expireRegistry(registry, 60 * second);
    assert.equal(registry.perSender.size, 0);
  });

  it('list is plain JSON', () => {
    const { registry } = setUp();
    register(registry, 0, { sequence: 1 });
    const [line] = listRegistry(registry, 2 * second);
    const { service: text, ...rest } = line!;
    assert.equal(text.length, 52);
    assert.deepEqual(rest, {
      bits: 224,
      protocol: tcp,
      instance: '0000000000000001',
      locator: '192.0.2.1:7000',
      weight: 100,
      priority: 0,
      ageMs: 2000,
      leaseMs: 3000,
    });
    assert.deepEqual(JSON.parse(JSON.stringify(line)), line);
    assert.equal(listRegistry(registry, 5 * second).length, 0);
  });

  it('whatever comes in whatever order, the table holds exactly the live registrations', () => {
    const step = fc.record({
      type: fc.constantFrom('register', 'register', 'unregister', 'wait'),
      instance: fc.integer({ min: 1, max: 3 }),
      sequence: fc.nat(12),
      from: fc.integer({ min: 1, max: 2 }),
      bits: fc.constantFrom(224, 256),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const { registry, table } = setUp({ maxRegistrations: 4, maxPerSender: 3 });
        let nowUs = 0;
        for (const { type, instance, sequence, from, bits } of steps) {
          const said = { instance, sequence, prefix: makePrefix(name, bits) };
          if (type === 'register') register(registry, nowUs, said, locator(from));
          else if (type === 'unregister') unregister(registry, nowUs, said);
          else nowUs += 2 * second;
          expireRegistry(registry, nowUs);
          const live = listRegistry(registry, nowUs).map((line) => `${line.bits} ${line.instance} ${line.locator}`);
          const held = dump(table).flatMap(({ bits, targets }) =>
            targets.map((target) => `${bits} ${target.instance} ${target.locator}`),
          );
          assert.deepEqual(held.sort(), live.sort());
          const counted = [...registry.perSender.values()].reduce((sum, count) => sum + count, 0);
          assert.equal(counted, live.length);
        }
      }),
      { numRuns: 200, seed: 5 },
    );
  });
});
