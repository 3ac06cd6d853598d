// The pure part of the router's work: longest-prefix lookup and weighted choice in memory, without packets. Services
// have four instances each; names are taken in a random order, so that the caches of the processor are not flattered.

import { memberBits, randomId, type ServiceId, seededRandom } from '../src/core/base/index.ts';
import { choose, createServiceTable, insertTarget, lookup } from '../src/core/tables/index.ts';

const sizes = [10, 1000, 100_000];
const instances = 4;
const batch = 20_000;
const tcp = 6;

/** Number of services -> lookups per second. */
export function measureLookups(seconds: number): Record<string, number> {
  return Object.fromEntries(sizes.map((size) => [String(size), Math.round(lookupsPerSecond(size, seconds))]));
}

function lookupsPerSecond(services: number, seconds: number): number {
  const random = seededRandom(services);
  const table = createServiceTable(random.uint32());
  const names = new Uint8Array(services * 32);
  const words = new Uint32Array(names.buffer);
  for (let i = 0; i < words.length; i++) words[i] = random.uint32();
  for (let i = 0; i < services; i++) {
    const id = names.slice(i * 32, i * 32 + 32) as ServiceId;
    for (let k = 0; k < instances; k++)
      insertTarget(
        table,
        { id, bits: memberBits },
        { owner: 'static', instance: randomId(random), protocol: 0, action: 'forward' },
      );
  }
  const order = Uint32Array.from({ length: batch }, () => random.uint32() % services);
  let found = 0;
  let batches = 0;
  const once = (): void => {
    for (let i = 0; i < batch; i++) {
      const rule = lookup(table, tcp, names, (order[i] ?? 0) * 32);
      if (rule && choose(rule, tcp, batches, i, 0)) found++;
    }
  };
  for (let i = 0; i < 5; i++) once();
  const started = process.hrtime.bigint();
  batches = 0;
  let elapsedNs = 0;
  while (elapsedNs < seconds * 1e9) {
    once();
    batches++;
    elapsedNs = Number(process.hrtime.bigint() - started);
  }
  if (found !== (batches + 5) * batch) throw new Error('a lookup missed');
  return (batches * batch * 1e9) / elapsedNs;
}
