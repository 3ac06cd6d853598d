// Libraries as their users write them, over our sockets (A6): only the documented place where a library takes a
// socket, an agent or a server is used.

import assert from 'node:assert/strict';
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import * as http from 'node:http';
import * as net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pipeline } from 'node:stream';
import { test } from 'node:test';
import express from 'express';
import { fastify } from 'fastify';
import { AbstractConnector, Redis } from 'ioredis';
import {
  buildConnector,
  getGlobalDispatcher,
  Pool,
  setGlobalDispatcher,
  Agent as UndiciAgent,
  fetch as undiciFetch,
} from 'undici';
import { WebSocket, WebSocketServer } from 'ws';
import type { Driver } from '../../../src/core/stack/index.ts';
import { Agent, connect, connector, createServer, type Serving, serve } from '../../../src/sockets/index.ts';
import { freeName } from '../caracal.ts';
import { content, readAll, sha256 } from '../harness.ts';

interface Place {
  readonly name: string;
  readonly serverDriver: Driver;
  readonly clientDriver: Driver;
}

const timeout = 30_000;

export function libraryTests(place: Place): void {
  const title = (text: string): string => `${place.name}: ${text}`;
  test(title('express: routes, JSON bodies, streamed files'), { timeout }, () => expressTest(place));
  test(title('fastify: JSON, schema validation, stream reply'), { timeout }, () => fastifyTest(place));
  test(title('ws: text, binary, ping, a 5 MB message, close code'), { timeout }, () => wsTest(place));
  test(title('undici: a pool with pipelining, upload, refused'), { timeout }, () => undiciTest(place));
  test(title('fetch: global fetch through the global dispatcher'), { timeout }, () => fetchTest(place));
  test(title('fetch: other hosts go where they always went'), { timeout }, () => otherwiseTest(place));
  test(title('serve: closing the http.Server closes the service'), { timeout }, () => serveCloseTest(place));
  test(title('serve: close lets a request in flight finish'), { timeout }, () => drainTest(place));
  const redis = spawnSync('redis-server', ['--version']).status === 0;
  const skip = redis ? false : 'no redis-server here (Debian: redis-server)';
  test(title('ioredis: commands, pipeline, publish and subscribe, against redis-server'), { timeout, skip }, () =>
    redisTest(place),
  );
}

async function served(
  place: Place,
  target: http.Server | http.RequestListener,
): Promise<{ service: string; serving: Serving; agent: Agent }> {
  const service = freeName();
  const serving = serve(target, service, { driver: place.serverDriver });
  const { service: name } = await serving.ready;
  assert.equal(name, service);
  return { service, serving, agent: new Agent({ keepAlive: true, driver: place.clientDriver }) };
}

async function ask(agent: Agent, url: string, options: http.RequestOptions = {}, body?: string | Buffer) {
  const request = http.request(url, { agent, ...options });
  request.end(body);
  const [response] = (await once(request, 'response')) as [http.IncomingMessage];
  return { status: response.statusCode, headers: response.headers, body: await readAll(response) };
}

async function expressTest(place: Place): Promise<void> {
  const app = express();
  app.use(express.json());
  app.get('/hello/:name', (request, response) => void response.send(`hello ${request.params.name}`));
  app.post('/sum', (request, response) => void response.json({ sum: request.body.a + request.body.b }));
  app.get('/file', (_request, response) => response.sendFile('package.json', { root: process.cwd() }));
  const { service, serving, agent } = await served(place, app);
  const base = `http://${service}.svc`;
  assert.equal((await ask(agent, `${base}/hello/world`)).body.toString(), 'hello world');
  const headers = { 'Content-Type': 'application/json' };
  const sum = await ask(agent, `${base}/sum`, { method: 'POST', headers }, JSON.stringify({ a: 2, b: 3 }));
  assert.deepEqual(JSON.parse(sum.body.toString()), { sum: 5 });
  assert.equal(JSON.parse((await ask(agent, `${base}/file`)).body.toString()).name, 'caracal');
  assert.equal((await ask(agent, `${base}/nothing`)).status, 404);
  agent.destroy();
  await serving.close();
}

