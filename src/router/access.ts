// Who may read and change the router (docs/operations.md, "The router's API"): changes are for programs on the router's
// own machine and for operators, whose keys it was started with; reads are for private networks too. What a client is
// comes from its connection's handshake, never from what its request says.

import { formatServiceId } from '../core/base/index.ts';
import { selfCertifyingId } from '../core/security/index.ts';
import { createCrypto } from '../crypto/index.ts';

/** What the connection of a request knows of its other end. */
export interface AdminPeer {
  /** Of the root of its credential; undefined: it showed none. */
  readonly rootKey: Uint8Array | undefined;
  readonly authenticated: boolean;
  readonly encrypted: boolean;
  readonly near: 'host' | 'network' | 'elsewhere';
}

/** How near a client is whose connection does not say. */
export const nearOfUnknownPeer: AdminPeer['near'] = 'elsewhere';

/** `operators`: serviceIDs in text of the keys that may do everything from anywhere. */
export function mayChange(peer: AdminPeer | undefined, operators: ReadonlySet<string>): boolean {
  return nearOf(peer) === 'host' || isOperator(peer, operators);
}

export function mayRead(peer: AdminPeer | undefined, operators: ReadonlySet<string>): boolean {
  return nearOf(peer) !== 'elsewhere' || isOperator(peer, operators);
}

/** The serviceID in text of the key that a client proved; undefined: none. */
export function keyOf(peer: AdminPeer | undefined): string | undefined {
  // In the clear, others could speak in its place.
  if (peer?.rootKey === undefined || !peer.authenticated || !peer.encrypted) return undefined;
  return formatServiceId(selfCertifyingId(crypto, peer.rootKey));
}

const crypto = createCrypto();

function isOperator(peer: AdminPeer | undefined, operators: ReadonlySet<string>): boolean {
  const key = keyOf(peer);
  return key !== undefined && operators.has(key);
}

function nearOf(peer: AdminPeer | undefined): AdminPeer['near'] {
  return peer?.near ?? nearOfUnknownPeer;
}
