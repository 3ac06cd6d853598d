// A serviceID names a service, never a host: ssID 8 bytes | service 20 | member 4 (docs/protocol.md, "Names").
// Routing is longest-prefix over these 256 bits. The text form is base32 (RFC 4648, lower case, no padding): 52
// characters, which fit a DNS label; hexadecimal would not. A map key is the text form, so that ids compare by value.

/** 32 bytes. */
export type ServiceId = Uint8Array & { readonly serviceId: unique symbol };

export interface Prefix {
  readonly id: ServiceId;
  /** 0..256; bits past it are zero in `id`. */
  readonly bits: number;
}

export const ssIdBytes = 8;
export const memberOffset = 28;
/** A service with all its members. */
export const serviceBits = 224;
export const memberBits = 256;

const alphabet = 'abcdefghijklmnopqrstuvwxyz234567';
/** With the capitals 32 places on; lower-casing the text would take other alphabets' letters for ours (U+212A for k). */
const digits = `${alphabet}ABCDEFGHIJKLMNOPQRSTUVWXYZ`;
const textLength = 52;

class InvalidServiceId extends TypeError {
  readonly code = 'ERR_INVALID_SERVICE_ID';
}

/** Checks the length and brands a copy. Throws TypeError ERR_INVALID_SERVICE_ID. */
export function serviceIdBytes(bytes: Uint8Array): ServiceId {
  if (bytes.length !== 32) throw new InvalidServiceId(`a serviceID has 32 bytes, this has ${bytes.length}`);
  return bytes.slice() as ServiceId;
}

export function formatServiceId(id: Uint8Array): string {
  let text = '';
  let held = 0;
  let bits = 0;
  for (const byte of id) {
    held = (held << 8) | byte;
    bits += 8;
    while (bits >= 5) {
      bits -= 5;
      text += alphabet[(held >>> bits) & 31];
    }
    held &= (1 << bits) - 1;
  }
  return bits > 0 ? text + alphabet[(held << (5 - bits)) & 31] : text;
}

/** The reverse of `formatServiceId`; upper case is accepted. Throws TypeError ERR_INVALID_SERVICE_ID. */
export function parseServiceId(text: string): ServiceId {
  if (text.length !== textLength)
    throw new InvalidServiceId(`a serviceID in text has ${textLength} characters, "${text}" has ${text.length}`);
  const id = new Uint8Array(32);
  let held = 0;
  let bits = 0;
  let at = 0;
  for (const character of text) {
    const digit = digits.indexOf(character);
    if (digit < 0) throw new InvalidServiceId(`"${character}" is not a base32 digit (a-z, 2-7) in "${text}"`);
    held = ((held << 5) | (digit & 31)) & 0xfff;
    bits += 5;
    if (bits < 8) continue;
    bits -= 8;
    id[at++] = (held >>> bits) & 0xff;
  }
  if ((held & ((1 << bits) - 1)) !== 0) throw new InvalidServiceId(`"${text}" has bits set past its 256th`);
  return id as ServiceId;
}

/** Whether `text` has the shape of a serviceID (52 base32 digits), as opposed to a name. */
export function isServiceIdText(text: string): boolean {
  return /^[a-z2-7]{51}[aq]$/i.test(text);
}

/** Masks the bits past `bits`. Throws RangeError for a length outside 0..256. */
export function makePrefix(id: Uint8Array, bits: number): Prefix {
  if (!Number.isInteger(bits) || bits < 0 || bits > 256)
    throw Object.assign(new RangeError(`a prefix length is 0 to 256 bits, not ${bits}`), { code: 'ERR_OUT_OF_RANGE' });
  const masked = id.slice();
  for (let i = 0; i < 32; i++) {
    const keep = Math.min(8, Math.max(0, bits - i * 8));
    masked[i] = (masked[i] ?? 0) & (0xff00 >>> keep) & 0xff;
  }
  return { id: masked as ServiceId, bits };
}

/** `TEXT/bits`, or TEXT alone for a whole id. */
export function formatPrefix(prefix: Prefix): string {
  return prefix.bits === 256 ? formatServiceId(prefix.id) : `${formatServiceId(prefix.id)}/${prefix.bits}`;
}

/** `TEXT` or `TEXT/bits`; bits set past the length are refused. Throws TypeError ERR_INVALID_SERVICE_ID. */
export function parsePrefix(text: string): Prefix {
  const [idText = '', bitsText, rest] = text.split('/');
  const id = parseServiceId(idText);
  if (bitsText === undefined) return { id, bits: 256 };
  if (rest !== undefined || !/^\d{1,3}$/.test(bitsText) || Number(bitsText) > 256)
    throw new InvalidServiceId(`"/${text.slice(idText.length + 1)}" is not a prefix length (0 to 256)`);
  const prefix = makePrefix(id, Number(bitsText));
  if (prefix.id.some((byte, i) => byte !== id[i]))
    throw new InvalidServiceId(`"${text}" has bits set past its prefix length`);
  return prefix;
}

export function prefixContains(prefix: Prefix, id: Uint8Array): boolean {
  const whole = prefix.bits >>> 3;
  for (let i = 0; i < whole; i++) if (prefix.id[i] !== id[i]) return false;
  const rest = prefix.bits & 7;
  return rest === 0 || (((prefix.id[whole] ?? 0) ^ (id[whole] ?? 0)) & (0xff00 >>> rest) & 0xff) === 0;
}

/** Whether every name of `inner` is one of `outer`: a prefix is within itself. */
export function prefixWithin(outer: Prefix, inner: Prefix): boolean {
  return outer.bits <= inner.bits && prefixContains(outer, inner.id);
}