async function fastifyTest(place: Place): Promise<void> {
  const app = fastify();
  const schema = { querystring: { type: 'object', properties: { n: { type: 'integer' } }, required: ['n'] } };
  app.get<{ Querystring: { n: number } }>('/double', { schema }, async (request) => ({ twice: request.query.n * 2 }));
  app.get('/bytes', async (_request, reply) => reply.send(content(300_000)));
  await app.ready();
  const { service, serving, agent } = await served(place, app.server);
  const base = `http://${service}.svc`;
  assert.deepEqual(JSON.parse((await ask(agent, `${base}/double?n=21`)).body.toString()), { twice: 42 });
  assert.equal((await ask(agent, `${base}/double?n=x`)).status, 400);
  assert.equal(sha256((await ask(agent, `${base}/bytes`)).body), sha256(content(300_000)));
  agent.destroy();
  await serving.close();
  await app.close();
}

async function wsTest(place: Place): Promise<void> {
  const server = http.createServer();
  const sockets = new WebSocketServer({ server });
  sockets.on('connection', (socket) => socket.on('message', (data, binary) => socket.send(data, { binary })));
  const { service, serving, agent } = await served(place, server);
  const client = new WebSocket(`ws://${service}.svc/chat`, { agent, perMessageDeflate: false });
  await once(client, 'open');
  const echo = async (sent: string | Buffer): Promise<Buffer> => {
    client.send(sent);
    return ((await once(client, 'message')) as [Buffer])[0];
  };
  assert.equal((await echo('text')).toString(), 'text');
  assert.deepEqual(await echo(Buffer.of(1, 2, 3)), Buffer.of(1, 2, 3));
  assert.equal(sha256(await echo(content(5e6))), sha256(content(5e6)));
  client.ping('are you there');
  assert.equal(((await once(client, 'pong')) as [Buffer])[0].toString(), 'are you there');
  client.close(4001, 'done');
  assert.equal(((await once(client, 'close')) as [number])[0], 4001);
  sockets.close();
  agent.destroy();
  await serving.close();
}

async function undiciTest(place: Place): Promise<void> {
  const { service, serving, agent } = await served(place, async (request, response) => {
    const body = await readAll(request);
    response.end(`${request.url} ${body.length}`);
  });
  agent.destroy();
  const connectTo = connector({ driver: place.clientDriver });
  const pool = new Pool(`http://${service}.svc`, { connect: connectTo, connections: 4, pipelining: 5 });
  const one = async (number: number): Promise<void> => {
    const { statusCode, body } = await pool.request({ path: `/${number}`, method: 'GET' });
    assert.equal(statusCode, 200);
    assert.equal(await body.text(), `/${number} 0`);
  };
  await Promise.all(Array.from({ length: 100 }, (_, i) => one(i)));
  const upload = await pool.request({ path: '/up', method: 'PUT', body: content(3e6) });
  assert.equal(await upload.body.text(), '/up 3000000');
  await pool.close();
  const nobody = new Pool(`http://${freeName()}.svc`, { connect: connectTo });
  await assert.rejects(nobody.request({ path: '/', method: 'GET' }), { code: 'ECONNREFUSED' });
  await nobody.destroy();
  await serving.close();
}

async function fetchTest(place: Place): Promise<void> {
  const { service, serving, agent } = await served(place, async (request, response) => {
    response.setHeader('Content-Type', 'application/json');
    response.end(JSON.stringify({ url: request.url, host: request.headers.host, body: `${await readAll(request)}` }));
  });
  agent.destroy();
  const dispatcher = new UndiciAgent({ connect: connector({ driver: place.clientDriver }) });
  const before = getGlobalDispatcher();
  setGlobalDispatcher(dispatcher);
  try {
    for (const call of [globalThis.fetch, undiciFetch as unknown as typeof globalThis.fetch]) {
      const response = await call(`http://${service}.svc/path?x=1`, { method: 'POST', body: 'from fetch' });
      assert.equal(response.status, 200);
      assert.deepEqual(await response.json(), { url: '/path?x=1', host: `${service}.svc`, body: 'from fetch' });
    }
    await assert.rejects(globalThis.fetch(`http://${freeName()}.svc/`), (error: Error) => {
      assert.equal((error.cause as NodeJS.ErrnoException).code, 'ECONNREFUSED');
      return true;
    });
  } finally {
    setGlobalDispatcher(before);
    await dispatcher.close();
    await serving.close();
  }
}

