// Node's own HTTP client and server over the sockets: keep-alive, pipelining, large bodies both ways, upgrades, and
// the server's own time limits.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import * as http from 'node:http';
import { Readable } from 'node:stream';
import { type Bench, type Case, content, hashAll, readAll, sha256 } from '../harness.ts';
import type { AnySocket, Served } from '../implementation.ts';

interface Site {
  readonly server: http.Server;
  readonly served: Served;
  readonly agent: http.Agent;
}

interface Answer {
  readonly status: number;
  readonly headers: http.IncomingHttpHeaders;
  readonly body: Buffer;
}

async function site(
  bench: Bench,
  listener: http.RequestListener,
  options: http.ServerOptions = {},
  agentOptions: http.AgentOptions = { keepAlive: true },
): Promise<Site> {
  const server = http.createServer(options, listener);
  const served = await bench.implementation.serve(server);
  const agent = bench.implementation.createAgent(agentOptions);
  bench.after(() => {
    agent.destroy();
    server.closeAllConnections();
    return served.close();
  });
  return { server, served, agent };
}

async function request(
  { served, agent }: Site,
  options: http.RequestOptions,
  body?: Buffer | Readable,
): Promise<Answer> {
  const sent = http.request({ ...served.request, agent, ...options });
  if (body instanceof Readable) body.pipe(sent);
  else sent.end(body);
  const [response] = (await once(sent, 'response')) as [http.IncomingMessage];
  return { status: response.statusCode ?? 0, headers: response.headers, body: await readAll(response) };
}

