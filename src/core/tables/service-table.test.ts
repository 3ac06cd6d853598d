import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { formatPrefix, makePrefix, type Prefix, parsePrefix, prefixContains } from '../base/index.ts';
import {
  type Action,
  countDropped,
  countResolved,
  createServiceTable,
  dump,
  findRule,
  insertTarget,
  locatorKey,
  lookup,
  lookupLocal,
  type Owner,
  removeRule,
  removeTarget,
  type ServiceTable,
  setPriority,
} from './service-table.ts';

const tcp = 6;
const udp = 17;
const hop = { address: Uint8Array.of(192, 0, 2, 1), port: 54324 };

function name(...bytes: number[]): Uint8Array {
  const id = new Uint8Array(32);
  id.set(bytes);
  return id;
}

function insert(
  table: ServiceTable,
  prefix: Prefix,
  lo: number,
  more: { protocol?: number; action?: Action; owner?: Owner; priority?: number; socket?: number } = {},
) {
  const fixed = { owner: 'static', instance: { hi: 0, lo }, protocol: tcp, action: 'forward', locator: hop } as const;
  return insertTarget(table, prefix, { ...fixed, ...more });
}

function prefixFound(table: ServiceTable, id: Uint8Array, protocol = tcp): string | undefined {
  const rule = lookup(table, protocol, id, 0);
  return rule && formatPrefix(rule.prefix);
}

