// The property that everything rests on: wherever a connection breaks, what the client gets is what it would have got
// without the break, or an error; never anything else. Every exchange of the table is cut after every byte.

import assert from 'node:assert/strict';
import { after, before, mock, test } from 'node:test';
import fc from 'fast-check';
import { readAnswer, type SiteOptions, site } from './testing/site.ts';
import { type Fate, type Instance, World } from './testing/world.ts';

const body = Array.from({ length: 80 }, (_, i) => String.fromCharCode(33 + ((i * 7) % 90))).join('');
const etag = '"v1"';
const get = 'GET /f HTTP/1.1\r\nHost: web.svc\r\n\r\n';

interface Row {
  readonly title: string;
  readonly request?: string;
  readonly site: SiteOptions;
  /** Of the instance that takes over; the same if absent. */
  readonly other?: Partial<SiteOptions>;
  /** Cuts after the head may be errors. */
  readonly headOnly?: boolean;
  /** Any cut may be an error: the request cannot be repeated. */
  readonly never?: boolean;
  /** Another content under the same ETag: that alone cannot be seen, but its length can. */
  readonly lies?: boolean;
}

const rows: readonly Row[] = [
  { title: 'a length', site: { body, etag } },
  { title: 'a length, no ranges elsewhere', site: { body, etag }, other: { ranges: false } },
  { title: 'a length, chunks elsewhere', site: { body, etag }, other: { mode: 'chunked' } },
  { title: 'a length, until close elsewhere', site: { body, etag }, other: { mode: 'close' } },
  { title: 'a length, all again in chunks', site: { body, etag }, other: { mode: 'chunked', ranges: false } },
  { title: 'a length, all again until close', site: { body, etag }, other: { mode: 'close', ranges: false } },
  { title: 'chunks', site: { body, etag, mode: 'chunked' } },
  { title: 'chunks, a length elsewhere', site: { body, etag, mode: 'chunked' }, other: { mode: 'length' } },
  { title: 'chunks, other chunks', site: { body, etag, mode: 'chunked' }, other: { chunkBytes: [5, 64] } },
  { title: 'chunks, all again', site: { body, etag, mode: 'chunked' }, other: { ranges: false, chunkBytes: [9] } },
  { title: 'chunks, an empty body', site: { body: '', etag, mode: 'chunked' } },
  { title: 'an empty body', site: { body: '', etag } },
  { title: 'a part', request: `${get.slice(0, -2)}Range: bytes=10-59\r\n\r\n`, site: { body, etag } },
  { title: 'a part to the end', request: `${get.slice(0, -2)}Range: bytes=10-\r\n\r\n`, site: { body, etag } },
  {
    title: 'a part in chunks',
    request: `${get.slice(0, -2)}range: bytes=10-59\r\n\r\n`,
    site: { body, etag, mode: 'chunked' },
  },
  {
    title: 'conditions',
    request: `${get.slice(0, -2)}If-None-Match: "v0"\r\nif-modified-since: x\r\n\r\n`,
    site: { body, etag },
  },
  { title: 'an interim answer before', site: { body, etag, interim: 'HTTP/1.1 103 Early Hints\r\nA: b\r\n\r\n' } },
  { title: 'a coding', site: { body, etag, fields: 'Content-Encoding: gzip\r\n' } },
  {
    title: 'a coding that the part does not repeat',
    site: { body, etag, fields: 'Content-Encoding: gzip\r\n' },
    other: { fields: '' },
  },
  { title: 'HEAD', request: get.replace('GET', 'HEAD'), site: { body, etag } },
  { title: 'OPTIONS', request: get.replace('GET', 'OPTIONS'), site: { body: '' } },
  { title: 'no ETag', site: { body }, headOnly: true },
  { title: 'a weak ETag', site: { body, etag: 'W/"v1"' }, headOnly: true },
  { title: 'until close', site: { body, etag, mode: 'close' }, headOnly: true },
  {
    title: 'a trailer',
    site: { body, etag, mode: 'chunked', fields: 'Trailer: A\r\n', trailer: 'A: b\r\n' },
    headOnly: true,
  },
  { title: 'another ETag elsewhere', site: { body, etag }, other: { etag: '"v2"' }, headOnly: true },
  {
    title: 'another version elsewhere',
    site: { body, etag },
    other: { body: body.toLowerCase(), etag: '"v2"' },
    headOnly: true,
  },
  { title: 'no ETag elsewhere', site: { body, etag }, other: { etag: undefined }, headOnly: true },
  {
    title: 'another coding elsewhere',
    site: { body, etag },
    other: { fields: 'Content-Encoding: br\r\n' },
    headOnly: true,
  },
  { title: 'one ETag for two lengths', site: { body, etag }, other: { body: `${body}!` }, headOnly: true, lies: true },
  { title: 'one ETag, less', site: { body, etag }, other: { body: body.slice(1) }, headOnly: true, lies: true },
  {
    title: 'one ETag, less, all again in chunks',
    site: { body, etag },
    other: { body: body.slice(1), mode: 'chunked', ranges: false },
    headOnly: true,
    lies: true,
  },
  {
    title: 'one ETag, more, all again in chunks',
    site: { body, etag },
    other: { body: `${body}!`, mode: 'chunked', ranges: false },
    headOnly: true,
    lies: true,
  },
  {
    title: 'POST',
    request: `${get.replace('GET', 'POST').slice(0, -2)}Content-Length: 2\r\n\r\nhi`,
    site: { body, etag },
    never: true,
  },
  {
    title: 'a GET with a body',
    request: `${get.slice(0, -2)}Content-Length: 2\r\n\r\nhi`,
    site: { body, etag },
    never: true,
  },
];

