// Labels to serviceIDs (docs/protocol.md, "Names"): in the label domain (ssID 0) a name is the hash of what people call
// it, so that two programs agree on it with no directory. Nothing about it is authenticated; self-certifying names are
// ssID 1, and a system's names carry an ssID that its key hashes to: what a key must show for each is in trust.ts.
// Labels are restricted to what a DNS name may hold, because `http://LABEL.svc/` must be able to carry them.

import {
  asciiBytes,
  memberOffset,
  type Primitives,
  type Random,
  type ServiceId,
  serviceIdBytes,
  ssIdBytes,
} from '../base/index.ts';

/** Registrations, searches and every other control message go to this name. */
export const controlLabel = 'caracal.control';
/** Name queries go to this one. */
export const directoryLabel = 'caracal.directory';

const maxLabelLength = 253;
const labelPart = /^[a-z0-9_-]{1,63}$/;

class InvalidServiceName extends TypeError {
  readonly code = 'ERR_INVALID_SERVICE_NAME';
}

/** Parts of 1 to 63 lower-case letters, digits, `-` and `_`, joined by dots; 253 characters at most. */
export function isLabel(label: string): boolean {
  return label.length <= maxLabelLength && label.split('.').every((part) => labelPart.test(part));
}

/** Throws TypeError ERR_INVALID_SERVICE_NAME that says what is wrong. */
export function checkLabel(label: string): void {
  if (isLabel(label)) return;
  throw new InvalidServiceName(
    `"${label.slice(0, 80)}" is not a service name: it takes a-z, 0-9, "-" and "_" in parts of 1 to 63 characters ` +
      `joined by ".", and ${maxLabelLength} characters at most`,
  );
}

/** ssID 0 | first 160 bits of SHA-256(label) | member 0. Throws TypeError ERR_INVALID_SERVICE_NAME. */
export function labelServiceId(primitives: Pick<Primitives, 'sha256'>, label: string): ServiceId {
  checkLabel(label);
  return nameOf(labelSystem, primitives.sha256(asciiBytes(label)));
}

/** ssID 1 | first 160 bits of SHA-256(Ed25519 public key) | member 0: a name that its key proves. */
export function selfCertifyingId(primitives: Pick<Primitives, 'sha256'>, publicKey: Uint8Array): ServiceId {
  return nameOf(keySystem, primitives.sha256(publicKey));
}

/**
 * The 8-byte ssID of the service system that a key speaks for: the first 64 bits of the key's SHA-256. Undefined for a
 * key that would come out as 0 or 1, the ssIDs of the other kinds: it cannot be a system's, another must be drawn.
 */
export function systemId(primitives: Pick<Primitives, 'sha256'>, systemKey: Uint8Array): Uint8Array | undefined {
  const ssId = primitives.sha256(systemKey).slice(0, ssIdBytes);
  return kindOf(ssId) === 'system' ? ssId : undefined;
}

/** A label inside a system: its ssID | first 160 bits of SHA-256(label) | member. Throws TypeError, RangeError. */
export function systemServiceId(
  primitives: Pick<Primitives, 'sha256'>,
  systemKey: Uint8Array,
  label: string,
  member = 0,
): ServiceId {
  checkLabel(label);
  const ssId = systemId(primitives, systemKey);
  if (ssId === undefined) throw new InvalidServiceName('this key cannot be the key of a service system');
  return memberServiceId(nameOf(ssId, primitives.sha256(asciiBytes(label))), member);
}

/** Which proof a name demands: none or a pin, the key that it is the hash of, the key of its service system. */
export type NameKind = 'label' | 'key' | 'system';

export function nameKind(id: Uint8Array): NameKind {
  return kindOf(id.subarray(0, ssIdBytes));
}

const labelSystem = new Uint8Array(ssIdBytes);
const keySystem = Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 1);

function kindOf(ssId: Uint8Array): NameKind {
  if (ssId.subarray(0, ssIdBytes - 1).some((byte) => byte !== 0)) return 'system';
  if (ssId[ssIdBytes - 1] === 0) return 'label';
  return ssId[ssIdBytes - 1] === 1 ? 'key' : 'system';
}

function nameOf(ssId: Uint8Array, hash: Uint8Array): ServiceId {
  const id = new Uint8Array(32);
  id.set(ssId);
  id.set(hash.subarray(0, memberOffset - ssIdBytes), ssIdBytes);
  return id as ServiceId;
}

/** The same service with another member field (0..2^32-1). Throws RangeError ERR_OUT_OF_RANGE. */
export function memberServiceId(service: ServiceId, member: number): ServiceId {
  if (!Number.isInteger(member) || member < 0 || member >= 2 ** 32)
    throw Object.assign(new RangeError(`a member is an integer from 0 to 2^32 - 1, not ${member}`), {
      code: 'ERR_OUT_OF_RANGE',
    });
  const id = service.slice();
  new DataView(id.buffer).setUint32(memberOffset, member);
  return id as ServiceId;
}

/** Names that a stack made up carry this member, so that they are told from names that others resolve. */
const privateMember = 0xffffffff;

/** ssID 0, 160 random bits, the private member: nobody else has it, and nobody can guess it. */
export function privateName(random: Random): ServiceId {
  const id = new Uint8Array(32);
  for (let at = ssIdBytes; at < memberOffset; at++) id[at] = random.uint32() & 0xff;
  return memberServiceId(serviceIdBytes(id), privateMember);
}

/** A name that two who share a secret work out from it: the first 16 bytes of `secret`, the private member. */
export function derivedName(secret: Uint8Array): ServiceId {
  const id = new Uint8Array(32);
  id.set(secret.subarray(0, 16), ssIdBytes);
  return memberServiceId(serviceIdBytes(id), privateMember);
}

export function isPrivateName(id: Uint8Array): boolean {
  return new DataView(id.buffer, id.byteOffset).getUint32(memberOffset) === privateMember;
}
