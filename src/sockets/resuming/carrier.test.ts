// What the carrier does around the answers (cuts.test.ts has those): connections that break between requests, what it
// asks of another instance, when it waits and when it gives up, instances that ask their client to go, and all that is
// not for it to touch.

import assert from 'node:assert/strict';
import { mock, type TestContext, test } from 'node:test';
import fc from 'fast-check';
import { Reason } from '../../core/base/index.ts';
import { site } from './testing/site.ts';
import { type Fate, type Instance, World } from './testing/world.ts';

const body = 'abcdefghijklmnopqrstuvwxyz'.repeat(4);
const etag = '"v1"';
const get = 'GET /f HTTP/1.1\r\nHost: web.svc\r\n\r\n';
const web = site({ body, etag });
const whole = web(get);
const headBytes = whole.length - body.length;

function useTimers(t: TestContext): (ms: number) => void {
  mock.timers.enable({ apis: ['setTimeout'] });
  t.after(() => mock.timers.reset());
  return (ms) => mock.timers.tick(ms);
}

/** One that is cut within its body and goes on at a second one. */
function cutInBody(...others: Instance[]): World {
  return new World([web, ...others], [{ cutAfter: headBytes + 10 }]);
}

test('between requests a break is not seen; the next request goes elsewhere', () => {
  const world = new World([web]);
  world.send(get).run();
  world.last.reset();
  assert.deepEqual(
    world.events.map(({ kind }) => kind),
    ['connected'],
  );
  world.send(get).run();
  assert.equal(world.received, whole + whole);
  assert.deepEqual(
    world.calls.map(({ avoid }) => avoid),
    [undefined, 1],
  );
  assert.equal(world.calls[1]?.sent, get);
  assert.deepEqual(world.resumed, []);
});

test('between requests: a request that had begun is asked whole', () => {
  const world = new World([web]);
  world.send(get + get.slice(0, 9)).run();
  world.last.reset();
  world.send(get.slice(9)).run();
  assert.equal(world.received, whole + whole);
  assert.equal(world.calls[1]?.sent, get);
});

test('between requests an orderly end is the end', () => {
  const world = new World([web]);
  world.send(get).run();
  world.last.finish();
  assert.ok(world.saw('end'));
  world.carrier.end();
  world.run();
  assert.equal(world.failure, undefined);
  assert.ok(world.saw('closed'));
});

test('a request for which no connection can be had fails as a connect does, at once', () => {
  const world = new World([web], [{}, { refused: true }, { refused: true }]);
  world.send(get).run();
  world.last.reset();
  world.send(get).run();
  assert.equal(world.failure, Reason.NO_INSTANCE);
  assert.deepEqual(
    world.calls.map(({ avoid }) => avoid),
    [undefined, 1, undefined],
  );
});

test('before the first request, and after the last, a break is an error', () => {
  const early = new World([web]).run();
  early.last.reset();
  assert.equal(early.failure, Reason.ABORTED);
  const closing = new World([site({ body, etag, fields: 'Connection: close\r\n' })], [{ cutAfter: whole.length + 19 }]);
  closing.send(get).run();
  assert.equal(closing.failure, Reason.PEER_LOST);
  assert.equal(closing.calls.length, 1);
});

test('the rest is asked for in the words of the request, with the range and the ETag', () => {
  const request = `${get.slice(0, -2)}Authorization: Basic x\r\nIf-None-Match: "old"\r\nrange: bytes=5-99\r\n\r\n`;
  const world = new World([web], [{ cutAfter: web(request).length - 50 }]);
  world.send(request).run();
  assert.equal(world.received, web(request));
  const asked =
    'GET /f HTTP/1.1\r\nHost: web.svc\r\nAuthorization: Basic x\r\nRange: bytes=50-99\r\nIf-Range: "v1"\r\n\r\n';
  assert.equal(world.calls[1]?.sent, asked);
  assert.equal(world.calls[0]?.left, 'aborted');
  const [resumed] = world.resumed;
  assert.equal(world.resumed.length, 1);
  assert.equal(resumed?.offset, 45);
  assert.equal(resumed?.reason, 'peer-lost');
});

