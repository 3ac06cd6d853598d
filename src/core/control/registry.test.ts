import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { type FlowId, makePrefix, Reason } from '../base/index.ts';
import { dump, findRule, lookup, type ServiceTable, setWeight } from '../tables/index.ts';
import { type ControlMessage, MessageType } from './messages.ts';
import { expireRegistry, type Registry, registryDeadlineUs } from './registry.ts';
import { listRegistry } from './registry-info.ts';
import {
  at,
  labelPrefix,
  register as registerAs,
  type Said,
  second,
  setUp,
  tcp,
  unregister as unregisterAs,
} from './testing/registering.ts';

const boot: FlowId = { hi: 0xb0, lo: 0x07 };
const name = labelPrefix('web', 256).id;
const service = makePrefix(name, 224);
const here = at(1);
const there = at(2);

type Numbered = Omit<Said, 'instance'> & { readonly instance?: number };

function said({ instance = 1, ...rest }: Numbered): Said {
  return { ...rest, instance: { hi: 0, lo: instance } };
}

function register(registry: Registry, nowUs: number, what: Numbered, from = here): ControlMessage {
  return registerAs(registry, nowUs, said(what), from);
}

function unregister(registry: Registry, nowUs: number, what: Numbered, from = here): ControlMessage {
  return unregisterAs(registry, nowUs, said(what), from);
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
    assert.equal(register(registry, 1, { sequence: 4, weight: 1 }).reason, Reason.OUT_OF_DATE);
    assert.equal(targets(table)[0]?.weight, 100);
    assert.equal(unregister(registry, 2, { sequence: 4 }).reason, Reason.OUT_OF_DATE);
    assert.equal(unregister(registry, 2, { sequence: 6 }).reason, Reason.OK);
    assert.equal(table.size, 0);
    assert.equal(register(registry, 3, { sequence: 5 }).reason, Reason.OUT_OF_DATE);
    assert.equal(register(registry, 3, { sequence: 6 }).reason, Reason.OUT_OF_DATE);
    assert.equal(table.size, 0);
    assert.equal(register(registry, 4, { sequence: 7 }).reason, Reason.OK);
    assert.equal(table.size, 1);
    assert.equal(registry.counters.refusedBy['out-of-date'], 4);
  });

  it('copies of a message are answered and change nothing, not even the lease', () => {
    const { registry, table } = setUp();
    const first = register(registry, 0, { sequence: 1 });
    assert.deepEqual(register(registry, second, { sequence: 1 }), { ...first, leaseMs: 4000 });
    assert.equal(targets(table).length, 1);
    assert.equal(registry.counters.refreshed, 0);
    assert.equal(unregister(registry, second, { sequence: 2 }).reason, Reason.OK);
    assert.equal(unregister(registry, 2 * second, { sequence: 2 }).reason, Reason.OK);
    assert.equal(registry.counters.unregistered, 1);
  });

  it('an UNREGISTER that overtakes its REGISTER still wins', () => {
    const { registry, table } = setUp();
    assert.equal(unregister(registry, 0, { sequence: 2 }).reason, Reason.OK);
    assert.equal(register(registry, 1, { sequence: 1 }).reason, Reason.OUT_OF_DATE);
    assert.equal(table.size, 0);
  });

  it('a later boot of the instance starts over; an earlier one is stale', () => {
    const { registry } = setUp();
    register(registry, 0, { boot: 5, sequence: 90 });
    assert.equal(register(registry, 1, { boot: 6, sequence: 1 }).reason, Reason.OK);
    assert.equal(register(registry, 2, { boot: 5, sequence: 91 }).reason, Reason.OUT_OF_DATE);
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

  it('after a move without a key, a copy of what was said before it brings nothing back', () => {
    const { registry, table } = setUp();
    register(registry, 0, { sequence: 1 });
    register(registry, 1, { sequence: 2 }, there);
    expireRegistry(registry, 10 * second);
    assert.equal(register(registry, 11 * second, { sequence: 1 }, here).reason, Reason.OUT_OF_DATE);
    assert.equal(table.size, 0);
    assert.equal(register(registry, 12 * second, { sequence: 3 }, here).reason, Reason.OK);
  });

  it('a weight set by hand survives refreshes until the instance asks for another', () => {
    const { registry, table } = setUp();
    register(registry, 0, { sequence: 1 });
    setWeight(table, targets(table)[0]!, 3);
    register(registry, 1, { sequence: 2 }, there);
    assert.deepEqual([targets(table)[0]?.weight, targets(table)[0]?.locator], [3, there]);
    register(registry, 2, { sequence: 3, weight: 50 });
    assert.equal(targets(table)[0]?.weight, 50);
  });

  it('refuses reserved names and prefixes that hold them or span systems', () => {
    const { registry, table } = setUp({ reserved: [name] });
    for (const bits of [256, 224, 64])
      assert.equal(register(registry, 0, { sequence: 1, prefix: makePrefix(name, bits) }).reason, Reason.POLICY_DROP);
    for (const bits of [63, 3, 0])
      assert.equal(
        register(registry, 0, { sequence: 1, prefix: makePrefix(name, bits) }).reason,
        Reason.NOT_AUTHORIZED,
      );
    assert.equal(table.size, 0);
    assert.equal(registry.counters.refused, 6);
    assert.deepEqual(registry.counters.refusedBy, { 'policy-drop': 3, 'not-authorized': 3 });
  });

  it('limits: in all, and by sender; what leaves makes room', () => {
    const { registry } = setUp({ maxRegistrations: 3, maxPerSender: 2 });
    const reasons = [1, 2, 3].map(
      (instance) => register(registry, 0, { sequence: 1, instance }, at(1, instance)).reason,
    );
    assert.deepEqual(reasons, [Reason.OK, Reason.OK, Reason.OVERLOADED]);
    assert.equal(register(registry, 0, { sequence: 1, instance: 4 }, there).reason, Reason.OK);
    assert.equal(register(registry, 0, { sequence: 1, instance: 5 }, at(3)).reason, Reason.OVERLOADED);
    unregister(registry, 1, { sequence: 2, instance: 1 });
    assert.equal(register(registry, 2, { sequence: 1, instance: 3 }).reason, Reason.OK);
    expireRegistry(registry, 60 * second);
    assert.equal(registry.places.perSender.size, 0);
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
      locator: '10.0.0.1:7000',
      weight: 100,
      priority: 0,
      ageMs: 2000,
      leaseMs: 3000,
      silentMs: null,
      authenticated: false,
      key: null,
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
          if (type === 'register') register(registry, nowUs, said, at(from));
          else if (type === 'unregister') unregister(registry, nowUs, said);
          else nowUs += 2 * second;
          expireRegistry(registry, nowUs);
          const live = listRegistry(registry, nowUs).map((line) => `${line.bits} ${line.instance} ${line.locator}`);
          const held = dump(table).flatMap(({ bits, targets }) =>
            targets.map((target) => `${bits} ${target.instance} ${target.locator}`),
          );
          assert.deepEqual(held.sort(), live.sort());
          const counted = [...registry.places.perSender.values()].reduce((sum, count) => sum + count, 0);
          assert.equal(counted, live.length);
        }
      }),
      { numRuns: 200, seed: 5 },
    );
  });
});