export const httpCases: Case[] = [
  {
    title: 'http: get and post',
    async run(bench) {
      const here = await site(bench, async (message, response) => {
        const body = await readAll(message);
        response.setHeader('X-Method', message.method ?? '');
        response.end(`${message.url} ${body}`);
      });
      const got = await request(here, { path: '/a?b=c' });
      assert.equal(got.status, 200);
      assert.equal(got.body.toString(), '/a?b=c ');
      const posted = await request(here, { path: '/p', method: 'POST' }, Buffer.from('form'));
      assert.equal(posted.headers['x-method'], 'POST');
      assert.equal(posted.body.toString(), '/p form');
    },
  },
  {
    title: 'http: keep-alive uses one connection again',
    async run(bench) {
      let connections = 0;
      const here = await site(bench, (_message, response) => response.end('ok'));
      here.server.on('connection', () => connections++);
      for (let i = 0; i < 10; i++) assert.equal((await request(here, { path: `/${i}` })).body.toString(), 'ok');
      assert.equal(connections, 1);
    },
  },
  {
    title: 'http: without keep-alive each request has its connection',
    async run(bench) {
      let connections = 0;
      const here = await site(bench, (_message, response) => response.end('ok'), {}, { keepAlive: false });
      here.server.on('connection', () => connections++);
      for (let i = 0; i < 3; i++) assert.equal((await request(here, {})).headers.connection, 'close');
      assert.equal(connections, 3);
    },
  },
  {
    title: 'http: 1,000 requests, 50 in flight',
    timeoutMs: 60_000,
    async run(bench) {
      const here = await site(
        bench,
        (message, response) => response.end(`answer to ${message.url}`),
        {},
        { keepAlive: true, maxSockets: 50 },
      );
      let next = 0;
      const worker = async (): Promise<void> => {
        while (next < 1000) {
          const path = `/${next++}`;
          assert.equal((await request(here, { path })).body.toString(), `answer to ${path}`);
        }
      };
      await Promise.all(Array.from({ length: 50 }, worker));
      assert.equal(next, 1000);
    },
  },
  {
    title: 'http: chunked upload of 50 MB',
    timeoutMs: 60_000,
    async run(bench) {
      const here = await site(bench, async (message, response) => {
        assert.equal(message.headers['transfer-encoding'], 'chunked');
        response.end(JSON.stringify(await hashAll(message)));
      });
      const sent = content(50e6);
      const parts = Array.from({ length: 500 }, (_, i) => sent.subarray(i * 100_000, (i + 1) * 100_000));
      const answer = await request(here, { method: 'PUT' }, Readable.from(parts));
      assert.deepEqual(JSON.parse(answer.body.toString()), { bytes: sent.length, sha256: sha256(sent) });
    },
  },
  {
    title: 'http: download of 20 MB with a length, and the connection lives on',
    async run(bench) {
      const sent = content(20e6);
      const here = await site(bench, (_message, response) =>
        response.setHeader('Content-Length', sent.length).end(sent),
      );
      for (let i = 0; i < 2; i++) assert.equal(sha256((await request(here, {})).body), sha256(sent));
    },
  },
  {
    title: 'http: pipelined requests are answered in order',
    async run(bench) {
      const here = await site(bench, (message, response) => {
        const answer = (): unknown => response.end(message.url);
        if (message.url === '/slow') setImmediate(() => setImmediate(answer));
        else answer();
      });
      const client = bench.connect(here.served.address);
      client.write('GET /slow HTTP/1.1\r\nHost: x\r\n\r\nGET /fast HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n');
      const text = (await readAll(client)).toString();
      assert.ok(text.indexOf('/slow') > 0 && text.indexOf('/slow') < text.indexOf('/fast'), text);
    },
  },
  {
    title: 'http: upgrade hands over the socket',
    async run(bench) {
      const here = await site(bench, (_message, response) => response.end());
      here.server.on('upgrade', (_message, socket: AnySocket) => {
        socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n');
        socket.on('error', () => {});
        socket.pipe(socket);
      });
      const sent = http.request({
        ...here.served.request,
        agent: here.agent,
        headers: { Connection: 'Upgrade', Upgrade: 'echo' },
      });
      sent.end();
      const [response, socket] = (await once(sent, 'upgrade')) as [http.IncomingMessage, AnySocket];
      assert.equal(response.statusCode, 101);
      socket.end('raw bytes');
      assert.equal((await readAll(socket)).toString(), 'raw bytes');
    },
  },
  {
    title: 'http: 100-continue',
    async run(bench) {
      const here = await site(bench, async (message, response) => response.end(await readAll(message)));
      const sent = http.request({
        ...here.served.request,
        agent: here.agent,
        method: 'POST',
        headers: { Expect: '100-continue', 'Content-Length': 4 },
      });
      sent.flushHeaders();
      await once(sent, 'continue');
      sent.end('body');
      const [response] = (await once(sent, 'response')) as [http.IncomingMessage];
      assert.equal((await readAll(response)).toString(), 'body');
    },
  },
  {
    title: 'http: a client that goes away ends the response at the server',
    async run(bench) {
      const gone = new Promise<void>((resolve, reject) => {
        void site(bench, (_message, response) => {
          response.write('begin');
          response.on('close', () => (response.writableFinished ? reject(new Error('it finished')) : resolve()));
        }).then(async (here) => {
          const sent = http.request({ ...here.served.request, agent: here.agent });
          sent.on('error', () => {});
          sent.end();
          const [response] = (await once(sent, 'response')) as [http.IncomingMessage];
          response.on('error', () => {});
          await once(response, 'data');
          sent.destroy();
        }, reject);
      });
      await gone;
    },
  },
  {
    title: 'http: a server that destroys mid-response gives the client an error',
    async run(bench) {
      const here = await site(bench, (_message, response) => {
        response.setHeader('Content-Length', 1000);
        response.write('part', () => response.destroy());
      });
      const sent = http.request({ ...here.served.request, agent: here.agent });
      sent.end();
      const [response] = (await once(sent, 'response')) as [http.IncomingMessage];
      await assert.rejects(readAll(response), { code: 'ECONNRESET' });
    },
  },
  {
    title: 'http: headersTimeout answers 408 to a silent client',
    async run(bench) {
      const here = await site(bench, () => {}, { headersTimeout: 50, connectionsCheckingInterval: 20 });
      const client = bench.connect(here.served.address);
      client.write('GET / HTTP/1.1\r\n');
      assert.match((await readAll(client)).toString(), /^HTTP\/1\.1 408 /);
    },
  },
  {
    title: 'http: keepAliveTimeout closes an idle connection',
    async run(bench) {
      const here = await site(bench, (_message, response) => response.end('x'), { keepAliveTimeout: 30 });
      const client = bench.connect(here.served.address);
      client.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n');
      assert.match((await readAll(client)).toString(), /^HTTP\/1\.1 200 /);
    },
  },
  {
    title: 'http: request timeout of the client',
    async run(bench) {
      const here = await site(bench, () => {});
      const sent = http.request({ ...here.served.request, agent: here.agent, timeout: 30 });
      sent.end();
      await once(sent, 'timeout');
      const failed = once(sent, 'error') as Promise<[NodeJS.ErrnoException]>;
      sent.destroy();
      assert.equal((await failed)[0].code, 'ECONNRESET');
    },
  },
  {
    title: 'http: closeIdleConnections closes those that wait',
    async run(bench) {
      const here = await site(bench, (_message, response) => response.end('x'));
      const client = bench.connect(here.served.address);
      client.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n');
      await once(client, 'data');
      client.resume();
      here.server.closeIdleConnections();
      await once(client, 'close');
    },
  },
  {
    title: 'http: refused requests fail with ECONNREFUSED',
    async run(bench) {
      const here = await site(bench, () => {});
      const address = await bench.implementation.freeAddress();
      const where =
        typeof address === 'string' ? { host: `${address}.svc` } : { host: '127.0.0.1', port: address.port };
      await assert.rejects(request(here, where), { code: 'ECONNREFUSED' });
    },
  },
];
