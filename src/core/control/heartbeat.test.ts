import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type Locator, Reason } from '../base/index.ts';
import {
  createHeartbeat,
  type Heartbeat,
  handleHeartbeatAnswer,
  heartbeatDeadlineUs,
  pollHeartbeat,
} from './heartbeat.ts';
import { type ControlMessage, createControlMessage, MessageType, PeerState } from './messages.ts';
import { nonceFor } from './nonce.ts';
import { wordAbout } from './presence.ts';
import {
  bootNow,
  createRegistrar,
  handleRegistrarReply,
  pollRegistrar,
  type Registrar,
  registerService,
  registrarDeadlineUs,
  setRegistrarRouter,
} from './registration.ts';
import { expireRegistry, type Registry, registryDeadlineUs } from './registry.ts';
import { listRegistry } from './registry-info.ts';
import {
  at,
  deliver,
  labelPrefix,
  primitives,
  register,
  second,
  setUp,
  tcp,
  unregister,
} from './testing/registering.ts';

const router: Locator = { address: Uint8Array.of(127, 0, 0, 1), port: 54324 };
const home = at(1);
const longLease = { leaseUs: 600 * second };

function beat(registry: Registry, nowUs: number, from = home, values: Partial<ControlMessage> = {}): ControlMessage {
  const message: ControlMessage = {
    ...createControlMessage(),
    type: MessageType.HEARTBEAT,
    transaction: 7,
    instance: { hi: 0, lo: 1 },
    boot: { hi: 0, lo: 1 },
    intervalMs: 1000,
    nonce: nonceFor(registry.nonces, from, nowUs),
    ...values,
  };
  return deliver(registry, nowUs, message, from);
}

function names(registry: Registry, nowUs: number): number {
  expireRegistry(registry, nowUs);
  return listRegistry(registry, nowUs).length;
}

