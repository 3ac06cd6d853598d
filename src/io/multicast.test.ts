import { strict as assert } from 'node:assert';
import { spawn } from 'node:child_process';
import { test } from 'node:test';
import type { Locator } from '../core/base/index.ts';
import { ipv4Interfaces } from './interfaces.ts';
import { Multicast } from './multicast.ts';

const indexUrl = new URL('./index.js', import.meta.url).href;
/** A group of this run's own, so that other runs and real stacks on this machine stay out of it. */
const group: Locator = { address: Uint8Array.of(239, 255, 67, 68), port: 20_000 + (process.pid % 40_000) };
const skip = ipv4Interfaces().length > 0 ? false : 'no IPv4 interface';

function hear(options: { count: number }): { multicast: Multicast; heard: Promise<string[]> } {
  const texts: string[] = [];
  let done: (texts: string[]) => void = () => {};
  const heard = new Promise<string[]>((resolve) => {
    done = resolve;
  });
  const multicast = new Multicast({
    group,
    received: (buffer, bytes) => {
      texts.push(Buffer.from(buffer.subarray(0, bytes)).toString());
      if (texts.length === options.count) done(texts);
    },
  });
  return { multicast, heard };
}

test('multicast: joined on every interface; heard by another socket of this machine, not by the sender', {
  skip,
}, async () => {
  const a = hear({ count: 1 });
  const b = hear({ count: 1 });
  const keepAlive = setInterval(() => {}, 1_000);
  await Promise.all([a.multicast.listen(), b.multicast.listen()]);
  assert.deepEqual(a.multicast.report().joined.length, ipv4Interfaces().length);
  a.multicast.send(Buffer.from('from a'), 6);
  assert.deepEqual(await b.heard, ['from a']);
  b.multicast.send(Buffer.from('from b'), 6);
  assert.deepEqual(await a.heard, ['from b'], 'its own packet is not among them');
  clearInterval(keepAlive);
  a.multicast.close();
  b.multicast.close();
});

test('multicast: two processes hear each other, without privilege', { skip }, async () => {
  const { multicast, heard } = hear({ count: 1 });
  await multicast.listen();
  const program = `
    import { Multicast } from ${JSON.stringify(indexUrl)};
    const group = { address: Uint8Array.of(${group.address.join()}), port: ${group.port} };
    const stay = setInterval(() => {}, 1_000);
    const multicast = new Multicast({ group, received(buffer, bytes) {
      if (Buffer.from(buffer.subarray(0, bytes)).toString() !== 'question') return;
      multicast.send(Buffer.from('answer'), 6);
      setTimeout(() => { multicast.close(); clearInterval(stay); }, 20);
    } });
    await multicast.listen();
    console.log('ready');`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', program], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const ended = new Promise((resolve) => child.on('close', resolve));
  child.stdout.once('data', () => multicast.send(Buffer.from('question'), 8));
  assert.deepEqual(await heard, ['answer']);
  assert.equal(await ended, 0);
  multicast.close();
});

test('multicast: a port that cannot be had is reported, not thrown', async () => {
  const multicast = new Multicast({ group: { address: Uint8Array.of(192, 0, 2, 77), port: 9 }, received() {} });
  await multicast.listen();
  assert.notEqual(multicast.report().lastError, '');
  assert.deepEqual(multicast.report().joined, []);
  multicast.close();
});
