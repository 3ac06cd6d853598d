// Fuzz target: the bytes as a connection that another process hands over. What parses is written again to what parses to the
// same; a stack that takes it in has a connection in which everything holds that must (tcb-invariants.ts), which survives
// time, writing and reading; one that refuses it, or lets go of it, holds nothing of it afterwards.

import { strict as assert } from 'node:assert';
import { seededRandom } from '../../../src/core/base/index.ts';
import {
  createOutput,
  createStack,
  encodeHandoff,
  Protocol,
  parseHandoff,
  type Stack,
} from '../../../src/core/stack/index.ts';
import { checkNumbers, checkTcb } from '../tcb-invariants.ts';
import { createToyCrypto } from '../toy-crypto.ts';

export const maxBytes = 4096;

export function fuzz(data: Uint8Array): void {
  const state = parseHandoff(data);
  if (state !== undefined) {
    const again = encodeHandoff(state);
    assert.deepEqual(encodeHandoff(parseHandoff(again)!), again);
  }
  const world = createWorld();
  const { stack, listener } = world;
  const socket = stack.handle(1_000_000, { kind: 'import', state: data.slice(), listener });
  if (state === undefined) assert.ok(socket < 0, 'what cannot be read is refused');
  if (socket > 0) live(stack, socket);
  assert.deepEqual(stack.inspect().flows, []);
  assert.equal(stack.state.sockets.size, 1, 'only the listener');
  assert.equal(stack.state.formerFlows.size + stack.state.flowsByPeer.size, 0);
  assert.equal(stack.state.blocks.lent + stack.state.blocks.elsewhereBytes, 0, 'all memory went back');
  assert.equal(world.crypto.keysHeld(), 0, 'no key outlives its connection');
}

interface World {
  readonly stack: Stack;
  readonly listener: number;
  readonly crypto: ReturnType<typeof createToyCrypto>;
}

const local = { address: Uint8Array.of(10, 0, 0, 1), port: 40_000 };
const service = new Uint8Array(32).fill(1) as NonNullable<NonNullable<ReturnType<typeof parseHandoff>>['service']>;
const output = createOutput(new Uint8Array(65_536));

function createWorld(): World {
  const crypto = createToyCrypto();
  const stack = createStack({
    primitives: {
      ...crypto,
      random: seededRandom(1),
      allocate: (bytes) => new Uint8Array(bytes),
      unixSeconds: () => 0,
    },
    adHoc: false,
    forwarding: false,
    controller: false,
    leaseUs: 5_000_000,
    maxPacketBytes: () => 1472,
  });
  stack.handle(0, { kind: 'bound', locals: [local] });
  const listener = stack.handle(0, { kind: 'listen', service, bits: 256, protocol: Protocol.TCP });
  return { stack, listener, crypto };
}

/** It stands still until the peer has answered, which never comes. */
function live(stack: Stack, socket: number): void {
  const connection = stack.state.sockets.get(socket);
  assert.ok(connection?.kind === 'connection' && connection.tcb !== undefined);
  for (const nowUs of [1_000_000, 1_400_000, 20_000_000]) {
    stack.handle(nowUs, { kind: 'tick' });
    poll(stack, nowUs);
    stack.handle(nowUs, { kind: 'write', socket, bytes: new Uint8Array(100), offset: 0 });
    stack.handle(nowUs, { kind: 'read', socket, bytes: 1_000 });
    checkTcb(connection.tcb);
    checkNumbers(connection.tcb);
  }
  stack.handle(21_000_000, { kind: 'leave', socket });
  poll(stack, 21_000_000);
}

function poll(stack: Stack, nowUs: number): void {
  while (stack.poll(nowUs, output) !== 'idle');
}