describe('heartbeats, the router', () => {
  it('drops what a silent stack has registered after three intervals, and nothing of one that never sent any', () => {
    const { registry } = setUp(longLease);
    register(registry, 0, { sequence: 1, leaseMs: 600_000 });
    register(registry, 0, { sequence: 2, leaseMs: 600_000, prefix: labelPrefix('mail') });
    register(registry, 0, { sequence: 1, leaseMs: 600_000, instance: { hi: 0, lo: 2 } }, at(2));
    for (let i = 0; i < 10; i++)
      assert.deepEqual([beat(registry, i * second).held, names(registry, i * second)], [2, 3]);
    assert.equal(registryDeadlineUs(registry), 12 * second);
    assert.equal(names(registry, 12 * second - 1), 3);
    assert.equal(names(registry, 12 * second), 1);
    assert.equal(registry.counters.silenced, 2);
    assert.equal(listRegistry(registry, 12 * second)[0]?.silentMs, null);
  });

  it('asks for its nonce, and believes nobody without one', () => {
    const { registry } = setUp(longLease);
    register(registry, 0, { sequence: 1, leaseMs: 600_000 });
    const answer = beat(registry, 0, home, { nonce: new Uint8Array(16) });
    assert.deepEqual([answer.reason, answer.held], [Reason.NONCE_REQUIRED, 0]);
    assert.deepEqual(answer.nonce, nonceFor(registry.nonces, home, 0));
    assert.equal(beat(registry, 0, at(3), { nonce: answer.nonce }).reason, Reason.NONCE_REQUIRED);
    assert.equal(names(registry, 100 * second), 1);
  });

  it('waits for nobody who has registered nothing', () => {
    const { registry } = setUp();
    assert.deepEqual([beat(registry, 0).reason, beat(registry, 0).held], [Reason.OK, 0]);
    assert.equal(registry.presences.present.slots.size, 0);
  });

  it('lets go of what an earlier process left at the same locator', () => {
    const { registry } = setUp(longLease);
    register(registry, 0, { sequence: 9, boot: 1, leaseMs: 600_000 });
    register(registry, 1, { sequence: 1, boot: 2, leaseMs: 600_000, instance: { hi: 0, lo: 2 } });
    assert.equal(names(registry, 1), 2);
    assert.equal(beat(registry, 2, home, { boot: { hi: 0, lo: 2 } }).held, 1);
    assert.equal(names(registry, 2), 1);
  });

  it('bounds what an instance says of its interval', () => {
    const { registry } = setUp(longLease);
    register(registry, 0, { sequence: 1, leaseMs: 600_000 });
    beat(registry, 0, home, { intervalMs: 0 });
    assert.equal(registryDeadlineUs(registry), 0.3 * second);
    beat(registry, 0, home, { intervalMs: 2 ** 32 - 1 });
    assert.equal(registryDeadlineUs(registry), 180 * second);
  });

  it('says of a peer that it is alive, gone or unknown', () => {
    const { registry } = setUp(longLease);
    const word = (nowUs: number, ...locators: Locator[]) => wordAbout(registry.presences, locators, nowUs);
    register(registry, 0, { sequence: 1, leaseMs: 600_000 });
    assert.deepEqual(word(0, home), { state: PeerState.UNKNOWN, silentMs: 0 });
    beat(registry, 0);
    assert.deepEqual(word(second, at(2), home), { state: PeerState.ALIVE, silentMs: 1000 });
    assert.deepEqual(word(2.5 * second, home), { state: PeerState.GONE, silentMs: 2500 });
    assert.equal(names(registry, 3 * second), 0);
    assert.deepEqual(word(10 * second, home), { state: PeerState.GONE, silentMs: 10_000 });
    assert.deepEqual(word(64 * second, home), { state: PeerState.UNKNOWN, silentMs: 0 });
    register(registry, 65 * second, { sequence: 2, leaseMs: 600_000 });
    beat(registry, 65 * second);
    assert.equal(word(65 * second, home).state, PeerState.ALIVE);
  });

  it('does not take a stack for gone that has only taken its names back: it may be draining', () => {
    const { registry } = setUp(longLease);
    register(registry, 0, { sequence: 1, leaseMs: 600_000 });
    register(registry, 0, { sequence: 2, leaseMs: 600_000, prefix: labelPrefix('mail') });
    beat(registry, 0);
    unregister(registry, 0, { sequence: 3 });
    assert.equal(wordAbout(registry.presences, [home], 0).state, PeerState.ALIVE);
    unregister(registry, 0, { sequence: 4, prefix: labelPrefix('mail') });
    for (const nowUs of [0, 2.6 * second, 10 * second]) {
      assert.equal(names(registry, nowUs), 0);
      assert.equal(wordAbout(registry.presences, [home], nowUs).state, PeerState.UNKNOWN);
    }
  });
});

interface Instance {
  readonly registrar: Registrar;
  readonly heartbeat: Heartbeat;
  readonly sent: string[];
}

function createInstance(labels = ['web']): Instance {
  const options = { instance: { hi: 0, lo: 1 }, boot: bootNow(primitives), leaseUs: 600 * second, primitives };
  const registrar = createRegistrar(options);
  for (const label of labels) registerService(registrar, labelPrefix(label), tcp, 100, 0, 0);
  setRegistrarRouter(registrar, router, undefined, 0);
  return { registrar, heartbeat: createHeartbeat(second), sent: [] };
}

/** Virtual time up to `untilUs`; `registryAt` says who answers then. Notes each message but registrations that are refreshed. */
function run(instance: Instance, fromUs: number, untilUs: number, registryAt: (nowUs: number) => Registry | undefined) {
  const { registrar, heartbeat, sent } = instance;
  const dueUs = () => Math.min(registrarDeadlineUs(registrar), heartbeatDeadlineUs(heartbeat, registrar));
  for (let nowUs = fromUs; nowUs <= untilUs; nowUs = Math.max(nowUs + 1, dueUs())) {
    const out = createControlMessage();
    const registry = registryAt(nowUs);
    while (pollRegistrar(registrar, nowUs, out)) {
      sent.push(`REGISTER@${Math.round(nowUs / 1000)}`);
      if (registry) handleRegistrarReply(registrar, deliver(registry, nowUs, { ...out }, home), nowUs);
    }
    while (pollHeartbeat(heartbeat, registrar, nowUs, out)) {
      sent.push(`HEARTBEAT@${Math.round(nowUs / 1000)}`);
      if (registry) handleHeartbeatAnswer(heartbeat, registrar, deliver(registry, nowUs, { ...out }, home), nowUs);
    }
  }
  return sent.splice(0);
}

