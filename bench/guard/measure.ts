// One process of the guard: `measure.js SCENARIO counts|heap|sites|laps [LAPS]`. Prints one line of JSON: what a unit costs; which
// functions allocate it; or, for `laps`, how many units those behind the warm-up were, for whoever counts instructions.

import { createCrypto } from '../../src/io/index.ts';
import { median } from '../bench.ts';
import { type Counts, installCounters } from './counters.ts';
import { startCoverage } from './coverage.ts';
import { ownBytes, usedBytes } from './heap.ts';
import type { End, Pair } from './pair.ts';
import { type Scenario, scenarios, type World } from './scenarios.ts';
import { startSites } from './sites.ts';

/** As many as a warm-up needs where nothing depends on V8's compiler. */
const fewLaps = 2;
const heapLaps = 7;

const [name = '', pass, laps = '1'] = process.argv.slice(2);
const scenario = scenarios[name];
if (scenario === undefined) throw new TypeError(`there is no scenario "${name}"`);
const primitives = {
  ...createCrypto(),
  allocate: (bytes: number) => Buffer.allocUnsafeSlow(bytes),
  unixSeconds: () => 1_800_000_000,
};
if (pass === 'counts') countLap(scenario);
else if (pass === 'heap') measureHeap(scenario);
else if (pass === 'sites') findSites(scenario);
else if (pass === 'laps') repeatLaps(scenario, Number(laps));
else throw new TypeError(`a pass is counts, heap, sites or laps, not "${pass}"`);

function countLap(scenario: Scenario): void {
  const { counts, crypto } = installCounters(primitives);
  const world = scenario.open(crypto);
  runLaps(world, fewLaps, () => {
    const before = { ...counts, ...traffic(world.pair) };
    const stop = startCoverage();
    world.lap((units) => {
      const covered = stop();
      const after: Counts = { ...counts, ...traffic(world.pair) };
      const differences = Object.keys(after).map((cost) => [cost, (after[cost] ?? 0) - (before[cost] ?? 0)] as const);
      const costs = { ...Object.fromEntries(differences), ...covered };
      print(Object.fromEntries(Object.entries(costs).map(([cost, count]) => [cost, count / units])));
    });
  });
}

function traffic({ client, server }: Pair): Counts {
  return { ...trafficOf(client, 'up'), ...trafficOf(server, 'down') };
}

/** `up`: to the server. Where all data goes down, what goes up are acknowledgments. */
function trafficOf({ traffic }: End, way: 'up' | 'down'): Counts {
  return Object.fromEntries(Object.entries(traffic).map(([what, count]) => [`${what} ${way}`, count]));
}

function measureHeap(scenario: Scenario): void {
  const world = scenario.open(primitives);
  const samples: number[] = [];
  const next = (): void => {
    if (samples.length === heapLaps) return print({ bytes: median(samples) });
    globalThis.gc?.();
    const own = ownBytes();
    const from = usedBytes();
    world.lap((units) => {
      samples.push((usedBytes() - from - own) / units);
      next();
    });
  };
  runLaps(world, scenario.warmUpLaps, next);
}

function findSites(scenario: Scenario): void {
  const world = scenario.open(primitives);
  runLaps(world, scenario.warmUpLaps, () => {
    const stop = startSites();
    world.lap((units) => {
      const sites = stop().map(({ site, bytes }) => [site, bytes / units] as const);
      print(Object.fromEntries(sites));
    });
  });
}

function repeatLaps(scenario: Scenario, laps: number): void {
  const world = scenario.open(primitives);
  runLaps(world, scenario.warmUpLaps, () => runLaps(world, laps, (units) => print({ units })));
}

function runLaps(world: World, laps: number, done: (units: number) => void, before = 0): void {
  if (laps === 0) done(before);
  else world.lap((units) => runLaps(world, laps - 1, done, before + units));
}

function print(costs: Counts): void {
  console.log(JSON.stringify(costs));
  process.exit(0);
}
