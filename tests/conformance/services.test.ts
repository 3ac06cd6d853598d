// What node:net has no word for, over the real stack: prefixes, datagrams by name, late binding between instances.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { after, test } from 'node:test';
import {
  connect,
  createServer,
  createSocket,
  type DatagramSocket,
  formatServiceId,
  labelId,
  type RemoteInfo,
  type Server,
} from '../../src/index.ts';
import { freeName, lonelyDriver } from './caracal.ts';
import { readAll } from './harness.ts';

const [serverDriver, otherDriver, clientDriver] = [lonelyDriver(), lonelyDriver(), lonelyDriver()];
const options = { timeout: 20_000 };
after(() => Promise.all([serverDriver, otherDriver, clientDriver].map((driver) => driver.close())));

async function instance(service: string, text: string, driver = serverDriver): Promise<Server> {
  const server = createServer({ driver }, (socket) => socket.end(text)).listen(service);
  await once(server, 'listening');
  return server;
}

async function ask(service: string | Uint8Array): Promise<string> {
  return (await readAll(connect({ service, driver: clientDriver }))).toString();
}

test('prefix: a /224 takes connections to every member, a longer one wins', options, async () => {
  const name = freeName();
  const pool = createServer({ driver: serverDriver }, (socket) => socket.end(socket.localService));
  pool.listen({ service: name, bits: 224 });
  await once(pool, 'listening');
  const one = await instance(formatServiceId(labelId(name, 5)), 'five itself');
  assert.equal(await ask(name), formatServiceId(labelId(name)));
  assert.equal(await ask(labelId(name, 4)), formatServiceId(labelId(name, 4)));
  assert.equal(await ask(labelId(name, 5)), 'five itself');
  pool.close();
  one.close();
});

test('instances: when one closes, the other is met at once', options, async () => {
  const name = freeName();
  const first = await instance(name, 'first');
  assert.equal(await ask(name), 'first');
  const second = await instance(name, 'second', otherDriver);
  first.close();
  await once(first, 'close');
  for (let i = 0; i < 5; i++) assert.equal(await ask(name), 'second');
  second.close();
});

test('listen: one stack cannot bind a name twice', options, async () => {
  const name = freeName();
  const server = await instance(name, 'first');
  const again = createServer({ driver: serverDriver }).listen(name);
  const [error] = (await once(again, 'error')) as [NodeJS.ErrnoException];
  assert.equal(error.code, 'EADDRINUSE');
  server.close();
});

test('datagrams: unbound, answered by the name of the sender', options, async () => {
  const name = freeName();
  const server = createSocket({ driver: serverDriver }, (message, { service }) =>
    server.send(`re: ${message}`, service!),
  );
  server.bind({ service: name, bits: 224 });
  await once(server, 'listening');
  const client = createSocket({ driver: clientDriver });
  for (const member of [0, 9]) {
    client.send('question', labelId(name, member));
    const [message, remote] = (await once(client, 'message')) as [Buffer, RemoteInfo];
    assert.equal(message.toString(), 're: question');
    assert.match(remote.service ?? '', /^[a-z2-7]{52}$/);
  }
  client.close();
  server.close();
});

test('datagrams: a flow keeps its instance, and its close is no error', options, async () => {
  const name = freeName();
  const closed: string[] = [];
  const serve = async (driver: typeof serverDriver, text: string): Promise<DatagramSocket> => {
    const server = createSocket({ driver });
    server.on('connection', (flow: DatagramSocket) => {
      flow.on('message', (message) => flow.send(`${text} ${message}`));
      flow.on('close', () => closed.push(text));
    });
    server.listen(name);
    await once(server, 'listening');
    return server;
  };
  const servers = [await serve(serverDriver, 'a'), await serve(otherDriver, 'b')];
  const client = createSocket({ driver: clientDriver }).connect(name);
  const answers = new Set<string>();
  for (let i = 0; i < 20; i++) {
    client.send(String(i));
    const [message] = (await once(client, 'message')) as [Buffer];
    const [who, number] = message.toString().split(' ');
    assert.equal(Number(number), i);
    answers.add(who!);
  }
  assert.equal(answers.size, 1);
  client.close();
  while (closed.length === 0) await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual(closed, [...answers]);
  for (const server of servers) server.close();
});

test('datagrams: too long for the path is told to the callback', options, async () => {
  const name = freeName();
  const server = createSocket({ driver: serverDriver }).bind(name);
  await once(server, 'listening');
  const client = createSocket({ driver: clientDriver });
  const error = await new Promise<Error | null>((resolve) => client.send(Buffer.alloc(70_000), name, resolve));
  assert.equal((error as NodeJS.ErrnoException | null)?.code, 'ENOBUFS');
  client.close();
  server.close();
});
