import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { makePrefix, Reason, type ServiceId } from '../base/index.ts';
import {
  type ControlMessage,
  controlHeaderBytes,
  createControlMessage,
  emitControl,
  MessageType,
  maxControlBytes,
  noNonce,
  parseControl,
  verifyControl,
} from './messages.ts';
import { identityFor, labelPrefix, messageOf, owner, primitives } from './testing/registering.ts';

const u8 = fc.nat(255);
const u16 = fc.nat(65_535);
const u32 = fc.nat(2 ** 32 - 1);
const id64 = fc.record({ hi: u32, lo: u32 });
const bytes32 = fc.uint8Array({ minLength: 32, maxLength: 32 });
const service = fc
  .option(bytes32, { nil: undefined })
  .map((id) => (id?.some((byte) => byte) ? (id as ServiceId) : undefined));
const prefix = fc.tuple(bytes32, fc.nat(256)).map(([id, bits]) => makePrefix(id, bits));
const locator = fc.record({
  address: fc.oneof(fc.uint8Array({ minLength: 4, maxLength: 4 }), fc.uint8Array({ minLength: 16, maxLength: 16 })),
  port: u16,
});
const name = fc.string({ minLength: 1, maxLength: 253, unit: fc.constantFrom(...'abcxyz019-_.') });
const reason = fc.nat(63).map((code) => code as Reason);
const sequence = fc.maxSafeNat();
const nonce = fc.uint8Array({ minLength: 16, maxLength: 16 });
const proof = fc.option(
  fc.record({
    credential: fc.uint8Array({ minLength: 1, maxLength: 690 }),
    signature: fc.uint8Array({ minLength: 64, maxLength: 64 }),
  }),
  { nil: undefined },
);
const named = { instance: id64, boot: id64, sequence, protocol: u8, prefix, nonce, proof };

/** The fields of each type: what must come back from the wire. */
const fields: Record<MessageType, Partial<Record<keyof ControlMessage, fc.Arbitrary<unknown>>>> = {
  [MessageType.SOLICIT]: { protocol: u8, replyPort: u16, service },
  [MessageType.ADVERT]: { boot: id64, flags: u16, leaseMs: u32 },
  [MessageType.OFFER]: { instance: id64, protocol: u8, prefix, weight: u16, priority: u16, leaseMs: u32 },
  [MessageType.WITHDRAW]: { instance: id64, protocol: u8, replyPort: u16, prefix },
  [MessageType.REGISTER]: { ...named, weight: u16, priority: u16, leaseMs: u32 },
  [MessageType.REGISTERED]: { boot: id64, reason, observed: locator, leaseMs: u32, nonce },
  [MessageType.UNREGISTER]: named,
  [MessageType.UNREGISTERED]: { boot: id64, reason, nonce },
  [MessageType.NAME_QUERY]: { name },
  [MessageType.NAME_ANSWER]: { service, name },
  [MessageType.HEARTBEAT]: { instance: id64, boot: id64, intervalMs: u32, nonce },
  [MessageType.HEARTBEAT_ANSWER]: { boot: id64, reason, held: u32, nonce },
  [MessageType.LIVENESS_QUERY]: { observed: locator },
  [MessageType.LIVENESS_ANSWER]: { peerState: fc.nat(2), intervalMs: u32 },
};

const message = fc
  .constantFrom(...Object.values(MessageType))
  .chain(
    (type) =>
      fc.record({ type: fc.constant(type), transaction: u32, ...fields[type] }) as fc.Arbitrary<
        Partial<ControlMessage>
      >,
  );

/** Where a message may end that says nothing of what was appended later. */
const lengthWithoutAdditions: Partial<Record<MessageType, number>> = {
  [MessageType.REGISTER]: 76,
  [MessageType.REGISTERED]: 42,
  [MessageType.UNREGISTER]: 68,
  [MessageType.UNREGISTERED]: 17,
};

function emitted(values: Partial<ControlMessage>): Uint8Array {
  const bytes = new Uint8Array(maxControlBytes).fill(0xee);
  return bytes.subarray(0, emitControl({ ...createControlMessage(), ...values }, bytes, 0));
}

