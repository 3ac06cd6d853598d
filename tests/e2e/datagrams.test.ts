// Datagrams by service: unbound ones, each resolved on its own and answered by the sender's name; and connected ones,
// bound to one instance.

import { strict as assert } from 'node:assert';
import { test } from 'node:test';
import { Stage, until } from './harness.ts';
import { Peer } from './peer.ts';
import { Shim } from './shim.ts';

interface Received {
  readonly received: readonly { text: string; from?: string }[];
}

async function answers(peer: Peer, socket: number, count: number): Promise<Received['received']> {
  return until(`${count} datagrams`, async () => {
    const { received } = await peer.call<Received>('datagramReceived', { socket });
    return received.length >= count && received;
  });
}

test('[A3] an unbound datagram is answered by the name that sent it, with no handshake', async (t) => {
  const stage = new Stage(t);
  await stage.router();
  const server = await Peer.start(stage);
  const { address } = await server.call<{ address: { service: string } }>('datagramBind', {
    service: 'oracle',
    echo: true,
  });
  assert.equal(address.service, 'oracle');
  const shim = await Shim.start(stage, { trace: true });
  const client = await Peer.start(stage, { env: { CARACAL_ROUTER: shim.address } });
  const { socket } = await client.call<{ socket: number }>('datagramBind');
  await client.call('datagramSend', { socket, text: 'what is it', to: 'oracle' });
  const [answer] = await answers(client, socket, 1);
  assert.equal(answer?.text, `${server.pid} what is it`);
  assert.match(answer?.from ?? '', /^[a-z2-7]{52}$|^oracle$/);
  const opened = (await shim.trace()).filter(({ control }) => control !== undefined);
  assert.deepEqual(opened, [], 'a packet that opens a flow');
});

test('[A3] unbound datagrams are spread over the instances by sender', async (t) => {
  const stage = new Stage(t);
  await stage.router();
  const servers = await Promise.all([Peer.start(stage), Peer.start(stage)]);
  for (const server of servers) await server.call('datagramBind', { service: 'either', echo: true });
  const client = await Peer.start(stage);
  const sockets: number[] = [];
  for (let i = 0; i < 24; i++) sockets.push((await client.call<{ socket: number }>('datagramBind')).socket);
  await client.call('datagramSendFrom', { sockets, text: 'hello', to: 'either' });
  const received = await Promise.all(sockets.map((socket) => answers(client, socket, 1)));
  const pids = new Set(received.map(([answer]) => answer?.text.split(' ')[0]));
  assert.deepEqual([...pids].sort(), servers.map(({ pid }) => `${pid}`).sort());
});

test('[A4] connected datagrams stay with one instance and one flow', async (t) => {
  const stage = new Stage(t);
  await stage.router();
  const servers = await Promise.all([Peer.start(stage), Peer.start(stage)]);
  for (const server of servers) await server.call('datagramListen', { service: 'game' });
  const client = await Peer.start(stage);
  const met = new Set<string>();
  for (let session = 0; session < 12; session++) {
    const { socket } = await client.call<{ socket: number }>('datagramConnect', { service: 'game' });
    for (let i = 0; i < 10; i++) await client.call('datagramSend', { socket, text: `move ${i}` });
    const received = await answers(client, socket, 10);
    const ends = new Set(received.map(({ text }) => text.replace(/ move.*/, '')));
    assert.equal(ends.size, 1, `one session met ${[...ends].join(' and ')}`);
    met.add([...ends][0]?.split(' ')[0] ?? '');
    await client.call('datagramClose', { socket });
  }
  assert.equal(met.size, 2, 'twelve sessions all met the same instance');
});

test('[A4] a connected datagram to nobody is refused', async (t) => {
  const stage = new Stage(t);
  await stage.router();
  const client = await Peer.start(stage);
  await assert.rejects(
    client.call('datagramConnect', { service: 'no-game' }),
    (error: { code?: string }) => error.code === 'ECONNREFUSED',
  );
});
