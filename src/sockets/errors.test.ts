// Every reason of the stack becomes an error that Node programs know.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Reason } from '../core/base/index.ts';
import { type Syscall, serviceError } from './errors.ts';

test('errors: message says what, why and what to try', () => {
  const error = serviceError('connect', Reason.NO_SUCH_SERVICE, 'web');
  assert.equal(error.message, 'connect ECONNREFUSED svc://web: no instance is registered; try: caracal ls');
  assert.equal(error.code, 'ECONNREFUSED');
  assert.equal(error.syscall, 'connect');
  assert.equal(error.service, 'web');
  assert.equal(error.reason, 'no-such-service');
  assert.equal(error.retryable, false);
  assert.equal(error.errno, -111);
  assert.ok(error instanceof Error);
});

test('errors: the phase decides', () => {
  const code = (syscall: Syscall, reason: Reason): string => serviceError(syscall, reason, 'x').code;
  assert.equal(code('connect', Reason.CLOSED), 'ECONNREFUSED');
  assert.equal(code('read', Reason.CLOSED), 'ECONNRESET');
  assert.equal(code('listen', Reason.REFUSED), 'EADDRINUSE');
  assert.equal(code('connect', Reason.REFUSED), 'ECONNREFUSED');
  assert.equal(code('connect', Reason.TIMED_OUT), 'ETIMEDOUT');
  assert.equal(code('read', Reason.UNREACHABLE), 'EHOSTUNREACH');
  assert.equal(code('read', Reason.ABORTED), 'ECONNRESET');
});

test('errors: no reason is left without a code, and details are shown', () => {
  for (const reason of Object.values(Reason)) {
    if (reason === Reason.OK) continue;
    const error = serviceError('read', reason, 'x', 'by the router');
    assert.match(error.code, /^(E[A-Z]+|ERR_[A-Z_]+)$/);
    assert.match(error.message, /\(by the router\)/);
  }
});
