// Revocation lists at the router (docs/keys.md, "Revocation lists"): a list proves itself by its signature, so whoever
// has it may bring it. The store is bounded, and anybody can sign lists of certificates that nobody uses: from others
// than operators only lists of keys that matter here are taken. What a list voids is gone when the answer leaves.

import { formatServiceId, parseServiceId, Reason, reasonName } from '../core/base/index.ts';
import {
  maxRevocationListBytes,
  type Revocations,
  readRevocationList,
  selfCertifyingId,
  type Trust,
} from '../core/security/index.ts';
import { createCrypto } from '../crypto/index.ts';
import { AdminError } from './errors.ts';

export interface RevocationContext {
  readonly trust: Trust;
  revocations(): Revocations;
  /** Gives the list to the stack. */
  revoke(list: Uint8Array): Reason;
  /** Whether a registration rests on a certificate by this key. */
  isIssuer(key: Uint8Array): boolean;
}

/** One issuer whose list the router has; plain JSON. */
export interface RevocationInfo {
  /** The serviceID of its key. */
  readonly issuer: string;
  readonly number: number;
  /** Certificates from before this moment (Unix seconds) are void; 0: none for this reason. */
  readonly allBeforeSeconds: number;
  readonly serials: number;
}

const crypto = createCrypto();

export function listRevocations(context: RevocationContext): RevocationInfo[] {
  return [...context.revocations().issuers].map(([key, { number, allBeforeSeconds, serials }]) => ({
    issuer: idOf(parseServiceId(key)),
    number,
    allBeforeSeconds,
    serials: serials.byteLength / 8,
  }));
}

/** `{list}` in base64: what the store holds of its issuer then. `trusted`: whoever sends it may change the router. */
export function takeRevocations(
  context: RevocationContext,
  fields: Readonly<Record<string, unknown>>,
  trusted: boolean,
): RevocationInfo {
  const bytes = bytesOf(fields);
  const { reason, list } = readRevocationList(crypto, bytes);
  if (list === undefined)
    throw new AdminError(400, codeOf(reason), 'this is no revocation list that its issuer signed');
  const issuer = idOf(list.issuerKey);
  if (!trusted && !isWelcome(context, list.issuerKey))
    throw new AdminError(403, 'NOT_AUTHORIZED', `${issuer} has issued nothing that this router knows`);
  const taken = context.revoke(bytes);
  if (taken !== Reason.OK) throw new AdminError(409, codeOf(taken), refusalOf(taken));
  const { number, allBeforeSeconds, serials } = list;
  return { issuer, number, allBeforeSeconds, serials: serials.length };
}

function isWelcome({ trust, isIssuer }: RevocationContext, key: Uint8Array): boolean {
  const id = idOf(key);
  if ([...trust.pins.values()].includes(id)) return true;
  return [...trust.systems.values()].some((system) => idOf(system) === id) || isIssuer(key);
}

function bytesOf({ list, ...rest }: Readonly<Record<string, unknown>>): Uint8Array {
  const [unknown] = Object.keys(rest);
  if (unknown !== undefined) throw bad(`unknown field "${unknown}"; known is list`);
  if (typeof list !== 'string' || !/^[A-Za-z0-9+/]+={0,2}$/.test(list)) throw bad('"list" is a text in base64');
  const bytes = Buffer.from(list, 'base64');
  if (bytes.length > maxRevocationListBytes) throw bad(`a list has ${maxRevocationListBytes} bytes at most`);
  return new Uint8Array(bytes);
}

function refusalOf(reason: Reason): string {
  if (reason === Reason.OUT_OF_DATE) return 'the router has this list of the issuer already, or a newer one';
  return 'the router has lists of too many issuers';
}

function codeOf(reason: Reason): string {
  return reasonName(reason).toUpperCase().replaceAll('-', '_');
}

function idOf(key: Uint8Array): string {
  return formatServiceId(selfCertifyingId(crypto, key));
}

function bad(message: string): AdminError {
  return new AdminError(400, 'BAD_REQUEST', message);
}
