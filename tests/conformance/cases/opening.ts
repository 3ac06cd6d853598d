// Connecting: states, events, refusals, cancellation, options.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type Case, readAll, trace } from '../harness.ts';

export const openingCases: Case[] = [
  {
    title: 'connect: states and events on the way to open',
    async run({ listen, connect }) {
      const { address } = await listen(() => {});
      const client = connect(address);
      const seen = trace(client, ['connect', 'ready']);
      assert.equal(client.connecting, true);
      assert.equal(client.pending, true);
      assert.equal(client.readyState, 'opening');
      await once(client, 'ready');
      assert.deepEqual(seen, ['connect', 'ready']);
      assert.equal(client.connecting, false);
      assert.equal(client.pending, false);
      assert.equal(client.readyState, 'open');
      client.destroy();
      await once(client, 'close');
      assert.equal(client.readyState, 'closed');
    },
  },
  {
    title: 'connect: the listener is called once, after the call returned',
    async run({ listen, connect }) {
      const { address } = await listen(() => {});
      let calls = 0;
      const client = connect(address, {}, () => calls++);
      assert.equal(calls, 0);
      await once(client, 'connect');
      assert.equal(calls, 1);
    },
  },
  {
    title: 'connect: a socket made beforehand, and again after it closed',
    async run({ implementation, listen, after }) {
      const { address } = await listen((socket) => socket.end('hi'));
      const client = implementation.createSocket();
      after(() => client.destroy());
      assert.equal(client.pending, true);
      assert.equal(client.connecting, false);
      for (let i = 0; i < 2; i++) {
        implementation.connectSocket(client, address);
        assert.equal(client.connecting, true);
        let text = '';
        const read = (chunk: Buffer): void => {
          text += chunk.toString();
        };
        client.on('data', read);
        await once(client, 'close');
        client.off('data', read);
        assert.equal(text, 'hi');
      }
    },
  },
  {
    title: 'connect: refused where nobody listens, with code and syscall',
    async run({ implementation, connect }) {
      const client = connect(await implementation.freeAddress());
      const seen = trace(client, ['connect', 'error', 'close']);
      const [error] = (await once(client, 'error')) as [NodeJS.ErrnoException];
      assert.equal(error.code, 'ECONNREFUSED');
      assert.equal(error.syscall, 'connect');
      assert.equal(typeof error.errno, 'number');
      assert.match(error.message, /^connect ECONNREFUSED /);
      const [hadError] = await once(client, 'close');
      assert.equal(hadError, true);
      assert.deepEqual(seen, ['error', 'close']);
      assert.equal(client.destroyed, true);
    },
  },
  {
    title: 'connect: a write waiting for a refused connection is told',
    async run({ implementation, connect }) {
      const client = connect(await implementation.freeAddress());
      const told = new Promise<Error | null | undefined>((resolve) => client.write('x', resolve));
      client.on('error', () => {});
      assert.ok((await told) instanceof Error);
    },
  },
  {
    title: 'connect: destroyed before it opens, no connect event and no error',
    async run({ listen, connect }) {
      const { address } = await listen(() => {});
      const client = connect(address);
      const seen = trace(client, ['connect', 'error', 'close']);
      client.destroy();
      await once(client, 'close');
      assert.deepEqual(seen, ['close']);
    },
  },
  {
    title: 'signal: aborting destroys with AbortError',
    async run({ listen, connect }) {
      const { address } = await listen(() => {});
      const controller = new AbortController();
      const client = connect(address, { signal: controller.signal });
      await once(client, 'connect');
      controller.abort();
      const [error] = (await once(client, 'error')) as [NodeJS.ErrnoException];
      assert.equal(error.name, 'AbortError');
      assert.equal(error.code, 'ABORT_ERR');
      assert.equal(client.destroyed, true);
    },
  },
  {
    title: 'signal: aborting while connecting',
    async run({ listen, connect }) {
      const { address } = await listen(() => {});
      const controller = new AbortController();
      const client = connect(address, { signal: controller.signal });
      const seen = trace(client, ['connect']);
      controller.abort();
      const [error] = (await once(client, 'error')) as [Error];
      assert.equal(error.name, 'AbortError');
      assert.deepEqual(seen, []);
    },
  },
  {
    title: 'options: setters return the socket, before and after it opens',
    async run({ listen, connect }) {
      const { address } = await listen((socket) => socket.pipe(socket));
      const client = connect(address);
      for (let i = 0; i < 2; i++) {
        const same = client.setNoDelay(true).setKeepAlive(true, 1000).setNoDelay(false).setKeepAlive(false);
        assert.equal(same, client);
        assert.equal(client.setTimeout(0).ref().unref().ref(), client);
        if (i === 0) await once(client, 'connect');
      }
      client.end('still works');
      assert.equal((await readAll(client)).toString(), 'still works');
    },
  },
  {
    title: 'timeout: silence emits timeout and leaves the socket open',
    async run({ pair }) {
      const { client, remote } = await pair();
      client.setTimeout(30);
      assert.equal(client.timeout, 30);
      await once(client, 'timeout');
      assert.equal(client.destroyed, false);
      client.setTimeout(0);
      client.end('after');
      assert.equal((await readAll(remote)).toString(), 'after');
    },
  },
  {
    title: 'timeout: the listener given with it is called, and 0 takes it away',
    async run({ pair }) {
      const { client, remote } = await pair();
      let calls = 0;
      const listener = (): void => {
        calls++;
      };
      client.setTimeout(10_000, listener);
      client.setTimeout(0, listener);
      client.emit('timeout');
      assert.equal(calls, 0);
      await new Promise<void>((resolve) => remote.setTimeout(20, resolve));
    },
  },
  {
    title: 'timeout: bad values throw',
    async run({ implementation }) {
      const socket = implementation.createSocket();
      const set = (value: unknown) => () => socket.setTimeout(value as number);
      assert.throws(set('100'), { code: 'ERR_INVALID_ARG_TYPE' });
      assert.throws(set(-1), { code: 'ERR_OUT_OF_RANGE' });
      assert.throws(set(Number.NaN), { code: 'ERR_OUT_OF_RANGE' });
      assert.throws(set(Number.POSITIVE_INFINITY), { code: 'ERR_OUT_OF_RANGE' });
    },
  },
  {
    title: 'many: 200 connections at once, each with its own bytes',
    async run({ listen, connect }) {
      const { address } = await listen((socket) => socket.pipe(socket));
      const one = async (number: number): Promise<void> => {
        const client = connect(address);
        client.end(`connection ${number}`.repeat(100));
        assert.equal((await readAll(client)).toString(), `connection ${number}`.repeat(100));
      };
      await Promise.all(Array.from({ length: 200 }, (_, i) => one(i)));
    },
  },
  {
    title: 'address: an unconnected socket has none',
    async run({ implementation }) {
      assert.deepEqual(implementation.createSocket().address(), {});
    },
  },
];
