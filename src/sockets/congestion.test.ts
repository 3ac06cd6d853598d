// How an application chooses how fast its end sends.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer as createHttpServer } from 'node:http';
import { test } from 'node:test';
import type { Input } from '../core/stack/index.ts';
import { Agent, connector } from './http.ts';
import type { SocketOptions } from './options.ts';
import { serve } from './serve.ts';
import { createServer } from './server.ts';
import { connect, Socket } from './socket.ts';
import { createMemoryDriver } from './testing/memory-driver.ts';

type Congestion = SocketOptions['congestion'];

/** What the stack is told of each stream that is opened or listened for; the list grows. */
function watchAsked(driver: ReturnType<typeof createMemoryDriver>): unknown[] {
  const asked: unknown[] = [];
  const handle = driver.handle.bind(driver);
  driver.handle = (input: Input) => {
    if (input.kind === 'connect' || input.kind === 'listen') asked.push(input.stream?.congestion);
    return handle(input);
  };
  return asked;
}

test('congestion: a mistake is told at once, and says what there is', () => {
  const driver = createMemoryDriver();
  for (const wrong of ['reno', '', 7, null, {}]) {
    const congestion = wrong as Congestion;
    const refusal = { name: 'TypeError', code: 'ERR_INVALID_ARG_VALUE', message: /"cubic" or "bbr", not / };
    assert.throws(() => connect({ service: 'echo', driver, congestion }), refusal);
    assert.throws(() => new Socket({ congestion }), refusal);
    assert.throws(() => new Socket().connect({ service: 'echo', driver, congestion }), refusal);
    assert.throws(() => createServer({ driver, congestion }), refusal);
    assert.throws(() => new Agent({ congestion }), refusal);
    assert.throws(() => serve(createHttpServer(), 'web', { driver, congestion }), refusal);
  }
});

test('congestion: each way of opening a stream tells the stack, and none does without being asked', async () => {
  const driver = createMemoryDriver();
  const asked = watchAsked(driver);
  const server = createServer({ driver, congestion: 'bbr' }).listen('echo');
  await once(server, 'listening');
  const opened = [
    connect({ service: 'echo', driver, congestion: 'bbr' }),
    new Socket({ congestion: 'bbr' }).connect({ service: 'echo', driver }),
    connect({ service: 'echo', driver, congestion: 'cubic' }),
    connect({ service: 'echo', driver }),
  ];
  await Promise.all(opened.map((socket) => once(socket, 'connect')));
  assert.deepEqual(asked, ['bbr', 'bbr', 'bbr', 'cubic', undefined]);
  for (const socket of opened) socket.destroy();
  server.close();
});

test('congestion: HTTP clients and servers pass it on', async () => {
  const driver = createMemoryDriver();
  const asked = watchAsked(driver);
  const serving = serve(createHttpServer(), 'web', { driver, congestion: 'bbr' });
  await serving.ready;
  new Agent({ driver, congestion: 'bbr' }).createConnection({ host: 'web.svc' }).destroy();
  await new Promise<void>((resolve) => {
    connector({ driver, congestion: 'bbr' })({ hostname: 'web.svc' }, (_error: unknown, socket: Socket) => {
      socket.destroy();
      resolve();
    });
  });
  assert.deepEqual(asked, ['bbr', 'bbr', 'bbr']);
  await serving.close(0);
});
