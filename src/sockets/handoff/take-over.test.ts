import assert from 'node:assert/strict';
import { type Duplex, duplexPair } from 'node:stream';
import { test } from 'node:test';
import { Reason } from '../../core/base/index.ts';
import type { Driver, Event, Input, SocketId } from '../../core/stack/index.ts';
import { type Accept, Channel, type Message } from './channel.ts';
import { type Carried, sealParcel } from './luggage.ts';
import { TakingOver } from './take-over.ts';

const here = { address: Uint8Array.of(192, 0, 2, 1), port: 5 };

interface Receiver {
  readonly exporter: Channel;
  readonly stream: Duplex;
  readonly answers: Message[];
  /** What stack and application were asked, in order. */
  readonly steps: string[];
  /** By index: how to say what became of a connection. */
  readonly settle: Map<number, (reason?: Reason) => void>;
  /** The memory that states came in. */
  readonly states: Uint8Array[];
}

interface Plan {
  readonly listener?: number | undefined;
  readonly locals?: readonly (typeof here)[];
  /** Indices that the application refuses; states that the stack does. */
  readonly refuses?: readonly number[];
  readonly invalid?: readonly number[];
}

function open(plan: Plan = {}): Receiver {
  const { listener = 4, locals = [here], refuses = [], invalid = [] } = plan;
  const [stream, far] = duplexPair();
  const steps: string[] = [];
  const states: Uint8Array[] = [];
  const listeners = new Map<SocketId, (event: Event) => void>();
  const handle = (input: Input): number => {
    if (input.kind !== 'import') {
      steps.push(`${input.kind} ${'socket' in input && input.socket}`);
      return 1;
    }
    const [index = 0] = input.state;
    steps.push(`import ${index} for ${input.listener}`);
    if (invalid.includes(index)) return -Reason.BAD_MESSAGE;
    const socket = 100 + index;
    states.push(input.state);
    for (const kind of ['writable', 'imported']) setImmediate(() => listeners.get(socket)?.({ kind, socket } as Event));
    return socket;
  };
  const attach = (socket: SocketId, listen: (event: Event) => void): unknown => listeners.set(socket, listen);
  const settle = new Map<number, (reason?: Reason) => void>();
  const receiver: Receiver = { exporter: new Channel(far), stream, answers: [], steps, settle, states };
  new TakingOver(new Channel(stream), {
    driver: { handle, attach, locals: () => locals } as unknown as Driver,
    listener: () => ('listener' in plan ? plan.listener : listener),
    welcome: (who, { index, blob, state }, settled) => {
      states.push(state);
      steps.push(`welcome ${who.socket} ${Buffer.from(blob)}`);
      settle.set(index, settled);
      return refuses.includes(index) ? 'no room' : undefined;
    },
  });
  receiver.exporter.open({ message: (message) => receiver.answers.push(message), parcel: () => {}, closed: () => {} });
  return receiver;
}

const carried = (index: number): Carried => ({
  index,
  bytesRead: 0,
  bytesWritten: 0,
  state: Uint8Array.of(index),
  unread: new Uint8Array(0),
  unwritten: new Uint8Array(0),
  blob: Buffer.from(`blob ${index}`),
});

/** Long enough for what streams and stack have under way. */
async function turns(): Promise<void> {
  for (let i = 0; i < 4; i++) await new Promise((resolve) => setImmediate(resolve));
}

async function offer({ exporter, answers }: Receiver, connections: number, parcels: number): Promise<Accept> {
  exporter.send({ kind: 'offer', version: 1, connections, parcels });
  await turns();
  return answers.at(-1) as Accept;
}

/** One batch, a parcel for each list. */
async function send(receiver: Receiver, ...parcels: number[][]): Promise<void> {
  const { keys } = await offer(receiver, parcels.flat().length, parcels.length);
  for (const [i, indices] of parcels.entries())
    receiver.exporter.sendParcel(sealParcel(Buffer.from(keys[i]!, 'base64'), indices.map(carried))!);
  receiver.exporter.send({ kind: 'end' });
  await turns();
}

test('take over: an offer is answered with a key for each parcel, and where this process is', async () => {
  const { kind, keys, locators } = await offer(open(), 17, 2);
  assert.equal(kind, 'accept');
  assert.deepEqual(
    keys.map((key) => Buffer.from(key, 'base64').length),
    [32, 32],
  );
  assert.notEqual(keys[0], keys[1]);
  assert.deepEqual(locators, [{ address: Buffer.from(here.address).toString('base64'), port: 5 }]);
});

test('take over: who cannot take connections over says why, and may be asked again', async () => {
  for (const [plan, version, why] of [
    [{}, 2, 'it knows version 1 of handing over, not 2'],
    [{ listener: undefined }, 1, 'it does not listen, or no more'],
    [{ locals: [] }, 1, 'it has no address'],
  ] as const) {
    const receiver = open(plan);
    for (let i = 0; i < 2; i++) receiver.exporter.send({ kind: 'offer', version, connections: 1, parcels: 1 });
    await turns();
    assert.deepEqual(receiver.answers, new Array(2).fill({ kind: 'refuse', why }));
    assert.equal(receiver.stream.destroyed, false);
  }
});

