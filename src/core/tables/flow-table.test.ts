import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { type FlowId, formatFlowId, seededRandom } from '../base/index.ts';
import { allocate, createFlowTable, find, flowEntries, flowIndex, free, replace } from './flow-table.ts';

describe('flow table', () => {
  it('finds a flow by both halves of its id and nothing else', () => {
    const table = createFlowTable<string>();
    const id = allocate(table, seededRandom(1), 'a')!;
    assert.equal(find(table, id.hi, id.lo), 'a');
    assert.equal(find(table, (id.hi ^ 1) >>> 0, id.lo), undefined);
    assert.equal(find(table, id.hi, (id.lo ^ 0x80000000) >>> 0), undefined);
    assert.equal(find(table, id.hi, id.lo + 1), undefined);
    assert.equal(find(table, 0, 0), undefined);
  });

  it('ids stay valid while the table grows; the index is dense', () => {
    const table = createFlowTable<number>();
    const random = seededRandom(2);
    const ids = Array.from({ length: 3000 }, (_, i) => allocate(table, random, i)!);
    for (const [i, id] of ids.entries()) {
      assert.equal(find(table, id.hi, id.lo), i);
      assert.equal(flowIndex(table, id), i);
    }
  });

  it('refuses at capacity and takes again after a free, under another id', () => {
    const table = createFlowTable<number>(4);
    const random = seededRandom(3);
    const ids = [0, 1, 2, 3].map((i) => allocate(table, random, i)!);
    assert.equal(allocate(table, random, 4), undefined);
    assert.equal(free(table, ids[2]!), true);
    assert.equal(free(table, ids[2]!), false);
    const again = allocate(table, random, 5)!;
    assert.equal(again.lo & 3, ids[2]!.lo & 3);
    assert.notDeepEqual(again, ids[2]);
    assert.equal(find(table, ids[2]!.hi, ids[2]!.lo), undefined);
    assert.deepEqual([...flowEntries(table)].sort(), [0, 1, 3, 5]);
  });

  it('puts another value under the same id, and none under an id that is free', () => {
    const table = createFlowTable<string>();
    const id = allocate(table, seededRandom(4), 'half')!;
    assert.equal(replace(table, id, 'whole'), true);
    assert.equal(find(table, id.hi, id.lo), 'whole');
    assert.equal(table.size, 1);
    free(table, id);
    assert.equal(replace(table, id, 'late'), false);
    assert.equal(find(table, id.hi, id.lo), undefined);
  });

  it('never gives out the id zero', () => {
    const words = [0, 0x00ffffff, 0, 0x40000007];
    const id = allocate(createFlowTable<number>(2 ** 24), { uint32: () => words.shift() ?? 0 }, 1);
    assert.deepEqual(id, { hi: 0, lo: 0x40000000 });
  });

  it('agrees with a Map under random allocations and frees', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(9), { maxLength: 300 }), (steps) => {
        const table = createFlowTable<number>(64);
        const random = seededRandom(4);
        const live = new Map<string, [FlowId, number]>();
        for (const [i, step] of steps.entries()) {
          const victim = [...live.values()][step];
          if (step < 4 && victim) {
            assert.equal(free(table, victim[0]), true);
            live.delete(formatFlowId(victim[0]));
          } else {
            const id = allocate(table, random, i);
            assert.equal(id === undefined, live.size === 64);
            if (id) live.set(formatFlowId(id), [id, i]);
          }
          assert.equal(table.size, live.size);
        }
        for (const [id, value] of live.values()) assert.equal(find(table, id.hi, id.lo), value);
      }),
      { numRuns: 50, seed: 3 },
    );
  });
});