describe('heartbeats, the instance', () => {
  it('sends one each interval while the router holds a name, with the nonce that it was given last', () => {
    const { registry } = setUp(longLease);
    const instance = createInstance();
    const sent = run(instance, 0, 10 * second, () => registry);
    assert.deepEqual(sent.slice(0, 2), ['REGISTER@0', 'REGISTER@0']);
    assert.deepEqual(
      sent.slice(2),
      Array.from({ length: 11 }, (_, i) => `HEARTBEAT@${i * 1000}`),
    );
    // Nonces are renewed by the minute; one that is too old costs one more message.
    const later = run(instance, 10 * second, 310 * second, () => registry);
    assert.ok(later.filter((line) => line.startsWith('HEARTBEAT')).length <= 301 + 6);
    assert.equal(names(registry, 310 * second), 1);
  });

  it('sends none before a registration was taken, nor with an interval of 0', () => {
    const instance = createInstance();
    assert.ok(run(instance, 0, 2 * second, () => undefined).every((line) => line.startsWith('REGISTER')));
    assert.equal(heartbeatDeadlineUs(createHeartbeat(0), instance.registrar), Infinity);
  });

  it('registers anew at a router that has started again, and where the router holds less', () => {
    const before = setUp(longLease).registry;
    const after = setUp({ ...longLease, boot: { hi: 1, lo: 1 } }).registry;
    const instance = createInstance(['web', 'mail']);
    run(instance, 0, 1.5 * second, () => before);
    run(instance, 1.5 * second, 3 * second, () => after);
    assert.equal(names(after, 3 * second), 2);
    const [lost] = after.places.perLocator.get('10.0.0.1:7000')!;
    deliver(
      after,
      3 * second,
      {
        ...createControlMessage(),
        type: MessageType.UNREGISTER,
        instance: { hi: 0, lo: 1 },
        boot: { hi: 2 ** 32 - 1, lo: 0 },
        prefix: lost!.prefix,
        protocol: tcp,
        nonce: nonceFor(after.nonces, home, 3 * second),
      },
      home,
    );
    assert.equal(names(after, 3 * second), 1);
    const sent = run(instance, 3 * second, 4.5 * second, () => after);
    assert.equal(sent.filter((line) => line.startsWith('REGISTER')).length >= 2, true);
  });

  it('takes a router for lost after 1.5 s of silence, if it has ever answered one', () => {
    const { registry } = setUp(longLease);
    const instance = createInstance();
    run(instance, 0, 4.1 * second, () => registry);
    const sent = run(instance, 4.1 * second, 6.4 * second, () => undefined);
    assert.deepEqual(
      sent,
      ['5000', '5100', '5300', '5700'].map((ms) => `HEARTBEAT@${ms}`),
    );
    assert.equal(instance.registrar.routerLost, false);
    run(instance, 6.5 * second, 6.5 * second + 1, () => undefined);
    assert.equal(instance.registrar.routerLost, true);
    run(instance, 6.6 * second, 9 * second, () => registry);
    assert.equal(instance.registrar.routerLost, false);
  });

  it('a router that knows no heartbeats is asked once an interval, and is not lost', () => {
    const { registry } = setUp(longLease);
    const instance = createInstance();
    const { registrar, heartbeat } = instance;
    for (let nowUs = 0; nowUs < 20 * second; nowUs += 10_000) {
      const out = createControlMessage();
      while (pollRegistrar(registrar, nowUs, out))
        handleRegistrarReply(registrar, deliver(registry, nowUs, { ...out }, home), nowUs);
      while (pollHeartbeat(heartbeat, registrar, nowUs, out)) instance.sent.push('');
    }
    assert.equal(instance.sent.length, 20);
    assert.equal(registrar.routerLost, false);
  });

  it('an answer to another question changes nothing', () => {
    const instance = createInstance();
    const stray = { ...createControlMessage(), type: MessageType.HEARTBEAT_ANSWER, transaction: 5 };
    assert.equal(handleHeartbeatAnswer(instance.heartbeat, instance.registrar, stray, 0), Reason.STALE);
  });
});