test('take over: an offer that nobody would make ends the channel', async () => {
  for (const [connections, parcels, ends] of [
    [2 ** 20, 1, false],
    [2 ** 20 + 1, 1, true],
    [1, 2, true],
    [Number.NaN, 1, true],
    ['many', 1, true],
  ] as const) {
    const receiver = open();
    await offer(receiver, connections as number, parcels);
    assert.equal(receiver.stream.destroyed, ends, `${connections} in ${parcels}`);
    assert.equal(receiver.answers.length, ends ? 0 : 1);
  }
});

test('take over: all of a batch are made, then all shown, and only then the first one moves', async () => {
  const receiver = open();
  await send(receiver, [0, 1], [2]);
  assert.deepEqual(receiver.steps, [
    ...['import 0 for 4', 'import 1 for 4', 'import 2 for 4'],
    ...['welcome 100 blob 0', 'welcome 101 blob 1', 'welcome 102 blob 2'],
    ...['take 100', 'take 101', 'take 102'],
  ]);
  assert.equal(receiver.answers.length, 1, 'nothing is said before it is known');
  receiver.settle.get(1)?.();
  receiver.settle.get(0)?.(Reason.SUPERSEDED);
  await turns();
  assert.deepEqual(receiver.answers.slice(1), [
    { kind: 'arrived', index: 1 },
    { kind: 'refused', index: 0, why: 'superseded' },
  ]);
});

test('take over: nothing is left of the states, which hold keys', async () => {
  const receiver = open();
  await send(receiver, [7]);
  assert.deepEqual(receiver.states, [Uint8Array.of(0), Uint8Array.of(0)]);
});

test('take over: who is refused, by the stack or the application, never moves', async () => {
  const receiver = open({ refuses: [1], invalid: [0] });
  await send(receiver, [0, 1, 2]);
  assert.deepEqual(receiver.steps.slice(3), ['welcome 101 blob 1', 'leave 101', 'welcome 102 blob 2', 'take 102']);
  assert.deepEqual(receiver.answers.slice(1), [
    { kind: 'refused', index: 0, why: 'bad-message' },
    { kind: 'refused', index: 1, why: 'no room' },
  ]);
  const none = open({ invalid: [0, 1] });
  await send(none, [0], [1]);
  assert.deepEqual(none.steps, ['import 0 for 4', 'import 1 for 4']);
  assert.equal(none.answers.length, 3);
});

test('take over: one batch after the other, each with keys of its own', async () => {
  const receiver = open();
  await send(receiver, [0]);
  await send(receiver, [1]);
  assert.deepEqual(
    receiver.steps.filter((step) => step.startsWith('take')),
    ['take 100', 'take 101'],
  );
  await send(receiver);
  assert.equal(receiver.steps.length, 6, 'and an empty one is nothing');
  assert.equal(receiver.stream.destroyed, false);
});

test('take over: a parcel that does not open, or that nobody asked for, ends the channel, and nothing of the batch is taken', async () => {
  for (const second of ['of no key', 'of the first key', 'too many'] as const) {
    const receiver = open();
    const { keys } = await offer(receiver, 3, second === 'too many' ? 1 : 2);
    const [first = ''] = keys;
    const sealed = (index: number): Uint8Array => sealParcel(Buffer.from(first, 'base64'), [carried(index)])!;
    receiver.exporter.sendParcel(sealed(0));
    receiver.exporter.sendParcel(second === 'of no key' ? Buffer.from('?') : sealed(1));
    receiver.exporter.send({ kind: 'end' });
    await turns();
    assert.deepEqual([receiver.stream.destroyed, receiver.steps], [true, []], second);
  }
});

test('take over: behind the end of a batch nothing is expected', async () => {
  const receiver = open();
  const { keys } = await offer(receiver, 2, 2);
  const [first, second] = keys.map((key, i) => sealParcel(Buffer.from(key, 'base64'), [carried(i)])!);
  receiver.exporter.sendParcel(first!);
  receiver.exporter.send({ kind: 'end' });
  receiver.exporter.sendParcel(second!);
  await turns();
  assert.deepEqual([receiver.stream.destroyed, receiver.steps[0]], [true, 'import 0 for 4']);
});

test('take over: a message that is not for this end, ends the channel', async () => {
  const receiver = open();
  receiver.exporter.send({ kind: 'arrived', index: 0 });
  await turns();
  assert.equal(receiver.stream.destroyed, true);
});

test('take over: those that are on their way go on when the old process is gone', async () => {
  const receiver = open();
  await send(receiver, [0]);
  receiver.stream.destroy();
  await turns();
  receiver.settle.get(0)?.();
  assert.deepEqual(receiver.steps.at(-1), 'take 100');
});
