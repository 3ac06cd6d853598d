import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, createServer, connect as netConnect, type Server, type Socket } from 'node:net';
import { after, describe, it } from 'node:test';
import { relay } from './relay.ts';

describe('relay', () => {
  const servers: Server[] = [];
  after(() => {
    for (const server of servers) server.close();
  });

  const listen = async (onSocket: (socket: Socket) => void): Promise<number> => {
    const server = createServer({ allowHalfOpen: true }, onSocket);
    servers.push(server);
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return (server.address() as AddressInfo).port;
  };

  /** client -> relay -> backend, and how the relay ended. */
  const chain = async (
    backend: (socket: Socket) => void,
  ): Promise<{ client: Socket; ended: Promise<Error | undefined> }> => {
    const backendPort = await listen(backend);
    let settle: (error: Error | undefined) => void = () => {};
    const ended = new Promise<Error | undefined>((resolve) => {
      settle = resolve;
    });
    const port = await listen((socket) => {
      relay(socket, netConnect({ host: '127.0.0.1', port: backendPort, allowHalfOpen: true })).then(settle);
    });
    return { client: netConnect({ host: '127.0.0.1', port, allowHalfOpen: true }), ended };
  };

  it('half-close: the request ends first, the answer still comes', async () => {
    const { client, ended } = await chain((socket) => {
      let text = '';
      socket.on('data', (chunk: Buffer) => {
        text += chunk;
      });
      socket.on('end', () => socket.end(`got ${text}`));
    });
    client.end('question');
    const chunks: Buffer[] = [];
    for await (const chunk of client) chunks.push(chunk as Buffer);
    assert.equal(Buffer.concat(chunks).toString(), 'got question');
    assert.equal(await ended, undefined);
  });

  it('back-pressure: a slow reader gets all of it', async () => {
    const total = 8 * 1024 * 1024;
    const { client, ended } = await chain((socket) => socket.end(Buffer.alloc(total, 7)));
    let received = 0;
    client.pause();
    await once(client, 'connect');
    for await (const chunk of client) {
      received += (chunk as Buffer).length;
      await new Promise(setImmediate);
    }
    client.end();
    assert.equal(received, total);
    assert.equal(await ended, undefined);
  });

  it('a reset on one side is a reset on the other', async () => {
    const { client, ended } = await chain((socket) => {
      socket.write('half an ans');
      socket.once('data', () => socket.resetAndDestroy());
    });
    client.write('x');
    client.resume();
    const [error] = (await once(client, 'error')) as [NodeJS.ErrnoException];
    assert.equal(error.code, 'ECONNRESET');
    assert.equal(((await ended) as NodeJS.ErrnoException).code, 'ECONNRESET');
  });
});
