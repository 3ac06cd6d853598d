// Listening: events, counting, limits, and how a server ends.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type Case, readAll, trace, turns } from '../harness.ts';
import type { AnySocket } from '../implementation.ts';

export const serverCases: Case[] = [
  {
    title: 'listen: listening and address only once it listens',
    async run({ implementation, after }) {
      const server = implementation.createServer({});
      assert.equal(server.listening, false);
      assert.equal(server.address(), null);
      implementation.listen(server, await implementation.freeAddress());
      await once(server, 'listening');
      after(() => server.close());
      assert.equal(server.listening, true);
      assert.notEqual(server.address(), null);
    },
  },
  {
    title: 'listen: twice throws ERR_SERVER_ALREADY_LISTEN',
    async run({ implementation, listen }) {
      const { server } = await listen(() => {});
      const address = await implementation.freeAddress();
      assert.throws(() => implementation.listen(server, address), { code: 'ERR_SERVER_ALREADY_LISTEN' });
    },
  },
  {
    title: 'listen: again after close',
    async run({ implementation, connect, after }) {
      const server = implementation.createServer({}, (socket) => socket.end('again'));
      after(() => server.close());
      for (let i = 0; i < 2; i++) {
        const address = await implementation.freeAddress();
        implementation.listen(server, address);
        await once(server, 'listening');
        assert.equal((await readAll(connect(address))).toString(), 'again');
        server.close();
        await once(server, 'close');
      }
    },
  },
  {
    title: 'listen: a signal closes it',
    async run({ implementation }) {
      const controller = new AbortController();
      const server = implementation.createServer({});
      implementation.listen(server, await implementation.freeAddress(), { signal: controller.signal });
      await once(server, 'listening');
      controller.abort();
      await once(server, 'close');
      assert.equal(server.listening, false);
    },
  },
  {
    title: 'close: existing connections go on, close comes after the last',
    async run({ pair }) {
      const { server, client, remote } = await pair();
      const events: string[] = [];
      server.on('close', () => events.push('close'));
      server.close();
      assert.equal(server.listening, false);
      client.write('still');
      const [chunk] = (await once(remote, 'data')) as [Buffer];
      assert.equal(chunk.toString(), 'still');
      await turns();
      assert.deepEqual(events, []);
      client.end();
      client.resume();
      await once(server, 'close');
    },
  },
  {
    title: 'close: new connections are refused',
    async run({ pair, connect }) {
      const { server, address } = await pair();
      server.close();
      await turns();
      const late = connect(address);
      const [error] = (await once(late, 'error')) as [NodeJS.ErrnoException];
      assert.equal(error.code, 'ECONNREFUSED');
    },
  },
  {
    title: 'close: the callback is called without error, and with one when it does not run',
    async run({ listen }) {
      const { server } = await listen(() => {});
      const first = await new Promise<Error | undefined>((resolve) => server.close(resolve));
      assert.equal(first, undefined);
      const second = await new Promise<Error | undefined>((resolve) => server.close(resolve));
      assert.equal((second as NodeJS.ErrnoException).code, 'ERR_SERVER_NOT_RUNNING');
    },
  },
  {
    title: 'close: the callback and the event come once',
    async run({ pair }) {
      const { server, client, remote } = await pair();
      remote.resume();
      let calls = 0;
      server.on('close', () => calls++);
      server.close(() => calls++);
      client.destroy();
      await once(server, 'close');
      await turns();
      assert.equal(calls, 2);
    },
  },
  {
    title: 'getConnections: counts what is open',
    async run({ listen, connect }) {
      const accepted: AnySocket[] = [];
      const { server, address } = await listen((socket) => accepted.push(socket.resume()));
      const count = (): Promise<number> =>
        new Promise((resolve, reject) => {
          server.getConnections((error, open) => (error ? reject(error) : resolve(open)));
        });
      assert.equal(await count(), 0);
      const clients = Array.from({ length: 5 }, () => connect(address));
      await Promise.all(clients.map((client) => once(client, 'connect')));
      while (accepted.length < 5) await turns(1);
      assert.equal(await count(), 5);
      clients[0]!.destroy();
      clients[1]!.destroy();
      while ((await count()) > 3) await turns(1);
      assert.equal(await count(), 3);
    },
  },
  {
    title: 'maxConnections: one too many is dropped and told',
    async run({ listen, connect }) {
      const { server, address } = await listen((socket) => socket.resume());
      server.maxConnections = 1;
      const first = connect(address);
      await once(first, 'connect');
      const dropped = once(server, 'drop');
      const second = connect(address);
      second.on('error', () => {});
      second.resume();
      await Promise.all([dropped, new Promise((resolve) => second.once('close', resolve))]);
      assert.equal(first.destroyed, false);
    },
  },
  {
    title: 'pauseOnConnect: nothing is read until resume',
    async run({ pair }) {
      const { client, remote } = await pair({ server: { pauseOnConnect: true } });
      assert.equal(remote.isPaused(), true);
      await new Promise((resolve) => client.write('waiting', resolve));
      await turns();
      assert.equal(remote.readableLength, 0);
      const [chunk] = (await Promise.all([once(remote, 'data'), remote.resume()]))[0] as [Buffer];
      assert.equal(chunk.toString(), 'waiting');
    },
  },
  {
    title: 'dispose: Symbol.asyncDispose closes, and again is nothing',
    async run({ listen }) {
      const { server } = await listen(() => {});
      await server[Symbol.asyncDispose]();
      assert.equal(server.listening, false);
      await server[Symbol.asyncDispose]();
    },
  },
  {
    title: 'connection: the event comes before its data',
    async run({ listen, connect }) {
      const seen: string[][] = [];
      const { address } = await listen((socket) => {
        seen.push(trace(socket, ['data', 'end']));
        socket.resume();
      });
      const client = connect(address);
      client.end('eager');
      client.resume();
      await once(client, 'close');
      assert.deepEqual(seen, [['data', 'end']]);
    },
  },
  {
    title: 'ref and unref: return the server',
    async run({ listen }) {
      const { server } = await listen(() => {});
      assert.equal(server.unref().ref(), server);
    },
  },
];
