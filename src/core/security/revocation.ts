// Revocation (docs/keys.md, "Revocation lists"): a key takes back certificates that it issued, by serial or all before a
// moment, in a list that it signs. The newest list of an issuer replaces its older ones: numbers only grow, so a list
// replayed is refused. Certificates are meant to be short-lived; a list covers the time until they lapse, hence 1,000
// serials do, and the store of a stranger's lists stays within 8 MB. A list per name was rejected: whoever serves
// a name is not who may say that a key is lost.

import { asciiBytes, type Crypto, type FlowId, formatServiceId, Reason } from '../base/index.ts';
import { readBytes, readUint53, writeUint53 } from '../wire/index.ts';
import { readId, writeId } from './certificate.ts';

export const maxRevokedSerials = 1_000;
/** Issuers that a store knows lists of. */
export const maxRevocationIssuers = 1_000;

export interface RevocationFields {
  /** Larger than in every list of this issuer before. */
  number: number;
  /** Unix seconds; for people. */
  issuedAtSeconds: number;
  /** Certificates whose `notBefore` is less are void; 0: none for this reason. */
  allBeforeSeconds: number;
  /** At most 1,000. */
  serials: readonly FlowId[];
}

export interface RevocationList extends RevocationFields {
  /** Ed25519, 32 bytes. */
  issuerKey: Uint8Array;
}

/** What is revoked, by issuer. `generation` counts the lists that were taken: a cached verdict holds for one. */
export interface Revocations {
  /** By the issuer's key in text. */
  readonly issuers: Map<string, IssuerRevocations>;
  generation: number;
}

interface IssuerRevocations {
  number: number;
  allBeforeSeconds: number;
  /** Of 8 bytes each, ascending: 1,000 of them cost 8 KB and a search of ten steps. */
  serials: DataView;
}

const countOffset = 2;
const issuerOffset = 4;
const numberOffset = 36;
const issuedAtOffset = 44;
const allBeforeOffset = 52;
const serialsOffset = 60;
const serialBytes = 8;
const signatureBytes = 64;
const version = 1;

export const maxRevocationListBytes = serialsOffset + maxRevokedSerials * serialBytes + signatureBytes;

const domain = asciiBytes('caracal revocations 1\0');

export function createRevocations(): Revocations {
  return { issuers: new Map(), generation: 0 };
}

/** Sorts the serials and drops doubles. Throws RangeError ERR_OUT_OF_RANGE for more than 1,000, or a bad number. */
export function encodeRevocationList(
  primitives: Pick<Crypto, 'ed25519Public' | 'sign'>,
  { number, issuedAtSeconds, allBeforeSeconds, serials }: RevocationFields,
  issuerSeed: Uint8Array,
): Uint8Array {
  const sorted = [...serials].sort(compareIds).filter((id, i, all) => i === 0 || compareIds(all[i - 1]!, id) !== 0);
  if (sorted.length > maxRevokedSerials || ![number, issuedAtSeconds, allBeforeSeconds].every(isCounter))
    throw Object.assign(
      new RangeError(`a revocation list takes ${maxRevokedSerials} serials and numbers below 2^53, not these`),
      { code: 'ERR_OUT_OF_RANGE' },
    );
  const signatureOffset = serialsOffset + sorted.length * serialBytes;
  const bytes = new Uint8Array(signatureOffset + signatureBytes);
  const view = new DataView(bytes.buffer);
  bytes[0] = version;
  view.setUint16(countOffset, sorted.length);
  bytes.set(primitives.ed25519Public(issuerSeed), issuerOffset);
  writeUint53(view, numberOffset, number);
  writeUint53(view, issuedAtOffset, issuedAtSeconds);
  writeUint53(view, allBeforeOffset, allBeforeSeconds);
  for (const [i, serial] of sorted.entries()) writeId(view, serialsOffset + i * serialBytes, serial);
  bytes.set(primitives.sign(issuerSeed, signedPart(bytes, signatureOffset)), signatureOffset);
  return bytes;
}

