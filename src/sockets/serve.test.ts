// How an HTTP service parts with its connections: between two requests and never inside one, whatever state they are in
// when it begins.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type RequestListener } from 'node:http';
import { type TestContext, test } from 'node:test';
import { type Serving, serve } from './serve.ts';
import { connect, type Socket } from './socket.ts';
import { createMemoryDriver, type MemoryDriver } from './testing/memory-driver.ts';

interface Site {
  /** Time passes for the server. */
  advance(ms: number): Promise<void>;
  readonly driver: MemoryDriver;
  readonly serving: Serving;
  dial(failover?: boolean): Promise<Visitor>;
}

/** A client that speaks HTTP/1.1 by hand, so that it is known what is on its way when. */
interface Visitor {
  readonly socket: Socket;
  text: string;
  get(path: string): Promise<string>;
}

/** How long a connection rests before it ends: the server's own figure. */
const quietMs = 1_000;

async function turns(count = 20): Promise<void> {
  for (let i = 0; i < count; i++) await new Promise((resolve) => setImmediate(resolve));
}

async function site(t: TestContext, listener: RequestListener): Promise<Site> {
  let nowMs = 0;
  t.mock.method(performance, 'now', () => nowMs);
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const advance = async (ms: number): Promise<void> => {
    await turns();
    nowMs += ms;
    t.mock.timers.tick(ms);
    await turns();
  };
  const driver = createMemoryDriver();
  const http = createServer(listener);
  const serving = serve(http, 'site', { driver });
  await serving.ready;
  const visitors: Visitor[] = [];
  t.after(async () => {
    for (const { socket } of visitors) socket.destroy();
    http.closeAllConnections();
    await serving.close();
    await driver.close();
  });
  const dial = async (failover = false): Promise<Visitor> => {
    const socket = connect({ service: 'site', driver, failover, allowHalfOpen: false }).on('error', () => {});
    const visitor: Visitor = { socket, text: '', get: (path) => get(visitor, path) };
    socket.setEncoding('latin1').on('data', (text: string) => {
      visitor.text += text;
    });
    visitors.push(visitor);
    await once(socket, 'connect');
    return visitor;
  };
  return { advance, driver, serving, dial };
}

/** One request; resolves with the whole answer, which has a length. */
async function get(visitor: Visitor, path: string): Promise<string> {
  visitor.text = '';
  visitor.socket.write(`GET ${path} HTTP/1.1\r\nHost: site\r\n\r\n`);
  for (;;) {
    const head = /^[\s\S]*?\r\n\r\n/.exec(visitor.text)?.[0];
    const length = Number(/content-length: (\d+)/i.exec(head ?? '')?.[1]);
    if (head !== undefined && visitor.text.length >= head.length + length) return visitor.text;
    if (visitor.socket.readableEnded || visitor.socket.destroyed) return `cut off: ${visitor.text}`;
    await new Promise((resolve) => setImmediate(resolve));
  }
}

const hello: RequestListener = (_request, response) => void response.setHeader('Content-Length', 5).end('hello');

/** Whether it is over already. */
async function isSettled(work: Promise<unknown>): Promise<boolean> {
  let settled = false;
  void work.then(() => {
    settled = true;
  });
  await turns();
  return settled;
}

test('serve: drain leaves a connection just used open for the request that may be on its way', async (t) => {
  const { advance, dial, serving } = await site(t, hello);
  const visitor = await dial();
  assert.doesNotMatch(await visitor.get('/1'), /connection: close/i);
  const drained = serving.drain();
  await advance(quietMs - 1);
  const last = await visitor.get('/2');
  assert.match(last, /^HTTP\/1.1 200 [\s\S]*connection: close[\s\S]*hello$/i);
  assert.deepEqual(await drained, { moved: 1, ended: 0, reset: 0 });
});

test('serve: drain ends a connection that rests, a second after its last request', async (t) => {
  const { advance, dial, serving } = await site(t, hello);
  const [used, unused] = [await dial(), await dial()];
  await advance(600);
  await used.get('/');
  const drained = serving.drain();
  await advance(399);
  assert.ok(!used.socket.closed && !unused.socket.closed);
  await advance(1);
  assert.ok(!used.socket.closed && unused.socket.closed);
  await advance(599);
  assert.ok(!used.socket.closed);
  await advance(1);
  assert.ok(used.socket.closed);
  assert.deepEqual(await drained, { moved: 2, ended: 0, reset: 0 });
});

