// Sockets that go on at another instance, over a driver without a network and with small windows: what the two streams
// are after breaks at any byte, who refuses what, and what applications see of it. Instances are connections of one
// listener, lost by `cut`.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type TestContext, test } from 'node:test';
import { Reason } from '../core/base/index.ts';
import type { Failover } from './failover.ts';
import type { ConnectOptions } from './options.ts';
import { createServer, type Server } from './server.ts';
import { connect, type Socket } from './socket.ts';
import type { LostConnection, TakeOver } from './takeover.ts';
import { createMemoryDriver, type MemoryDriver } from './testing/memory-driver.ts';

interface World {
  readonly driver: MemoryDriver;
  readonly server: Server;
  readonly accepted: Socket[];
  readonly lost: LostConnection[];
  dial(options?: ConnectOptions): Socket;
}

/** `serve` gets every connection; `takeOver` absent: it cannot go on. */
async function createWorld(t: TestContext, serve: (socket: Socket) => void, takeOver?: TakeOver): Promise<World> {
  const driver = createMemoryDriver();
  t.after(() => driver.close());
  const [accepted, lost]: [Socket[], LostConnection[]] = [[], []];
  const noting: TakeOver = (one) => {
    lost.push(one);
    return takeOver?.(one);
  };
  const failover = takeOver && noting;
  const server = createServer({ driver, failover, allowHalfOpen: true }, (socket) => {
    accepted.push(socket);
    serve(socket.on('error', () => {}));
  });
  server.listen('web').on('error', () => {});
  await once(server, 'listening');
  const dial = (options: ConnectOptions = {}) => connect({ driver, service: 'web', failover: true, ...options });
  return { driver, server, accepted, lost, dial };
}

/** The instance at the other end of its client is gone. */
function cut(socket: Socket | undefined): void {
  socket?.cutOff(Reason.CLOSED);
}

function pattern(offset: number, length: number): Buffer {
  const bytes: Buffer = Buffer.alloc(length);
  for (let i = 0; i < length; i++) bytes[i] = (offset + i) * 7 + ((offset + i) >> 8);
  return bytes;
}

const feedBytes = 300_000;
const feed = (socket: Socket): void => {
  socket.resume().end(pattern(socket.bytesWritten, feedBytes - socket.bytesWritten));
};
const echo = (socket: Socket): void => {
  socket.pipe(socket);
};
const fromStart: TakeOver = () => 0;
const whatIsNotBack: TakeOver = ({ bytesWritten }) => bytesWritten;

async function readAll(socket: Socket, onData: (receivedBytes: number) => void = () => {}): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of socket) {
    chunks.push(chunk);
    bytes += chunk.length;
    onData(bytes);
  }
  return Buffer.concat(chunks);
}

async function until(condition: () => boolean): Promise<void> {
  for (let turn = 0; !condition(); turn++) {
    assert.ok(turn < 10_000, `${condition}`);
    await new Promise(setImmediate);
  }
}

function failovers(socket: Socket): Failover[] {
  const seen: Failover[] = [];
  socket.on('failover', (failover: Failover) => seen.push(failover));
  return seen;
}

test('a download goes on at the next byte, after every loss', async (t) => {
  const world = await createWorld(t, feed, fromStart);
  const client = world.dial();
  const seen = failovers(client);
  client.write('all of it');
  let next = 50_000;
  const content = await readAll(client, (bytes) => {
    if (bytes < next) return;
    next += 50_000;
    cut(world.accepted.at(-1));
  });
  assert.deepEqual(content, pattern(0, feedBytes));
  assert.ok(seen.length >= 3, `${seen.length}`);
  assert.ok(seen.every(({ reason, bytesWritten }) => reason === 'closed' && bytesWritten === 0));
  for (const [i, { resumed, bytesRead }] of world.accepted.slice(1).entries()) {
    assert.equal(resumed?.bytesWritten, seen[i]?.bytesRead);
    assert.ok(bytesRead <= 'all of it'.length, 'it has read what was sent again, and no more');
  }
  assert.deepEqual([client.bytesRead, client.bytesWritten], [feedBytes, 9]);
});

test('both streams go on byte by byte, wherever they break', async (t) => {
  for (let everyBytes = 7_001; everyBytes < 60_000; everyBytes += 5_003) {
    const world = await createWorld(t, echo, whatIsNotBack);
    const client = world.dial({ failover: { keepBytes: 200_000 } });
    const sent = pattern(0, 250_000);
    client.end(sent);
    let next = everyBytes;
    const content = await readAll(client, (bytes) => {
      if (bytes < next) return;
      next += everyBytes;
      cut(world.accepted.at(-1));
    });
    assert.equal(Buffer.compare(content, sent), 0, `every ${everyBytes} bytes`);
    assert.ok(world.lost.length >= 2);
  }
});

test('an application that had ended its side has ended it at the next instance, too', async (t) => {
  const ends: number[] = [];
  const world = await createWorld(
    t,
    (socket) => socket.resume().on('end', () => ends.push(world.accepted.length)),
    fromStart,
  );
  const client = world.dial({ allowHalfOpen: true });
  client.end('that was all');
  await once(client, 'finish');
  await until(() => !(ends.length < 1));
  cut(world.accepted[0]);
  await until(() => !(ends.length < 2));
  assert.equal(world.accepted[1]?.bytesRead, 12);
  client.destroy();
});

