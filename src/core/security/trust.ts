// Whose word counts for which name (docs/keys.md, "Trust"). A credential proves that a root key granted names; here is
// judged whether that key may speak for them: a self-certifying name is its own proof, a system's name needs the key
// that was configured for its ssID (64 bits prove nothing by themselves), a label needs a pin, and without one proves
// nothing at all. The same rules stand at both ends: a client judges whom it reached, a router who may register.

import {
  type Crypto,
  formatServiceId,
  type Prefix,
  parseServiceId,
  prefixContains,
  prefixWithin,
  Reason,
  type ServiceId,
  sameBytes,
  serviceBits,
  ssIdBytes,
} from '../base/index.ts';
import type { Verified } from './credential.ts';
import { memberServiceId, type NameKind, nameKind, selfCertifyingId } from './names.ts';

export interface Trust {
  /** The ssID of a service system (`ssIdText`) to its Ed25519 key. */
  readonly systems: Map<string, Uint8Array>;
  /** A label's serviceID in text (member 0) to the self-certifying serviceID, in text, of its service's key. */
  readonly pins: Map<string, string>;
}

/** `unpinned`: a label that nothing is known of. `not-covered`: the credential is for other names. */
export type Judgement = 'authentic' | 'unpinned' | 'wrong-key' | 'not-covered';

/** A whole service system, the shortest prefix that anybody may register. */
const systemBits = ssIdBytes * 8;

export function createTrust(): Trust {
  return { systems: new Map(), pins: new Map() };
}

/** The ssID of a name, or an ssID alone, as 16 hexadecimal digits. */
export function ssIdText(id: Uint8Array): string {
  let text = '';
  for (let i = 0; i < ssIdBytes; i++) text += (id[i] ?? 0).toString(16).padStart(2, '0');
  return text;
}

/** Whether an instance with this credential is one of `name`. */
export function judge(
  primitives: Pick<Crypto, 'sha256'>,
  trust: Trust,
  name: ServiceId,
  verified: Pick<Verified, 'prefix' | 'rootKey'>,
): Judgement {
  if (!prefixContains(verified.prefix, name)) return 'not-covered';
  const kind = nameKind(name);
  if (kind === 'label' && pinOf(trust, name) === undefined) return 'unpinned';
  if (!mayRootSpeak(primitives, trust, kind, name, verified.rootKey)) return 'wrong-key';
  // The right key, but it granted more than is its to grant: such a certificate is worth nothing.
  return verified.prefix.bits >= leastBits[kind] ? 'authentic' : 'not-covered';
}

/**
 * The self-certifying serviceID of the key that `name` demands, for an error that says which was expected; undefined where
 * none is known (a label without a pin, a system that was not configured).
 */
export function expectedKeyId(
  primitives: Pick<Crypto, 'sha256'>,
  trust: Trust,
  name: ServiceId,
): ServiceId | undefined {
  const kind = nameKind(name);
  if (kind === 'key') return memberServiceId(name, 0);
  if (kind === 'system') {
    const key = trust.systems.get(ssIdText(name));
    return key && selfCertifyingId(primitives, key);
  }
  const pin = pinOf(trust, name);
  return pin === undefined ? undefined : parseServiceId(pin);
}

/**
 * Whether a router takes a registration of `prefix`: OK or NOT_AUTHORIZED. An unpinned label without a credential is OK
 * here: whether strangers may use labels depends on where they are, which the caller knows. A credential that is there
 * must cover what is registered.
 */
export function mayRegister(
  primitives: Pick<Crypto, 'sha256'>,
  trust: Trust,
  prefix: Prefix,
  verified: Verified | undefined,
): Reason {
  if (prefix.bits < systemBits) return Reason.NOT_AUTHORIZED;
  if (verified !== undefined && !prefixWithin(verified.prefix, prefix)) return Reason.NOT_AUTHORIZED;
  const kind = nameKind(prefix.id);
  const allowed =
    kind === 'label'
      ? pinsAllow(primitives, trust, prefix, verified)
      : verified !== undefined &&
        verified.prefix.bits >= leastBits[kind] &&
        mayRootSpeak(primitives, trust, kind, prefix.id, verified.rootKey);
  return allowed ? Reason.OK : Reason.NOT_AUTHORIZED;
}

/** The shortest prefix that a root key may grant: its own service, its own system, any labels. A wider grant is void. */
const leastBits: Record<NameKind, number> = { key: serviceBits, system: systemBits, label: 0 };

function mayRootSpeak(
  primitives: Pick<Crypto, 'sha256'>,
  trust: Trust,
  kind: NameKind,
  name: ServiceId,
  rootKey: Uint8Array,
): boolean {
  if (kind === 'system') {
    const key = trust.systems.get(ssIdText(name));
    return key !== undefined && sameBytes(key, rootKey);
  }
  const keyId = selfCertifyingId(primitives, rootKey);
  if (kind === 'key') return sameBytes(keyId, memberServiceId(name, 0));
  return pinOf(trust, name) === formatServiceId(keyId);
}

/** Every pinned label inside the prefix must be pinned to this root: a short prefix may hold several. */
function pinsAllow(
  primitives: Pick<Crypto, 'sha256'>,
  trust: Trust,
  prefix: Prefix,
  verified: Verified | undefined,
): boolean {
  const pins = prefix.bits >= serviceBits ? [pinOf(trust, prefix.id)] : pinsWithin(trust, prefix);
  const needed = pins.filter((pin) => pin !== undefined);
  if (needed.length === 0) return true;
  if (verified === undefined) return false;
  const keyId = formatServiceId(selfCertifyingId(primitives, verified.rootKey));
  return needed.every((pin) => pin === keyId);
}

function pinOf({ pins }: Trust, name: ServiceId): string | undefined {
  return pins.size === 0 ? undefined : pins.get(formatServiceId(memberServiceId(name, 0)));
}

function pinsWithin({ pins }: Trust, prefix: Prefix): string[] {
  return [...pins].filter(([label]) => prefixContains(prefix, parseServiceId(label))).map(([, pin]) => pin);
}
