// Who a REGISTER or UNREGISTER comes from, and whether that one may speak for the name (docs/protocol-control.md,
// "Authority"). In the order of what a check costs: the credential (cached), the message's signature, the instance, the
// names. Without a credential only labels can be meant, and only from this machine or a private network.
// Invariant: nothing of the registry changes before all of this has passed.

import {
  type Crypto,
  formatServiceId,
  isPrivate,
  type Locator,
  type Primitives,
  Reason,
  sameFlow,
} from '../base/index.ts';
import {
  type CredentialCache,
  clockSkewSeconds,
  judge,
  mayRegister,
  parseCredential,
  type Revocations,
  selfCertifyingId,
  type Trust,
  type Verified,
  verifyCached,
} from '../security/index.ts';
import { type ControlMessage, verifyControl } from './messages.ts';

export interface AuthorityOptions {
  readonly primitives: Pick<Crypto, 'sha256' | 'verify'> & Pick<Primitives, 'unixSeconds'>;
  readonly trust: Trust;
  readonly credentials: CredentialCache;
  readonly revocations: Revocations;
  /** Take nothing that no key vouches for. Default false. */
  readonly requireKeys?: boolean;
}

/** The keys that a message is signed with, as it says: in text, to be compared and kept. */
export interface Signer {
  /** At the root of the credential. */
  readonly rootKey: string;
  /** The instance's own. */
  readonly signKey: string;
}

/** What stands behind a message that passed. */
export interface Authority {
  readonly signer: Signer;
  readonly credential: Uint8Array;
  /** The serviceID of the root key, in text. */
  readonly key: string;
  /** The label is pinned to the root key here; a name that proves itself always is. */
  readonly known: boolean;
  /** How long its certificates are valid yet. */
  readonly validSeconds: number;
}

/** Reads, and verifies nothing: whose word it would be. Undefined for an unsigned message or a malformed credential. */
export function signerOf({ proof }: ControlMessage): Signer | undefined {
  const chain = proof && parseCredential(proof.credential);
  const first = chain?.[0];
  const last = chain?.at(-1);
  if (first === undefined || last === undefined) return undefined;
  return { rootKey: formatServiceId(first.issuerKey), signKey: formatServiceId(last.subjectKey) };
}

export interface Verdict {
  readonly reason: Reason;
  /** Undefined for an unsigned message that may pass. */
  readonly authority?: Authority;
}

/** OK; EXPIRED, REVOKED, BAD_SIGNATURE, NOT_AUTHORIZED. */
export function authorize(options: AuthorityOptions, message: ControlMessage, remote: Locator): Verdict {
  return message.proof === undefined
    ? { reason: authorizeUnsigned(options, message, remote) }
    : authorizeSigned(options, message, message.proof.credential);
}

function authorizeUnsigned(
  { primitives, trust, requireKeys }: AuthorityOptions,
  message: ControlMessage,
  remote: Locator,
) {
  const near = requireKeys !== true && isPrivate(remote);
  return near ? mayRegister(primitives, trust, message.prefix, undefined) : Reason.NOT_AUTHORIZED;
}

function authorizeSigned(options: AuthorityOptions, message: ControlMessage, credential: Uint8Array): Verdict {
  const { primitives, trust, credentials, revocations } = options;
  const nowSeconds = primitives.unixSeconds();
  const { reason, verified } = verifyCached(primitives, credentials, credential, nowSeconds, revocations);
  const signer = signerOf(message);
  // Bytes that are no certificates prove as little as a wrong signature does.
  if (reason === Reason.BAD_MESSAGE || signer === undefined) return { reason: Reason.BAD_SIGNATURE };
  if (verified === undefined) return { reason };
  if (!verifyControl(primitives, message, verified.signKey)) return { reason: Reason.BAD_SIGNATURE };
  if (!sameFlow(verified.instance, message.instance)) return { reason: Reason.NOT_AUTHORIZED };
  const allowed = mayRegister(primitives, trust, message.prefix, verified);
  if (allowed !== Reason.OK) return { reason: allowed };
  return { reason: Reason.OK, authority: authorityOf(options, message, credential, signer, verified, nowSeconds) };
}

function authorityOf(
  { primitives, trust }: AuthorityOptions,
  { prefix }: ControlMessage,
  credential: Uint8Array,
  signer: Signer,
  verified: Verified,
  nowSeconds: number,
): Authority {
  return {
    signer,
    credential,
    key: formatServiceId(selfCertifyingId(primitives, verified.rootKey)),
    known: judge(primitives, trust, prefix.id, verified) === 'authentic',
    validSeconds: verified.notAfterSeconds + clockSkewSeconds - nowSeconds,
  };
}
