import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { makePrefix, randomId, seededRandom } from '../base/index.ts';
import { choose, type Policy, resolveTarget } from './policy.ts';
import {
  type Action,
  createServiceTable,
  findRule,
  insertTarget,
  type Rule,
  removeRule,
  removeTarget,
  setPriority,
  setWeight,
} from './service-table.ts';

const tcp = 6;
const prefix = makePrefix(new Uint8Array(32), 224);

interface Spec {
  weight?: number;
  priority?: number;
  action?: Action;
  protocol?: number;
}

/** A table of one rule; target i has instance lo = i + 1. */
function tableOf(specs: readonly Spec[]) {
  const table = createServiceTable();
  for (const [i, spec] of specs.entries())
    insertTarget(table, prefix, {
      owner: 'static',
      instance: { hi: 0, lo: i + 1 },
      protocol: tcp,
      action: 'forward',
      ...spec,
    });
  return table;
}

function ruleOf(...specs: readonly Spec[]): Rule {
  return findRule(tableOf(specs), prefix)!;
}

function chosen(rule: Rule, hi: number, lo: number, rank = 0): number | undefined {
  return choose(rule, tcp, hi, lo, rank)?.instance.lo;
}

function chiSquare(counts: readonly number[], weights: readonly number[]): number {
  const draws = counts.reduce((sum, count) => sum + count, 0);
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  return counts.reduce((sum, count, i) => {
    const expected = (draws * weights[i]!) / total;
    return sum + (count - expected) ** 2 / expected;
  }, 0);
}

