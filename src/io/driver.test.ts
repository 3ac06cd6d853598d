// The driver with a toy stack in the real one's place: it answers packets, reports what it was given and asks for ticks
// as told. Sockets are numbers, so every rule of dispatch and of staying alive can be tried without a protocol.

import { strict as assert } from 'node:assert';
import { spawn } from 'node:child_process';
import { test } from 'node:test';
import type { Locator } from '../core/base/index.ts';
import type { Event, Input, LinkInfo, Output, OutputKind, StackOptions } from '../core/stack/index.ts';
import { createDriver, type IoDriver, type IoDriverOptions } from './driver.ts';
import { loadLibc } from './libc.ts';
import { inNamespace, noNamespace } from './testing/namespace.ts';

const indexUrl = new URL('./index.js', import.meta.url).href;
const noGroup = { adHoc: false, forwarding: false, controller: false, leaseUs: 5_000_000 };

const libc = loadLibc();
const noOffload = typeof libc === 'string' ? libc : false;

type Order = { kind: 'event'; event: Event } | { kind: 'transmit'; bytes: Uint8Array; remote: Locator; link?: number };

class ToyStack {
  readonly options: StackOptions;
  readonly orders: Order[] = [];
  readonly inputs: Input['kind'][] = [];
  readonly received: Buffer[] = [];
  locals: readonly Locator[] = [];
  links: readonly LinkInfo[] | undefined;
  remote: Locator | undefined;
  deadlineUs = Infinity;
  echo = false;
  polls = 0;
  onInput: (input: Input, nowUs: number) => void = () => {};

  constructor(options: StackOptions) {
    this.options = options;
  }

  handle(nowUs: number, input: Input): number {
    this.inputs.push(input.kind);
    if (input.kind === 'bound') {
      this.locals = input.locals;
      this.links = input.links;
    }
    if (input.kind === 'tick') this.deadlineUs = Infinity;
    if (input.kind === 'packets') {
      const bytes = Buffer.from(input.buffer.subarray(0, input.bytes));
      this.received.push(bytes);
      this.remote = input.remote;
      if (this.echo) this.orders.push({ kind: 'transmit', bytes, remote: input.remote, link: input.link ?? 0 });
    }
    this.onInput(input, nowUs);
    return this.inputs.length;
  }

  poll(_nowUs: number, output: Output): OutputKind {
    this.polls++;
    const order = this.orders.shift();
    if (order === undefined) {
      output.deadlineUs = this.deadlineUs;
      return 'idle';
    }
    if (order.kind === 'event') output.event = order.event;
    else {
      output.batch.buffer.set(order.bytes);
      output.batch.bytes = order.bytes.length;
      output.batch.packetBytes = order.bytes.length;
      output.batch.packets = 1;
      output.remote = order.remote;
      output.link = order.link ?? 0;
    }
    return order.kind;
  }
}

function toyDriver(options: Partial<IoDriverOptions<ToyStack>> = {}): IoDriver<ToyStack> {
  return createDriver({
    createStack: (settings) => new ToyStack(settings),
    stack: noGroup,
    link: { address: '127.0.0.1' },
    ...options,
  });
}

function heard(stack: ToyStack, kind: Input['kind']): Promise<number> {
  return new Promise((resolve) => {
    stack.onInput = (input, nowUs) => {
      if (input.kind === kind) resolve(nowUs);
    };
  });
}

const writable = (socket: number): Order => ({ kind: 'event', event: { kind: 'writable', socket } });

test('driver: the stack is told its locators once bound, and can ask for primitives and bounds', async () => {
  const driver = toyDriver();
  await driver.ready;
  assert.deepEqual(driver.stack.inputs, ['bound']);
  assert.deepEqual(driver.stack.locals, driver.locals());
  const { primitives, maxPacketBytes } = driver.stack.options;
  assert.equal(primitives.allocate(70_000).length, 70_000);
  assert.equal(primitives.sha256(Buffer.from('abc')).length, 32);
  assert.ok(maxPacketBytes({ address: Uint8Array.of(127, 0, 0, 1), port: 9 }) >= 1_200);
  await driver.close();
});

for (const kind of ['offload', 'dgram'] as const) {
  const skip = kind === 'offload' && noOffload;
  test(`driver: packets go to and fro over the ${kind} link`, { skip }, async () => {
    const a = toyDriver({ link: { address: '127.0.0.1', kind } });
    const b = toyDriver({ link: { address: '127.0.0.1', kind } });
    await Promise.all([a.ready, b.ready]);
    a.attach(1, () => {});
    b.stack.echo = true;
    const answered = heard(a.stack, 'packets');
    const [remote] = b.locals();
    assert.ok(remote);
    a.stack.orders.push({ kind: 'transmit', bytes: Buffer.from('there and back'), remote });
    a.handle({ kind: 'read', socket: 1, bytes: 1 });
    await answered;
    assert.deepEqual(a.stack.received, [Buffer.from('there and back')]);
    await Promise.all([a.close(), b.close()]);
  });
}

