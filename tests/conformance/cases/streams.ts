// Bytes in both directions: order, content, back-pressure, and the faces of stream.Duplex that libraries use.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { PassThrough, Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { type Case, content, hashAll, readAll, sha256, turns } from '../harness.ts';

const mebibyte = 2 ** 20;

export const streamCases: Case[] = [
  {
    title: 'echo: what is sent comes back, then the end',
    async run({ listen, connect }) {
      const { address } = await listen((socket) => socket.pipe(socket));
      const client = connect(address);
      client.end('hello');
      assert.equal((await readAll(client)).toString(), 'hello');
    },
  },
  {
    title: 'transfer: 16 MiB each way at once arrive intact',
    async run({ pair }) {
      const { client, remote } = await pair();
      const [up, down] = [content(16 * mebibyte), content(16 * mebibyte - 12345)];
      const atRemote = hashAll(remote);
      const atClient = hashAll(client);
      client.end(up);
      remote.end(down);
      assert.deepEqual(await atRemote, { bytes: up.length, sha256: sha256(up) });
      assert.deepEqual(await atClient, { bytes: down.length, sha256: sha256(down) });
    },
  },
  {
    title: 'back-pressure: a paused reader stops the writer, resuming lets it finish',
    async run({ pair }) {
      const { client, remote } = await pair();
      const sent = content(64 * mebibyte);
      remote.pause();
      let taken = false;
      assert.equal(
        client.write(sent, () => {
          taken = true;
        }),
        false,
      );
      assert.ok(client.writableNeedDrain);
      await turns(300);
      assert.equal(taken, false);
      assert.ok(remote.readableLength < 8 * mebibyte, `${remote.readableLength} bytes piled up at the reader`);
      const received = hashAll(remote);
      remote.resume();
      await once(client, 'drain');
      client.end();
      assert.deepEqual(await received, { bytes: sent.length, sha256: sha256(sent) });
    },
  },
  {
    title: 'back-pressure: pause and resume after every chunk keep order',
    async run({ pair }) {
      const { client, remote } = await pair();
      const sent = content(2 * mebibyte);
      const chunks: Buffer[] = [];
      remote.on('data', (chunk: Buffer) => {
        chunks.push(chunk);
        remote.pause();
        setImmediate(() => remote.resume());
      });
      client.end(sent);
      await once(remote, 'end');
      assert.equal(sha256(Buffer.concat(chunks)), sha256(sent));
    },
  },
  {
    title: 'write: many small writes of one turn and of several arrive in order',
    async run({ pair }) {
      const { client, remote } = await pair();
      const received = readAll(remote);
      let expected = '';
      for (let i = 0; i < 2000; i++) {
        const text = `${i};`;
        expected += text;
        client.write(text);
        if (i % 97 === 0) await turns(1);
      }
      client.end();
      assert.equal((await received).toString(), expected);
    },
  },
  {
    title: 'write: before the connection opens, data is kept and counted',
    async run({ listen, connect }) {
      const { address } = await listen((socket) => socket.pipe(socket));
      const client = connect(address);
      assert.equal(client.connecting, true);
      client.write('early ');
      assert.equal(client.bytesWritten, 6);
      client.end('bird');
      assert.equal((await readAll(client)).toString(), 'early bird');
      assert.equal(client.bytesWritten, 10);
      assert.equal(client.bytesRead, 10);
    },
  },
  {
    title: 'write: zero bytes call back and send nothing',
    async run({ pair }) {
      const { client, remote } = await pair();
      const received = readAll(remote);
      await new Promise((resolve) => client.write('', resolve));
      await new Promise((resolve) => client.write(Buffer.alloc(0), resolve));
      client.end('x');
      assert.equal((await received).toString(), 'x');
    },
  },
  {
    title: 'write: callbacks come in order',
    async run({ pair }) {
      const { client, remote } = await pair();
      remote.resume();
      const order: number[] = [];
      const last = new Promise((resolve) => {
        client.write('a', () => order.push(1));
        client.write('b', () => order.push(2));
        client.write(content(mebibyte), () => order.push(3));
        client.write('c', resolve);
      });
      await last;
      assert.deepEqual(order, [1, 2, 3]);
    },
  },
  {
    title: 'cork: corked writes leave together on uncork',
    async run({ pair }) {
      const { client, remote } = await pair();
      const received = readAll(remote);
      client.cork();
      for (const word of ['one ', 'two ', 'three']) client.write(word);
      assert.equal(client.writableLength, 13);
      await turns(5);
      assert.equal(remote.bytesRead, 0);
      client.uncork();
      client.end();
      assert.equal((await received).toString(), 'one two three');
    },
  },
  {
    title: 'encoding: setEncoding joins characters that were cut',
    async run({ pair }) {
      const { client, remote } = await pair();
      remote.setEncoding('utf8');
      const text = 'Grüße, 世界 🌍';
      const bytes = Buffer.from(text);
      const received = (async () => {
        let whole = '';
        for await (const chunk of remote) whole += chunk as string;
        return whole;
      })();
      for (const byte of bytes) {
        client.write(Buffer.of(byte));
        await turns(2);
      }
      client.end();
      assert.equal(await received, text);
    },
  },
  {
    title: 'encoding: write takes latin1, hex and base64 text',
    async run({ pair }) {
      const { client, remote } = await pair();
      const received = readAll(remote);
      client.write('\xe9', 'latin1');
      client.write('00ff', 'hex');
      client.end('aGk=', 'base64');
      assert.deepEqual(await received, Buffer.from([0xe9, 0x00, 0xff, 0x68, 0x69]));
    },
  },
  {
    title: 'pipe: pipeline from a source through the connection to a sink',
    async run({ listen, connect }) {
      const { address } = await listen((socket) => socket.pipe(new PassThrough()).pipe(socket));
      const client = connect(address);
      const sent = content(3 * mebibyte);
      const parts = Array.from({ length: 48 }, (_, i) => sent.subarray(i * 65536, (i + 1) * 65536));
      const sink: Buffer[] = [];
      await pipeline(Readable.from(parts), client, async (source: AsyncIterable<Buffer>) => {
        for await (const chunk of source) sink.push(chunk);
      });
      assert.equal(sha256(Buffer.concat(sink)), sha256(sent));
    },
  },
  {
    title: 'async iteration: leaving the loop destroys the socket',
    async run({ pair }) {
      const { client, remote } = await pair();
      remote.write('first');
      for await (const chunk of client) {
        assert.equal((chunk as Buffer).toString(), 'first');
        break;
      }
      assert.equal(client.destroyed, true);
    },
  },
  {
    title: 'read: unshift and read(n) work on what has arrived',
    async run({ pair }) {
      const { client, remote } = await pair();
      client.end('abcdef');
      await once(remote, 'readable');
      while (remote.readableLength < 6) await turns(1);
      assert.equal((remote.read(2) as Buffer).toString(), 'ab');
      remote.unshift(Buffer.from('AB'));
      assert.equal((await readAll(remote)).toString(), 'ABcdef');
    },
  },
];