async function otherwiseTest(place: Place): Promise<void> {
  const { service, serving, agent } = await served(place, (_request, response) => void response.end('a service'));
  agent.destroy();
  const plain = http.createServer((_request, response) => void response.end('a host')).listen(0, '127.0.0.1');
  await once(plain, 'listening');
  const connectTo = connector({ driver: place.clientDriver, otherwise: buildConnector({}) });
  const dispatcher = new UndiciAgent({ connect: connectTo });
  const { port } = plain.address() as net.AddressInfo;
  const text = async (url: string): Promise<string> => (await undiciFetch(url, { dispatcher })).text();
  assert.equal(await text(`http://${service}.svc/`), 'a service');
  assert.equal(await text(`http://127.0.0.1:${port}/`), 'a host');
  await dispatcher.close();
  plain.close();
  await serving.close();
}

async function serveCloseTest(place: Place): Promise<void> {
  const server = http.createServer((_request, response) => void response.end('x'));
  const { service, serving, agent } = await served(place, server);
  await ask(agent, `http://${service}.svc/`);
  server.close();
  await once(serving.server, 'close');
  await assert.rejects(ask(new Agent({ driver: place.clientDriver }), `http://${service}.svc/`), {
    code: 'ECONNREFUSED',
  });
  agent.destroy();
}

async function drainTest(place: Place): Promise<void> {
  let finish = (): void => {};
  const arrived = new Promise<void>((resolve) => {
    finish = resolve;
  });
  let answer = (): void => {};
  const { service, serving, agent } = await served(place, (_request, response) => {
    answer = () => response.end('finished');
    finish();
  });
  const response = ask(agent, `http://${service}.svc/`);
  await arrived;
  const closed = serving.close();
  answer();
  assert.equal((await response).body.toString(), 'finished');
  await closed;
  agent.destroy();
}

async function redisTest(place: Place): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'caracal-redis-'));
  const path = join(folder, 'socket');
  const redis = await startRedis(folder, path);
  const service = freeName();
  const server = createServer({ driver: place.serverDriver }, (socket) => {
    const legacy = net.connect(path);
    pipeline(socket, legacy, socket, () => {});
  });
  server.listen(service);
  await once(server, 'listening');
  class ServiceConnector extends AbstractConnector {
    constructor() {
      super(1000);
    }
    override async connect(): Promise<net.Socket> {
      this.stream = connect({ service, driver: place.clientDriver }) as unknown as net.Socket;
      return this.stream as net.Socket;
    }
  }
  const client = new Redis({ Connector: ServiceConnector, maxRetriesPerRequest: 1 });
  const subscriber = client.duplicate();
  try {
    assert.equal(await client.set('key', content(200_000)), 'OK');
    assert.equal(sha256((await client.getBuffer('key'))!), sha256(content(200_000)));
    const results = await client.pipeline(Array.from({ length: 500 }, () => ['incr', 'count'])).exec();
    assert.deepEqual(results?.at(-1), [null, 500]);
    await subscriber.subscribe('news');
    const message = once(subscriber, 'message');
    await client.publish('news', 'hello');
    assert.deepEqual(await message, ['news', 'hello']);
    assert.equal(await client.quit(), 'OK');
  } finally {
    client.disconnect();
    subscriber.disconnect();
    redis.kill();
    await once(redis, 'exit');
    rmSync(folder, { recursive: true, force: true });
    server.close();
    server.closeAllConnections();
    await once(server, 'close');
  }
}

async function startRedis(folder: string, path: string): Promise<ChildProcess> {
  const options = ['--port', '0', '--unixsocket', path, '--save', '', '--appendonly', 'no', '--dir', folder];
  const redis = spawn('redis-server', options, { stdio: ['ignore', 'pipe', 'inherit'] });
  for await (const line of redis.stdout) if (/ready to accept connections/i.test(String(line))) break;
  return redis;
}
