// The committed baseline (baseline.json) and the comparison with it. A cost that is not in it was zero when it was written,
// so that something new that happens per packet shows. Heap bytes depend on what V8 can do without, and are kept for each
// major version of Node; all other costs are the same on each.

import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { root } from '../../tests/e2e/harness.ts';
import type { Counts } from './counters.ts';

/** Scenario -> cost -> per unit. */
export type Costs = Readonly<Record<string, Readonly<Counts>>>;

export interface Change {
  readonly scenario: string;
  readonly cost: string;
  /** Undefined: nobody has measured it on this version of Node. */
  readonly baseline: number | undefined;
  readonly now: number;
  /** 0.1: a tenth more; Infinity: from nothing. */
  readonly ratio: number;
  readonly verdict: 'same' | 'rose' | 'fell' | 'new';
}

const baselinePath = join(root, 'bench', 'guard', 'baseline.json');
const tolerance = 0.1;
/** Per unit: what is less is nothing. */
const least = 0.001;
const digits = 6;

/** What a cost is called that every version of Node has another figure for. */
export function heapCost(major: string): string {
  return `${heapPrefix}${major}`;
}

const heapPrefix = 'heap bytes, Node ';

export function readBaseline(): Costs {
  return JSON.parse(readFileSync(baselinePath, 'utf8')) as Costs;
}

/** Replaces the scenarios measured, but for the heap bytes of other versions of Node. */
export function writeBaseline(measured: Costs): void {
  const baseline = readBaseline();
  const updated = Object.entries(measured).map(([scenario, costs]) => {
    const others = Object.entries(baseline[scenario] ?? {}).filter(([cost]) => cost.startsWith(heapPrefix));
    const rounded = Object.entries(costs).map(([cost, value]) => [cost, Number(value.toPrecision(digits))] as const);
    const kept = Object.entries({ ...Object.fromEntries(others), ...Object.fromEntries(rounded) });
    return [scenario, Object.fromEntries(kept.filter(([, value]) => value >= least).sort(byName))] as const;
  });
  writeFileSync(baselinePath, `${JSON.stringify({ ...baseline, ...Object.fromEntries(updated) }, null, 2)}\n`);
}

export function compare(baseline: Costs, measured: Costs): Change[] {
  return Object.entries(measured).flatMap(([scenario, costs]) => {
    const before = baseline[scenario] ?? {};
    const names = new Set([...Object.keys(before), ...Object.keys(costs)]);
    return [...names]
      .filter((cost) => cost in costs || !cost.startsWith(heapPrefix))
      .sort()
      .map((cost) => judge(scenario, cost, before[cost], costs[cost] ?? 0))
      .filter(({ baseline: was, now }) => (was ?? 0) >= least || now >= least);
  });
}

function judge(scenario: string, cost: string, baseline: number | undefined, now: number): Change {
  if (baseline === undefined && cost.startsWith(heapPrefix))
    return { scenario, cost, baseline, now, ratio: 0, verdict: 'new' };
  const was = baseline ?? 0;
  const ratio = Math.abs(now - was) < least ? 0 : now / was - 1;
  const verdict = ratio > tolerance ? 'rose' : ratio < -tolerance ? 'fell' : 'same';
  return { scenario, cost, baseline: was, now, ratio, verdict };
}

function byName([a]: readonly [string, number], [b]: readonly [string, number]): number {
  return a < b ? -1 : 1;
}