test('the connection that went on serves the next request too', () => {
  const world = cutInBody();
  world.send(get).run().send(get).run();
  assert.equal(world.received, whole + whole);
  assert.equal(world.calls.length, 2);
});

test('what the client says while it waits is said afterwards', () => {
  const world = new World([web], [{ cutAfter: headBytes + 10 }]);
  const first = world.send(get);
  while (world.calls.length < 2) first.step();
  world.send(get);
  assert.equal(world.calls[1]?.sent, '');
  world.run();
  assert.equal(world.received, whole + whole);
});

test('pipelined requests pass, and break off', () => {
  const world = new World([web]);
  world.send(get + get + get).run();
  assert.equal(world.received, whole + whole + whole);
  const cut = new World([web], [{ cutAfter: whole.length + 3 }]);
  cut.send(get + get + get).run();
  assert.equal(cut.failure, Reason.PEER_LOST);
  assert.match(cut.detail, /pipelined/);
  assert.equal(cut.received, `${whole}HTT`);
});

test('requests may come byte by byte, with bodies of either framing between them', () => {
  const post = 'POST / HTTP/1.1\r\nHost: x\r\n';
  const text = `${post}Content-Length: ${get.length}\r\n\r\n${get}${get}`;
  const world = new World([web], [{ cutAfter: whole.length * 2 - 5 }]);
  for (const byte of text) world.send(byte).run();
  assert.equal(world.received, whole + whole);
  assert.equal(world.calls[1]?.sent.split('\r\n')[0], 'GET /f HTTP/1.1');
  const chunks = `${post}Transfer-Encoding: chunked\r\n\r\n3;x=y\r\nGET\r\n0\r\nA: b\r\n\r\n`;
  const open = new World([() => ''], []);
  for (const byte of chunks.slice(0, -1)) open.send(byte).run();
  open.last.say('HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n');
  open.run().last.reset();
  assert.match(open.detail, /its request has a body/);
});

test('after 101, and in a tunnel, everything passes as it comes', () => {
  for (const [request, answer] of [
    ['GET / HTTP/1.1\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n', 'HTTP/1.1 101 Go\r\nUpgrade: x\r\n\r\n'],
    ['CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n', 'HTTP/1.1 200 OK\r\n\r\n'],
  ] as const) {
    const world = new World([(text) => (text === request ? `${answer}first` : '')]);
    world.send(request).run();
    world.send('GET / HTTP/1.1\r\n').run();
    world.last.say('HTTP/1.1 200 OK\r\nContent-');
    world.run();
    assert.equal(world.received, `${answer}firstHTTP/1.1 200 OK\r\nContent-`);
    assert.equal(world.calls[0]?.sent, `${request}GET / HTTP/1.1\r\n`);
    world.last.reset();
    assert.equal(world.failure, Reason.ABORTED);
    assert.equal(world.detail, '');
  }
});

test('an answer that nobody asked for passes, and ends the following', () => {
  const world = new World([web]).run();
  world.last.say('220 mail.example ESMTP\r\n');
  world.run();
  assert.equal(world.received, '220 mail.example ESMTP\r\n');
  world.send(get).run();
  assert.equal(world.received, `220 mail.example ESMTP\r\n${whole}`);
  world.last.reset();
  assert.equal(world.failure, Reason.ABORTED);
});

