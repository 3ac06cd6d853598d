// Two stacks in one process, joined in memory under a virtual clock, so that what a transfer costs is the same in every
// run: the batch that one stack fills is what the other one reads, no packet is copied, lost or late, and nothing waits.
// In turn each end sends what it has, up to eight batches, as the real driver takes as many off a socket before it polls
// for answers. Rejected: the simulator, whose own work per packet (events, copies, a ledger) would be most of the figure.

import type { Locator } from '../../src/core/base/index.ts';
import {
  createOutput,
  createStack,
  type Driver,
  type EventListener,
  type Input,
  type Output,
  type SocketId,
  type Stack,
  type StackOptions,
  tellListener,
} from '../../src/core/stack/index.ts';
import { maxBatchBytes } from '../../src/io/index.ts';
import { makeLocator } from '../../src/sim/index.ts';

const batchesPerTurn = 8;
/** Whole packets over an Ethernet of MTU 1500. */
const packetBytes = 1_472;
/** What one way takes, and a batch of 64 KB at 20 Gbit/s: the clock has fractions, as the real one. */
const wayUs = 20.25;
const byteUs = 8 / 20_000;

/** What an end has sent, and what it was asked. */
export interface Traffic {
  packets: number;
  batches: number;
  bytes: number;
  polls: number;
  ticks: number;
}

export interface End extends Driver {
  readonly stack: Stack;
  readonly traffic: Traffic;
}

export interface Pair {
  readonly client: End;
  readonly server: End;
  /** What was sent goes to the other end, or the clock goes on to the next deadline. */
  step(): void;
}

interface Side extends End {
  readonly at: Locator;
  readonly listeners: Map<SocketId, EventListener>;
  readonly outputs: readonly Output[];
  readonly packets: Extract<Input, { kind: 'packets' }>;
  deadlineUs: number;
}

export type PairOptions = Pick<StackOptions, 'primitives'>;

export function createPair(options: Readonly<Record<'client' | 'server', PairOptions>>): Pair {
  const clock = { nowUs: 1_000.5 };
  const client = createSide(options.client, makeLocator('10.0.0.1', 40_000), clock);
  const server = createSide(options.server, makeLocator('10.0.0.2', 40_000), clock);
  for (const { stack, at } of [client, server]) stack.handle(clock.nowUs, { kind: 'bound', locals: [at] });
  return {
    client,
    server,
    step() {
      const sent = carry(client, server, clock) + carry(server, client, clock);
      if (sent === 0) wait([client, server], clock);
    },
  };
}

function createSide({ primitives }: PairOptions, at: Locator, clock: { nowUs: number }): Side {
  const stack = createStack({
    primitives,
    adHoc: true,
    forwarding: false,
    controller: false,
    leaseUs: 5_000_000,
    maxPacketBytes: () => packetBytes,
  });
  const listeners = new Map<SocketId, EventListener>();
  return {
    stack,
    traffic: { packets: 0, batches: 0, bytes: 0, polls: 0, ticks: 0 },
    at,
    listeners,
    outputs: Array.from({ length: batchesPerTurn }, () => createOutput(new Uint8Array(maxBatchBytes))),
    packets: { kind: 'packets', buffer: new Uint8Array(0), bytes: 0, remote: at },
    deadlineUs: 0,
    nowUs: () => clock.nowUs,
    handle: (input) => stack.handle(clock.nowUs, input),
    attach: (socket, listener) => void listeners.set(socket, listener),
    ref() {},
    unref() {},
    close: () => Promise.resolve(),
  };
}

/** One turn of `from`; answers how many batches went to `to`. */
function carry(from: Side, to: Side, clock: { nowUs: number }): number {
  const { stack, outputs, traffic } = from;
  let sent = 0;
  while (sent < outputs.length) {
    const output = outputs[sent] as Output;
    traffic.polls++;
    const kind = stack.poll(clock.nowUs, output);
    if (kind === 'idle') {
      from.deadlineUs = output.deadlineUs;
      break;
    }
    if (kind === 'event') {
      const listener = from.listeners.get(output.event.socket);
      if (listener !== undefined) tellListener(listener, output.event);
    }
    if (kind === 'transmit') sent++;
  }
  if (sent === 0) return 0;
  clock.nowUs += wayUs;
  for (let i = 0; i < sent; i++) receive(from, to, outputs[i] as Output, clock);
  return sent;
}

function receive({ at, traffic }: Side, { stack, packets }: Side, { batch }: Output, clock: { nowUs: number }): void {
  traffic.batches++;
  traffic.packets += batch.packets;
  traffic.bytes += batch.bytes;
  clock.nowUs += batch.bytes * byteUs;
  packets.buffer = batch.buffer;
  packets.bytes = batch.bytes;
  packets.remote = at;
  stack.handle(clock.nowUs, packets);
}

function wait(sides: readonly Side[], clock: { nowUs: number }): void {
  const dueUs = Math.min(...sides.map(({ deadlineUs }) => deadlineUs));
  if (dueUs === Infinity) throw new Error('both stacks wait for nothing');
  clock.nowUs = Math.max(clock.nowUs, dueUs);
  for (const { stack, traffic, deadlineUs } of sides) {
    if (deadlineUs > clock.nowUs) continue;
    traffic.ticks++;
    stack.handle(clock.nowUs, { kind: 'tick' });
  }
}