describe('service table', () => {
  it('the longest prefix wins, at any bit length and any offset', () => {
    const table = createServiceTable(7);
    const id = name(1, 2, 3, 4, 5, 6, 7, 8, 0b10101010);
    for (const bits of [0, 1, 33, 64, 67, 224, 256]) insert(table, makePrefix(id, bits), 1);
    const packet = new Uint8Array(50);
    packet.set(id, 13);
    assert.equal(lookup(table, tcp, packet, 13)?.prefix.bits, 256);
    packet[13 + 31] = 1;
    assert.equal(lookup(table, tcp, packet, 13)?.prefix.bits, 224);
    packet[13 + 8] = 0b10110101;
    assert.equal(lookup(table, tcp, packet, 13)?.prefix.bits, 67);
    packet[13 + 8] = 0b11101010;
    assert.equal(lookup(table, tcp, packet, 13)?.prefix.bits, 64);
    packet[13] = 0x81;
    assert.equal(lookup(table, tcp, packet, 13)?.prefix.bits, 0);
  });

  it('a rule without a target for the protocol is passed over, and one without any is gone', () => {
    const table = createServiceTable();
    const id = name(9);
    insert(table, makePrefix(id, 256), 1, { protocol: udp });
    insert(table, makePrefix(id, 64), 2, { protocol: 0 });
    assert.equal(lookup(table, tcp, id, 0)?.prefix.bits, 64);
    assert.equal(lookup(table, udp, id, 0)?.prefix.bits, 256);
    assert.equal(removeTarget(table, makePrefix(id, 256), 'static', { hi: 0, lo: 1 }, udp), true);
    assert.equal(removeTarget(table, makePrefix(id, 256), 'static', { hi: 0, lo: 1 }, udp), false);
    assert.equal(lookup(table, udp, id, 0)?.prefix.bits, 64);
    assert.equal(lookup(table, 132, id, 0)?.prefix.bits, 64);
    assert.equal(table.size, 1);
  });

  it('lookupLocal finds the bind under drops and next hops, by protocol', () => {
    const table = createServiceTable();
    const id = name(5, 5);
    insert(table, makePrefix(id, 224), 1, { action: 'demux', socket: 42, owner: 'local' });
    insert(table, makePrefix(id, 224), 2, { action: 'drop', priority: 9 });
    insert(table, makePrefix(id, 256), 3);
    assert.equal(lookupLocal(table, tcp, id, 0)?.socket, 42);
    assert.equal(lookupLocal(table, udp, id, 0), undefined);
    assert.equal(lookup(table, tcp, id, 0)?.prefix.bits, 256);
  });

  it('targets stand by priority, then drop, demux, delay, forward; a change moves them', () => {
    const table = createServiceTable();
    const prefix = makePrefix(name(1), 224);
    insert(table, prefix, 1, { priority: 1 });
    const second = insert(table, prefix, 2, { priority: 1, action: 'delay' });
    insert(table, prefix, 3, { priority: 5 });
    insert(table, prefix, 4, { priority: 1, action: 'drop' });
    const order = () => findRule(table, prefix)?.targets.map((target) => target.instance.lo);
    assert.deepEqual(order(), [3, 4, 2, 1]);
    setPriority(table, second, 7);
    assert.deepEqual(order(), [2, 3, 4, 1]);
  });

  it('inserting a known target changes it in place and keeps its counters', () => {
    const table = createServiceTable();
    const prefix = makePrefix(name(1), 224);
    const target = insert(table, prefix, 1);
    const rule = findRule(table, prefix)!;
    countResolved(target, 1100);
    countDropped(rule, target);
    assert.equal(insert(table, prefix, 1, { priority: 3 }), target);
    assert.equal(rule.targets.length, 1);
    const [line] = dump(table);
    assert.deepEqual(line, {
      service: dump(table)[0]!.service,
      bits: 224,
      resolved: 1,
      bytes: 1100,
      dropped: 1,
      targets: [
        {
          owner: 'static',
          instance: '0000000000000001',
          protocol: tcp,
          action: 'forward',
          locator: '192.0.2.1:54324',
          priority: 3,
          weight: 100,
          resolved: 1,
          bytes: 1100,
          dropped: 1,
        },
      ],
    });
    assert.deepEqual(JSON.parse(JSON.stringify(line)), line);
    assert.deepEqual(parsePrefix(`${line!.service}/224`).id, prefix.id);
  });

  it('removeRule takes one owner, or all', () => {
    const table = createServiceTable();
    const prefix = makePrefix(name(1), 224);
    insert(table, prefix, 1);
    insert(table, prefix, 2, { owner: 'registered' });
    assert.equal(removeRule(table, prefix, 'static'), 1);
    assert.equal(findRule(table, prefix)?.targets[0]?.owner, 'registered');
    assert.equal(removeRule(table, prefix), 1);
    assert.equal(removeRule(table, prefix), 0);
    assert.equal(table.size, 0);
    assert.equal(lookup(table, tcp, name(1), 0), undefined);
  });

  it('locatorKey tells addresses and ports apart', () => {
    const other = { address: Uint8Array.of(192, 0, 2, 2), port: 54324 };
    assert.deepEqual(locatorKey(hop), locatorKey({ address: hop.address.slice(), port: hop.port }));
    assert.notDeepEqual(locatorKey(hop), locatorKey(other));
    assert.notDeepEqual(locatorKey(hop), locatorKey({ ...hop, port: 1 }));
  });

  it('agrees with a naive table under random inserts, removals and lookups', () => {
    // Few bytes and few lengths, so that prefixes nest and come back.
    const prefix = fc
      .tuple(
        fc.array(fc.constantFrom(0, 1, 128, 129), { minLength: 3, maxLength: 3 }),
        fc.constantFrom(0, 1, 7, 8, 9, 16, 23, 24, 33, 256),
      )
      .map(([bytes, bits]) => makePrefix(name(...bytes), bits));
    const step = fc.record({
      insert: fc.boolean(),
      prefix,
      protocol: fc.constantFrom(0, tcp, udp),
      instance: fc.integer({ min: 1, max: 2 }),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), fc.integer(), (steps, seed) => {
        const table = createServiceTable(seed);
        const naive = new Map<string, { prefix: Prefix; protocol: number }>();
        for (const { insert: inserting, prefix, protocol, instance } of steps) {
          const key = `${formatPrefix(prefix)} ${protocol} ${instance}`;
          if (inserting) insert(table, prefix, instance, { protocol });
          else {
            const removed = removeTarget(table, prefix, 'static', { hi: 0, lo: instance }, protocol);
            assert.equal(removed, naive.has(key));
          }
          if (inserting) naive.set(key, { prefix, protocol });
          else naive.delete(key);
          for (const wanted of [tcp, udp]) {
            const holding = [...naive.values()].filter(
              (rule) => (rule.protocol === 0 || rule.protocol === wanted) && prefixContains(rule.prefix, prefix.id),
            );
            const longest = holding.sort((a, b) => b.prefix.bits - a.prefix.bits)[0];
            assert.equal(prefixFound(table, prefix.id, wanted), longest && formatPrefix(longest.prefix));
          }
        }
        assert.equal(table.size, new Set([...naive.values()].map((rule) => formatPrefix(rule.prefix))).size);
      }),
      { numRuns: 200, seed: 1 },
    );
  });

  it('grows to thousands of rules and shrinks to none', () => {
    const table = createServiceTable(3);
    const prefixes = Array.from({ length: 5000 }, (_, i) => makePrefix(name(i & 255, i >> 8, 77), i % 2 ? 256 : 224));
    for (const prefix of prefixes) insert(table, prefix, 1);
    for (const prefix of prefixes) assert.equal(prefixFound(table, prefix.id), formatPrefix(prefix));
    for (const [i, prefix] of prefixes.entries()) if (i % 3) removeRule(table, prefix);
    for (const [i, prefix] of prefixes.entries())
      assert.equal(prefixFound(table, prefix.id), i % 3 ? undefined : formatPrefix(prefix));
    for (const prefix of prefixes) removeRule(table, prefix);
    assert.deepEqual([table.size, dump(table).length, table.prefixes.levels.length], [0, 0, 0]);
  });
});
