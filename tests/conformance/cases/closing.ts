// Ends: who closes what when, in which order events come, and what the other side is told.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type Case, content, hashAll, readAll, sha256, trace, turns } from '../harness.ts';
import type { AnySocket } from '../implementation.ts';

const lifetime = ['finish', 'end', 'error', 'close'];

export const closingCases: Case[] = [
  {
    title: 'end: the peer ends by itself, both close without error',
    async run({ pair }) {
      const { client, remote } = await pair();
      const [atClient, atRemote] = [trace(client, lifetime), trace(remote, lifetime)];
      client.resume();
      remote.resume();
      client.end();
      await Promise.all([once(client, 'close'), once(remote, 'close')]);
      assert.deepEqual(atClient, ['finish', 'end', 'close']);
      assert.deepEqual(atRemote, ['end', 'finish', 'close']);
    },
  },
  {
    title: 'end: close says that there was no error',
    async run({ pair }) {
      const { client, remote } = await pair();
      remote.resume();
      client.resume().end();
      const [hadError] = await once(client, 'close');
      assert.equal(hadError, false);
    },
  },
  {
    title: 'end: both sides at once',
    async run({ pair }) {
      const { client, remote } = await pair();
      const received = [readAll(client), readAll(remote)];
      client.end('from client');
      remote.end('from remote');
      const [atClient, atRemote] = await Promise.all(received);
      assert.equal(atClient?.toString(), 'from remote');
      assert.equal(atRemote?.toString(), 'from client');
    },
  },
  {
    title: 'half-open: with allowHalfOpen the other direction goes on after an end',
    async run({ pair }) {
      const { client, remote } = await pair({ server: { allowHalfOpen: true } });
      const answer = readAll(client);
      client.end('question');
      assert.equal((await readAll(remote)).toString(), 'question');
      assert.equal(remote.writable, true);
      assert.equal(remote.readyState, 'writeOnly');
      assert.equal(client.readyState, 'readOnly');
      for (let i = 0; i < 3; i++) {
        remote.write(`answer ${i} `);
        await turns(5);
      }
      remote.end();
      assert.equal((await answer).toString(), 'answer 0 answer 1 answer 2 ');
    },
  },
  {
    title: 'half-open: 8 MiB follow the end of the other direction',
    async run({ pair }) {
      const { client, remote } = await pair({ server: { allowHalfOpen: true } });
      const answer = hashAll(client);
      remote.resume();
      client.end();
      await once(remote, 'end');
      const sent = content(8 * 2 ** 20);
      remote.end(sent);
      assert.deepEqual(await answer, { bytes: sent.length, sha256: sha256(sent) });
    },
  },
  {
    title: 'half-open: without it our side ends with the peer, after what was written',
    async run({ pair }) {
      const { client, remote } = await pair();
      remote.resume();
      const received = readAll(client);
      remote.write('pending');
      client.end();
      assert.equal((await received).toString(), 'pending');
      assert.equal(remote.writableEnded, true);
    },
  },
  {
    title: 'end event: only after everything was read',
    async run({ pair }) {
      const { client, remote } = await pair();
      client.end('unread');
      await turns(50);
      assert.equal(remote.readableEnded, false);
      assert.equal((await readAll(remote)).toString(), 'unread');
      assert.equal(remote.readableEnded, true);
    },
  },
  {
    title: 'write after end: an error with Node code',
    async run({ pair }) {
      const { client } = await pair();
      client.end();
      const told = new Promise<NodeJS.ErrnoException | null | undefined>((resolve) => client.write('late', resolve));
      const [error] = (await once(client, 'error')) as [NodeJS.ErrnoException];
      assert.equal(error.code, 'ERR_STREAM_WRITE_AFTER_END');
      assert.equal((await told)?.code, 'ERR_STREAM_WRITE_AFTER_END');
    },
  },
  {
    title: 'write after the peer ended: EPIPE',
    async run({ pair }) {
      const { client, remote } = await pair();
      client.resume();
      remote.end();
      await once(client, 'finish');
      const told = new Promise<NodeJS.ErrnoException | null | undefined>((resolve) => client.write('late', resolve));
      client.on('error', () => {});
      assert.equal((await told)?.code, 'EPIPE');
    },
  },
  {
    title: 'write after destroy: an error with Node code',
    async run({ pair }) {
      const { client } = await pair();
      client.destroy();
      const told = new Promise<NodeJS.ErrnoException | null | undefined>((resolve) => client.write('late', resolve));
      assert.equal((await told)?.code, 'ERR_STREAM_DESTROYED');
    },
  },
  {
    title: 'destroy: what was handed over is delivered, then the peer sees the end',
    async run({ pair }) {
      const { client, remote } = await pair();
      const seen = trace(remote, ['error']);
      const received = readAll(remote);
      await new Promise((resolve) => client.write('last words', resolve));
      client.destroy();
      assert.equal((await received).toString(), 'last words');
      assert.deepEqual(seen, []);
    },
  },
  {
    title: 'destroy: after finish the rest is delivered in the background',
    async run({ pair }) {
      const { client, remote } = await pair();
      const sent = content(6 * 2 ** 20);
      const received = hashAll(remote);
      client.end(sent);
      await once(client, 'finish');
      client.destroy();
      await once(client, 'close');
      assert.deepEqual(await received, { bytes: sent.length, sha256: sha256(sent) });
    },
  },
  {
    title: 'destroySoon: ends, then destroys',
    async run({ pair }) {
      const { client, remote } = await pair();
      const received = readAll(remote);
      client.write('all of ');
      client.write('it');
      client.destroySoon();
      await once(client, 'close');
      assert.equal((await received).toString(), 'all of it');
    },
  },
  {
    title: 'destroy: with an error, error then close, and the peer closes',
    async run({ pair }) {
      const { client, remote } = await pair();
      const seen = trace(client, lifetime);
      remote.resume();
      client.destroy(new Error('mine'));
      const [error] = (await once(client, 'error')) as [Error];
      assert.equal(error.message, 'mine');
      await Promise.all([once(client, 'close'), once(remote, 'close')]);
      assert.deepEqual(seen, ['error', 'close']);
    },
  },
  {
    title: 'destroy: twice is once',
    async run({ pair }) {
      const { client } = await pair();
      const seen = trace(client, lifetime);
      client.destroy();
      client.destroy();
      await once(client, 'close');
      await turns();
      assert.deepEqual(seen, ['close']);
    },
  },
  {
    title: 'destroy: while the peer sends, the peer is told',
    async run({ pair }) {
      const { client, remote } = await pair();
      const write = (): void => {
        while (!client.destroyed && client.write(Buffer.alloc(65536)));
      };
      client.on('drain', write);
      write();
      await once(remote, 'data');
      remote.pause();
      remote.destroy();
      const [error] = (await once(client, 'error')) as [NodeJS.ErrnoException];
      assert.ok(error.code === 'ECONNRESET' || error.code === 'EPIPE', `code ${error.code}`);
      const [hadError] = await once(client, 'close');
      assert.equal(hadError, true);
    },
  },
  {
    title: 'destroy: a write that was not handed over is told',
    async run({ pair }) {
      const { client, remote } = await pair();
      remote.pause();
      const told = new Promise((resolve) => client.write(Buffer.alloc(64 * 2 ** 20), () => resolve('told')));
      await turns(20);
      client.destroy();
      assert.equal(await told, 'told');
    },
  },
  {
    title: 'resetAndDestroy: the peer sees ECONNRESET',
    async run({ pair }) {
      const { client, remote } = await pair();
      remote.resume();
      const failed = once(remote, 'error') as Promise<[NodeJS.ErrnoException]>;
      client.resetAndDestroy();
      const [error] = await failed;
      assert.equal(error.code, 'ECONNRESET');
      assert.equal(error.syscall, 'read');
      assert.equal(client.destroyed, true);
    },
  },
  {
    title: 'resetAndDestroy: on a socket that never connected, ERR_SOCKET_CLOSED',
    async run({ implementation }) {
      const socket = implementation.createSocket();
      socket.resetAndDestroy();
      const [error] = (await once(socket, 'error')) as [NodeJS.ErrnoException];
      assert.equal(error.code, 'ERR_SOCKET_CLOSED');
    },
  },
  {
    title: 'dispose: Symbol.asyncDispose leaves a closed socket',
    async run({ pair }) {
      const { client, remote } = await pair();
      remote.resume();
      client.on('error', () => {});
      await client[Symbol.asyncDispose]();
      assert.equal(client.destroyed, true);
      await once(remote, 'close');
    },
  },
  {
    title: 'close: bytesRead and bytesWritten stay readable',
    async run({ listen, connect }) {
      const { address } = await listen((socket) => socket.pipe(socket));
      const client: AnySocket = connect(address);
      client.end('12345');
      client.resume();
      await once(client, 'close');
      assert.equal(client.bytesRead, 5);
      assert.equal(client.bytesWritten, 5);
    },
  },
];
