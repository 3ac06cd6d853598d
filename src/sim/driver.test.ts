// The driver around a toy stack that logs its inputs and plays a list of outputs: cutting of batches, joining of
// packets, the one timer, events, and the guards against a stack that never rests.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Event, Input, Output, OutputKind } from '../core/stack/index.ts';
import type { DrivenStack } from './driver.ts';
import type { SimHost } from './host.ts';
import { makeLocator, moveHost } from './host.ts';
import { addHost, createSimulation, run, type Simulation } from './simulation.ts';
import { dumpTrace, formatTrace, traceHash } from './trace.ts';

type Step = { kind: 'transmit'; bytes: number; packetBytes: number; port: number } | { kind: 'event'; event: Event };

interface Toy extends DrivenStack {
  readonly inputs: string[];
  readonly steps: Step[];
  deadlineUs: number;
}

function createToy(): Toy {
  const toy: Toy = { inputs: [], steps: [], deadlineUs: Infinity, handle, poll };
  function handle(nowUs: number, input: Input): number {
    toy.inputs.push(input.kind === 'packets' ? `${input.bytes} from ${input.remote.port} at ${nowUs}` : input.kind);
    if (input.kind === 'tick') toy.deadlineUs = Infinity;
    return toy.inputs.length;
  }
  function poll(_nowUs: number, output: Output): OutputKind {
    const next = toy.steps.shift();
    output.deadlineUs = toy.deadlineUs;
    if (next === undefined) return 'idle';
    if (next.kind === 'event') {
      output.event = next.event;
      return 'event';
    }
    output.batch.bytes = next.bytes;
    output.batch.packetBytes = next.packetBytes;
    output.remote = makeLocator('10.0.0.2', next.port);
    return 'transmit';
  }
  return toy;
}

interface Pair {
  readonly simulation: Simulation;
  readonly a: SimHost<Toy>;
  readonly b: SimHost<Toy>;
}

function pair(coalesceUs?: number): Pair {
  const simulation = createSimulation({ seed: 3, link: { delayUs: 100 }, keepTrace: true });
  const joined = coalesceUs === undefined ? {} : { coalesceUs };
  const a = addHost(simulation, { name: 'a', address: '10.0.0.1', port: 1, createStack: createToy });
  const b = addHost(simulation, { name: 'b', address: '10.0.0.2', port: 2, createStack: createToy, ...joined });
  return { simulation, a, b };
}

function sendFrom({ a, simulation }: Pair, bytes: number, packetBytes: number): void {
  a.stack.steps.push({ kind: 'transmit', bytes, packetBytes, port: 2 });
  a.driver.handle({ kind: 'tick' });
  run(simulation, simulation.clock.nowUs + 1_000);
}

test('driver: a batch is cut into packets, only the last shorter', () => {
  const hosts = pair();
  sendFrom(hosts, 2500, 1000);
  assert.deepEqual(hosts.b.stack.inputs, ['bound', '1000 from 1 at 100', '1000 from 1 at 100', '500 from 1 at 100']);
  assert.equal(hosts.a.driver.counters.packetsSent, 3);
});

test('driver: packets of one sender are joined until a shorter one ends the batch', () => {
  const hosts = pair(0);
  hosts.a.stack.steps.push({ kind: 'transmit', bytes: 2500, packetBytes: 1000, port: 2 });
  sendFrom(hosts, 2000, 1000);
  assert.deepEqual(hosts.b.stack.inputs, ['bound', '2500 from 1 at 100', '2000 from 1 at 100']);
  assert.equal(hosts.b.driver.counters.packetsReceived, 5);
  assert.equal(hosts.b.driver.counters.batchesReceived, 2);
});