describe('choice of a target', () => {
  it('10,000 choices split by weight (chi-square, 99.9%)', () => {
    // Critical values of chi-square at 0.001 for 1, 3 and 7 degrees of freedom.
    const cases: [number[], number][] = [
      [[1, 1], 10.83],
      [[100, 200, 300, 50], 16.27],
      [[1, 2, 3, 4, 5, 6, 7, 8], 24.32],
    ];
    for (const [weights, critical] of cases) {
      const rule = ruleOf(...weights.map((weight) => ({ weight })));
      const random = seededRandom(42);
      const counts = weights.map(() => 0);
      for (let i = 0; i < 10_000; i++) {
        const { hi, lo } = randomId(random);
        counts[chosen(rule, hi, lo)! - 1]!++;
      }
      assert.ok(chiSquare(counts, weights) < critical, `${counts} for ${weights}`);
    }
  });

  it('sequential flowIDs split as evenly as random ones', () => {
    const rule = ruleOf({}, {}, {}, {});
    const counts = [0, 0, 0, 0];
    for (let i = 0; i < 10_000; i++) counts[chosen(rule, 0, i)! - 1]!++;
    assert.ok(chiSquare(counts, [1, 1, 1, 1]) < 16.27, `${counts}`);
  });

  it('a target that leaves moves only its own flows, and one whose weight grows only gains', () => {
    const specs = Array.from({ length: 10 }, () => ({ weight: 10 }));
    const before = ruleOf(...specs);
    const left = tableOf(specs);
    removeTarget(left, prefix, 'static', { hi: 0, lo: 4 }, tcp);
    const grown = ruleOf(...specs.map((spec, i) => (i === 6 ? { weight: 30 } : spec)));
    const random = seededRandom(5);
    let moved = 0;
    for (let i = 0; i < 2000; i++) {
      const { hi, lo } = randomId(random);
      const first = chosen(before, hi, lo);
      const after = chosen(findRule(left, prefix)!, hi, lo);
      if (first === 4) moved++;
      else assert.equal(after, first);
      const regrown = chosen(grown, hi, lo);
      assert.ok(regrown === first || regrown === 7);
    }
    assert.ok(moved > 100);
  });

  it('ranks run through the best priority first, then the lower ones, then round again', () => {
    const rule = ruleOf({ priority: 5 }, { priority: 5 }, { priority: 5 }, { priority: 1 }, { priority: 1 });
    const random = seededRandom(9);
    for (let i = 0; i < 200; i++) {
      const { hi, lo } = randomId(random);
      const ranked = [0, 1, 2, 3, 4].map((rank) => chosen(rule, hi, lo, rank)!);
      assert.deepEqual(ranked.slice(0, 3).sort(), [1, 2, 3]);
      assert.deepEqual(ranked.slice(3).sort(), [4, 5]);
      assert.equal(chosen(rule, hi, lo, 5), ranked[0]);
      assert.equal(chosen(rule, hi, lo, 127), ranked[127 % 5]);
    }
  });

  it('agrees with sorting all scores, whatever the weights, priorities and protocols', () => {
    const spec = fc.record({
      weight: fc.constantFrom(0, 1, 7, 100),
      priority: fc.constantFrom(0, 1),
      protocol: fc.constantFrom(0, tcp, 17),
    });
    const policy: Policy = { name: 'test', score: (target, hi) => Math.imul(target.instance.lo, hi | 1) & 0xffff };
    fc.assert(
      fc.property(fc.array(spec, { minLength: 1, maxLength: 14 }), fc.nat(), fc.nat(40), (specs, hash, rank) => {
        const rule = ruleOf(...specs);
        const serving = rule.targets.filter((target) => target.protocol !== 17);
        const weighty = serving.filter((target) => target.weight > 0);
        const eligible = weighty.length > 0 ? weighty : serving;
        const sorted = eligible.sort(
          (a, b) => b.priority - a.priority || policy.score(a, hash, 0) - policy.score(b, hash, 0),
        );
        const expected = sorted[rank % Math.max(1, sorted.length)];
        const target = choose(rule, tcp, hash, 0, rank, policy);
        // Equal scores may come in either order.
        if (expected === undefined) assert.equal(target, undefined);
        else
          assert.deepEqual(
            [target?.priority, policy.score(target!, hash, 0)],
            [expected.priority, policy.score(expected, hash, 0)],
          );
      }),
      { numRuns: 500, seed: 2 },
    );
  });

  it('a first packet is resolved to what the choice among all targets of its rule is, however the rule changed', () => {
    const spec = fc.record({
      weight: fc.constantFrom(0, 1, 7, 100, 65535),
      priority: fc.constantFrom(0, 0, 1),
      protocol: fc.constantFrom(0, tcp, 17),
      action: fc.constantFrom<Action>('forward', 'forward', 'forward', 'forward', 'drop'),
    });
    const change = fc.record({ at: fc.nat(), verb: fc.constantFrom('weight', 'priority', 'remove'), to: fc.nat(2) });
    const specs = fc.array(spec, { minLength: 1, maxLength: 20 });
    fc.assert(
      fc.property(specs, specs, fc.array(change, { maxLength: 12 }), (first, second, changes) => {
        const table = tableOf(first);
        const other = makePrefix(new Uint8Array(32).fill(1), 256);
        const refill = (): void => {
          removeRule(table, other);
          for (const [i, one] of second.entries())
            insertTarget(table, other, {
              ...one,
              owner: 'static',
              instance: { hi: i, lo: 0xdeadbeef },
            });
        };
        const check = (): void => {
          for (const one of [prefix, other])
            for (let hash = 0; hash < 10; hash++) {
              const rule = findRule(table, one);
              const expected = rule && choose(rule, tcp, hash, 5, 0);
              assert.equal(resolveTarget(table, tcp, one.id, 0, hash, 5, 0), expected);
            }
        };
        for (const { at, verb, to } of changes) {
          const targets = findRule(table, prefix)?.targets ?? [];
          const target = targets[at % targets.length];
          if (target === undefined) break;
          if (verb === 'weight') setWeight(table, target, to);
          else if (verb === 'priority') setPriority(table, target, to);
          else removeTarget(table, prefix, target.owner, target.instance, target.protocol);
          refill();
          check();
        }
      }),
      { numRuns: 150, seed: 3 },
    );
  });

  it('weight 0 drains: chosen only when nothing else is left', () => {
    const draining = ruleOf({ weight: 0, priority: 5 }, { weight: 1 });
    for (let i = 0; i < 50; i++) for (const rank of [0, 1, 2]) assert.equal(chosen(draining, i, i, rank), 2);
    const allZero = ruleOf({ weight: 0 }, { weight: 0 });
    assert.deepEqual(new Set(Array.from({ length: 50 }, (_, i) => chosen(allZero, i, 1))), new Set([1, 2]));
    assert.equal(choose(ruleOf({ weight: 0, priority: 5 }, { action: 'delay' }), tcp, 1, 1, 0)?.action, 'delay');
  });

  it('drop, demux and delay answer alone when they stand first, and end the ranking when they do not', () => {
    for (const action of ['drop', 'demux', 'delay'] as const) {
      const first = ruleOf({}, { action, priority: 1 });
      for (const rank of [0, 1, 5]) assert.equal(choose(first, tcp, 1, 2, rank)?.action, action);
      const last = ruleOf({ priority: 2 }, { action, priority: 1 }, { priority: 0 });
      for (const rank of [0, 1, 5]) assert.equal(chosen(last, 1, 2, rank), 1);
    }
  });

  it('a target of another protocol is never chosen', () => {
    assert.equal(choose(ruleOf({ protocol: 17 }), tcp, 1, 1, 0), undefined);
    assert.equal(chosen(ruleOf({ protocol: 17 }, { protocol: 0 }), 3, 3), 2);
  });

  it('ranks beyond the sixteenth of a large group repeat instead of costing more', () => {
    const rule = ruleOf(...Array.from({ length: 40 }, () => ({})));
    const ranked = Array.from({ length: 32 }, (_, rank) => chosen(rule, 77, 88, rank));
    assert.equal(new Set(ranked.slice(0, 16)).size, 16);
    assert.deepEqual(ranked.slice(16), ranked.slice(0, 16));
  });
});