test('whatever passes that is no HTTP, or nearly, passes byte for byte', () => {
  const odd = fc.constantFrom(
    'GET ',
    'HTTP/1.1 200 OK\r\n',
    '\r\n',
    '\n',
    'Content-Length: 5',
    '0\r\n\r\n',
    get,
    whole,
    ' ',
  );
  const text = fc.array(fc.oneof(odd, fc.string({ unit: 'binary', maxLength: 5 }).map(latin1)), { maxLength: 12 });
  const talk = fc.array(fc.record({ client: fc.boolean(), text: text.map((parts) => parts.join('')) }), {
    maxLength: 12,
  });
  fc.assert(
    fc.property(talk, fc.integer({ min: 1, max: 20 }), (turns, size) => {
      const world = new World([() => '']);
      world.packetBytes = () => size;
      let [said, answered] = ['', ''];
      for (const turn of turns) {
        if (turn.client) said += turn.text;
        else answered += turn.text;
        if (turn.client) world.send(turn.text).run();
        else world.run().last.say(turn.text);
        world.run();
      }
      world.last.finish();
      assert.equal(world.calls[0]?.sent, said);
      // What was held back of a piece that never became whole comes with the end.
      assert.equal(world.received, world.calls.length === 1 ? answered : world.received);
      assert.ok(answered.startsWith(world.received));
      assert.ok(world.calls.length === 1 || /^(?:GET|HEAD|OPTIONS) /m.test(said));
    }),
    { numRuns: 2000 },
  );
});

test('a client that has ended its side gets the rest, and then the end', () => {
  const world = cutInBody();
  world.packetBytes = () => 9;
  world.send(get);
  while (world.received === '') world.step();
  world.carrier.end();
  assert.equal(world.calls[0]?.ended, true);
  world.run();
  assert.equal(world.received, whole);
  assert.equal(world.calls[1]?.ended, true);
});

test('an answer that announced the end of the connection has it, wherever it was completed', () => {
  const closing = site({ body, etag, fields: 'Connection: close\r\n' });
  const world = new World([closing, web], [{ cutAfter: headBytes + 30 }]);
  world.send(get).run();
  assert.equal(world.received, closing(get));
  assert.ok(world.saw('end'));
  world.carrier.end();
  assert.equal(world.failure, undefined);
  assert.ok(world.saw('closed'));
});

test('another version is a typed error, and not one byte of it', () => {
  const world = cutInBody(site({ body: body.toUpperCase(), etag: '"v2"' }));
  world.send(get).run();
  assert.equal(world.failure, 'ERR_CARACAL_ENTITY_CHANGED');
  assert.match(world.detail, /"v2".* instead of "v1"/);
  assert.equal(world.received, whole.slice(0, headBytes + 10));
  assert.ok(world.calls.every(({ left }) => left === 'aborted'));
});

test('without a strong ETag the error is the connection’s own, and says why nothing more was tried', () => {
  for (const other of [undefined, 'W/"v1"']) {
    const plain = site({ body, etag: other });
    const world = new World([plain], [{ cutAfter: plain(get).length - 1 }]);
    world.send(get).run();
    assert.equal(world.failure, Reason.PEER_LOST);
    assert.match(world.detail, /no strong ETag/);
    assert.equal(world.calls.length, 1);
  }
});

test('nobody else is there: waits, tries again, and goes on when somebody comes', (t) => {
  const tick = useTimers(t);
  const refused: Fate = { refused: true };
  const world = new World([web], [{ cutAfter: headBytes + 10 }, refused, refused, refused, refused]);
  world.send(get).run();
  assert.equal(world.calls.length, 3);
  tick(100);
  world.run();
  assert.equal(world.calls.length, 4);
  for (const ms of [300, 1000]) {
    tick(ms);
    world.run();
  }
  assert.equal(world.received, whole);
  assert.deepEqual(
    world.calls.map(({ avoid }) => avoid),
    [undefined, 1, undefined, 1, undefined, 1],
  );
});

test('nobody else comes: the error is that of the connection that was lost', (t) => {
  const tick = useTimers(t);
  const world = new World([web], [{ cutAfter: headBytes + 10 }, ...Array(20).fill({ refused: true })]);
  world.send(get).run();
  for (let i = 0; i < 60; i++) {
    tick(1000);
    world.run();
  }
  assert.equal(world.failure, Reason.PEER_LOST);
  assert.match(world.detail, /another instance cannot be reached: no-instance/);
  assert.equal(world.calls.length, 8);
});

