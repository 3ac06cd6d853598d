// The parts that every controller shares: the first window, and the glide through recovery.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { createAckSample, type Gliding, glide, initialWindowBytes, minimumWindowBytes } from './congestion.ts';

function recovering(flightBytes: number, ssthreshBytes: number): Gliding {
  return {
    mssBytes: 1000,
    cwndBytes: flightBytes,
    ssthreshBytes,
    recoveryFlightBytes: flightBytes,
    recoveryDeliveredBytes: 0,
  };
}

test('initial window: ten segments, less when they are large, never below two', () => {
  assert.equal(initialWindowBytes(1400), 14_000);
  assert.equal(initialWindowBytes(1460), 14_600);
  assert.equal(initialWindowBytes(4000), 14_600);
  assert.equal(initialWindowBytes(9000), 18_000);
  assert.equal(minimumWindowBytes(1400), 2800);
});

test('ack sample: starts empty, so that a field left unset claims nothing', () => {
  const sample = createAckSample();
  assert.ok(Object.values(sample).every((value) => value === 0 || value === -1 || value === false));
});

test('glide: half of the flight delivered is half of the way down', () => {
  const c = recovering(100_000, 70_000);
  glide(c, 50_000, 90_000);
  assert.equal(c.cwndBytes, 85_000);
  glide(c, 60_000, 80_000);
  assert.equal(c.cwndBytes, 70_000);
});

test('glide: after a burst of losses the window climbs by what is delivered, not at once', () => {
  const c = recovering(30_000, 70_000);
  glide(c, 2000, 28_000);
  assert.equal(c.cwndBytes, 31_000);
  glide(c, 10_000, 69_000);
  assert.equal(c.cwndBytes, 70_000);
});

test('glide: never above the larger of flight and ssthresh, and at least a segment may be sent below ssthresh', () => {
  const bytes = fc.integer({ min: 0, max: 1_000_000 });
  fc.assert(
    fc.property(
      fc.integer({ min: 2000, max: 1_000_000 }),
      fc.integer({ min: 2000, max: 1_000_000 }),
      bytes,
      bytes,
      (flight, ssthresh, delivered, inFlight) => {
        const c = recovering(flight, ssthresh);
        glide(c, delivered, inFlight);
        assert.ok(c.cwndBytes <= Math.max(flight, ssthresh));
        if (inFlight + c.mssBytes <= ssthresh) assert.ok(c.cwndBytes >= inFlight + c.mssBytes);
      },
    ),
  );
});