test('driver: packets of one size for one place leave in one batch, what comes of it before the next event', async () => {
  const [a, b] = [toyDriver(), toyDriver()];
  await Promise.all([a.ready, b.ready]);
  const [remote] = b.locals();
  assert.ok(remote);
  const packet = (fill: number, bytes = 80): Order => ({ kind: 'transmit', bytes: Buffer.alloc(bytes, fill), remote });
  const batchesAtEvent: number[] = [];
  a.attach(1, () => batchesAtEvent.push(a.report().linkCounters.batchesSent));
  a.stack.orders.push(packet(1), packet(2), packet(3), writable(1), packet(4), packet(5, 60), packet(6, 60));
  a.handle({ kind: 'read', socket: 1, bytes: 1 });
  await new Promise(setImmediate);
  const { batchesSent, packetsSent } = a.report().linkCounters;
  assert.deepEqual(batchesAtEvent, [1]);
  assert.deepEqual([batchesSent, packetsSent], [3, 6]);
  await Promise.all([a.close(), b.close()]);
});

for (const kind of ['offload', 'dgram'] as const)
  test(`driver: a link more (${kind}) is told to the stack, carries its flows, and is told when it is closed`, {
    skip: kind === 'offload' && noOffload,
  }, async () => {
    const [a, b] = [toyDriver({ link: { kind } }), toyDriver({ link: { kind } })];
    await Promise.all([a.ready, b.ready]);
    a.attach(1, () => {});
    b.stack.echo = true;
    const link = await a.openLink('127.0.0.2');
    assert.deepEqual(
      a.stack.links?.map((info) => [info.link, ...info.local.address]),
      [[link, 127, 0, 0, 2]],
    );
    const port = b.locals()[0]?.port ?? 0;
    const remote: Locator = { address: Uint8Array.of(127, 0, 0, 1), port };
    const answered = new Promise((resolve) => {
      a.stack.onInput = (input) => {
        if (input.kind === 'packets') resolve(input.link);
      };
    });
    a.stack.orders.push({ kind: 'transmit', bytes: Buffer.from('there and back'), remote, link });
    a.handle({ kind: 'read', socket: 1, bytes: 1 });
    assert.equal(await answered, link);
    assert.deepEqual(b.stack.remote?.address, Uint8Array.of(127, 0, 0, 2));
    a.closeLink(link);
    assert.deepEqual(a.stack.links, []);
    a.stack.orders.push({ kind: 'transmit', bytes: Buffer.from('to nowhere'), remote, link });
    await new Promise(setImmediate);
    assert.equal(a.counters.unlinked, 1);
    await assert.rejects(a.openLink('192.0.2.77'), { code: 'EADDRNOTAVAIL' });
    await Promise.all([a.close(), b.close()]);
  });

test('driver: a change of addresses is told at once, with what is usable; sources follow', {
  skip: noOffload || noNamespace,
}, async () => {
  const none = '127.0.0.1; links ; from undefined';
  const there = '10.9.0.1 127.0.0.1; links ; from 10.9.0.1';
  const linked = '10.9.0.1 127.0.0.1; links 10.9.0.1; from 10.9.0.1';
  const printed = await inNamespace(
    { '{ createDriver }': 'driver' },
    `
    const text = ({ address }) => address.join('.');
    let last, heard = () => {};
    const driver = createDriver({
      createStack: (options) => ({
        handle(now, input) {
          if (input.kind !== 'bound') return 0;
          const source = options.sourceOf({ address: Uint8Array.of(10, 9, 0, 7), port: 9 });
          const locals = input.locals.filter(({ address }) => address.length === 4).map(text).join(' ');
          last = locals + '; links ' + input.links.map(({ local }) => text(local)).join(' ') + '; from ' + source?.join('.');
          heard();
          return 0;
        },
        poll(now, output) {
          output.deadlineUs = Infinity;
          return 'idle';
        },
      }),
      stack: { adHoc: false },
      keepAlive: true,
    });
    await driver.ready;
    console.log(last);
    wire('d0');
    const after = (command, wanted) => new Promise((resolve) => {
      heard = () => last === wanted && resolve(console.log(last));
      ip(command);
    });
    await after('addr add 10.9.0.1/24 dev d0', '${there}');
    await driver.openLink('10.9.0.1');
    console.log(last);
    await after('link set d0end down', '${none}');
    await after('link set d0end up', '${there}');
    await after('addr del 10.9.0.1/24 dev d0', '${none}');
    await driver.close();`,
  );
  assert.deepEqual(printed.trim().split('\n'), [none, there, linked, none, there, none]);
});

