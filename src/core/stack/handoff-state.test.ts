// The bytes of a connection that is handed over.

import { strict as assert } from 'node:assert';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { makePrefix, type ServiceId } from '../base/index.ts';
import { encodeHandoff, type HandoffState, parseHandoff } from './handoff-state.ts';

const bytes = (length: number, first: number): Uint8Array => new Uint8Array(length).map((_, i) => first + i);
const id = (number: number) => ({ hi: number * 7, lo: 2 ** 32 - number });
const service = bytes(32, 1) as ServiceId;

/** What the first version wrote of it. */
const firstBytes = 874;

const state: HandoffState = {
  client: true,
  service,
  sourceService: undefined,
  remoteService: bytes(32, 9) as ServiceId,
  formerFlow: id(1),
  localNonce: id(2),
  remoteFlow: id(3),
  remoteNonce: id(4),
  peer: { address: Uint8Array.of(192, 0, 2, 1), port: 40_000 },
  pinned: true,
  source: Uint8Array.of(192, 0, 2, 2),
  resumes: false,
  nagle: true,
  keepAliveUs: 5e6,
  paddingBytes: 256,
  authenticated: true,
  encrypted: true,
  rootKey: bytes(32, 2),
  proven: makePrefix(service, 224),
  sealKey: bytes(32, 3),
  openKey: bytes(32, 4),
  tagKey: bytes(32, 5),
  verifyKey: bytes(32, 6),
  tagEpoch: 300,
  verifyEpoch: 2,
  nextRecord: 2 ** 40,
  expectedRecord: 17,
  sentBytes: 2 ** 50,
  receivedBytes: 4711,
  bytesIn: 4000,
  bytesOut: 5000,
  unread: bytes(100, 7),
  distrustUs: 0.5,
  tagAllUs: 0,
  moves: { own: [id(5), id(6), id(7)], known: 1, peerMove: id(8) },
  transport: {
    iss: 2 ** 32 - 1,
    irs: 5,
    sackPermitted: true,
    timestamps: true,
    sndScale: 7,
    rcvScale: 14,
    peerMss: 65_535,
    sndUna: 2 ** 41,
    sndNxt: 2 ** 41 + 10,
    sndWnd: 65_535,
    sndWl1: 9,
    maxSndWnd: 2 ** 20,
    sndSml: 3,
    unacknowledged: bytes(50, 8),
    rcvAcked: 100,
    rcvConsumed: 90,
    rcvAdv: 70_000,
    rcvBufBytes: 262_144.25,
    rcvMss: 1400,
    rcvRttUs: 1234.5,
    received: [
      { start: 100, bytes: bytes(3, 1) },
      { start: 200, bytes: bytes(4, 2) },
    ],
    tsRecent: 77,
    tsRecentAgeUs: 1e6,
    tsNewest: 78,
    tsval: 12,
    packetBytes: 1472,
    srttUs: 20_000.125,
    rttVarUs: 10,
    minRttUs: 19_000,
    cwndBytes: 123_456,
    ssthreshBytes: Number.POSITIVE_INFINITY,
    peakBytes: 0,
    model: undefined,
  },
};

test('handoff state: what is written is read again', () => {
  const encoded = encodeHandoff(state);
  assert.deepEqual(parseHandoff(encoded), state);
  assert.deepEqual(encodeHandoff(parseHandoff(encoded)!), encoded);
});

test('handoff state: the bytes are those of version 1, whatever is changed in the code', () => {
  const encoded = encodeHandoff(state);
  const first = encoded.subarray(0, firstBytes);
  assert.equal(createHash('sha256').update(first).digest('hex').slice(0, 16), 'c007004e31656720');
  assert.deepEqual([...encoded.subarray(firstBytes)], [0]);
  assert.deepEqual(parseHandoff(first), state);
});

test('handoff state: the model of a path is written and read', () => {
  const model = { bytesPerUs: 12.5, minRttUs: 19_000.5, inflightBytes: Number.POSITIVE_INFINITY };
  const encoded = encodeHandoff({ ...state, transport: { ...state.transport, model } });
  assert.deepEqual(parseHandoff(encoded)?.transport.model, model);
  for (let length = firstBytes + 1; length < encoded.length; length++)
    assert.equal(parseHandoff(encoded.subarray(0, length)), undefined, `${length} bytes`);
});

test('handoff state: what a later version appends is ignored, another version is refused, and so is what is cut short', () => {
  const encoded = encodeHandoff(state);
  assert.deepEqual(parseHandoff(Uint8Array.of(...encoded, 1, 2, 3)), state);
  const other = encoded.slice();
  other[0] = 2;
  assert.equal(parseHandoff(other), undefined);
  for (let length = 0; length < firstBytes; length++)
    assert.equal(parseHandoff(encoded.subarray(0, length)), undefined, `${length} bytes`);
});

test('handoff state: whatever length is claimed, nothing is read that is not there', () => {
  const encoded = encodeHandoff(state);
  let refused = 0;
  for (let at = 1; at + 4 <= encoded.length; at++) {
    const changed = encoded.slice();
    new DataView(changed.buffer).setUint32(at, 0xffff_fff0);
    if (parseHandoff(changed) === undefined) refused++;
  }
  assert.ok(refused > 50, `${refused}`);
});