test('driver: a longer packet or a full batch starts a new one', () => {
  const hosts = pair(0);
  hosts.a.stack.steps.push({ kind: 'transmit', bytes: 1000, packetBytes: 1000, port: 2 });
  hosts.a.stack.steps.push({ kind: 'transmit', bytes: 65_000, packetBytes: 1300, port: 2 });
  sendFrom(hosts, 2600, 1300);
  assert.deepEqual(hosts.b.stack.inputs.slice(1), ['1000 from 1 at 100', '65000 from 1 at 100', '2600 from 1 at 100']);
});

test('driver: the deadline becomes one tick, and a later one replaces it', () => {
  const { simulation, a } = pair();
  a.stack.deadlineUs = 5_000;
  a.driver.handle({ kind: 'end', socket: 1 });
  run(simulation, 1_000);
  a.stack.deadlineUs = 7_000.5;
  a.driver.handle({ kind: 'end', socket: 1 });
  run(simulation, 6_999);
  assert.ok(!a.stack.inputs.includes('tick'));
  assert.equal(run(simulation, 100_000), 'quiescent');
  assert.equal(simulation.clock.nowUs, 7_001);
  assert.deepEqual(a.stack.inputs.slice(-1), ['tick']);
});

test('driver: events reach the listener of their socket until it is closed', () => {
  const { simulation, a } = pair();
  const heard: string[] = [];
  a.driver.attach(4, (event) => heard.push(event.kind));
  for (const kind of ['writable', 'end'] as const) a.stack.steps.push({ kind: 'event', event: { kind, socket: 4 } });
  a.stack.steps.push({ kind: 'event', event: { kind: 'closed', socket: 4, reason: 0, detail: '' } });
  a.stack.steps.push({ kind: 'event', event: { kind: 'end', socket: 4 } });
  a.driver.handle({ kind: 'tick' });
  run(simulation, 10);
  assert.deepEqual(heard, ['writable', 'end', 'closed']);
  assert.equal(a.driver.counters.unheard, 1);
  assert.equal(a.driver.listeners.size, 0);
});

test('driver: a moved host is told its new locators, a killed one takes no more input', () => {
  const hosts = pair();
  moveHost(hosts.simulation.network, hosts.b, '10.0.0.3', 2);
  assert.deepEqual(hosts.b.stack.inputs, ['bound', 'bound']);
  sendFrom(hosts, 10, 10);
  assert.deepEqual(hosts.b.stack.inputs, ['bound', 'bound']);
  hosts.b.driver.kill();
  assert.equal(hosts.b.driver.handle({ kind: 'tick' }), 0);
  assert.deepEqual(hosts.b.stack.inputs, ['bound', 'bound']);
});

test('driver: a stack that asks for the same instant again and again is an error', () => {
  const { simulation, a } = pair();
  Object.defineProperty(a.stack, 'deadlineUs', { get: () => 50, set() {} });
  a.driver.handle({ kind: 'end', socket: 1 });
  assert.throws(() => run(simulation, 1_000), /again and again/);
});

test('trace: two runs of one seed agree in the hash, another traffic does not', () => {
  const hashes = [2500, 2500, 2501].map((bytes) => {
    const hosts = pair(0);
    sendFrom(hosts, bytes, 1000);
    return traceHash(hosts.simulation.trace);
  });
  assert.equal(hashes[0], hashes[1]);
  assert.notEqual(hashes[0], hashes[2]);
});

test('trace: text forms name the ends, the time and the bytes', () => {
  const hosts = pair();
  sendFrom(hosts, 18, 18);
  const { records } = hosts.simulation.trace;
  assert.equal(
    formatTrace(records),
    '0.000000 a -> b 10.0.0.1:1 > 10.0.0.2:2 18 sent\n0.000100 a -> b 10.0.0.1:1 > 10.0.0.2:2 18 delivered\n',
  );
  const zeros = (count: number) => Array(count).fill('00').join(' ');
  assert.equal(
    dumpTrace(records),
    `# a -> b 10.0.0.1:1 > 10.0.0.2:2\n0.000000\n000000 ${zeros(16)}\n000010 ${zeros(2)}\n`,
  );
});