test('driver: inputs of one turn are polled together, at its end', async () => {
  const driver = toyDriver();
  await driver.ready;
  await new Promise(setImmediate);
  const { polls } = driver.stack;
  for (let i = 0; i < 10; i++) driver.handle({ kind: 'read', socket: 1, bytes: 1 });
  assert.equal(driver.stack.polls, polls);
  await new Promise(setImmediate);
  assert.equal(driver.stack.polls, polls + 1);
  await driver.close();
});

test('driver: of many events some, then what is written in answer leaves, then the others', async () => {
  const driver = toyDriver({ link: { address: '127.0.0.1' } });
  await driver.ready;
  await new Promise(setImmediate);
  const order: string[] = [];
  let events = 40;
  let answers = 0;
  driver.stack.poll = (_nowUs, output, wanted = true) => {
    output.deadlineUs = Infinity;
    if (wanted && events > 0) {
      events--;
      output.event = { kind: 'writable', socket: 1 };
      return 'event';
    }
    if (answers === 0) return 'idle';
    order.push(`sent ${answers}`);
    answers = 0;
    return 'idle';
  };
  const done = new Promise<void>((resolve) => {
    driver.attach(1, () => {
      // As applications do, in a callback of their own.
      process.nextTick(() => {
        answers++;
        driver.handle({ kind: 'read', socket: 1, bytes: 1 });
        if (events === 0) setImmediate(() => setImmediate(resolve));
      });
    });
  });
  driver.handle({ kind: 'read', socket: 1, bytes: 1 });
  await done;
  await driver.close();
  assert.deepEqual(order, ['sent 16', 'sent 16', 'sent 8']);
});

test('driver: handle answers what the stack answers', async () => {
  const driver = toyDriver();
  await driver.ready;
  assert.equal(driver.handle({ kind: 'read', socket: 1, bytes: 1 }), 2);
  await driver.close();
  assert.equal(driver.handle({ kind: 'read', socket: 1, bytes: 1 }), 0);
});

test('driver: events go to the listener of their socket, the last one removes it', async () => {
  const driver = toyDriver();
  await driver.ready;
  const seen: string[] = [];
  driver.attach(1, (event) => seen.push(`1 ${event.kind}`));
  driver.attach(2, (event) => seen.push(`2 ${event.kind}`));
  const closed: Event = { kind: 'closed', socket: 1, reason: 0, detail: '' };
  driver.stack.orders.push(writable(1), writable(2), { kind: 'event', event: closed }, writable(1), writable(2));
  driver.handle({ kind: 'read', socket: 1, bytes: 1 });
  await new Promise(setImmediate);
  assert.deepEqual(seen, ['1 writable', '2 writable', '1 closed', '2 writable']);
  assert.equal(driver.counters.unheard, 1);
  await driver.close();
});

test('driver: a listener that calls handle is not re-entered, and what it brought follows', async () => {
  const driver = toyDriver();
  await driver.ready;
  let depth = 0;
  let deepest = 0;
  let calls = 0;
  driver.attach(1, () => {
    depth++;
    deepest = Math.max(deepest, depth);
    if (++calls < 5) driver.stack.orders.push(writable(1));
    driver.handle({ kind: 'read', socket: 1, bytes: 1 });
    depth--;
  });
  driver.stack.orders.push(writable(1));
  driver.handle({ kind: 'read', socket: 1, bytes: 1 });
  await new Promise(setImmediate);
  assert.equal(calls, 5);
  assert.equal(deepest, 1);
  await driver.close();
});

for (const waitUs of [0, 300, 5_000]) {
  test(`driver: a deadline ${waitUs} us ahead brings a tick, not before`, async () => {
    const driver = toyDriver();
    await driver.ready;
    driver.attach(1, () => {});
    const ticked = heard(driver.stack, 'tick');
    const deadlineUs = driver.nowUs() + waitUs;
    driver.stack.deadlineUs = deadlineUs;
    driver.handle({ kind: 'read', socket: 1, bytes: 1 });
    assert.ok((await ticked) >= deadlineUs);
    assert.equal(driver.stack.inputs.filter((kind) => kind === 'tick').length, 1);
    await driver.close();
  });
}

