// The instance's side of authenticated registration: it signs, shows the nonce that it was given, renews, and knows when
// another process has its identity.

import assert from 'node:assert/strict';
import { afterEach, describe, it } from 'node:test';
import { type Locator, makePrefix, Reason, reasonName } from '../base/index.ts';
import type { Identity } from '../security/index.ts';
import { createControlMessage, MessageType } from './messages.ts';
import {
  bootNow,
  createRegistrar,
  handleRegistrarReply,
  pollRegistrar,
  type Registrar,
  registerService,
  registrarDeadlineUs,
  renewIdentity,
  setRegistrarRouter,
  unregisterService,
} from './registration.ts';
import type { Registry } from './registry.ts';
import { listRegistry } from './registry-info.ts';
import {
  at,
  calendar,
  deliver,
  identityFor,
  labelPrefix,
  owner,
  primitives,
  renewed,
  setUp,
  startSeconds,
  tcp,
} from './testing/registering.ts';

const ms = 1000;
const service = owner(1);
const name = makePrefix(service.id, 224);
const router = at(254, 54324);

function start(identity: Identity | undefined, prefix = name): Registrar {
  const boot = bootNow(primitives);
  const registrar = createRegistrar({ instance: { hi: 1, lo: 1 }, boot, leaseUs: 5000 * ms, primitives });
  setRegistrarRouter(registrar, router, undefined, 0);
  registerService(registrar, prefix, tcp, 100, 0, 0, identity);
  return registrar;
}

/** Lets virtual time pass; what was sent when, and what became of it. */
function run(
  registrar: Registrar,
  registry: Registry,
  fromMs: number,
  untilMs: number,
  from: Locator = at(1),
): string[] {
  const log: string[] = [];
  for (let nowUs = fromMs * ms; nowUs <= untilMs * ms; nowUs = Math.max(nowUs + 1, registrarDeadlineUs(registrar))) {
    const out = createControlMessage();
    while (pollRegistrar(registrar, nowUs, out)) {
      const event = handleRegistrarReply(registrar, deliver(registry, nowUs, out, from), nowUs);
      const what = out.type === MessageType.REGISTER ? '' : 'un';
      log.push(`${Math.round(nowUs / ms)} ${what}${event?.kind} ${reasonName(event?.reason ?? Reason.OK)}`);
    }
  }
  return log;
}

describe('registrar with an identity', () => {
  afterEach(() => {
    calendar.seconds = startSeconds;
  });

  it('registers under the instance of its credential, signed; one more round trip at first, none later', () => {
    const identity = identityFor(service, name);
    const registrar = start(identity);
    const { registry } = setUp();
    assert.deepEqual(run(registrar, registry, 0, 3400), [
      '0 repeating nonce-required',
      '0 registered ok',
      '1667 registered ok',
      '3333 registered ok',
    ]);
    const [line] = listRegistry(registry, 3400 * ms);
    assert.deepEqual([line?.authenticated, line?.key], [true, line?.service]);
    assert.deepEqual([...registry.registrations.slots.keys()][0]?.slice(0, 8), line?.instance.slice(0, 8));
    unregisterService(registrar, name, tcp, 3500 * ms);
    assert.deepEqual(run(registrar, registry, 3500, 3600), ['3500 ununregistered ok']);
  });

  it('an address that changes costs one repetition', () => {
    const registrar = start(identityFor(service, name));
    const { registry } = setUp();
    run(registrar, registry, 0, 100);
    assert.deepEqual(run(registrar, registry, 1600, 1700, at(2)), [
      '1667 repeating nonce-required',
      '1667 registered ok',
    ]);
    assert.equal(listRegistry(registry, 1700 * ms)[0]?.locator, '10.0.0.2:7000');
  });

  it('a router that takes no nonce is not asked without end', () => {
    const registrar = start(identityFor(service, name));
    const { registry } = setUp();
    let hops = 0;
    const out = createControlMessage();
    const log: string[] = [];
    while (pollRegistrar(registrar, 0, out)) {
      // Its address is another one each time.
      const event = handleRegistrarReply(registrar, deliver(registry, 0, out, at(++hops)), 0);
      log.push(`${event?.kind} ${reasonName(event?.reason ?? Reason.OK)}`);
      assert.ok(hops < 10);
    }
    assert.deepEqual(log, [...Array(3).fill('repeating nonce-required'), 'refused nonce-required']);
    assert.equal(registrarDeadlineUs(registrar), 5000 * ms);
  });

  it('an anonymous identity registers a label as nobody, under the id of the stack', () => {
    const keys = { ...identityFor(service, name), credential: new Uint8Array(0) };
    const registrar = start(keys, labelPrefix('web'));
    const { registry } = setUp();
    run(registrar, registry, 0, 100);
    const [line] = listRegistry(registry, 100 * ms);
    assert.deepEqual([line?.authenticated, line?.instance], [false, '0000000100000001']);
  });

  it('a process that starts again within the second takes its place after one more try', () => {
    const identity = identityFor(service, name);
    const { registry } = setUp();
    const first = start(identity);
    first.boot = { hi: startSeconds, lo: 0xffffffff };
    run(first, registry, 0, 100);
    const again = start(identity);
    assert.equal(again.boot.hi, startSeconds);
    // The address is one that the router knows by no nonce of this process's.
    assert.deepEqual(run(again, registry, 200, 300, at(2)), [
      '200 repeating nonce-required',
      '200 repeating out-of-date',
      '200 registered ok',
    ]);
  });

  it('of two processes with one identity the one that started later has the name', () => {
    const identity = identityFor(service, name);
    const { registry } = setUp();
    const first = start(identity);
    run(first, registry, 0, 100);
    calendar.seconds += 60;
    const later = start(identity);
    run(later, registry, 200, 300, at(2));
    assert.deepEqual(run(first, registry, 1600, 1700), ['1667 repeating out-of-date', '1667 refused out-of-date']);
    assert.equal(listRegistry(registry, 1700 * ms)[0]?.locator, '10.0.0.2:7000');
  });

  it('expired: refused and asked again now and then; renewed: at once', () => {
    const { registry } = setUp();
    const identity = identityFor(service, name, { notAfterSeconds: startSeconds + 1 });
    const registrar = start(identity);
    run(registrar, registry, 0, 100);
    calendar.seconds += 400;
    assert.deepEqual(run(registrar, registry, 1600, 12_000), [
      '1667 refused expired',
      '6667 refused expired',
      '11667 refused expired',
    ]);
    renewIdentity(registrar, name, tcp, renewed(service, identity, name), 12_500 * ms);
    assert.deepEqual(run(registrar, registry, 12_500, 12_600), ['12500 registered ok']);
  });

  it('a renewed credential goes with the next refresh', () => {
    const { registry } = setUp();
    const identity = identityFor(service, name, { notAfterSeconds: startSeconds + 1 });
    const registrar = start(identity);
    run(registrar, registry, 0, 100);
    const other = renewed(service, identity, name);
    renewIdentity(registrar, name, tcp, other, 200 * ms);
    assert.deepEqual(run(registrar, registry, 200, 1700), ['1667 registered ok']);
    const [entry] = registry.registrations.values;
    assert.deepEqual(entry?.authority?.credential, other.credential);
  });
});