test('the token is what the application says at the time', async (t) => {
  const tokens: [NonNullable<ConnectOptions['failover']>, string][] = [
    [true, ''],
    [{ token: 'session 1' }, 'session 1'],
    [{ token: Buffer.from('bytes') }, 'bytes'],
    [{ token: () => 'now' }, 'now'],
  ];
  for (const [failover, token] of tokens) {
    const world = await createWorld(t, (socket) => socket.resume(), fromStart);
    const client = world.dial({ failover });
    await once(client, 'connect');
    await until(() => !(world.accepted.length < 1));
    cut(world.accepted[0]);
    await once(client, 'failover');
    assert.equal(world.lost[0]?.token.toString(), token);
    assert.equal(world.accepted[1]?.resumed?.token.toString(), token);
    client.destroy();
  }
});

test('what cannot be told or kept is refused at once', () => {
  const driver = createMemoryDriver();
  for (const failover of [{ token: '' }, { token: 'x'.repeat(65) }, { keepBytes: -1 }, { timeoutMs: 0 }])
    assert.throws(() => connect({ driver, service: 'web', failover }), { code: 'ERR_OUT_OF_RANGE' });
  assert.throws(() => connect({ driver, service: 'web', failover: { token: 7 as never } }), {
    code: 'ERR_INVALID_ARG_TYPE',
  });
});

/** What a client that is interrupted after its first bytes gets. */
async function interrupted(world: World, options: ConnectOptions = {}): Promise<NodeJS.ErrnoException> {
  const client = world.dial(options);
  client.write('abc');
  await once(client, 'data');
  await new Promise(setImmediate);
  cut(world.accepted[0]);
  const [error] = await once(client.resume(), 'error');
  return error;
}

test('no instance that goes on, no byte: a typed error', async (t) => {
  const refusing: [string, (TakeOver | undefined)?, ConnectOptions?][] = [
    ['a server that was not written for it'],
    ['one whose application does not know the connection', () => undefined],
    ['one that finds that out later', async () => undefined],
    ['one that wants what is not kept', fromStart, { failover: { keepBytes: 2 } }],
  ];
  for (const [who, takeOver, options] of refusing) {
    const world = await createWorld(t, echo, takeOver && ((lost) => (lost.firstByte > 0 ? undefined : takeOver(lost))));
    const error = await interrupted(world, options);
    assert.equal(error.code, 'ERR_CARACAL_NOT_RESUMED', who);
    assert.match(error.message, /svc:\/\/web: the instance is lost.*try: /);
    assert.equal(world.accepted.length, 1, who);
  }
});

test('an instance that resets its client was not lost', async (t) => {
  const world = await createWorld(t, echo, whatIsNotBack);
  const client = world.dial();
  client.write('abc');
  await once(client, 'data');
  world.accepted[0]?.resetAndDestroy();
  const [error] = await once(client, 'error');
  assert.equal(error.code, 'ECONNRESET');
  assert.equal(world.accepted.length, 1);
});

test('asked to go, a client goes on elsewhere; where nobody goes on, it stays', async (t) => {
  for (const takesOver of [true, false]) {
    const world = await createWorld(t, echo, takesOver ? whatIsNotBack : undefined);
    const client = world.dial({ failover: { keepBytes: 200_000 } });
    const seen = failovers(client);
    const sent = pattern(0, 1_000_000);
    let asked = false;
    client.end(sent);
    const content = await readAll(client, () => {
      if (!asked) asked = world.accepted[0]?.shed() ?? false;
    });
    assert.equal(Buffer.compare(content, sent), 0);
    assert.deepEqual(
      seen.map(({ reason }) => reason),
      takesOver ? ['shed'] : [],
    );
    assert.equal(world.accepted.length, takesOver ? 2 : 1);
  }
});

test("an application that listens to 'shed' sees to it itself", async (t) => {
  const world = await createWorld(t, echo, whatIsNotBack);
  const client = world.dial();
  client.write('abc');
  await once(client, 'data');
  world.accepted[0]?.shed();
  await once(client, 'shed');
  for (let i = 0; i < 10; i++) await new Promise(setImmediate);
  assert.equal(world.accepted.length, 1);
  client.destroy();
});

test('an application that does not want to go on destroys its socket, and nothing has passed', async (t) => {
  const world = await createWorld(t, echo, fromStart);
  const client = world.dial();
  client.on('failover', () => client.destroy());
  client.write('abc');
  await once(client, 'data');
  cut(world.accepted[0]);
  await once(client, 'close');
  for (let i = 0; i < 10; i++) await new Promise(setImmediate);
  assert.deepEqual([client.bytesRead, world.accepted[1]?.bytesRead], [3, 0]);
  assert.equal(world.driver.openSockets, 1, 'the listener alone');
});

test('a server hears of the connection when its application has taken it, and not of one that never says a word', async (t) => {
  let take: (value: number | undefined) => void = () => {};
  const world = await createWorld(
    t,
    echo,
    () =>
      new Promise((resolve) => {
        take = resolve;
      }),
  );
  const client = world.dial();
  client.write('abc');
  await once(client, 'data');
  cut(world.accepted[0]);
  await until(() => !(world.lost.length < 1));
  assert.equal(world.accepted.length, 1);
  take(3);
  await once(client, 'failover');
  assert.equal(world.accepted.length, 2);
  client.write('def');
  const [more] = await once(client, 'data');
  assert.equal(`${more}`, 'def');
  client.destroy();
});
