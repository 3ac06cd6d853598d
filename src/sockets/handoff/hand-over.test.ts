import assert from 'node:assert/strict';
import { type Duplex, duplexPair } from 'node:stream';
import { type TestContext, test } from 'node:test';
import type { Locator } from '../../core/base/index.ts';
import type { ImportKey } from '../../core/security/index.ts';
import { Channel, type Message } from './channel.ts';
import { HandingOver, type HandoffOptions, maxBlobBytes } from './hand-over.ts';
import { type Carried, createParcelKey, openParcel } from './luggage.ts';
import { Leaver, leavers, sockets, stepsOf } from './testing/leaver.ts';

const own: Locator[] = [locator('192.0.2.1', 5), locator('172.17.0.1', 5), locator('127.0.0.1', 5)];
const there: Locator = locator('192.0.2.9', 9);

function locator(text: string, port: number): Locator {
  return { address: Uint8Array.from(text.split('.').map(Number)), port };
}

/** What the receiver does when a batch is all there. */
type Fate = 'arrived' | 'refused' | 'silent' | 'gone';

interface Play {
  /** In place of `accept`; `undefined` in it: silence. */
  readonly answer?: Message | 'nothing' | undefined;
  readonly locators?: readonly Locator[] | undefined;
  readonly badKey?: boolean;
  readonly fates?: readonly Fate[];
}

interface Handing {
  readonly handing: HandingOver;
  readonly stream: Duplex;
  readonly receiver: Channel;
  readonly parcels: number[];
  readonly carried: Carried[];
  readonly heard: string[];
}

function open(play: Play = {}, options: HandoffOptions = {}, ours: readonly Locator[] = own): Handing {
  const { answer, locators = [there], badKey = false, fates = [] } = play;
  const [stream, far] = duplexPair();
  const receiver = new Channel(far);
  const [parcels, carried, heard]: [number[], Carried[], string[]] = [[], [], []];
  let keys: ImportKey[] = [];
  receiver.open({
    message(message) {
      heard.push(message.kind);
      if (message.kind === 'offer') {
        if (answer !== undefined) return answer === 'nothing' ? undefined : receiver.send(answer);
        keys = Array.from({ length: message.parcels }, () => createParcelKey());
        const publicKeys = keys.map(({ publicKey }) => (badKey ? new Uint8Array(32) : publicKey));
        return receiver.send({
          kind: 'accept',
          keys: publicKeys.map((key) => Buffer.from(key).toString('base64')),
          locators: locators.map(({ address, port }) => ({ address: Buffer.from(address).toString('base64'), port })),
        });
      }
      for (const { index } of carried) {
        const fate = fates[index] ?? 'arrived';
        if (fate === 'gone') return void setImmediate(() => stream.destroy());
        if (fate !== 'silent') receiver.send({ kind: fate, index, why: 'no room' });
      }
    },
    parcel(sealed) {
      const opened = openParcel(keys.shift()!, sealed) ?? [];
      parcels.push(opened.length);
      carried.push(...opened);
    },
    closed() {},
  });
  const handing = new HandingOver(new Channel(stream), '/run/x', ours, options);
  return { handing, stream, receiver, parcels, carried, heard };
}

/** What the receiver says of itself has been said; then the time that it has. */
async function passPatience(t: TestContext): Promise<void> {
  for (let i = 0; i < 20; i++) await new Promise((resolve) => setImmediate(resolve));
  t.mock.timers.tick(10_000);
}

const counts = ({ moved, stayed, refusals }: HandingOver): unknown[] => [moved, stayed, [...refusals]];

test('hand over: all that arrive have left, sixteen in a parcel', async () => {
  for (const [count, parcels] of [
    [1, [1]],
    [16, [16]],
    [33, [16, 16, 1]],
    [0, []],
  ] as const) {
    const made = open({}, { state: () => Buffer.from('blob') });
    const all = leavers(count);
    await made.handing.batch(sockets(all));
    assert.deepEqual(made.parcels, parcels);
    assert.deepEqual(counts(made.handing), [count, 0, []]);
    assert.deepEqual(new Set(stepsOf(all)), new Set(count === 0 ? [] : ['leave']));
    for (const [i, { index, state, blob, bytesRead }] of made.carried.entries())
      assert.deepEqual([index, state[0], String(Buffer.from(blob)), bytesRead], [i, i, 'blob', 1]);
  }
});

