// HyStart++ driven round by round with chosen round-trip times (RFC 9406, section 4.2).

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createAckSample } from './congestion.ts';
import { createHyStart, type HyStart, updateHyStart } from './hystart.ts';

const mssBytes = 1000;

/** `nowUs`: when the first ACK of the round comes. */
function round(h: HyStart, rttUs: number, acks = 10, deliveredBytes = 2000, nowUs = 0): void {
  const sample = createAckSample();
  sample.nowUs = nowUs;
  for (let i = 0; i < acks; i++) {
    sample.roundStart = i === 0;
    sample.rttUs = rttUs;
    sample.deliveredBytes = deliveredBytes;
    updateHyStart(h, sample, mssBytes);
  }
}

test('hystart: a steady round trip stays in slow start', () => {
  const h = createHyStart();
  for (let i = 0; i < 20; i++) round(h, 50_000 + (i % 2) * 1000);
  assert.equal(h.phase, 'slow-start');
});

test('hystart: growth past the threshold slows down, and five rounds later slow start is over', () => {
  const h = createHyStart();
  round(h, 50_000);
  round(h, 57_000);
  assert.equal(h.phase, 'conservative');
  for (let i = 0; i < 4; i++) round(h, 58_000);
  assert.equal(h.phase, 'conservative');
  round(h, 58_000);
  assert.equal(h.phase, 'done');
});

test('hystart: growth below an eighth of the round trip is noise', () => {
  const h = createHyStart();
  round(h, 80_000);
  round(h, 89_000);
  assert.equal(h.phase, 'slow-start');
});

test('hystart: on a short path the threshold is four milliseconds', () => {
  const h = createHyStart();
  round(h, 1_000);
  round(h, 4_900);
  assert.equal(h.phase, 'slow-start');
  round(h, 9_000);
  assert.equal(h.phase, 'conservative');
});

test('hystart: a round trip that falls back resumes slow start', () => {
  const h = createHyStart();
  round(h, 50_000);
  round(h, 70_000);
  round(h, 50_000);
  assert.equal(h.phase, 'slow-start');
});

test('hystart: a few small ACKs prove nothing, one ACK of a super-packet counts for its segments', () => {
  const few = createHyStart();
  round(few, 50_000);
  round(few, 80_000, 7);
  assert.equal(few.phase, 'slow-start');
  const stretched = createHyStart();
  round(stretched, 50_000, 1, 64_000);
  round(stretched, 80_000, 1, 64_000);
  assert.equal(stretched.phase, 'conservative');
});

test('hystart: a round trip that grows while more and more comes through is no queue', () => {
  const play = (growth: number): HyStart => {
    const h = createHyStart();
    let bytes = 20_000;
    round(h, 1_000, 10, bytes, 0);
    // A process that waits for its processor answers each flight ten milliseconds late.
    for (let i = 1; i <= 7; i++) {
      round(h, 11_000, 10, bytes, i * 11_000);
      bytes *= growth;
    }
    return h;
  };
  assert.equal(play(1.25).phase, 'slow-start');
  assert.equal(play(1).phase, 'done', 'a full queue delivers what it did before');
});
