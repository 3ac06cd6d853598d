import assert from 'node:assert/strict';
import { Duplex } from 'node:stream';
import { test } from 'node:test';
import { Reason } from '../../core/base/index.ts';
import type { Driver, Event } from '../../core/stack/index.ts';
import type { Flow } from '../flow.ts';
import { Outgoing } from '../outgoing.ts';
import { type Arrival, Passage } from './passage.ts';

const to = { address: Uint8Array.of(192, 0, 2, 1), port: 5 };
const closed = (reason: Reason): Event => ({ kind: 'closed', socket: 9, reason, detail: '' });
const migrated: Event = { kind: 'migrated', socket: 9 };

interface Carried {
  readonly passage: Passage;
  readonly socket: Duplex & { bytesRead: number };
  readonly outgoing: Outgoing;
  readonly flow: Flow;
  /** Of the writes under way, what the stack takes of it. */
  take(bytes: number): void;
}

/** A Duplex that writes by an Outgoing, as a Socket does, on a stack that takes nothing by itself. */
function open(): Carried {
  const outgoing = new Outgoing();
  const duplex = new Duplex({
    read() {},
    write: (chunk: Buffer, _, callback) => outgoing.begin([chunk], callback),
    destroy(error, callback) {
      outgoing.drop(error)?.();
      callback(error);
    },
  });
  const socket = Object.assign(duplex, { bytesRead: 0 }).on('error', () => {});
  const flow = { id: 9, driver: { handle: () => Reason.OK } as unknown as Driver } as Flow;
  const take = (bytes: number): void => {
    let left = bytes;
    outgoing.flush((chunk, offset) => {
      const taken = Math.min(left, chunk.length - offset);
      left -= taken;
      return taken;
    });
  };
  return { passage: new Passage(socket, outgoing), socket, outgoing, flow, take };
}

function arrival(what: Partial<Arrival> = {}): Arrival & { readonly told: (Reason | undefined)[] } {
  const told: (Reason | undefined)[] = [];
  const nothing = new Uint8Array(0);
  const settled = (reason?: Reason): void => void told.push(reason);
  return { bytesRead: 0, bytesWritten: 0, unread: nothing, unwritten: nothing, settled, ...what, told };
}

test('passage: what is read and not taken, written and not passed on travels along, and stays in place', () => {
  const { passage, socket, outgoing, flow, take } = open();
  socket.bytesRead = 20;
  outgoing.sentBytes = 30;
  socket.push('unread');
  for (const text of ['under way', 'queued', 'last']) socket.write(text);
  take(6);
  assert.ok(passage.depart(flow, to));
  for (let i = 0; i < 2; i++) {
    const luggage = passage.pack();
    assert.equal(String(luggage?.unread), 'unread');
    assert.equal(String(luggage?.unwritten), 'wayqueuedlast');
    assert.deepEqual([luggage?.bytesRead, luggage?.bytesWritten], [20, 30]);
  }
  assert.equal(String(socket.read()), 'unread');
});

test('passage: who is leaving does not leave again, and may once it has stayed', () => {
  const { passage, flow } = open();
  const leaving = passage.depart(flow, to);
  assert.ok(leaving);
  assert.equal(passage.depart(flow, to), undefined);
  leaving.take();
  passage.follow(migrated);
  assert.ok(passage.depart(flow, to));
});

test('passage: what is ending neither leaves nor is packed', () => {
  for (const [title, end] of [
    ['ended here', (socket) => void socket.end()],
    ['destroyed', (socket) => void socket.destroy()],
    [
      'ended there',
      (socket) => {
        socket.push(null);
        socket.read();
      },
    ],
  ] as readonly (readonly [string, (socket: Duplex) => void])[]) {
    const before = open();
    end(before.socket);
    process.nextTick(() => assert.equal(before.passage.depart(before.flow, to), undefined, title));
    const meanwhile = open();
    assert.ok(meanwhile.passage.depart(meanwhile.flow, to));
    assert.ok(meanwhile.passage.pack());
    end(meanwhile.socket);
    process.nextTick(() => assert.equal(meanwhile.passage.pack(), undefined, title));
  }
  const { passage } = open();
  assert.equal(passage.pack(), undefined, 'it is not leaving');
  return new Promise((resolve) => setImmediate(resolve));
});

test('passage: what was written in the old process goes before all that is written in the new one', () => {
  const { passage, socket, outgoing, take } = open();
  passage.unpack(arrival({ bytesRead: 11, bytesWritten: 12, unwritten: Buffer.from('before ') }));
  socket.write('after');
  assert.deepEqual([socket.bytesRead, outgoing.sentBytes, String(outgoing.rest()[0])], [11, 12, 'before ']);
  take(7);
  assert.deepEqual([outgoing.sentBytes, String(outgoing.rest()[0])], [19, 'after']);
});

test('passage: what was read is given out once it goes on here, before what comes, and not before', () => {
  for (const first of [migrated, { kind: 'data', socket: 9, bytes: Uint8Array.of(1) }] as readonly Event[]) {
    const { passage, socket, flow } = open();
    const came = arrival({ unread: Buffer.from('unread') });
    passage.unpack(came);
    passage.follow({ kind: 'writable', socket: 9 });
    assert.equal(socket.readableLength, 0, 'room to write says nothing of that');
    assert.equal(passage.depart(flow, to), undefined, 'nor may it be handed on before');
    passage.follow(first);
    assert.equal(String(socket.read()), 'unread', first.kind);
    passage.follow(migrated);
    assert.equal(socket.readableLength, 0, 'it is given out once');
    assert.deepEqual(came.told, [undefined]);
    assert.ok(passage.depart(flow, to));
  }
});

test('passage: what goes on elsewhere gives nothing out here, and says why', () => {
  const { passage, socket } = open();
  const came = arrival({ unread: Buffer.from('unread') });
  passage.unpack(came);
  passage.follow(closed(Reason.SUPERSEDED));
  assert.deepEqual([socket.readableLength, came.told], [0, [Reason.SUPERSEDED]]);
});

test('passage: where nothing was written, nothing waits for the stack', () => {
  const { passage, outgoing } = open();
  passage.unpack(arrival());
  assert.equal(outgoing.waiting, false);
});

test('passage: who has left says whether something was written too late', () => {
  for (const [more, late] of [
    ['', false],
    ['x', true],
  ] as const) {
    const { passage, socket, flow } = open();
    for (const text of ['one', 'two']) socket.write(text);
    const leaving = passage.depart(flow, to);
    passage.pack();
    if (more !== '') socket.write(more);
    assert.equal(passage.left(), undefined, 'not yet');
    leaving?.leave();
    passage.follow(closed(Reason.HANDED_OVER));
    assert.deepEqual(passage.left(), { late });
  }
  const { passage, flow } = open();
  passage.depart(flow, to);
  passage.follow(closed(Reason.OK));
  assert.equal(passage.left(), undefined, 'it ended here');
});

test('passage: with the Socket its leaving is over', async () => {
  const { passage, flow } = open();
  const leaving = passage.depart(flow, to);
  passage.end();
  assert.equal(await leaving?.outcome, 'gone');
});
