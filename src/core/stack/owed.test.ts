import assert from 'node:assert/strict';
import { test } from 'node:test';
import { minRtoUs } from '../transport/index.ts';
import { createLiveness, lastWordUs } from './owed.ts';
import type { Connection } from './state.ts';

/** Of a connection whose peer is said to be gone since 1 s, and answers within `rttUs`. */
function patienceUs(role: Connection['role'], rttUs: number): number {
  const liveness = { ...createLiveness(), hintUs: 1_000_000 };
  const tcb = { rtt: { srttUs: rttUs }, rcvRttUs: rttUs };
  return lastWordUs({ role, liveness, tcb } as unknown as Connection) - 1_000_000;
}

test('owed: a client that is said to be gone is waited for until its retransmission timer would have spoken', () => {
  for (const rttUs of [1_000, 30_000, 300_000]) assert.ok(patienceUs('server', rttUs) > minRtoUs + 2 * rttUs);
});

test('owed: a server that is said to be gone has time for one answer', () => {
  assert.equal(patienceUs('client', 1_000), 20_000);
  assert.equal(patienceUs('client', 100_000), 108_000);
});
