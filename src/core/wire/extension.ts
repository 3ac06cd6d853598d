// The registry of extensions (docs/protocol.md, "Extensions") and the two bytes that open each: type, then the
// length of the whole extension in 4-byte words. Bit 7 of the type tells a receiver that does not know it to refuse
// the packet rather than skip the extension. A type is the whole byte: 0x01 is not CONTROL without the bit.

export const Extension = {
  CONTROL: 0x81,
  SERVICE: 0x82,
  SOURCE: 0x03,
  HANDSHAKE: 0x84,
  COOKIE: 0x05,
  MAC: 0x86,
  LINEAGE: 0x87,
  CHALLENGE: 0x08,
  FLOWIDS: 0x09,
  JOIN: 0x8a,
  RESUME: 0x8b,
  ADDRESS: 0x0c,
  DATASEQ: 0x8d,
  SIGNAL: 0x0e,
  FINAL: 0x8f,
} as const;
export type Extension = (typeof Extension)[keyof typeof Extension];

/** Bits of `packet.present`. */
export const Present = {
  CONTROL: 1 << 1,
  SERVICE: 1 << 2,
  SOURCE: 1 << 3,
  HANDSHAKE: 1 << 4,
  COOKIE: 1 << 5,
  MAC: 1 << 6,
  LINEAGE: 1 << 7,
  CHALLENGE: 1 << 8,
  FLOWIDS: 1 << 9,
  JOIN: 1 << 10,
  RESUME: 1 << 11,
  ADDRESS: 1 << 12,
  DATASEQ: 1 << 13,
  SIGNAL: 1 << 14,
  FINAL: 1 << 15,
} as const;

/** Set in the type of an extension that must not be skipped. */
export const criticalBit = 0x80;
/** The length byte counts words, so no extension is longer; a header's length byte gives the same bound. */
export const maxExtensionBytes = 1020;

const presentBits = new Uint16Array(256);
for (const type of Object.values(Extension)) presentBits[type] = 1 << (type & 0x7f);

/** The `Present` bit of a type; 0 when the type is unknown. */
export function presentBit(type: number): number {
  return presentBits[type]!;
}

/** Length of the whole extension at `offset`. */
export function extensionBytes(view: DataView, offset: number): number {
  return view.getUint8(offset + 1) * 4;
}

/** Writes type and length and zeros the rest of the first word; `bytes` is a multiple of 4. */
export function emitExtensionHeader(view: DataView, offset: number, type: Extension, bytes: number): void {
  view.setUint32(offset, ((type << 24) | (bytes << 14)) >>> 0);
}

/** The next multiple of 4. */
export function padded(bytes: number): number {
  return (bytes + 3) & ~3;
}

/** A value that the format cannot carry is the caller's bug, not bad input. */
export function requireCount(count: number, least: number, most: number, what: string): void {
  if (count < least || count > most) throw new RangeError(`${count} ${what}: the format carries ${least} to ${most}`);
}
