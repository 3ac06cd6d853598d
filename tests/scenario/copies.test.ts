// Two copies of one end, as a virtual machine that was cloned (docs/protocol.md, "Moves"): the one that moves first goes on
// with the connection, the other one is told and ends; the peer never alternates between them, and no byte comes from
// both. A copy is made by playing the log of inputs to another stack with the same seed; like a machine that notices that it
// was cloned, it has randomness of its own from then on.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Random, Reason, reasonName, seededRandom } from '../../src/core/base/index.ts';
import {
  createOutput,
  createStack,
  type Event,
  type Input,
  type Stack,
  type StackOptions,
} from '../../src/core/stack/index.ts';
import { addHost, joinHosts, type Link, moveHost, type SimHost } from '../../src/sim/index.ts';
import { type Endpoint, streamBytes } from './endpoint.ts';
import { watchNonces } from './heirs.ts';
import { assertIntact, createWorld, dialFrom, listenOn, runFor, scriptsFor, type World } from './world.ts';

interface Entry {
  readonly nowUs: number;
  /** Undefined: it was polled. */
  readonly input: Input | undefined;
}

/** A stack that writes down all that comes in, and can be made again of it. */
class Recorder {
  readonly #log: Entry[] = [];
  readonly #words: number[] = [];
  #options: StackOptions | undefined;

  readonly create = (options: StackOptions): Stack => {
    this.#options = options;
    const { random } = options.primitives;
    const recorded: Random = {
      uint32: () => {
        const word = random.uint32();
        this.#words.push(word);
        return word;
      },
    };
    const stack = createStack({ ...options, primitives: { ...options.primitives, random: recorded } });
    return {
      ...stack,
      handle: (nowUs, input) => {
        this.#log.push({ nowUs, input: copyOf(input) });
        return stack.handle(nowUs, input);
      },
      poll: (nowUs, output) => {
        this.#log.push({ nowUs, input: undefined });
        return stack.poll(nowUs, output);
      },
    };
  };

