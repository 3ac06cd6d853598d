import assert from 'node:assert/strict';
import dgram from 'node:dgram';
import { once } from 'node:events';
import { test } from 'node:test';
import type { Locator } from '../core/base/index.ts';
import { PeerProbe } from './peer-probe.ts';

async function listener(type: 'udp4' | 'udp6'): Promise<{ socket: dgram.Socket; remote: Locator }> {
  const socket = dgram.createSocket(type);
  socket.bind(0, type === 'udp4' ? '127.0.0.1' : '::1');
  await once(socket, 'listening');
  const address = type === 'udp4' ? Uint8Array.of(127, 0, 0, 1) : new Uint8Array(16).fill(1, 15);
  return { socket, remote: { address, port: socket.address().port } };
}

for (const type of ['udp4', 'udp6'] as const) {
  test(`peer probe: a port that nobody has is told, one that somebody has hears padding (${type})`, async (t) => {
    const { socket, remote } = await listener(type).catch(() => ({ socket: undefined, remote: undefined }));
    if (socket === undefined) return t.skip(`no ${type} here`);
    const refusals: Locator[] = [];
    let told = (): void => {};
    const probe = new PeerProbe((locator) => {
      refusals.push(locator);
      told();
    });
    probe.probe(remote);
    const [message] = (await once(socket, 'message')) as [Buffer];
    assert.equal(message[0]! & 0x0f, 0);
    assert.deepEqual(refusals, []);
    probe.close();
    socket.close();
    await once(socket, 'close');
    const refused = new Promise<void>((resolve) => {
      told = resolve;
    });
    // Its sockets do not keep a process alive.
    const alive = setTimeout(() => {}, 10_000);
    // A second time while the first is under way: one socket, one answer.
    probe.probe(remote);
    probe.probe(remote);
    await refused;
    clearTimeout(alive);
    assert.deepEqual(refusals, [remote]);
    probe.close();
  });
}

test('peer probe: no more than a few at a time, and none is kept after the end', () => {
  const probe = new PeerProbe(() => {});
  const before = process.getActiveResourcesInfo().filter((kind) => kind === 'UDPWRAP').length;
  for (let port = 1; port <= 100; port++) probe.probe({ address: Uint8Array.of(127, 0, 0, 1), port: 40_000 + port });
  probe.close();
  const left = process.getActiveResourcesInfo().filter((kind) => kind === 'UDPWRAP').length;
  assert.equal(left, before);
});