test('serve: a request under way when drain begins is answered whole, and says that it is the last', async (t) => {
  const answers: (() => void)[] = [];
  const { dial, serving } = await site(t, (_request, response) => {
    response.setHeader('Content-Length', 5);
    answers.push(() => response.end('hello'));
  });
  const visitor = await dial();
  const answer = visitor.get('/');
  while (answers.length === 0) await new Promise((resolve) => setImmediate(resolve));
  const drained = serving.drain();
  answers[0]?.();
  assert.match(await answer, /connection: close[\s\S]*hello$/i);
  assert.deepEqual(await drained, { moved: 1, ended: 0, reset: 0 });
});

test('serve: an answer whose head is out is finished; the connection ends when it has rested', async (t) => {
  const parts: ((text: string) => void)[] = [];
  const { advance, dial, serving } = await site(t, (_request, response) => {
    response.writeHead(200, { 'Content-Length': 10 });
    response.write('hello');
    parts.push((text) => response.end(text));
  });
  const visitor = await dial();
  const answer = visitor.get('/');
  while (!visitor.text.endsWith('hello')) await new Promise((resolve) => setImmediate(resolve));
  const drained = serving.drain();
  parts[0]?.('world');
  assert.match(await answer, /helloworld$/);
  assert.equal(await isSettled(drained), false);
  await advance(quietMs);
  assert.deepEqual(await drained, { moved: 1, ended: 0, reset: 0 });
});

test('serve: half a request is no rest: it is waited for, and answered', async (t) => {
  const { advance, dial, serving } = await site(t, hello);
  const visitor = await dial();
  visitor.socket.write('GET / HTTP/1.1\r\n');
  await turns();
  const drained = serving.drain();
  await advance(2 * quietMs);
  visitor.socket.write('Host: site\r\n\r\n');
  await once(visitor.socket, 'close');
  assert.match(visitor.text, /^HTTP\/1.1 200 [\s\S]*hello$/);
  await drained;
});

test('serve: an upgraded connection is asked if its client can go; otherwise it has until the deadline', async (t) => {
  const { advance, dial, serving } = await site(t, hello);
  serving.http.on('upgrade', (_request, socket) => {
    socket
      .on('error', () => {})
      .on('data', (bytes) => socket.write(bytes))
      .on('end', () => socket.end());
    socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n');
  });
  const asked: number[] = [];
  const visitors = [await dial(false), await dial(true)];
  for (const [i, visitor] of visitors.entries()) {
    visitor.socket.once('shed', () => {
      asked.push(i);
      visitor.socket.end();
    });
    visitor.socket.write('GET / HTTP/1.1\r\nHost: site\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n');
    await once(visitor.socket, 'data');
  }
  const drained = serving.drain({ deadlineMs: 3 * quietMs });
  await advance(2 * quietMs);
  assert.equal(await isSettled(drained), false);
  await advance(quietMs);
  assert.deepEqual(await drained, { moved: 1, ended: 0, reset: 1 });
  assert.deepEqual(asked, [1]);
});

test('serve: who can go is asked, in the middle of an answer or after it; who does not go ends when it rests', async (t) => {
  const { advance, dial, serving } = await site(t, (request, response) => {
    if (request.url === '/stream') response.writeHead(200, { 'Content-Length': 10 }).write('hello');
    else hello(request, response);
  });
  const [streaming, resting] = [await dial(true), await dial(true)];
  const asked: string[] = [];
  streaming.socket.once('shed', () => {
    asked.push('streaming');
    streaming.socket.destroy();
  });
  resting.socket.once('shed', () => asked.push('resting'));
  void streaming.get('/stream');
  await resting.get('/');
  const shed = serving.shed();
  await advance(quietMs);
  assert.deepEqual(await shed, { asked: 2, moved: 2 });
  assert.deepEqual(asked, ['streaming', 'resting']);
  assert.ok(serving.server.listening);
});

test('serve: shed tells its share of plain keep-alive connections to close, and serves the others on', async (t) => {
  const { dial, serving } = await site(t, hello);
  const visitors = await Promise.all(Array.from({ length: 4 }, () => dial()));
  for (const visitor of visitors) await visitor.get('/');
  const shed = serving.shed({ fraction: 0.5 });
  const answers = [];
  for (const visitor of visitors) answers.push(await visitor.get('/'));
  assert.deepEqual(
    answers.map((answer) => /connection: close/i.test(answer)),
    [true, true, false, false],
  );
  assert.deepEqual(await shed, { asked: 2, moved: 2 });
});

test('serve: close ends idle connections at once', async (t) => {
  const { dial, serving } = await site(t, hello);
  const visitor = await dial();
  await visitor.get('/');
  assert.equal(await isSettled(serving.close()), true);
});
