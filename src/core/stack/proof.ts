// Who is at the other end: what its credential says, held against what the name demands (docs/security.md). A client
// refuses before it sends a byte of the application; a server does so where it demands keys. A label that nothing is
// known of proves nothing: it is taken from this machine and from private networks, or where the application says so.

import {
  formatServiceId,
  isLoopback,
  isPrivate,
  type Locator,
  Reason,
  reasonName,
  type ServiceId,
  sameBytes,
} from '../base/index.ts';
import {
  expectedKeyId,
  generateKeyPair,
  type Introduction,
  type Judgement,
  judge,
  type KeyPair,
  nameKind,
  selfCertifyingId,
  type Verified,
  verifyCached,
} from '../security/index.ts';
import type { Connection, StackState } from './state.ts';
import type { Nearness, PeerProof } from './types.ts';

/** `detail` says what is wrong, for people; undefined: the server is who its name demands. */
export type ServerVerdict = { readonly proof: PeerProof } | { readonly detail: string };

export function judgeServer(
  stack: StackState,
  connection: Connection,
  server: Introduction,
  insecure: boolean,
): ServerVerdict {
  if (server.credential.length === 0) return judgeNameless(stack, connection, insecure);
  const verified = examine(stack, server);
  if (typeof verified === 'number') return { detail: `its credential is refused: ${reasonName(verified)}` };
  const { trust } = stack;
  const { primitives } = stack.options;
  const { expects } = connection.security;
  const presented = formatServiceId(selfCertifyingId(primitives, verified.rootKey));
  if (expects !== undefined && formatServiceId(expects) !== presented)
    return { detail: `expected the key svc:${formatServiceId(expects)}, it has svc:${presented}` };
  const judgement = judge(primitives, trust, connection.service, verified);
  if (judgement === 'wrong-key' || judgement === 'not-covered')
    return { detail: notOurs(stack, connection, judgement, presented) };
  if (judgement === 'unpinned' && expects === undefined && !isTrustedPlace(stack, connection))
    return { detail: unpinnedElsewhere };
  const authenticated = judgement === 'authentic' || expects !== undefined;
  return { proof: { ...proofOf(stack, connection, verified, insecure), authenticated } };
}

/** Of a client's credential: OK, or why it is refused. What it proved stands in the connection then. */
export function judgeClient(
  stack: StackState,
  connection: Connection,
  client: Introduction,
  insecure: boolean,
): Reason {
  if (client.credential.length === 0) {
    connection.peerProof = proofOf(stack, connection, undefined, insecure);
    return connection.security.requireKey === true ? Reason.NOT_AUTHORIZED : Reason.OK;
  }
  const verified = examine(stack, client);
  if (typeof verified === 'number') return verified;
  const { trust } = stack;
  const { primitives } = stack.options;
  const judgement = judge(primitives, trust, verified.prefix.id, verified);
  if (judgement === 'wrong-key' || judgement === 'not-covered') return Reason.UNTRUSTED;
  const authenticated = judgement === 'authentic';
  connection.peerProof = { ...proofOf(stack, connection, verified, insecure), authenticated };
  return authenticated || connection.security.requireKey !== true ? Reason.OK : Reason.NOT_AUTHORIZED;
}

export function proofOf(
  stack: StackState,
  connection: Connection,
  verified: Verified | undefined,
  insecure: boolean,
): PeerProof {
  return {
    authenticated: false,
    rootKey: verified?.rootKey,
    prefix: verified?.prefix,
    encrypted: !insecure,
    near: nearness(stack, connection.peer),
  };
}

/** Whether only who shows a key may be `name`: its own, its system's, or the one that the label is pinned to. */
export function demandsKey(stack: StackState, name: ServiceId): boolean {
  if (isReserved(stack, name)) return false;
  if (nameKind(name) !== 'label') return true;
  const { trust } = stack;
  const { primitives } = stack.options;
  return expectedKeyId(primitives, trust, name) !== undefined;
}