test('hand over: what still comes is passed on to where the other process is and this one is not', async () => {
  const [shared, loopback] = [locator('172.17.0.1', 9), locator('127.0.0.1', 9)];
  const six: Locator = { address: new Uint8Array(16).fill(0xfd), port: 9 };
  for (const [locators, to, ours] of [
    [[locator('192.0.2.1', 9), loopback], locator('192.0.2.1', 9), own.slice(0, 1)],
    [[shared, six], six],
    [[there, loopback], there],
    [[loopback, there], there],
    [[shared, there, loopback], there],
    [[locator('192.0.2.1', 9), shared, loopback], locator('192.0.2.1', 9)],
    [[shared, loopback], shared],
    [[loopback], loopback],
    [[locator('127.0.0.2', 9)], locator('127.0.0.2', 9)],
  ] as const) {
    const [one] = leavers(1);
    await open({ locators }, {}, ours).handing.batch(sockets([one!]));
    assert.deepEqual({ ...one!.to, address: Uint8Array.from(one!.to!.address) }, to);
  }
});

test('hand over: who is refused goes on here, and so does who cannot leave, has no luggage or no state', async () => {
  const refused = open({ fates: ['arrived', 'refused', 'refused'] });
  const three = leavers(3);
  await refused.handing.batch(sockets(three));
  assert.deepEqual(counts(refused.handing), [1, 2, ['no room']], 'each text once');
  assert.deepEqual(stepsOf(three), ['leave', 'take', 'take']);
  const stays = new Leaver(2);
  const all = [new Leaver(0), new Leaver(1, false), stays, new Leaver(3, true, undefined)];
  const made = open({}, { state: (socket) => ((socket as unknown) === stays ? undefined : new Uint8Array(0)) });
  Object.defineProperty(all[3], 'pack', { value: () => undefined });
  await made.handing.batch(sockets(all));
  assert.deepEqual(stepsOf(all), ['leave', '', 'take', 'take']);
  assert.deepEqual(counts(made.handing), [1, 3, []]);
});

test('hand over: what the application gives along is a Buffer up to a mebibyte; all go on here where it is not', async () => {
  const largest = open({}, { state: () => new Uint8Array(maxBlobBytes) });
  await largest.handing.batch(sockets(leavers(1)));
  assert.equal(largest.handing.moved, 1);
  const thrown = new Error('of the application');
  for (const [state, wrong] of [
    [() => new Uint8Array(maxBlobBytes + 1), { code: 'ERR_OUT_OF_RANGE', name: 'RangeError' }],
    [() => 'text', { code: 'ERR_INVALID_ARG_TYPE' }],
    [
      () => {
        throw thrown;
      },
      thrown,
    ],
  ] as const) {
    const all = leavers(3);
    let calls = 0;
    const first = (): Uint8Array => (calls++ === 0 ? new Uint8Array(0) : (state() as Uint8Array));
    const { handing, carried } = open({}, { state: first });
    await assert.rejects(handing.batch(sockets(all)), wrong);
    assert.deepEqual([stepsOf(all), carried.length], [['take', 'take', 'take'], 0]);
    assert.deepEqual(counts(handing), [0, 3, []]);
  }
});

