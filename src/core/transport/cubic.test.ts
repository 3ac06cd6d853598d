// CUBIC over an ideal path: one round trip at a time with a full window, losses and timeouts where the test says.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { seededRandom } from '../base/index.ts';
import { type AckSample, type Congestion, createAckSample, initialWindowBytes } from './congestion.ts';
import { cubic } from './cubic.ts';

const random = seededRandom(1);
const mssBytes = 1400;
const rttUs = 50_000;

interface Path {
  c: Congestion;
  nowUs: number;
  sample: AckSample;
}

function open(): Path {
  return { c: cubic.create(mssBytes, random), nowUs: 1_000_000, sample: createAckSample() };
}

/** One round trip with the window full, acknowledged in stretches of `ackBytes`. */
function round(path: Path, options: { ackBytes?: number; appLimited?: boolean; rttUs?: number } = {}): void {
  const { c, sample } = path;
  const windowBytes = c.cwndBytes;
  const ackBytes = options.ackBytes ?? 2 * mssBytes;
  const acks = Math.ceil(windowBytes / ackBytes);
  for (let i = 0; i < acks; i++) {
    path.nowUs += (options.rttUs ?? rttUs) / acks;
    sample.nowUs = path.nowUs;
    sample.deliveredBytes = Math.min(ackBytes, windowBytes - i * ackBytes);
    sample.inFlightBytes = windowBytes - sample.deliveredBytes;
    sample.rttUs = options.rttUs ?? rttUs;
    sample.srttUs = rttUs;
    sample.minRttUs = rttUs;
    sample.roundStart = i === 0;
    sample.appLimited = options.appLimited ?? false;
    cubic.onAck(c, sample);
  }
}

function loseOnce(path: Path): void {
  cubic.onLoss(path.c, path.nowUs, path.c.cwndBytes - mssBytes);
  path.sample.inRecovery = true;
  round(path);
  path.sample.inRecovery = false;
  cubic.onRecovered(path.c, path.nowUs);
}

test('cubic: slow start doubles each round, whatever the stretch of the ACKs', () => {
  for (const ackBytes of [1400, 65_536]) {
    const path = open();
    for (let i = 0; i < 5; i++) round(path, { ackBytes });
    assert.equal(path.c.cwndBytes, 32 * initialWindowBytes(mssBytes));
  }
});

test('cubic: a growing queue ends slow start without a loss', () => {
  const path = open();
  for (let i = 0; i < 3; i++) round(path);
  const fullBytes = path.c.cwndBytes;
  const queued = (): number => (rttUs * path.c.cwndBytes) / fullBytes;
  for (let i = 0; i < 8; i++) round(path, { rttUs: queued() });
  assert.notEqual(path.c.ssthreshBytes, Infinity);
  const before = path.c.cwndBytes;
  assert.ok(before < 8 * fullBytes, `${before / fullBytes} times what the path holds`);
  round(path, { rttUs: queued() });
  assert.ok(path.c.cwndBytes < 1.1 * before);
});

test('cubic: a loss leaves 0.7 of the window, reached by gliding', () => {
  const path = open();
  for (let i = 0; i < 5; i++) round(path);
  const before = path.c.cwndBytes;
  cubic.onLoss(path.c, path.nowUs, before - mssBytes);
  assert.ok(path.c.cwndBytes > 0.95 * before);
  path.sample.inRecovery = true;
  round(path);
  cubic.onRecovered(path.c, path.nowUs);
  assert.ok(Math.abs(path.c.cwndBytes - 0.7 * before) < 1);
});

test('cubic: after a loss the window returns to its old size in about K and plateaus there', () => {
  const path = open();
  for (let i = 0; i < 6; i++) round(path);
  const oldBytes = path.c.cwndBytes;
  loseOnce(path);
  const kUs = 1e6 * Math.cbrt((0.3 * oldBytes) / mssBytes / 0.4);
  const startUs = path.nowUs;
  while (path.nowUs - startUs < kUs) round(path);
  assert.ok(Math.abs(path.c.cwndBytes - oldBytes) < 0.05 * oldBytes, `${path.c.cwndBytes} of ${oldBytes}`);
  const grown = path.c.cwndBytes;
  round(path);
  assert.ok(path.c.cwndBytes - grown < 2 * mssBytes);
});

test('cubic: on a short small path it is at least as quick as Reno', () => {
  const path = open();
  loseOnce(path);
  const start = path.c.cwndBytes;
  for (let i = 0; i < 40; i++) round(path);
  assert.ok(path.c.cwndBytes >= start + 15 * mssBytes, `${path.c.cwndBytes}`);
});

test('cubic: fast convergence gives room when the window shrank', () => {
  const path = open();
  for (let i = 0; i < 5; i++) round(path);
  loseOnce(path);
  const second = path.c.cwndBytes;
  loseOnce(path);
  const third = path.c.cwndBytes;
  assert.ok(Math.abs(third - 0.7 * second) < 2 * mssBytes);
  for (let i = 0; i < 40; i++) round(path);
  assert.ok(path.c.cwndBytes < second);
});

