// One of the two processes of a benchmark: `child.js NAME server|client TRANSPORT OPTIONS [ADDRESS]`. Prints
// `ready ADDRESS` or `sample JSON`, and goes on until it is ended.

import type { Options, Sample } from './bench.ts';
import { findBench } from './list.ts';
import { findTransport } from './transports.ts';

const [name = '', role, transportName = '', optionsText = '{}', address = ''] = process.argv.slice(2);
const bench = findBench(name);
const transport = findTransport(transportName);
const options = JSON.parse(optionsText) as Options;

// Profiles are written by a process that ends by itself.
process.on('SIGTERM', () => process.exit(0));
if (role === 'server') {
  process.stdin.resume().on('end', () => process.exit(0));
  console.log(`ready ${await bench.server?.(transport, options, print)}`);
} else {
  const sample = await bench.client(transport, address, options);
  if (sample) print(sample);
}

function print(sample: Sample): void {
  console.log(`sample ${JSON.stringify(sample)}`);
}
