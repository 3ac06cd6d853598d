import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { type FlowId, serviceIdBytes } from '../base/index.ts';
import { savedExchangeBytes } from '../security/index.ts';
import { answerOf, localFlowOf, type Opening, packOpening, peerOf, readOpening, wipe } from './half-open.ts';
import type { HalfOpen } from './state.ts';

const uint32 = fc.integer({ min: 0, max: 2 ** 32 - 1 });
const plain = { noNullPrototype: true } as const;
const flowId: fc.Arbitrary<FlowId> = fc.record({ hi: uint32, lo: uint32 }, plain);
const bytes = (length: number): fc.Arbitrary<Uint8Array> =>
  fc.uint8Array({ minLength: length, maxLength: length }).map((array) => new Uint8Array(array));
const service = bytes(32).map(serviceIdBytes);

const openings: fc.Arbitrary<Opening> = fc.record(
  {
    localFlow: flowId,
    localNonce: flowId,
    remoteFlow: flowId,
    remoteNonce: flowId,
    service,
    source: fc.option(service, { nil: undefined }),
    peer: fc.record({ address: fc.oneof(bytes(4), bytes(16)), port: fc.integer({ min: 0, max: 65_535 }) }, plain),
    exchange: bytes(savedExchangeBytes),
    iss: uint32,
    tsOffset: uint32,
    answeredUs: fc.double({ min: 0, max: 2 ** 53, noNaN: true }),
    segment: fc.nat(60).chain(bytes),
  },
  plain,
);

function halfOf(answer: Uint8Array, opening: Opening): HalfOpen {
  return {
    kind: 'half-open',
    protocol: 6,
    listener: 1,
    openingKey: '',
    pattern: 1,
    insecure: false,
    resumes: false,
    resuming: false,
    memory: packOpening(answer, opening),
    answerBytes: answer.length,
    tries: 0,
    receivedBytes: 0,
    sentBytes: 0,
  };
}

describe('half-open', () => {
  it('holds an opening and the answer to it, and gives both back', () => {
    fc.assert(
      fc.property(openings, fc.nat(500).chain(bytes), (opening, answer) => {
        const half = halfOf(answer, opening);
        assert.deepEqual(readOpening(half), opening);
        assert.deepEqual(localFlowOf(half), opening.localFlow);
        assert.deepEqual(peerOf(half), opening.peer);
        assert.deepEqual(new Uint8Array(answerOf(half)), answer);
      }),
    );
  });

  it('once wiped it holds no secret, and the answer that waits to be sent is whole', () => {
    const [opening] = fc.sample(openings, { numRuns: 1, seed: 1 });
    const answer = Uint8Array.of(1, 2, 3);
    const half = halfOf(answer, opening!);
    wipe(half);
    assert.deepEqual([...answerOf(half)], [1, 2, 3]);
    assert.ok(half.memory.subarray(half.answerBytes).every((byte) => byte === 0));
  });
});
