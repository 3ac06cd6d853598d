import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type Duplex, duplexPair } from 'node:stream';
import { test } from 'node:test';
import { Channel, type Message } from './channel.ts';

interface Heard {
  readonly messages: unknown[];
  readonly parcels: string[];
  closed: number;
}

/** A channel, what it has told, and the other end of its stream. */
function open(): { channel: Channel; heard: Heard; stream: Duplex; far: Duplex } {
  const [stream, far] = duplexPair();
  const channel = new Channel(stream);
  return { channel, heard: listen(channel), stream, far: far.on('error', () => {}) };
}

function listen(channel: Channel): Heard {
  const heard: Heard = { messages: [], parcels: [], closed: 0 };
  channel.open({
    message: (message) => heard.messages.push(message),
    parcel: (sealed) => heard.parcels.push(Buffer.from(sealed).toString()),
    closed: () => heard.closed++,
  });
  return heard;
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

function frame(type: number, body: string | Uint8Array): Buffer {
  const content = Buffer.from(body);
  const head = Buffer.alloc(5);
  head.writeUInt32BE(content.length);
  head.writeUInt8(type, 4);
  return Buffer.concat([head, content]);
}

const offer: Message = { kind: 'offer', version: 1, connections: 2 ** 20, parcels: 3 };
const refusal: Message = { kind: 'refused', index: 7, why: 'naïve' };

test('channel: messages and parcels come as they were sent, in their order, however the stream cuts them', async () => {
  const { channel, heard, far } = open();
  const other = new Channel(far);
  const there = listen(other);
  channel.send(offer);
  channel.sendParcel(Buffer.from('sealed'));
  channel.sendParcel(new Uint8Array(0));
  channel.send(refusal);
  other.send({ kind: 'end' });
  await turn();
  assert.deepEqual(
    [there.messages, there.parcels],
    [
      [offer, refusal],
      ['sealed', ''],
    ],
  );
  assert.deepEqual(heard.messages, [{ kind: 'end' }]);
  const all = Buffer.concat([frame(1, JSON.stringify(offer)), frame(2, 'x'.repeat(300)), frame(1, '{"kind":"end"}')]);
  for (const step of [1, 2, 5, 7, 100, all.length]) {
    const cut = open();
    for (let from = 0; from < all.length; from += step) cut.far.write(all.subarray(from, from + step));
    await turn();
    const { messages, parcels, closed } = cut.heard;
    assert.deepEqual([messages, parcels, closed], [[offer, { kind: 'end' }], ['x'.repeat(300)], 0], `by ${step}`);
  }
});

test('channel: what cannot be read ends it, and nothing behind it is heard', async () => {
  const tooLong = Buffer.from([0x40, 0, 0, 0, 2]);
  for (const [title, bytes] of [
    ['no JSON', frame(1, '{"kind":')],
    ['nothing', frame(1, '')],
    ['JSON that is no message', frame(1, 'null')],
    ['a number', frame(1, '7')],
    ['a type that is not known', frame(3, '{"kind":"end"}')],
    ['type 0', frame(0, '')],
    ['more than a channel carries', tooLong],
  ] as const) {
    const { heard, stream, far } = open();
    far.write(Buffer.concat([frame(2, 'before'), bytes, frame(1, '{"kind":"end"}')]));
    await turn();
    await turn();
    assert.deepEqual([heard.messages, heard.parcels, heard.closed], [[], ['before'], 1], title);
    assert.equal(stream.destroyed, true, title);
  }
});

test('channel: the longest message is waited for, one that is longer is not', async () => {
  const { heard, far } = open();
  far.write(Buffer.from([0x3f, 0xff, 0xff, 0xfb, 2]));
  await turn();
  await turn();
  assert.equal(heard.closed, 0);
});

test('channel: what this version does not know of a message is left to who receives it', async () => {
  const { heard, far } = open();
  far.write(frame(1, '{"kind":"later","more":[1]}'));
  await turn();
  assert.deepEqual([heard.messages, heard.closed], [[{ kind: 'later', more: [1] }], 0]);
});

test('channel: a listener that ends it is told no more', async () => {
  const [stream, far] = duplexPair();
  const channel = new Channel(stream);
  let messages = 0;
  channel.open({
    message: () => {
      messages++;
      channel.destroy();
    },
    parcel: () => {},
    closed: () => {},
  });
  far.write(Buffer.concat([frame(1, '{}'), frame(1, '{}')]));
  await turn();
  assert.equal(messages, 1);
});

test('channel: its end is told once, whichever side ends it and however, and also when it came before anybody listened', async () => {
  for (const [title, end] of [
    ['the other end', ({ far }) => void far.end()],
    ['the other end, in the middle of a message', ({ far }) => void far.end(frame(2, 'long').subarray(0, 7))],
    ['an error', ({ stream }) => void stream.destroy(new Error('broken'))],
    ['this end', ({ channel }) => channel.destroy()],
  ] as readonly (readonly [string, (of: ReturnType<typeof open>) => void])[]) {
    const made = open();
    end(made);
    if (!made.stream.closed) await once(made.stream, 'close').catch(() => {});
    await turn();
    assert.equal(made.heard.closed, 1, title);
    made.channel.send(offer);
    made.channel.end();
    await turn();
    assert.equal(made.heard.closed, 1, title);
  }
  const [stream] = duplexPair();
  const channel = new Channel(stream);
  stream.destroy();
  await once(stream, 'close');
  const heard = listen(channel);
  assert.equal(heard.closed, 0, 'not before open() has returned');
  await turn();
  assert.equal(heard.closed, 1);
});

test('channel: what was sent before its end still goes', async () => {
  const { channel, far } = open();
  const there = listen(new Channel(far));
  channel.sendParcel(Buffer.alloc(100_000, 'x'));
  channel.send({ kind: 'end' });
  channel.end();
  await turn();
  await turn();
  assert.deepEqual([there.parcels[0]?.length, there.messages, there.closed], [100_000, [{ kind: 'end' }], 1]);
});
