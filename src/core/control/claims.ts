// Who holds which labels (docs/protocol-control.md, "Labels"). A label proves nothing by itself, so the first key that
// registers one holds it while its lease runs: who has no key, or another one, can neither share nor take it. Kept
// beside the registry by service, so that a newcomer meets the claims that overlap its own without a search of all.
// Invariant: an authenticated claim shares its label with no other key and with nobody who has none.

import { formatServiceId, makePrefix, type Prefix, prefixWithin, serviceBits } from '../base/index.ts';

/** What a registration claims. */
export interface Claim {
  readonly prefix: Prefix;
  /** In text; undefined: made without a key. */
  readonly rootKey: string | undefined;
}

export interface Claims<C extends Claim> {
  /** By service in text, of prefixes that lie within one. */
  readonly services: Map<string, Set<C>>;
  /** Of prefixes that span services. */
  readonly wide: Set<C>;
}

/** Each of them is looked at by every newcomer. */
export const maxWideClaims = 1_000;

export function createClaims<C extends Claim>(): Claims<C> {
  return { services: new Map(), wide: new Set() };
}

export function addClaim<C extends Claim>(claims: Claims<C>, claim: C): void {
  if (isWide(claim.prefix)) {
    claims.wide.add(claim);
    return;
  }
  const key = serviceOf(claim.prefix);
  const group = claims.services.get(key);
  if (group === undefined) claims.services.set(key, new Set([claim]));
  else group.add(claim);
}

export function removeClaim<C extends Claim>(claims: Claims<C>, claim: C): void {
  if (claims.wide.delete(claim)) return;
  const key = serviceOf(claim.prefix);
  const group = claims.services.get(key);
  group?.delete(claim);
  if (group?.size === 0) claims.services.delete(key);
}

export function isWide(prefix: Prefix): boolean {
  return prefix.bits < serviceBits;
}

/** `taken`: another key holds the label, or a part of it. `displaces`: those without a key that must give way. */
export type Meeting<C> = { readonly kind: 'taken' } | { readonly kind: 'free'; readonly displaces: readonly C[] };

/**
 * What a newcomer's claim of labels meets. `mayDisplace`: its key is known to be the label's, or it is near; a stranger's
 * key from far away does not push out what this network uses without keys.
 */
export function meet<C extends Claim>(
  claims: Claims<C>,
  prefix: Prefix,
  rootKey: string | undefined,
  mayDisplace: boolean,
): Meeting<C> {
  const displaces: C[] = [];
  for (const other of overlapping(claims, prefix)) {
    if (other.rootKey === rootKey) continue;
    if (other.rootKey !== undefined) {
      if (holds(other.prefix, prefix)) return { kind: 'taken' };
    } else if (holds(prefix, other.prefix)) {
      if (!mayDisplace) return { kind: 'taken' };
      displaces.push(other);
    }
  }
  return { kind: 'free', displaces };
}

/**
 * A claim of one service holds it against every overlapping one. A wider one holds only itself: otherwise one key that
 * nobody knows could take all labels at once.
 */
function holds(prefix: Prefix, other: Prefix): boolean {
  return !isWide(prefix) || prefix.bits === other.bits;
}

function* overlapping<C extends Claim>(claims: Claims<C>, prefix: Prefix): IterableIterator<C> {
  for (const claim of claims.wide) if (overlap(claim.prefix, prefix)) yield claim;
  if (isWide(prefix)) {
    for (const group of claims.services.values())
      for (const claim of group) if (prefixWithin(prefix, claim.prefix)) yield claim;
    return;
  }
  for (const claim of claims.services.get(serviceOf(prefix)) ?? []) if (overlap(claim.prefix, prefix)) yield claim;
}

function overlap(a: Prefix, b: Prefix): boolean {
  return prefixWithin(a, b) || prefixWithin(b, a);
}

function serviceOf(prefix: Prefix): string {
  return formatServiceId(makePrefix(prefix.id, serviceBits).id);
}
