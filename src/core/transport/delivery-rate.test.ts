// Delivery rates over a path of which all is known: so many bytes per microsecond, so long.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createSendSample } from './congestion.ts';
import {
  createDeliveryRate,
  type DeliveryRate,
  forgetFlights,
  limitByApplication,
  noteFlight,
  noteLost,
  sampleRate,
} from './delivery-rate.ts';

const rttUs = 20_000;

function send(r: DeliveryRate, nowUs: number, inFlightBytes: number, bytes: number): void {
  noteFlight(r, { ...createSendSample(), nowUs, inFlightBytes, priorBytes: inFlightBytes - bytes });
}

/** A batch of 1,000 bytes every `gapUs`, each acknowledged a round trip later, for `count` of them; answers the rates. */
function steady(r: DeliveryRate, gapUs: number, count: number): number[] {
  const inFlight = Math.ceil(rttUs / gapUs);
  const rates: number[] = [];
  for (let i = 0; i < count + inFlight; i++) {
    if (i >= inFlight) {
      sampleRate(r, (i - inFlight) * gapUs + rttUs, (i - inFlight) * gapUs, 1000, rttUs);
      rates.push(r.sample.rate);
      forgetFlights(r, (i - inFlight) * gapUs + rttUs, rttUs);
    }
    if (i < count) send(r, i * gapUs, 1000 * Math.min(i + 1, inFlight), 1000);
  }
  return rates;
}

test('delivery rate: a steady path is measured as it is, once a round trip is over', () => {
  const rates = steady(createDeliveryRate(), 1000, 200);
  for (const rate of rates.slice(25)) assert.ok(Math.abs(rate - 1) < 0.06, `${rate}`);
});

test('delivery rate: ACKs that come together are not a faster path than what was sent', () => {
  const r = createDeliveryRate();
  for (let i = 0; i < 20; i++) send(r, i * 1000, 1000 * (i + 1), 1000);
  sampleRate(r, 45_000, 19_000, 20_000, rttUs);
  assert.ok(r.sample.rate <= 1.06, `${r.sample.rate}`);
  assert.equal(r.sample.deliveredBytes, 20_000);
});

test('delivery rate: quicker than the path is long, an ACK says nothing', () => {
  const r = createDeliveryRate();
  send(r, 0, 1000, 1000);
  sampleRate(r, 5_000, 0, 1000, rttUs);
  assert.equal(r.sample.rate, 0);
  assert.equal(r.deliveredBytes, 1000);
});

test('delivery rate: after the sender ran dry samples say so, until that is behind', () => {
  const r = createDeliveryRate();
  send(r, 0, 1000, 1000);
  limitByApplication(r, 1000);
  send(r, 1000, 2000, 1000);
  sampleRate(r, rttUs, 0, 1000, rttUs);
  assert.equal(r.sample.appLimited, false);
  sampleRate(r, rttUs + 1000, 1000, 1000, rttUs);
  assert.equal(r.sample.appLimited, true);
  send(r, 30_000, 1000, 1000);
  sampleRate(r, 50_000, 30_000, 1000, rttUs);
  assert.equal(r.sample.appLimited, false);
});

test('delivery rate: losses count from when a batch left', () => {
  const r = createDeliveryRate();
  send(r, 0, 1000, 1000);
  assert.equal(noteLost(r, 0, 300), true);
  send(r, 1000, 2000, 1000);
  noteLost(r, 1000, 500);
  assert.equal(r.sample.lostBytes, 500);
  assert.equal(r.sample.flightBytes, 2000);
  sampleRate(r, rttUs, 0, 700, rttUs);
  assert.equal(r.sample.lostBytes, 800);
});

test('delivery rate: the log has a bound however many batches a round trip has, and none is unknown within it', () => {
  const r = createDeliveryRate();
  const rates = steady(r, 1, 200_000);
  assert.ok(r.flights.count < 4096, `${r.flights.count}`);
  for (const rate of rates.slice(25_000)) assert.ok(Math.abs(rate - 1000) < 60, `${rate}`);
});

test('delivery rate: of what left before the log begins nothing is said', () => {
  const r = createDeliveryRate();
  steady(r, 1000, 500);
  assert.equal(noteLost(r, 1000, 100), false);
  sampleRate(r, 600_000, 1000, 100, rttUs);
  assert.deepEqual([r.sample.known, r.sample.rate], [false, 0]);
});