test('cubic: an unused window does not grow, and its clock stands still', () => {
  const used = open();
  const paused = open();
  for (const path of [used, paused]) {
    for (let i = 0; i < 6; i++) round(path);
    loseOnce(path);
    round(path);
  }
  const before = paused.c.cwndBytes;
  for (let i = 0; i < 200; i++) round(paused, { appLimited: true });
  assert.equal(paused.c.cwndBytes, before);
  round(used);
  round(paused);
  assert.ok(Math.abs(used.c.cwndBytes - paused.c.cwndBytes) < mssBytes);
});

test('cubic: a timeout restarts from one segment, once reduced however often it repeats', () => {
  const path = open();
  for (let i = 0; i < 5; i++) round(path);
  const before = path.c.cwndBytes;
  cubic.onRto(path.c, path.nowUs, before);
  assert.equal(path.c.cwndBytes, mssBytes);
  const { ssthreshBytes } = path.c;
  assert.ok(Math.abs(ssthreshBytes - 0.7 * before) < 1);
  cubic.onRto(path.c, path.nowUs + 1e6, mssBytes);
  assert.equal(path.c.ssthreshBytes, ssthreshBytes);
  round(path);
  assert.equal(path.c.cwndBytes, 2 * mssBytes);
});

test('cubic: a spurious reduction is taken back, of a loss and of a timeout', () => {
  for (const event of ['onLoss', 'onRto'] as const) {
    const path = open();
    for (let i = 0; i < 5; i++) round(path);
    loseOnce(path);
    for (let i = 0; i < 3; i++) round(path);
    const { cwndBytes, ssthreshBytes } = path.c;
    cubic[event](path.c, path.nowUs, cwndBytes);
    assert.ok(path.c.ssthreshBytes < cwndBytes);
    cubic.onUndo(path.c);
    assert.equal(path.c.cwndBytes, cwndBytes);
    assert.equal(path.c.ssthreshBytes, ssthreshBytes);
    cubic.onUndo(path.c);
    assert.equal(path.c.cwndBytes, cwndBytes);
  }
});

test('cubic: idleness halves the window each timeout, not below the initial window', () => {
  const path = open();
  for (let i = 0; i < 6; i++) round(path);
  const before = path.c.cwndBytes;
  cubic.onIdle(path.c, path.nowUs, 150_000, 200_000);
  assert.equal(path.c.cwndBytes, before);
  cubic.onIdle(path.c, path.nowUs, 450_000, 200_000);
  assert.equal(path.c.cwndBytes, before / 4);
  cubic.onIdle(path.c, path.nowUs, 60_000_000, 200_000);
  assert.equal(path.c.cwndBytes, initialWindowBytes(mssBytes));
});

test('cubic: sends twice the window per round trip in slow start, 1.25 times after it', () => {
  const path = open();
  assert.equal(cubic.pace(path.c, rttUs), (2 * path.c.cwndBytes) / rttUs);
  loseOnce(path);
  assert.equal(cubic.pace(path.c, rttUs), (1.25 * path.c.cwndBytes) / rttUs);
});

test('cubic: any order of events keeps a usable window of whole bytes', () => {
  const event = fc.oneof(
    fc.record({ kind: fc.constantFrom('ack', 'limited', 'recovering'), bytes: fc.integer({ min: 0, max: 200_000 }) }),
    fc.record({ kind: fc.constantFrom('loss', 'recovered', 'rto', 'undo', 'idle', 'mss'), bytes: fc.nat(100_000) }),
  );
  fc.assert(
    fc.property(fc.array(event, { maxLength: 100 }), (events) => {
      const c = cubic.create(mssBytes, random);
      const sample = createAckSample();
      let nowUs = 0;
      for (const { kind, bytes } of events) {
        nowUs += 10_000;
        if (kind === 'loss') cubic.onLoss(c, nowUs, bytes);
        else if (kind === 'recovered') cubic.onRecovered(c, nowUs);
        else if (kind === 'rto') cubic.onRto(c, nowUs, bytes);
        else if (kind === 'undo') cubic.onUndo(c);
        else if (kind === 'idle') cubic.onIdle(c, nowUs, bytes * 10, 200_000);
        else if (kind === 'mss') cubic.setMss(c, 1000 + (bytes % 8000));
        else {
          Object.assign(sample, {
            nowUs,
            deliveredBytes: bytes,
            inFlightBytes: bytes,
            rttUs,
            srttUs: rttUs,
            minRttUs: rttUs,
          });
          sample.appLimited = kind === 'limited';
          sample.inRecovery = kind === 'recovering';
          cubic.onAck(c, sample);
        }
        assert.ok(
          Number.isInteger(c.cwndBytes) && c.cwndBytes >= Math.min(c.mssBytes, mssBytes),
          `${kind}: ${c.cwndBytes}`,
        );
        assert.ok(c.ssthreshBytes >= 2 * Math.min(c.mssBytes, mssBytes));
      }
    }),
  );
});