describe('control messages', () => {
  it('every field of every type comes back, at any offset, into a reused record', () => {
    const out = createControlMessage();
    fc.assert(
      fc.property(message, fc.nat(20), (values, offset) => {
        const packet = new Uint8Array(maxControlBytes + offset);
        const length = emitControl({ ...createControlMessage(), ...values }, packet, offset);
        assert.equal(parseControl(packet, offset, length, out), Reason.OK);
        for (const [key, value] of Object.entries(values))
          assert.deepEqual(plain(out[key as keyof ControlMessage]), plain(value), key);
      }),
      { numRuns: 500 },
    );
  });

  it('every truncation is truncated; bytes past the fields are skipped', () => {
    fc.assert(
      fc.property(message, (values) => {
        const bytes = emitted(values);
        const first = lengthWithoutAdditions[values.type ?? MessageType.SOLICIT];
        for (let length = 0; length < bytes.length; length++) {
          const expected = length === first ? Reason.OK : Reason.TRUNCATED;
          assert.equal(parseControl(bytes, 0, length, createControlMessage()), expected);
        }
        const longer = Uint8Array.of(...bytes, 1, 2, 3);
        assert.equal(parseControl(longer, 0, longer.length, createControlMessage()), Reason.OK);
      }),
      { numRuns: 50 },
    );
  });

  it('random bytes never throw and never read past the end', () => {
    const type = fc.constantFrom(...Object.values(MessageType), 0, 15, 255);
    fc.assert(
      fc.property(type, fc.uint8Array({ maxLength: 330 }), (code, noise) => {
        const bytes = Uint8Array.of(code, 1, ...noise);
        const verdict = parseControl(bytes, 0, bytes.length, createControlMessage());
        assert.ok([Reason.OK, Reason.TRUNCATED, Reason.BAD_MESSAGE].includes(verdict as 0));
      }),
      { numRuns: 1000 },
    );
  });

  it('what was parsed keeps nothing of the packet', () => {
    const bytes = emitted({ type: MessageType.REGISTERED, observed: { address: Uint8Array.of(1, 2, 3, 4), port: 5 } });
    const out = createControlMessage();
    parseControl(bytes, 0, bytes.length, out);
    bytes.fill(0xff);
    assert.deepEqual([...out.observed.address], [1, 2, 3, 4]);
  });

  it('the wire form of REGISTER and NAME_ANSWER', () => {
    const register = emitted({
      type: MessageType.REGISTER,
      transaction: 0x01020304,
      instance: { hi: 1, lo: 2 },
      boot: { hi: 3, lo: 4 },
      sequence: 2 ** 32 + 5,
      protocol: 6,
      prefix: makePrefix(new Uint8Array(32).fill(0xab), 8),
      weight: 100,
      priority: 7,
      leaseMs: 5000,
    });
    const hex = Buffer.from(register).toString('hex');
    const ids = '00000001000000020000000300000004';
    const body = `0501000001020304${ids}00000001000000050600${'0008ab'}${'00'.repeat(31)}0064000700001388`;
    assert.equal(hex, `${body}${'00'.repeat(16)}0000`);
    assert.equal(register.length, 8 + 16 + 8 + 2 + 34 + 8 + 16 + 2);
    const answer = emitted({ type: MessageType.NAME_ANSWER, transaction: 9, name: 'web' });
    assert.equal(Buffer.from(answer).toString('hex'), `0a01000000000009${'00'.repeat(32)}03776562`);
  });

  it('refuses other versions, unknown types, and values that are none', () => {
    const verdict = (values: Partial<ControlMessage>, at: number, ...change: number[]) => {
      const bytes = emitted(values);
      bytes.set(change, at);
      return parseControl(bytes, 0, bytes.length, createControlMessage());
    };
    const withdraw = { type: MessageType.WITHDRAW, prefix: makePrefix(new Uint8Array(32), 8) };
    const body = controlHeaderBytes;
    assert.equal(verdict(withdraw, 1, 2), Reason.BAD_VERSION);
    assert.equal(verdict(withdraw, 0, 99), Reason.BAD_MESSAGE);
    assert.equal(verdict(withdraw, body + 12, 1, 1), Reason.BAD_MESSAGE, 'prefix of 257 bits');
    assert.equal(verdict(withdraw, body + 15, 1), Reason.BAD_MESSAGE, 'bit set past the prefix');
    assert.equal(verdict({ type: MessageType.UNREGISTERED }, body + 8, 64), Reason.BAD_MESSAGE, 'local reason');
    assert.equal(verdict({ type: MessageType.REGISTERED }, body + 11, 5), Reason.BAD_MESSAGE, 'address family 5');
    assert.equal(verdict({ type: MessageType.REGISTER }, body + 16, 0x20), Reason.BAD_MESSAGE, 'sequence past 2^53');
    const query = { type: MessageType.NAME_QUERY, name: 'web' };
    assert.equal(verdict(query, body, 0), Reason.BAD_MESSAGE, 'empty name');
    assert.equal(verdict(query, body + 1, 0x80), Reason.BAD_MESSAGE, 'not ASCII');
    assert.equal(verdict({ ...query, name: 'x'.repeat(253) }, body, 254), Reason.TRUNCATED);
  });

  it('no message is longer than maxControlBytes', () => {
    assert.equal(emitted({ type: MessageType.NAME_ANSWER, name: 'x'.repeat(253) }).length, 294);
    const proof = { credential: new Uint8Array(690), signature: new Uint8Array(64) };
    assert.equal(emitted({ type: MessageType.REGISTER, proof }).length, maxControlBytes);
    const headers = 16 + 36 + 4;
    assert.ok(maxControlBytes + headers <= 1200, 'fits the smallest packet that every path must carry');
  });

  it('a message without what was appended has no nonce and no proof, whatever the record held', () => {
    const bytes = emitted({ type: MessageType.REGISTER, nonce: new Uint8Array(16).fill(1) });
    const out = { ...createControlMessage(), nonce: new Uint8Array(16).fill(9), proof: signed().proof };
    assert.equal(parseControl(bytes, 0, 76, out), Reason.OK);
    assert.deepEqual([out.nonce, out.proof, out.signedPart.length], [noNonce, undefined, 0]);
  });

  it('a credential longer than three certificates is neither sent nor read', () => {
    const proof = { credential: new Uint8Array(691), signature: new Uint8Array(64) };
    assert.throws(() => emitted({ type: MessageType.REGISTER, proof }), { code: 'ERR_OUT_OF_RANGE' });
    const bytes = new Uint8Array(1000);
    bytes.set(emitted({ type: MessageType.REGISTER }));
    bytes.set([2, 0xb3], 76 + 16);
    assert.equal(parseControl(bytes, 0, bytes.length, createControlMessage()), Reason.BAD_MESSAGE);
  });

  it('a signature is for every byte in front of it, behind a string of its own', () => {
    const message = signed();
    const bytes = emitted(message);
    const out = createControlMessage();
    assert.equal(parseControl(bytes, 0, bytes.length, out), Reason.OK);
    const { signKey } = identity;
    assert.ok(verifyControl(primitives, message, signKey));
    assert.ok(verifyControl(primitives, out, signKey));
    assert.equal(Buffer.from(out.signedPart.subarray(0, 23)).toString(), 'caracal registration 1\0');
    assert.deepEqual(out.signedPart.subarray(23), bytes.subarray(0, bytes.length - 64));
    for (let at = 0; at < bytes.length; at++) {
      const forged = bytes.slice();
      forged[at]! ^= 1 << (at & 7);
      if (parseControl(forged, 0, forged.length, out) === Reason.OK)
        assert.ok(!verifyControl(primitives, out, signKey), `byte ${at}`);
    }
  });
});

const identity = identityFor(owner(1), labelPrefix('web'));

function signed(): ControlMessage {
  return messageOf(MessageType.REGISTER, { identity, sequence: 1 }, new Uint8Array(16).fill(3));
}

/** Typed arrays as plain ones, since branded and unbranded arrays compare by content only. */
function plain(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value ?? null));
}