/** The list if the bytes are one and its issuer has signed it; else BAD_MESSAGE or BAD_SIGNATURE. Never throws. */
export function readRevocationList(
  primitives: Pick<Crypto, 'verify'>,
  bytes: Uint8Array,
): { reason: Reason; list?: RevocationList } {
  const list = parseList(bytes);
  if (list === undefined) return { reason: Reason.BAD_MESSAGE };
  const signatureOffset = bytes.length - signatureBytes;
  const signature = bytes.slice(signatureOffset);
  if (!primitives.verify(list.issuerKey, signedPart(bytes, signatureOffset), signature))
    return { reason: Reason.BAD_SIGNATURE };
  return { reason: Reason.OK, list };
}

/**
 * Takes a list into the store: OK; BAD_MESSAGE; BAD_SIGNATURE; OUT_OF_DATE when a list with its number or a higher one is
 * known; LIMIT when the store knows 1,000 other issuers. Whose lists are welcome is for the caller to say.
 */
export function applyRevocationList(primitives: Pick<Crypto, 'verify'>, store: Revocations, bytes: Uint8Array): Reason {
  const { reason, list } = readRevocationList(primitives, bytes);
  if (list === undefined) return reason;
  const issuer = formatServiceId(list.issuerKey);
  const known = store.issuers.get(issuer);
  if (known !== undefined && list.number <= known.number) return Reason.OUT_OF_DATE;
  if (known === undefined && store.issuers.size >= maxRevocationIssuers) return Reason.LIMIT;
  const serials = bytes.slice(serialsOffset, bytes.length - signatureBytes);
  store.issuers.set(issuer, {
    number: list.number,
    allBeforeSeconds: list.allBeforeSeconds,
    serials: new DataView(serials.buffer),
  });
  store.generation++;
  return Reason.OK;
}

/** Whether the issuer took this certificate of its own back. */
export function isRevoked(
  store: Revocations,
  issuerKey: Uint8Array,
  serial: FlowId,
  notBeforeSeconds: number,
): boolean {
  if (store.issuers.size === 0) return false;
  const issuer = store.issuers.get(formatServiceId(issuerKey));
  if (issuer === undefined) return false;
  return notBeforeSeconds < issuer.allBeforeSeconds || holds(issuer.serials, serial);
}

/** Exactly as long as its count says, the serials ascending: a list has one form. */
function parseList(bytes: Uint8Array): RevocationList | undefined {
  if (bytes.length < serialsOffset + signatureBytes || bytes[0] !== version) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const count = view.getUint16(countOffset);
  if (count > maxRevokedSerials || bytes.length !== serialsOffset + count * serialBytes + signatureBytes)
    return undefined;
  const number = readUint53(view, numberOffset);
  const issuedAtSeconds = readUint53(view, issuedAtOffset);
  const allBeforeSeconds = readUint53(view, allBeforeOffset);
  if (number < 0 || issuedAtSeconds < 0 || allBeforeSeconds < 0) return undefined;
  const serials: FlowId[] = [];
  for (let i = 0; i < count; i++) {
    const serial = readId(view, serialsOffset + i * serialBytes);
    if (i > 0 && compareIds(serials[i - 1]!, serial) >= 0) return undefined;
    serials.push(serial);
  }
  return { issuerKey: readBytes(view, issuerOffset, 32), number, issuedAtSeconds, allBeforeSeconds, serials };
}

function signedPart(bytes: Uint8Array, length: number): Uint8Array {
  const message = new Uint8Array(domain.length + length);
  message.set(domain);
  message.set(bytes.subarray(0, length), domain.length);
  return message;
}

function holds(serials: DataView, serial: FlowId): boolean {
  let low = 0;
  let high = serials.byteLength / serialBytes;
  while (low < high) {
    const middle = (low + high) >>> 1;
    const order = compareIds(readId(serials, middle * serialBytes), serial);
    if (order === 0) return true;
    if (order < 0) low = middle + 1;
    else high = middle;
  }
  return false;
}

function compareIds(a: FlowId, b: FlowId): number {
  return a.hi === b.hi ? a.lo - b.lo : a.hi - b.hi;
}

function isCounter(value: number): boolean {
  return Number.isSafeInteger(value) && value >= 0;
}