test('an instance that is overloaded is asked again, one that never answers not for ever', (t) => {
  const tick = useTimers(t);
  const busy: Instance = () => 'HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n';
  const world = cutInBody(busy, busy, web);
  world.send(get).run();
  tick(100);
  world.run();
  assert.equal(world.received, whole);
  const silent = cutInBody(() => '');
  silent.send(get).run();
  tick(29_000);
  assert.equal(silent.failure, undefined);
  tick(1000);
  assert.equal(silent.failure, Reason.PEER_LOST);
  assert.equal(silent.last.call.left, 'aborted');
});

test('a request is asked again once; an answer that gains nothing a few times', () => {
  const unanswered = new World([web], Array(9).fill({ cutAfter: headBytes - 1 }));
  unanswered.send(get).run();
  assert.equal(unanswered.failure, Reason.PEER_LOST);
  assert.equal(unanswered.calls.length, 2);
  const restBytes = web(`${get.slice(0, -2)}Range: bytes=10-\r\n\r\n`).length - body.length + 10;
  const stuck = new World([web], [{ cutAfter: headBytes + 10 }, ...Array(9).fill({ cutAfter: restBytes })]);
  stuck.send(get).run();
  assert.equal(stuck.failure, Reason.PEER_LOST);
  assert.equal(stuck.calls.length, 5);
  const slow = new World([web], [{ cutAfter: headBytes + 10 }, ...Array(9).fill({ cutAfter: restBytes + 1 })]);
  slow.send(get).run();
  assert.equal(slow.received, whole);
});

test('shed between requests: the connection is left, the next request goes elsewhere', () => {
  const world = new World([web]);
  world.send(get).run();
  world.last.emit({ kind: 'shed', socket: 1 });
  assert.equal(world.calls[0]?.left, 'released');
  world.send(get).run();
  assert.equal(world.received, whole + whole);
  assert.equal(world.calls[1]?.avoid, 1);
});

test('shed within an answer: the old connection is left once the new one has answered rightly', () => {
  const large = site({ body: body.repeat(10), etag });
  const world = new World([large]);
  world.packetBytes = () => 7;
  world.send(get);
  while (world.received.length < headBytes + 5) world.step();
  world.last.emit({ kind: 'shed', socket: 1 });
  while (world.calls[0]?.left === undefined) world.step();
  assert.equal(world.calls[1]?.avoid, 1);
  assert.equal(world.resumed[0]?.reason, 'shed');
  world.run();
  assert.equal(world.received, large(get));
  world.send(get).run();
  assert.equal(world.calls.length, 2);
});

test('shed within an answer that nobody else can complete: it comes to its end, and then the connection is left', () => {
  for (const other of [site({ body, etag: '"v2"' }), () => 'HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n']) {
    const world = new World([web, other]);
    world.packetBytes = () => 3;
    world.send(get);
    while (world.received.length < headBytes + 5) world.step();
    world.last.emit({ kind: 'shed', socket: 1 });
    world.run();
    assert.equal(world.received, whole);
    assert.equal(world.failure, undefined);
    assert.equal(world.calls[0]?.left, 'released');
    assert.equal(world.calls[1]?.left, 'aborted');
    assert.deepEqual(world.resumed, []);
  }
});

test('shed before an answer: it is waited for; a break meanwhile goes on elsewhere', () => {
  const world = new World([web], [{ cutAfter: headBytes + 20 }]);
  world.packetBytes = () => 5;
  world.send(get);
  while (world.calls[0]?.sent === '') world.step();
  world.last.emit({ kind: 'shed', socket: 1 });
  assert.equal(world.calls.length, 1);
  world.run();
  assert.equal(world.received, whole);
});

test('a Socket that goes away leaves nothing behind', (t) => {
  useTimers(t);
  const world = new World([web], [{ cutAfter: headBytes + 10 }]);
  world.send(get);
  while (world.calls.length < 2) world.step();
  world.carrier.release(true);
  const before = world.received;
  world.run();
  assert.equal(world.received, before);
  assert.ok(world.calls.every(({ left }) => left !== undefined));
});

function latin1(text: string): string {
  return Buffer.from(text, 'utf8').toString('latin1');
}
