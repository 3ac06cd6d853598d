// The kinds of field that control messages are made of: how long, how read, how written. `null` from `parse` says that
// the bits are no such value; lengths are checked by the caller, once for all kinds. Values never alias the packet.

import { type FlowId, type Locator, makePrefix, type Prefix, type Reason, type ServiceId } from '../base/index.ts';
import { maxCredentialBytes } from '../security/index.ts';

export interface Field<T> {
  /** Bytes that must be there before `parse`; for a counted text, read from its first byte if that is there. */
  length(view: DataView, at: number): number;
  parse(view: DataView, at: number): T | null;
  /** Answers the bytes written. */
  emit(view: DataView, at: number, value: T): number;
}

export const u8: Field<number> = {
  length: () => 1,
  parse: (view, at) => view.getUint8(at),
  emit(view, at, value) {
    view.setUint8(at, value);
    return 1;
  },
};

export const u16: Field<number> = {
  length: () => 2,
  parse: (view, at) => view.getUint16(at),
  emit(view, at, value) {
    view.setUint16(at, value);
    return 2;
  },
};

export const u32: Field<number> = {
  length: () => 4,
  parse: (view, at) => view.getUint32(at),
  emit(view, at, value) {
    view.setUint32(at, value);
    return 4;
  },
};

/** A counter of 8 bytes that stays below 2^53. */
export const u53: Field<number> = {
  length: () => 8,
  parse(view, at) {
    const value = view.getUint32(at) * 2 ** 32 + view.getUint32(at + 4);
    return Number.isSafeInteger(value) ? value : null;
  },
  emit(view, at, value) {
    view.setUint32(at, Math.floor(value / 2 ** 32));
    view.setUint32(at + 4, value % 2 ** 32);
    return 8;
  },
};

/** A reason that travels: below 64. Codes of later versions pass. */
export const reason: Field<Reason> = {
  length: () => 1,
  parse(view, at) {
    const code = view.getUint8(at);
    return code < 64 ? (code as Reason) : null;
  },
  emit(view, at, value) {
    view.setUint8(at, value);
    return 1;
  },
};

/** 0 unknown, 1 alive, 2 gone. */
export const peerState: Field<number> = {
  length: () => 1,
  parse(view, at) {
    const state = view.getUint8(at);
    return state <= 2 ? state : null;
  },
  emit(view, at, value) {
    view.setUint8(at, value);
    return 1;
  },
};

export const id64: Field<FlowId> = {
  length: () => 8,
  parse: (view, at) => ({ hi: view.getUint32(at), lo: view.getUint32(at + 4) }),
  emit(view, at, value) {
    view.setUint32(at, value.hi);
    view.setUint32(at + 4, value.lo);
    return 8;
  },
};

/** A serviceID; all zero stands for none. */
export const service: Field<ServiceId | undefined> = {
  length: () => 32,
  parse(view, at) {
    const id = bytesAt(view, at, 32).slice();
    return id.some((byte) => byte !== 0) ? (id as ServiceId) : undefined;
  },
  emit(view, at, value) {
    const room = bytesAt(view, at, 32);
    if (value) room.set(value);
    else room.fill(0);
    return 32;
  },
};

/** Length in bits (2 bytes) and serviceID (32); bits set past the length are refused. */
export const prefix: Field<Prefix> = {
  length: () => 34,
  parse(view, at) {
    const bits = view.getUint16(at);
    if (bits > 256) return null;
    const id = bytesAt(view, at + 2, 32);
    const masked = makePrefix(id, bits);
    return masked.id.every((byte, i) => byte === id[i]) ? masked : null;
  },
  emit(view, at, value) {
    view.setUint16(at, value.bits);
    bytesAt(view, at + 2, 32).set(value.id);
    return 34;
  },
};

/** Address family 4 or 6 (2 bytes), port (2), address (16, an IPv4 address in the first four). */
export const locator: Field<Locator> = {
  length: () => 20,
  parse(view, at) {
    const family = view.getUint16(at);
    if (family !== 4 && family !== 6) return null;
    const address = bytesAt(view, at + 4, family === 4 ? 4 : 16).slice();
    return { address, port: view.getUint16(at + 2) };
  },
  emit(view, at, value) {
    view.setUint16(at, value.address.length === 4 ? 4 : 6);
    view.setUint16(at + 2, value.port);
    const room = bytesAt(view, at + 4, 16);
    room.fill(0);
    room.set(value.address);
    return 20;
  },
};

/** A length byte, then 1 to 253 printable ASCII characters. */
export const text: Field<string> = {
  length: (view, at) => 1 + (at < view.byteLength ? view.getUint8(at) : 0),
  parse(view, at) {
    const length = view.getUint8(at);
    if (length === 0 || length > 253) return null;
    const characters = bytesAt(view, at + 1, length);
    if (characters.some((code) => code < 0x21 || code > 0x7e)) return null;
    return String.fromCharCode(...characters);
  },
  emit(view, at, value) {
    view.setUint8(at, value.length);
    for (let i = 0; i < value.length; i++) view.setUint8(at + 1 + i, value.charCodeAt(i));
    return 1 + value.length;
  },
};

export const nonceBytes = 16;
export const signatureBytes = 64;

/** What a router gave out to be repeated; all zero: none yet. */
export const nonce: Field<Uint8Array> = {
  length: () => nonceBytes,
  parse: (view, at) => bytesAt(view, at, nonceBytes).slice(),
  emit(view, at, value) {
    bytesAt(view, at, nonceBytes).set(value);
    return nonceBytes;
  },
};

/** Who says so: a credential, and a signature over all of the message in front of it. */
export interface Proof {
  /** One to three certificates. */
  readonly credential: Uint8Array;
  readonly signature: Uint8Array;
}

/** The credential's length (2 bytes; 0: an unsigned message, nothing follows), the credential, the signature. */
export const proof: Field<Proof | undefined> = {
  length(view, at) {
    const credentialBytes = at + 2 <= view.byteLength ? view.getUint16(at) : 0;
    return credentialBytes === 0 ? 2 : 2 + credentialBytes + signatureBytes;
  },
  parse(view, at) {
    const credentialBytes = view.getUint16(at);
    if (credentialBytes === 0) return undefined;
    if (credentialBytes > maxCredentialBytes) return null;
    const credential = bytesAt(view, at + 2, credentialBytes).slice();
    return { credential, signature: bytesAt(view, at + 2 + credentialBytes, signatureBytes).slice() };
  },
  emit(view, at, value) {
    const credentialBytes = value?.credential.length ?? 0;
    if (credentialBytes > maxCredentialBytes)
      throw Object.assign(
        new RangeError(`a credential has ${maxCredentialBytes} bytes at most, this one has ${credentialBytes}`),
        { code: 'ERR_OUT_OF_RANGE' },
      );
    view.setUint16(at, credentialBytes);
    if (value === undefined || credentialBytes === 0) return 2;
    bytesAt(view, at + 2, credentialBytes).set(value.credential);
    bytesAt(view, at + 2 + credentialBytes, signatureBytes).set(value.signature);
    return 2 + credentialBytes + signatureBytes;
  },
};

function bytesAt(view: DataView, at: number, length: number): Uint8Array {
  return new Uint8Array(view.buffer, view.byteOffset + at, length);
}
