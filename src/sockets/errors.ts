// What applications see when something fails: an Error with Node's `code`, `errno` and `syscall`, so that libraries
// written for node:net treat it as they treat its errors, and a message for people: what, why, and the command to try
// next. One table maps the stack's reasons (docs/protocol.md, "Reasons") to codes; nothing else in sockets does.

import { constants } from 'node:os';
import { Reason, reasonName } from '../core/base/index.ts';

export type Syscall = 'connect' | 'listen' | 'bind' | 'read' | 'write' | 'send' | 'migrate' | 'handoff';

/** A failure of a service's flow, listener or name; `retryable`: another attempt may meet a healthy instance. */
export interface ServiceError extends Error {
  readonly code: string;
  readonly errno: number | undefined;
  readonly syscall: Syscall;
  /** The name or the serviceID text that the application used. */
  readonly service: string;
  /** The stack's reason, as `no-such-service`. */
  readonly reason: string;
  readonly retryable: boolean;
}

interface Row {
  readonly code: string;
  readonly why: string;
  readonly retryable: boolean;
  readonly next?: string;
}

const list = 'caracal ls';
const doctor = 'caracal doctor';
const keygen = 'caracal keygen instance, then caracal grant';
const grant = 'caracal grant';
const verify = 'caracal verify CERTIFICATE';
const trust = 'caracal trust ls';

const gone: Row = { code: 'ECONNRESET', why: 'the other end is gone', retryable: true };

/** Reasons of an open connection, and the common ground of the phases below. */
const established = new Map<number, Row>([
  [Reason.NO_SUCH_SERVICE, { code: 'ECONNREFUSED', why: 'no instance is registered', retryable: false, next: list }],
  [Reason.NO_INSTANCE, { code: 'ECONNREFUSED', why: 'no instance can be reached now', retryable: true, next: list }],
  [Reason.REFUSED, { code: 'ECONNREFUSED', why: 'the instance refused', retryable: true, next: list }],
  [Reason.OVERLOADED, { code: 'ECONNREFUSED', why: 'every instance is overloaded', retryable: true, next: list }],
  [Reason.UNKNOWN_FLOW, gone],
  [
    Reason.UNSUPPORTED_EXTENSION,
    { code: 'EPROTO', why: 'the other end does not know an extension that this needs', retryable: false, next: doctor },
  ],
  [
    Reason.UNSUPPORTED_PROTOCOL,
    { code: 'EPROTONOSUPPORT', why: 'the service does not speak this transport', retryable: false },
  ],
  [
    Reason.LOOP,
    { code: 'EHOSTUNREACH', why: 'routers send this name in a circle', retryable: false, next: 'caracal rules' },
  ],
  [
    Reason.POLICY_DROP,
    { code: 'ECONNREFUSED', why: 'a DROP rule refuses it', retryable: false, next: 'caracal rules' },
  ],
  [Reason.TRY_LATER, { code: 'EAGAIN', why: 'the service asks to try later', retryable: true }],
  [Reason.ABORTED, { code: 'ECONNRESET', why: 'the other end reset the connection', retryable: true }],
  [Reason.CLOSED, gone],
  [Reason.TIMED_OUT, { code: 'ETIMEDOUT', why: 'no answer in time', retryable: true, next: doctor }],
  [Reason.UNREACHABLE, { code: 'EHOSTUNREACH', why: 'there is no way to it now', retryable: true, next: doctor }],
  [
    Reason.MISBEHAVING,
    { code: 'EPROTO', why: 'the other end acknowledges data that was never sent to it', retryable: false },
  ],
  [Reason.PEER_LOST, { code: 'ECONNRESET', why: 'the other end died or was cut off', retryable: true, next: list }],
  [
    Reason.NOT_RESUMED,
    { code: 'ERR_CARACAL_NOT_RESUMED', why: 'the other end does not go on in the place of another', retryable: true },
  ],
  [Reason.SHED, { code: 'ECONNRESET', why: 'the instance sends its clients elsewhere', retryable: true }],
  [
    Reason.SUPERSEDED,
    { code: 'ECONNRESET', why: 'another copy of this end has gone on with the connection', retryable: false },
  ],
  [Reason.HANDED_OVER, { code: 'ECONNRESET', why: 'another process has gone on with it', retryable: false }],
  [Reason.LIMIT, { code: 'ENOBUFS', why: 'this process has no room for more', retryable: true }],
  [Reason.QUEUE_FULL, { code: 'ENOBUFS', why: 'the queue is full', retryable: true }],
  [
    Reason.NOT_AUTHORIZED,
    { code: 'EACCES', why: 'it demands a key and a certificate that it accepts', retryable: false, next: keygen },
  ],
  [Reason.EXPIRED, { code: 'EACCES', why: 'the certificate has expired', retryable: false, next: grant }],
  [Reason.REVOKED, { code: 'EACCES', why: 'the certificate was revoked', retryable: false, next: grant }],
  [Reason.BAD_SIGNATURE, { code: 'EACCES', why: 'a signature does not verify', retryable: false, next: verify }],
  [
    Reason.UNTRUSTED,
    { code: 'ERR_CARACAL_UNTRUSTED', why: 'the other end is not who the name demands', retryable: false, next: trust },
  ],
  [Reason.DUPLICATE, { code: 'EADDRINUSE', why: 'the name is taken', retryable: false, next: list }],
]);

