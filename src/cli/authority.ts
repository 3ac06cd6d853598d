// What a signing key may grant, for `caracal grant`: a root key its own names and labels, a delegated key what its chain
// says. Refused here, at the signer's desk, is what every verifier would refuse later (src/core/security/trust.ts).

import {
  formatPrefix,
  isServiceIdText,
  makePrefix,
  memberOffset,
  type Prefix,
  parsePrefix,
  prefixWithin,
  serviceBits,
} from '../core/base/index.ts';
import {
  isLabel,
  labelServiceId,
  maxChainCertificates,
  nameKind,
  parseCredential,
  selfCertifyingId,
  systemId,
  systemServiceId,
  verifyDelegation,
} from '../core/security/index.ts';
import {
  fingerprint,
  keyName,
  primitives,
  readCertificateFile,
  type SigningKey,
  unixSeconds,
  whyNot,
} from '../keys/index.ts';
import { CliError, explain, usageError } from './errors.ts';

export interface Authority {
  readonly key: SigningKey;
  /** Delegations that lead to the key, root first; empty for a root key. */
  readonly chain: Uint8Array;
  /** What is the key's own to grant; a root key may also sign for labels, which others pin to it. */
  readonly prefix: Prefix;
  readonly rootKey: Uint8Array;
  /** Nothing that is granted lasts longer. */
  readonly notAfterSeconds: number;
}

const labelBits = 64;

/** Reads and verifies the chain, if there is one. Throws CliError when it does not give this key any authority. */
export function authorityOf(key: SigningKey, chainPath: string | undefined): Authority {
  if (chainPath === undefined)
    return {
      key,
      chain: new Uint8Array(0),
      prefix: ownPrefix(key),
      rootKey: key.publicKey,
      notAfterSeconds: Number.POSITIVE_INFINITY,
    };
  const chain = readCertificateFile(chainPath);
  const { reason, verified } = verifyDelegation(primitives, chain, unixSeconds());
  if (verified === undefined)
    throw new CliError(`${chainPath} delegates nothing: ${whyNot(reason, chain)}`, {
      next: `caracal verify ${chainPath}`,
    });
  const subject = fingerprint(verified.signKey);
  if (subject !== fingerprint(key.publicKey))
    throw new CliError(`${chainPath} delegates to ${subject}, and the signing key is ${fingerprint(key.publicKey)}`);
  const { prefix, rootKey, notAfterSeconds } = verified;
  return { key, chain, prefix, rootKey, notAfterSeconds };
}

/** Throws CliError when another certificate would make the chain too long to be sent. */
export function checkDepth({ chain }: Authority, delegate: boolean): void {
  const length = (parseCredential(chain)?.length ?? 0) + (delegate ? 2 : 1);
  if (length > maxChainCertificates)
    throw new CliError(`a chain has at most ${maxChainCertificates} certificates, the last one an instance's`);
}

/**
 * The prefix that `--name` means: a label (of the system, where the authority is one's), a serviceID, or either's prefix with
 * /BITS. Throws CliError for what is none, or not the key's to grant.
 */
export function grantedPrefix(authority: Authority, name: string | undefined): Prefix {
  const prefix = name === undefined ? defaultPrefix(authority) : namedPrefix(authority, name);
  const isLabelPrefix = prefix.bits >= labelBits && nameKind(prefix.id) === 'label';
  const isRoot = authority.chain.length === 0;
  if (prefixWithin(authority.prefix, prefix) || (isRoot && isLabelPrefix)) return prefix;
  const own = isRoot ? `its own ${formatPrefix(authority.prefix)} and labels` : formatPrefix(authority.prefix);
  throw new CliError(
    `this key has no authority over ${name ?? 'that'} (${formatPrefix(prefix)}): it may certify ${own}`,
    isRoot ? { next: 'the same with --chain FILE, if another key has delegated that name to this one' } : {},
  );
}

function defaultPrefix({ key, chain, prefix }: Authority): Prefix {
  if (key.kind === 'system' && chain.length === 0)
    throw usageError('a system key needs to be told for which service', `the same with --name LABEL`);
  return prefix;
}

function namedPrefix({ prefix, rootKey }: Authority, name: string): Prefix {
  const [head = '', bitsText] = name
    .toLowerCase()
    .replace(/^svc:(?!\/\/)/, '')
    .split('/');
  if (isServiceIdText(head)) return idPrefix(bitsText === undefined ? head : `${head}/${bitsText}`);
  if (!isLabel(head) || !/^(\d{1,3})?$/.test(bitsText ?? ''))
    throw usageError(`--name is a label, a serviceID or a prefix, not "${name}"`);
  const bits = bitsText === undefined ? serviceBits : Number(bitsText);
  const inSystem = prefix.bits >= labelBits && nameKind(prefix.id) === 'system';
  const id = inSystem ? systemServiceId(primitives, rootKey, head) : labelServiceId(primitives, head);
  try {
    return makePrefix(id, bits);
  } catch (error) {
    throw usageError((error as Error).message);
  }
}

/** A service's id means it with all its members; a member's id means that one. */
function idPrefix(text: string): Prefix {
  try {
    const prefix = parsePrefix(text);
    const isService = prefix.bits === 256 && prefix.id.subarray(memberOffset).every((byte) => byte === 0);
    return isService ? makePrefix(prefix.id, serviceBits) : prefix;
  } catch (error) {
    throw explain(error, `read --name ${text}`);
  }
}

function ownPrefix(key: SigningKey): Prefix {
  if (key.kind === 'service') return makePrefix(selfCertifyingId(primitives, key.publicKey), serviceBits);
  if (systemId(primitives, key.publicKey) === undefined)
    throw new CliError('this key cannot be that of a system', { next: 'caracal keygen system' });
  return parsePrefix(keyName(key));
}
