// The benchmarks by name.

import type { Bench } from './bench.ts';
import { connect } from './connect.ts';
import { demux } from './demux.ts';
import { dgram } from './dgram.ts';
import { flows } from './flows.ts';
import { http } from './http.ts';
import { idle } from './idle.ts';
import { lookup } from './lookup.ts';
import { lossy } from './lossy.ts';
import { processes } from './processes.ts';
import { router } from './router.ts';
import { rtt } from './rtt.ts';
import { size } from './size.ts';
import { stream } from './stream.ts';

const benches: Readonly<Record<string, Bench>> = {
  stream,
  dgram,
  size,
  flows,
  rtt,
  connect,
  http,
  processes,
  router,
  idle,
  lookup,
  demux,
  lossy,
};

export const benchNames = Object.keys(benches);

export function findBench(name: string): Bench {
  const bench = Object.hasOwn(benches, name) ? benches[name] : undefined;
  if (!bench) throw new TypeError(`no benchmark is called "${name}": ${benchNames.join(', ')}`);
  return bench;
}
