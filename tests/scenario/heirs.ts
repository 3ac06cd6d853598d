// Connections that change their process in a simulation: exported by one stack, sealed, carried over in some time, opened
// and imported by another, where the script of the connection is played on. And an oracle on the cryptography of all
// hosts, which knows every key and number that was ever sealed with.

import assert from 'node:assert/strict';
import { type Aead, type Crypto, Reason } from '../../src/core/base/index.ts';
import { createImportKey, openState, sealState } from '../../src/core/security/index.ts';
import type { SocketId, Stack } from '../../src/core/stack/index.ts';
import { recordNumberEnd } from '../../src/core/wire/index.ts';
import { createPrimitives, type SimHost, schedule, vouch } from '../../src/sim/index.ts';
import { continueScript, type Endpoint, hear } from './endpoint.ts';
import { crypto, type World } from './world.ts';

type Host = SimHost<Stack>;

/** What becomes of one handing over. */
export interface Handing {
  readonly from: Host;
  readonly to: Host;
  readonly endpoint: Endpoint;
  state: Uint8Array | undefined;
  /** The end in its new place, from its import on. */
  heir: Endpoint | undefined;
  arrived: boolean;
  arrivedUs: number;
}

const primitives = createPrimitives(77, () => 0, crypto);

/** Stops the connection at `from`; `exported` is called with what it answers by. */
export function exportTo(world: World, endpoint: Endpoint, from: Host, to: Host, exported: (handing: Handing) => void) {
  const handing: Handing = { from, to, endpoint, state: undefined, heir: undefined, arrived: false, arrivedUs: -1 };
  const { driver } = from;
  const { socket } = endpoint;
  const target = to.station.locals[0]!;
  vouch(world.simulation.ledger, from.name, target);
  driver.attach(socket, (event) => {
    if (event.kind !== 'exported') return hear(endpoint, event);
    handing.state = event.state;
    exported(handing);
  });
  assert.equal(driver.handle({ kind: 'export', socket, to: target }), Reason.OK);
  return handing;
}

/** Sealed on the way, as a product would. Answers the new socket, or why there is none with a minus. */
export function importAt(world: World, handing: Handing, listener?: SocketId): number {
  const { to, from, endpoint, state } = handing;
  assert.ok(state);
  const key = createImportKey(primitives);
  const carried = openState(primitives, key, sealState(primitives, key.publicKey, state)!)!;
  const peer = peerOf(from, endpoint.socket);
  if (peer !== undefined) vouch(world.simulation.ledger, to.name, peer);
  const id = to.driver.handle({ kind: 'import', state: carried, ...(listener === undefined ? {} : { listener }) });
  if (id <= 0) return id;
  const { play, start } = continueScript(endpoint, to.driver, id);
  handing.heir = play;
  // Before it is known whose the connection is: nothing may come of it.
  to.driver.handle({ kind: 'read', socket: id, bytes: 100_000 });
  assert.equal(to.driver.handle({ kind: 'take', socket: id }), 1);
  to.driver.attach(id, (event) => {
    if (event.kind === 'imported') return;
    if (event.kind !== 'migrated') return hear(play, event);
    handing.arrived = true;
    handing.arrivedUs = world.simulation.clock.nowUs;
    start();
    from.driver.handle({ kind: 'leave', socket: endpoint.socket });
  });
  return id;
}

/** Exports, carries over in `delayUs`, imports, leaves when the peer has committed. */
export function handOver(
  world: World,
  endpoint: Endpoint,
  from: Host,
  to: Host,
  listener: SocketId | undefined,
  delayUs = 0,
): Handing {
  const { clock } = world.simulation;
  return exportTo(world, endpoint, from, to, (handing) => {
    schedule(clock, clock.nowUs + delayUs, () => assert.ok(importAt(world, handing, listener) > 0));
  });
}

function peerOf({ stack }: Host, socket: SocketId) {
  const connection = stack.state.sockets.get(socket);
  return connection?.kind === 'connection' ? connection.peer : undefined;
}

interface NonceWatch {
  readonly crypto: Crypto;
  readonly sealed: Set<string>;
  /** What is sealed now was sealed before: a stack's past is played again. */
  paused: boolean;
}

/** `sealed` grows by each record or packet; a number used twice under one key throws. */
export function watchNonces(): NonceWatch {
  const sealed = new Set<string>();
  const keys = new Map<number, string>();
  const { aead } = crypto;
  const watched: Aead = {
    importKey(key) {
      const index = aead.importKey(key);
      keys.set(index, Buffer.from(key).toString('hex'));
      return index;
    },
    releaseKey(index) {
      keys.delete(index);
      aead.releaseKey(index);
    },
    exportKey: (index) => aead.exportKey(index),
    beginSeal(index, counter, associatedData) {
      const nonce = `${keys.get(index)} ${counter}`;
      // From there on they make keys out of keys, the same on both sides.
      if (counter < recordNumberEnd && !watch.paused) {
        assert.ok(!sealed.has(nonce), `number ${counter} is used twice under one key`);
        sealed.add(nonce);
      }
      aead.beginSeal(index, counter, associatedData);
    },
    beginOpen: (index, counter, associatedData) => aead.beginOpen(index, counter, associatedData),
    update: (...args) => aead.update(...args),
    finishSeal: (tag, offset) => aead.finishSeal(tag, offset),
    finishOpen: (tag, offset) => aead.finishOpen(tag, offset),
  };
  const watch = { crypto: { ...crypto, aead: watched }, sealed, paused: false };
  return watch;
}
