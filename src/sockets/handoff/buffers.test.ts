// What Node keeps in a Duplex, and where: this fails on a version of Node that keeps it elsewhere.

import assert from 'node:assert/strict';
import { Duplex } from 'node:stream';
import { test } from 'node:test';
import { queuedOf, unreadOf } from './buffers.ts';

function duplex(options: object = {}): Duplex {
  return new Duplex({ read() {}, write() {}, ...options });
}

const held = (chunks: readonly Uint8Array[]): string => Buffer.concat(chunks).toString('latin1');

test('buffers: what came and was not taken, and it stays where it is', () => {
  const stream = duplex();
  assert.deepEqual(unreadOf(stream), []);
  for (const text of ['one', 'two', 'three']) stream.push(text);
  for (let i = 0; i < 2; i++) assert.equal(held(unreadOf(stream)), 'onetwothree');
  assert.equal(String(stream.read(4)), 'onet');
  assert.equal(held(unreadOf(stream)), 'wothree', 'a part of a chunk was taken');
  assert.equal(String(stream.read(2)), 'wo');
  assert.equal(held(unreadOf(stream)), 'three', 'whole chunks were taken');
  stream.unshift('back ');
  assert.equal(held(unreadOf(stream)), 'back three');
  assert.equal(String(stream.read()), 'back three');
  assert.equal(held(unreadOf(stream)), '');
});

test('buffers: after thousands of chunks only those that are left', () => {
  const stream = duplex({ highWaterMark: 1e9 });
  for (let i = 0; i < 3_000; i++) stream.push(`${i % 10}`);
  for (let i = 0; i < 2_995; i++) assert.equal(String(stream.read(1)), `${i % 10}`);
  assert.equal(held(unreadOf(stream)), '56789');
});

test('buffers: with an encoding the bytes of the strings, and those of a character that has not all come', () => {
  for (const encoding of ['utf8', 'utf16le', 'base64', 'hex', 'latin1'] as const) {
    const bytes = Buffer.from('añ€😀', 'utf16le');
    const sent = encoding === 'utf8' ? Buffer.from('añ€😀') : bytes;
    for (let cut = 0; cut <= sent.length; cut++) {
      const stream = duplex().setEncoding(encoding);
      if (cut > 0) stream.push(sent.subarray(0, cut));
      assert.equal(held(unreadOf(stream)), sent.toString('latin1', 0, cut), `${encoding}, ${cut} bytes`);
      assert.equal(held(unreadOf(stream)), sent.toString('latin1', 0, cut), 'and again');
    }
  }
});

test('buffers: what was written behind the write under way, as bytes, in order', () => {
  const written: string[] = [];
  let done = (): void => {};
  const stream = duplex({
    write(chunk: Buffer, _: string, callback: () => void) {
      written.push(String(chunk));
      done = callback;
    },
  });
  assert.deepEqual(queuedOf(stream), []);
  stream.write('under way');
  assert.deepEqual(queuedOf(stream), []);
  stream.write('é', 'latin1');
  stream.write(Buffer.from('two'));
  for (let i = 0; i < 2; i++) assert.equal(held(queuedOf(stream)), '\xe9two');
  done();
  assert.equal(held(queuedOf(stream)), 'two', 'one of them is under way now');
  assert.deepEqual(written.length, 2);
});

test('buffers: corked writes wait, too', () => {
  const stream = duplex();
  stream.cork();
  stream.write('a');
  stream.write('b');
  assert.equal(held(queuedOf(stream)), 'ab');
});
