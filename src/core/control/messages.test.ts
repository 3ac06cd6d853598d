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
  parseControl,
} from './messages.ts';

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
const named = { instance: id64, boot: id64, sequence, protocol: u8, prefix };

/** The fields of each type: what must come back from the wire. */
const fields: Record<MessageType, Partial<Record<keyof ControlMessage, fc.Arbitrary<unknown>>>> = {
  [MessageType.SOLICIT]: { protocol: u8, replyPort: u16, service },
  [MessageType.ADVERT]: { boot: id64, flags: u16, leaseMs: u32 },
  [MessageType.OFFER]: { instance: id64, protocol: u8, prefix, weight: u16, priority: u16, leaseMs: u32 },
  [MessageType.WITHDRAW]: { instance: id64, protocol: u8, replyPort: u16, prefix },
  [MessageType.REGISTER]: { ...named, weight: u16, priority: u16, leaseMs: u32 },
  [MessageType.REGISTERED]: { boot: id64, reason, observed: locator, leaseMs: u32 },
  [MessageType.UNREGISTER]: named,
  [MessageType.UNREGISTERED]: { boot: id64, reason },
  [MessageType.NAME_QUERY]: { name },
  [MessageType.NAME_ANSWER]: { service, name },
};

const message = fc
  .constantFrom(...Object.values(MessageType))
  .chain(
    (type) =>
      fc.record({ type: fc.constant(type), transaction: u32, ...fields[type] }) as fc.Arbitrary<
        Partial<ControlMessage>
      >,
  );

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
        for (let length = 0; length < bytes.length; length++)
          assert.equal(parseControl(bytes, 0, length, createControlMessage()), Reason.TRUNCATED);
        const longer = Uint8Array.of(...bytes, 1, 2, 3);
        assert.equal(parseControl(longer, 0, longer.length, createControlMessage()), Reason.OK);
      }),
      { numRuns: 50 },
    );
  });

  it('random bytes never throw and never read past the end', () => {
    const type = fc.constantFrom(...Object.values(MessageType), 0, 11, 255);
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
    assert.equal(hex, `0501000001020304${ids}00000001000000050600${'0008ab'}${'00'.repeat(31)}0064000700001388`);
    assert.equal(register.length, 8 + 16 + 8 + 2 + 34 + 8);
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
  });
});

/** Typed arrays as plain ones, since branded and unbranded arrays compare by content only. */
function plain(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value ?? null));
}
