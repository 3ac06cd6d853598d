import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { MessageReader } from './reader.ts';

/** Heads and bodies of what is read, given in one piece or byte by byte. */
function readAll(text: string, pieceBytes: number): { heads: string[]; bodies: string } {
  const heads: string[] = [];
  let bodies = '';
  const reader = new MessageReader(() => true, {
    onHead(head) {
      heads.push(head);
      return Number(/length: (\d+)/.exec(head)?.[1] ?? 0);
    },
    onComplete() {},
  });
  reader.onBody = (bytes) => {
    bodies += bytes.toString('latin1');
  };
  let rest = Buffer.alloc(0);
  for (let at = 0; at < text.length; at += pieceBytes) {
    rest = Buffer.concat([rest, Buffer.from(text.slice(at, at + pieceBytes), 'latin1')]);
    for (let read = -1; read !== 0 && rest.length > 0; rest = rest.subarray(read)) read = reader.read(rest);
  }
  assert.equal(reader.opaque, false);
  assert.equal(rest.length, 0);
  return { heads, bodies };
}

const message = fc
  .record({
    field: fc.constantFrom('a', 'ab', 'a'.repeat(600)),
    body: fc.constantFrom('', 'x', 'HTTP/1.1 200 OK\r\n\r\n'),
  })
  .map(({ field, body }) => ({
    head: `HTTP/1.1 200 OK\r\nfield: ${field}\r\ncontent-length: ${body.length}\r\n\r\n`,
    body,
  }));

test('reader: heads that repeat, begin alike, or are longer than what is kept are each read as they stand', () => {
  fc.assert(
    fc.property(fc.array(message, { maxLength: 12 }), fc.constantFrom(1, 7, 100_000), (messages, pieceBytes) => {
      const { heads, bodies } = readAll(messages.map(({ head, body }) => head + body).join(''), pieceBytes);
      assert.deepEqual(
        heads,
        messages.map(({ head }) => head),
      );
      assert.equal(bodies, messages.map(({ body }) => body).join(''));
    }),
  );
});

test('reader: the application may change the bytes of a head afterwards', () => {
  const heads: string[] = [];
  const reader = new MessageReader(() => true, { onHead: (head) => heads.push(head) && 0, onComplete() {} });
  const first = Buffer.from('GET /a HTTP/1.1\r\n\r\n');
  assert.equal(reader.read(first), first.length);
  first.write('/b', 4);
  assert.equal(reader.read(first), first.length);
  assert.deepEqual(heads, ['GET /a HTTP/1.1\r\n\r\n', 'GET /b HTTP/1.1\r\n\r\n']);
});