/** The control plane's names and the directory's: what goes there is signed, or no secret. */
export function isReserved(stack: StackState, name: ServiceId): boolean {
  return sameBytes(name, stack.controlService) || sameBytes(name, stack.directoryService);
}

/** Whether the other end has shown the key that `name` demands. */
export function hasProven(stack: StackState, { peerProof }: Connection, name: ServiceId): boolean {
  const { trust } = stack;
  const { primitives } = stack.options;
  if (peerProof?.rootKey === undefined || peerProof.prefix === undefined) return false;
  const { rootKey, prefix } = peerProof;
  return judge(primitives, trust, name, { rootKey, prefix }) === 'authentic';
}

/** Whether a datagram to `name` may go in the clear to `remote`, which stands on the way to it. */
export function mayGoInClear(stack: StackState, name: ServiceId, remote: Locator): boolean {
  return isReserved(stack, name) || nearness(stack, remote) !== 'elsewhere';
}

export function nearness(stack: StackState, remote: Locator): Nearness {
  if (isLoopback(remote) || stack.locals.some(({ address }) => sameBytes(address, remote.address))) return 'host';
  return isPrivate(remote) ? 'network' : 'elsewhere';
}

const unpinnedElsewhere = 'nothing vouches for a label outside of private networks; use its key: NAME@SVC-ID';

/** The credential, verified and of the key that the handshake has proven. */
function examine(stack: StackState, { credential, staticKey }: Introduction): Verified | Reason {
  const { primitives } = stack.options;
  const { reason, verified } = verifyCached(
    primitives,
    stack.credentials,
    credential,
    primitives.unixSeconds(),
    stack.revocations,
  );
  if (verified === undefined) return reason;
  return sameBytes(verified.staticKey, staticKey) ? verified : Reason.NOT_AUTHORIZED;
}

/** The instance's own key, or the stack's: made once, so that a half-open connection costs no more than it must. */
export function staticKeyOf(stack: StackState, { security }: Pick<Connection, 'security'>): KeyPair {
  const { identity } = security;
  if (identity !== undefined) return { scalar: identity.staticScalar, publicKey: identity.staticKey };
  stack.ownKey ??= generateKeyPair(stack.options.primitives);
  return stack.ownKey;
}

/** Empty where there is no identity: it proves no name. */
export function credentialOf({ security }: Pick<Connection, 'security'>): Uint8Array {
  return security.identity?.credential ?? new Uint8Array(0);
}

/** It shows no credential: that will do for a label that nobody vouches for. */
function judgeNameless(stack: StackState, connection: Connection, insecure: boolean): ServerVerdict {
  const { expects } = connection.security;
  if (expects !== undefined) return { detail: `expected the key svc:${formatServiceId(expects)}, it shows none` };
  if (nameKind(connection.service) !== 'label') return { detail: 'the name demands a key, and it shows none' };
  const { trust } = stack;
  const { primitives } = stack.options;
  const pin = expectedKeyId(primitives, trust, connection.service);
  if (pin !== undefined) return { detail: `expected the key svc:${formatServiceId(pin)}, it shows none` };
  if (!isTrustedPlace(stack, connection)) return { detail: unpinnedElsewhere };
  return { proof: proofOf(stack, connection, undefined, insecure) };
}

function isTrustedPlace(stack: StackState, { security, peer }: Connection): boolean {
  return security.unauthenticated === true || nearness(stack, peer) !== 'elsewhere';
}

/** Another key is the news, whatever names it has granted. */
function notOurs(stack: StackState, { service }: Connection, judgement: Judgement, presented: string): string {
  const { trust } = stack;
  const { primitives } = stack.options;
  const id = expectedKeyId(primitives, trust, service);
  const expected = id && formatServiceId(id);
  if (expected !== undefined && expected !== presented)
    return `expected the key svc:${expected}, it has svc:${presented}`;
  if (judgement === 'not-covered') return `the key svc:${presented} has not granted it this name`;
  return `its system's key is not configured here, or another; it has svc:${presented}`;
}