  copy(seed: number): Stack {
    const options = this.#options;
    assert.ok(options);
    const own = seededRandom(seed);
    let drawn = 0;
    const random: Random = { uint32: () => this.#words[drawn++] ?? own.uint32() };
    const stack = createStack({ ...options, primitives: { ...options.primitives, random } });
    const output = createOutput(new Uint8Array(65_536));
    for (const { nowUs, input } of this.#log) {
      if (input === undefined) stack.poll(nowUs, output);
      else stack.handle(nowUs, input);
    }
    assert.equal(drawn, this.#words.length, 'the copy has gone the same way');
    return stack;
  }
}

function copyOf(input: Input): Input {
  if (input.kind === 'packets') return { ...input, buffer: input.buffer.slice(0, input.bytes) };
  return input.kind === 'write' ? { ...input, bytes: input.bytes.slice() } : input;
}

interface Scene {
  readonly world: World;
  readonly original: Endpoint;
  readonly server: () => Endpoint;
  /** Starts the copy at another address, which tells that it has moved. `stack`: as it was earlier, in place of now. */
  clone(address: string, stack?: Stack): Copy;
  /** As the client is now. */
  snapshot(): Stack;
}

interface Copy {
  readonly host: SimHost<Stack>;
  /** From it to the server. */
  readonly wire: Link;
  receivedBytes: number;
  wrong: boolean;
  ended: boolean;
  reason: number | undefined;
}

const bytes = 3_000_000;
const link = { delayUs: 10_000, bitsPerSecond: 20_000_000, queueBytes: 40_000 };

/** A download of which the client is copied in the middle. */
function openScene(upBytes = 0, watch = watchNonces()): Scene {
  const recorder = new Recorder();
  const { crypto: primitives } = watch;
  const world = createWorld(link, 1, undefined, false, { createClient: recorder.create, primitives });
  const { simulation } = world;
  const [clientScript, serverScript] = scriptsFor(upBytes, bytes);
  const listening = listenOn(world, world.server, serverScript);
  const original = dialFrom(world, world.client, { ...clientScript, endWhen: 'peer-ended' });
  runFor(world, 400_000);
  const server = (): Endpoint => {
    const [accepted] = listening.accepted;
    assert.ok(accepted);
    return accepted;
  };
  const snapshot = (): Stack => {
    watch.paused = true;
    const stack = recorder.copy(77);
    watch.paused = false;
    return stack;
  };
  const clone = (address: string, stack = snapshot()): Copy => {
    const { receivedBytes } = original;
    // Its dealings with the server are in its memory, not in the ledger.
    simulation.ledger.exempt.add('copy');
    const host = addHost(simulation, { name: 'copy', address, createStack: () => stack });
    const [wire] = joinHosts(simulation, host, world.server, link);
    const copy: Copy = { host, wire, receivedBytes, wrong: false, ended: false, reason: undefined };
    host.driver.attach(original.socket, (event: Event) => {
      if (event.kind === 'data') {
        const expected = streamBytes(2, copy.receivedBytes, event.bytes.length);
        copy.wrong ||= event.bytes.some((byte, i) => byte !== expected[i]);
        copy.receivedBytes += event.bytes.length;
        host.driver.handle({ kind: 'read', socket: original.socket, bytes: event.bytes.length });
      } else if (event.kind === 'end') {
        copy.ended = true;
        host.driver.handle({ kind: 'end', socket: original.socket });
      } else if (event.kind === 'closed') copy.reason = event.reason;
    });
    return copy;
  };
  return { world, original, server, clone, snapshot };
}

test('copies: the original has moved first: the copy ends', () => {
  const { world, original, server, clone } = openScene();
  // The copy is made before the original moves, and wakes up after that.
  const copy = clone('10.0.0.21');
  copy.wire.options.up = false;
  moveHost(world.simulation.network, world.client, '10.0.0.11', 40_000);
  runFor(world, 60_000);
  copy.wire.options.up = true;
  assert.ok(runFor(world, 30_000_000, () => original.reason !== undefined && server().reason !== undefined));
  assertIntact(original);
  runFor(world, 10_000_000);
  assert.equal(copy.reason, Reason.SUPERSEDED);
  assert.equal(world.server.stack.state.counters.moves, 1);
});

test('copies: the copy has moved first: the original ends, and the copy goes on where it stood', () => {
  const { world, original, clone } = openScene();
  const copy = clone('10.0.0.21');
  runFor(world, 60_000);
  moveHost(world.simulation.network, world.client, '10.0.0.11', 40_000);
  assert.ok(runFor(world, 30_000_000, () => copy.reason !== undefined && original.reason !== undefined));
  assert.equal(reasonName(original.reason ?? 0), 'superseded');
  assert.deepEqual([copy.wrong, copy.ended, copy.receivedBytes, copy.reason], [false, true, bytes, Reason.OK]);
  assert.equal(world.server.stack.state.counters.moves, 1);
});

test('copies: both write: no number is used twice under one key', () => {
  const watch = watchNonces();
  const { world, original, clone } = openScene(50_000, watch);
  const copy = clone('10.0.0.21');
  const write = (host: SimHost<Stack>): number =>
    host.driver.handle({ kind: 'write', socket: original.socket, bytes: new Uint8Array(20_000), offset: 0 });
  const before = watch.sealed.size;
  for (let i = 1; i <= 5; i++) {
    for (const host of [world.client, copy.host]) {
      assert.equal(write(host), 20_000);
      moveHost(world.simulation.network, host, `10.0.${host === copy.host ? 2 : 1}.${i}`, 1_000);
    }
    // Neither has heard of the other one.
    runFor(world, 5_000);
  }
  assert.ok(watch.sealed.size >= before + 10);
});

test('copies: both move at once, and go on moving: one of them wins, once', () => {
  for (const firstUs of [0, 1, 500, 5_000]) {
    const { world, original, clone } = openScene();
    const { network } = world.simulation;
    moveHost(network, world.client, '10.0.0.11', 40_000);
    runFor(world, firstUs);
    const copy = clone('10.0.0.21');
    for (let i = 1; i <= 5; i++) {
      runFor(world, 30_000);
      if (original.reason === undefined) moveHost(network, world.client, `10.0.1.${i}`, 40_000);
      if (copy.reason === undefined) moveHost(network, copy.host, `10.0.2.${i}`, 40_000);
    }
    assert.ok(runFor(world, 60_000_000, () => copy.reason !== undefined && original.reason !== undefined));
    const reasons = [original.reason, copy.reason].map((reason) => reasonName(reason ?? 0)).sort();
    assert.deepEqual(reasons, ['ok', 'superseded'], `the copy came ${firstUs} us later`);
    if (original.reason === Reason.OK) assertIntact(original);
    else assert.deepEqual([copy.wrong, copy.receivedBytes], [false, bytes]);
  }
});

test('copies: one that is behind ends with an error, and so does its peer: nothing of both is mixed', () => {
  for (const upBytes of [0, 3_000_000]) {
    const { world, original, server, clone, snapshot } = openScene(upBytes);
    const early = snapshot();
    const { receivedBytes } = original;
    runFor(world, 200_000);
    assert.ok(original.receivedBytes > receivedBytes + 100_000, 'the original has gone on meanwhile');
    const copy = clone('10.0.0.21', early);
    copy.receivedBytes = receivedBytes;
    assert.ok(runFor(world, 20_000_000, () => copy.reason !== undefined && server().reason !== undefined));
    assert.equal(reasonName(copy.reason ?? 0), 'superseded');
    assert.ok(server().reason !== Reason.OK, 'no end that looks like one in order');
    assert.deepEqual([copy.wrong, copy.ended, server().wrongAt, original.wrongAt], [false, false, -1, -1]);
    // Its peer is gone: it gives up in its own time.
    assert.ok(runFor(world, 900_000_000, () => original.reason !== undefined));
    assert.notEqual(original.reason, Reason.OK);
  }
});