test('driver: a deadline that moves ahead of the timer already set comes in time', async () => {
  const driver = toyDriver();
  await driver.ready;
  driver.attach(1, () => {});
  driver.stack.deadlineUs = driver.nowUs() + 60e6;
  driver.handle({ kind: 'read', socket: 1, bytes: 1 });
  await new Promise(setImmediate);
  const ticked = heard(driver.stack, 'tick');
  driver.stack.deadlineUs = driver.nowUs() + 2_000;
  driver.handle({ kind: 'read', socket: 1, bytes: 1 });
  await ticked;
  await driver.close();
});

test('driver: a deadline that moves far behind the timer already set wakes nobody before', async (t) => {
  const later = setTimeout;
  let woken = 0;
  const driver = toyDriver();
  await driver.ready;
  t.mock.method(globalThis, 'setTimeout', (callback: () => void, ms: number) => {
    return later(() => {
      woken++;
      callback();
    }, ms);
  });
  driver.attach(1, () => {});
  for (const aheadUs of [60_000, 60e6]) {
    driver.stack.deadlineUs = driver.nowUs() + aheadUs;
    driver.handle({ kind: 'read', socket: 1, bytes: 1 });
    await new Promise(setImmediate);
  }
  await new Promise((resolve) => later(resolve, 150));
  assert.equal(woken, 0);
  await driver.close();
});

test('driver: a refused packet size is told to the stack', { skip: noOffload }, async () => {
  const driver = toyDriver({ link: { address: '127.0.0.1', kind: 'offload' } });
  await driver.ready;
  const told = heard(driver.stack, 'too-big');
  const remote: Locator = { address: Uint8Array.of(127, 0, 0, 1), port: 0xffff };
  driver.stack.poll = (_nowUs, output) => {
    if (driver.stack.inputs.includes('too-big')) return 'idle';
    Object.assign(output.batch, { buffer: Buffer.alloc(65_520), bytes: 65_520, packetBytes: 65_520, packets: 1 });
    output.remote = remote;
    return 'transmit';
  };
  driver.handle({ kind: 'read', socket: 1, bytes: 1 });
  await told;
  await driver.close();
});

/** Runs a program with a driver of the real exports in a child; answers its exit code and output. */
function run(body: string): Promise<{ code: number | null; output: string }> {
  const program = `
    import { createDriver } from ${JSON.stringify(indexUrl)};
    const createStack = () => ({ handle: () => 1, poll: (now, output) => { output.deadlineUs = now + 500; return 'idle'; } });
    const driver = createDriver({ createStack, stack: ${JSON.stringify(noGroup)}, link: { kind: process.env.KIND } });
    await driver.ready;
    ${body}`;
  return new Promise((resolve) => {
    const env = { ...process.env, KIND: 'offload' };
    const child = spawn(process.execPath, ['--input-type=module', '-e', program], {
      env,
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let output = '';
    child.stdout.on('data', (chunk) => (output += chunk));
    child.on('close', (code) => resolve({ code, output }));
  });
}

test('driver: without a referenced socket the process ends', { skip: noOffload }, async () => {
  const ended = await run(`driver.attach(1, () => {}); driver.unref(1); console.log('end of program');`);
  assert.deepEqual(ended, { code: 0, output: 'end of program\n' });
});

test('driver: a referenced socket keeps the process alive until it is unreferenced', { skip: noOffload }, async () => {
  const ended = await run(`
    driver.attach(1, () => {}); driver.attach(2, () => {}); driver.unref(1);
    setTimeout(() => { console.log('still here'); driver.unref(2); }, 50).unref();`);
  assert.deepEqual(ended, { code: 0, output: 'still here\n' });
});

test('driver: closing lets the process end', { skip: noOffload }, async () => {
  const ended = await run(`driver.attach(1, () => {}); await driver.close(); console.log('closed');`);
  assert.deepEqual(ended, { code: 0, output: 'closed\n' });
});

test('driver: after a listener throws, the remaining outputs still come', { skip: noOffload }, async () => {
  const ended = await run(`
    const events = [1, 2];
    driver.stack.poll = (now, output) => {
      output.deadlineUs = Infinity;
      output.event = { kind: 'writable', socket: events.shift() };
      return output.event.socket ? 'event' : 'idle';
    };
    process.on('uncaughtException', (error) => console.log(error.message));
    driver.attach(1, () => { throw new Error('from a listener'); });
    driver.attach(2, () => { console.log('and on'); driver.unref(1); driver.unref(2); });
    driver.handle({ kind: 'read', socket: 1, bytes: 1 });`);
  assert.deepEqual(ended, { code: 0, output: 'from a listener\nand on\n' });
});