const opening = new Map<number, Row>([
  [Reason.CLOSED, { code: 'ECONNREFUSED', why: 'the instance is closing', retryable: true, next: list }],
  [Reason.TIMED_OUT, { code: 'ETIMEDOUT', why: 'no instance answered', retryable: true, next: list }],
]);

const listening = new Map<number, Row>([
  [Reason.REFUSED, { code: 'EADDRINUSE', why: 'the router refused the name', retryable: false, next: list }],
  [Reason.TIMED_OUT, { code: 'ETIMEDOUT', why: 'the router does not answer', retryable: true, next: doctor }],
  [Reason.POLICY_DROP, { code: 'EACCES', why: 'a rule forbids the name', retryable: false, next: 'caracal rules' }],
  [
    Reason.NOT_AUTHORIZED,
    { code: 'EACCES', why: 'the name needs a certificate that the router accepts', retryable: false, next: grant },
  ],
]);

const sending = new Map<number, Row>([
  [Reason.LIMIT, { code: 'ENOBUFS', why: 'the message is too long, or there is no room for more', retryable: true }],
  [Reason.BAD_STATE, { code: 'ENOTCONN', why: 'the flow is not open', retryable: true }],
  [
    Reason.UNTRUSTED,
    {
      code: 'ERR_CARACAL_UNTRUSTED',
      why: 'the other end has another key, or nothing vouches for a label outside of private networks',
      retryable: false,
    },
  ],
]);

/** Of a connection that goes on all the same, where it was. */
const migrating = new Map<number, Row>([
  [Reason.BAD_STATE, { code: 'ENOTCONN', why: 'the connection cannot move', retryable: true }],
  [Reason.TIMED_OUT, { code: 'ETIMEDOUT', why: 'the other end does not answer there', retryable: true, next: doctor }],
  [
    Reason.UNREACHABLE,
    {
      code: 'EADDRNOTAVAIL',
      why: 'not an address of this machine that is in use',
      retryable: true,
      next: 'ip -brief address',
    },
  ],
]);

/** The typed error of `reason` in the phase that `syscall` names. `detail` is what the stack adds, for people. */
export function serviceError(syscall: Syscall, reason: Reason, service: string, detail = ''): ServiceError {
  const row = rowOf(syscall, reason);
  const why = detail === '' ? row.why : `${row.why} (${detail})`;
  const next = row.next === undefined ? '' : `; try: ${row.next}`;
  const message = `${syscall} ${row.code} svc://${service}: ${why}${next}`;
  return makeError(message, row.code, syscall, service, reasonName(reason), row.retryable);
}

/** Writing after the peer ended, as net's writeAfterFIN. */
export function brokenPipe(service: string): ServiceError {
  const message = `write EPIPE svc://${service}: This socket has been ended by the other party`;
  return makeError(message, 'EPIPE', 'write', service, 'closed', true);
}

/** Connections cannot be handed over to `to`, a path or a service; they are where they were. */
export function handoffError(code: string, to: string, reason: string, why: string, next?: string): ServiceError {
  const message = `handoff ${code} ${to}: ${why}${next === undefined ? '' : `; try: ${next}`}`;
  return makeError(message, code, 'handoff', to, reason, true);
}

/** An answer was to be completed by another instance, which has something else under its name. */
export function entityChanged(service: string, why: string): ServiceError {
  const code = 'ERR_CARACAL_ENTITY_CHANGED';
  const message = `read ${code} svc://${service}: the content changed while it was fetched (${why}); try: fetch it again`;
  return makeError(message, code, 'read', service, 'entity-changed', true);
}

/** The instance is lost, and no other one goes on where it stopped. */
export function notResumed(service: string, why: string): ServiceError {
  const code = 'ERR_CARACAL_NOT_RESUMED';
  const message = `read ${code} svc://${service}: the instance is lost, and no other one goes on in its place (${why}); try: connect again`;
  return makeError(message, code, 'read', service, 'not-resumed', true);
}

/** A caller's misuse, with Node's code. */
export function misuse(code: string, message: string, kind: 'type' | 'range' | 'state' = 'type'): Error {
  const error =
    kind === 'type' ? new TypeError(message) : kind === 'range' ? new RangeError(message) : new Error(message);
  return Object.assign(error, { code });
}

const phases: Partial<Record<Syscall, ReadonlyMap<number, Row>>> = {
  connect: opening,
  listen: listening,
  bind: listening,
  send: sending,
  migrate: migrating,
};

function rowOf(syscall: Syscall, reason: Reason): Row {
  return (
    phases[syscall]?.get(reason) ??
    established.get(reason) ?? { code: 'EPROTO', why: reasonName(reason), retryable: false }
  );
}

function makeError(
  message: string,
  code: string,
  syscall: Syscall,
  service: string,
  reason: string,
  retryable: boolean,
): ServiceError {
  const number = (constants.errno as Record<string, number>)[code];
  const errno = number === undefined ? undefined : -number;
  return Object.assign(new Error(message), { code, errno, syscall, service, reason, retryable });
}

/** A wrong argument, in a sentence that refuses it. */
export function say(value: unknown): string {
  return JSON.stringify(value) ?? String(value);
}