test('hand over: a receiver that does not take them keeps nobody, and the error says what it did', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const accept = { kind: 'accept', keys: ['AAAA'], locators: [{ address: 'wAACCQ==', port: 9 }] } as const;
  for (const [title, play, code, why] of [
    ['refuses', { answer: { kind: 'refuse', why: 'it is full' } }, 'ECONNREFUSED', /refuses: it is full/],
    ['too few keys', { answer: { ...accept, keys: [] } }, 'ECONNREFUSED', /this version does not know/],
    ['no address', { answer: { ...accept, locators: [] } }, 'ECONNREFUSED', /this version does not know/],
    ['no keys at all', { answer: { kind: 'accept' } as Message }, 'ECONNREFUSED', /this version does not know/],
    ['keys that are none', { answer: { ...accept, keys: [7] } as unknown as Message }, 'ECONNREFUSED', /not know/],
    [
      'addresses that are none',
      { answer: { ...accept, locators: [null] } as unknown as Message },
      'ECONNREFUSED',
      /this version does not know/,
    ],
    [
      'an address of no length',
      { answer: { ...accept, locators: [{ address: 'AAAA', port: 9 }] } },
      'ECONNREFUSED',
      /this version does not know/,
    ],
    [
      'a port that is none',
      { answer: { ...accept, locators: [{ address: 'wAACCQ==', port: 65_536 }] } },
      'ECONNREFUSED',
      /this version does not know/,
    ],
    ['a key of no length', { answer: accept }, 'EPROTO', /no key that one can use/],
    ['a key of low order', { badKey: true }, 'EPROTO', /no key that one can use/],
    ['answers something else', { answer: { kind: 'end' } }, 'ECONNRESET', /gone away/],
    ['says nothing', { answer: 'nothing' }, 'ETIMEDOUT', /does not answer/],
  ] as readonly (readonly [string, Play, string, RegExp])[]) {
    const all = leavers(2);
    const { handing } = open(play);
    const wrong = { code, syscall: 'handoff', message: why };
    const failed = assert.rejects(handing.batch(sockets(all)), wrong, title);
    if (code === 'ETIMEDOUT') await passPatience(t);
    await failed;
    assert.equal(stepsOf(all).includes('leave'), false, title);
    assert.equal(handing.moved, 0, title);
  }
});

test('hand over: a receiver that dies or falls silent in the middle: who has not arrived goes on here', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  for (const [fates, code] of [
    [['arrived', 'silent', 'gone'], 'ECONNRESET'],
    [['arrived', 'silent', 'arrived'], 'ETIMEDOUT'],
  ] as const) {
    const all = leavers(3);
    const { handing, receiver } = open({ fates });
    const failed = assert.rejects(handing.batch(sockets(all)), { code });
    if (code === 'ETIMEDOUT') await passPatience(t);
    await failed;
    const moved = code === 'ETIMEDOUT' ? 2 : 1;
    assert.deepEqual([handing.moved, handing.stayed], [moved, 3 - moved]);
    assert.equal(stepsOf(all)[1], 'take');
    receiver.send({ kind: 'arrived', index: 1 });
    await new Promise((resolve) => setImmediate(resolve));
    assert.equal(stepsOf(all)[1], 'take', 'what is said later changes nothing');
  }
});

test('hand over: an answer about nobody, or twice, is none; a message for the other end ends the channel', async () => {
  const { handing, receiver, stream } = open();
  const all = leavers(1);
  receiver.send({ kind: 'arrived', index: 0 });
  await handing.batch(sockets(all));
  receiver.send({ kind: 'refused', index: 0, why: 'late' });
  receiver.send({ kind: 'arrived', index: 99 });
  await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual([stepsOf(all), counts(handing)], [['leave'], [1, 0, []]]);
  assert.equal(stream.destroyed, false);
  receiver.send({ kind: 'offer', version: 1, connections: 1, parcels: 1 });
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal(stream.destroyed, true);
  await assert.rejects(handing.batch(sockets(leavers(1))), { code: 'ECONNRESET' });
  const other = open();
  other.receiver.sendParcel(Buffer.from('?'));
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal(other.stream.destroyed, true);
});

test('hand over: so long as the application says', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  for (const timeoutMs of [undefined, 30]) {
    const { handing } = open({ answer: 'nothing' }, { timeoutMs });
    let failed = false;
    const work = handing.batch(sockets(leavers(1))).catch(() => {
      failed = true;
    });
    t.mock.timers.tick((timeoutMs ?? 10_000) - 1);
    await new Promise((resolve) => setImmediate(resolve));
    assert.equal(failed, false);
    t.mock.timers.tick(1);
    await work;
    assert.equal(failed, true);
  }
});

test('hand over: one batch after the other', async () => {
  const { handing, heard } = open();
  for (let i = 0; i < 2; i++) await handing.batch(sockets(leavers(2)));
  assert.deepEqual(heard, ['offer', 'end', 'offer', 'end']);
  assert.equal(handing.moved, 4);
});