const last = `${get.slice(0, -2)}Connection: close\r\n\r\n`;
const hows = ['reset', 'end'] as const;

before(() => mock.timers.enable({ apis: ['setTimeout'] }));
after(() => mock.timers.reset());

function methodOf(request: string): string {
  return request.slice(0, request.indexOf(' '));
}

/** Plays it and checks the property; answers whether the client got everything. `lies`: ETags are equal, contents are not. */
function play(
  request: string,
  instances: Instance[],
  fates: readonly Fate[],
  packetBytes: () => number,
  lies = false,
): boolean {
  const method = methodOf(request);
  const wholes = instances.map((instance) => readAnswer(instance(request), method, true)!.answer);
  const world = new World(instances, fates);
  world.packetBytes = packetBytes;
  world.send(request).run();
  for (let seconds = 0; seconds < 10; seconds++) {
    mock.timers.tick(1000);
    world.run();
  }
  const ended = world.failure !== undefined || world.saw('end');
  const read = readAnswer(world.received, method, world.saw('end'));
  if (read === undefined) {
    assert.ok(ended, 'neither an answer nor an error');
    return false;
  }
  const { answer, rest } = read;
  // An answer that only the connection's end delimits may end anywhere: its client has to live with that.
  const untilClose = !/^(?:content-length|transfer-encoding):/im.test(answer.head);
  const whole = wholes.find(({ head }) => head === answer.head);
  assert.ok(whole !== undefined, `an answer that no instance gives: ${answer.head}`);
  assert.ok(lies || whole.body.startsWith(answer.body), `bytes that no instance gives: ${answer.body}`);
  assert.ok(!answer.complete || untilClose || answer.body === whole.body, 'a part is taken for all of it');
  assert.ok(!answer.complete || rest === '', `more than an answer: ${rest}`);
  assert.ok(answer.complete || ended, 'an answer that is not complete, and no error');
  return answer.complete && answer.body === whole.body;
}

for (const row of rows) {
  test(`cuts: ${row.title}`, () => {
    const request = row.request ?? get;
    const instances = [site(row.site), site({ ...row.site, ...row.other })];
    const expected = instances[0]!(request);
    const headBytes = expected.indexOf('\r\n\r\n') + 4;
    for (const how of hows) {
      for (let cutAfter = 0; cutAfter <= expected.length; cutAfter++) {
        for (const size of [1 << 16, 1, 5]) {
          const got = play(request, instances, [{ cutAfter, how }], () => size, row.lies);
          // A break before the connection was used is the dial's failure; one after the last byte changes nothing.
          const mayFail = cutAfter === 0 || row.never || (row.headOnly && cutAfter >= headBytes);
          if (!mayFail) assert.ok(got, `cut after ${cutAfter} of ${expected.length} (${how})`);
        }
      }
    }
  });
}

test('cuts: again and again, at any places, in any packets', () => {
  const cut = fc.record({ cutAfter: fc.integer({ min: 1, max: 400 }), how: fc.constantFrom(...hows) });
  const mode = fc.constantFrom('length' as const, 'chunked' as const);
  const sites = fc.array(fc.record({ mode, ranges: fc.boolean() }), { minLength: 4, maxLength: 4 });
  const sizes = fc.array(fc.integer({ min: 1, max: 60 }), { minLength: 1, maxLength: 8 });
  const property = fc.property(
    fc.constantFrom(get, last, `${get.slice(0, -2)}Range: bytes=3-70\r\n\r\n`),
    sites,
    fc.array(cut, { maxLength: 3 }),
    sizes,
    (request, options, fates, packets) => {
      let n = 0;
      const instances = options.map((each) => site({ body, etag, ...each }));
      play(request, instances, fates, () => packets[n++ % packets.length]!);
    },
  );
  fc.assert(property, { numRuns: 3000 });
});
