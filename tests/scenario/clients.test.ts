// Clients that prove a name and services that demand it: XX instead of NX, in the same round trip; who has nothing to show
// hears of it at once, and before the application does.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatServiceId } from '../../src/core/base/index.ts';
import type { Identity } from '../../src/core/security/index.ts';
import { type PeerProof, Protocol } from '../../src/core/stack/index.ts';
import { type Endpoint, playScript } from './endpoint.ts';
import { identityOf, keyedService } from './keyed.ts';
import { allClosed, assertIntact, createWorld, reasonOf, runFor, scriptsFor, service, type World } from './world.ts';

const delayUs = 5_000;
const customer = keyedService(31);

/** A listener that demands keys, or takes them where they are shown; answers the proofs that its clients gave. */
function listen({ server, simulation }: World, requireKey: boolean): (PeerProof | undefined)[] {
  const proofs: (PeerProof | undefined)[] = [];
  const { driver } = server;
  const socket = driver.handle({
    kind: 'listen',
    service,
    bits: 256,
    protocol: Protocol.TCP,
    security: { requireKey },
  });
  driver.attach(socket, (event) => {
    if (event.kind !== 'connection') return;
    proofs.push(event.peer);
    playScript(driver, simulation.clock, event.connection, scriptsFor(5_000, 5_000)[1], true);
  });
  return proofs;
}

function dial({ client, simulation }: World, identity: Identity | undefined): Endpoint {
  const security = identity === undefined ? {} : { identity };
  const socket = client.driver.handle({ kind: 'connect', service, protocol: Protocol.TCP, security });
  return playScript(client.driver, simulation.clock, socket, scriptsFor(5_000, 5_000)[0], false);
}

test('clients: a service that demands keys refuses who has none in one round trip, and tells the application of nobody', () => {
  const world = createWorld({ delayUs });
  const proofs = listen(world, true);
  runFor(world, 1_000_000);
  const startUs = world.simulation.clock.nowUs;
  const client = dial(world, undefined);
  assert.ok(runFor(world, 10_000_000, () => allClosed(client)));
  assert.equal(reasonOf(client), 'not-authorized');
  assert.match(client.detail, /no identity was given/);
  assert.ok(client.closedUs - startUs <= 3 * delayUs);
  runFor(world, 30_000_000);
  assert.deepEqual(proofs, []);
  const { flows } = world.server.stack.inspect();
  assert.deepEqual(flows, []);
});

test('clients: who shows a key is served in the same round trip, and the service knows the name', () => {
  for (const requireKey of [true, false]) {
    const world = createWorld({ delayUs });
    const proofs = listen(world, requireKey);
    runFor(world, 1_000_000);
    const startUs = world.simulation.clock.nowUs;
    const client = dial(world, identityOf(customer));
    assert.ok(runFor(world, 10_000_000, () => allClosed(client)));
    assertIntact(client);
    assert.ok(client.openedUs - startUs <= 3 * delayUs);
    assert.deepEqual(
      proofs.map((proof) => [proof?.authenticated, proof?.prefix && formatServiceId(proof.prefix.id)]),
      [[true, formatServiceId(customer.id)]],
    );
  }
});
