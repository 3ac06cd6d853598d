// A locator is where a packet can be sent: an IP address and a UDP port (port 0: native IP, no UDP).
// Applications never see one. Immutable, so that a flow, a rule and a send buffer may share it; a link may
// return the same object for the same sender, but equality is by value.

export interface Locator {
  /** 4 bytes (IPv4) or 16 bytes (IPv6, never IPv4-mapped). */
  readonly address: Uint8Array;
  readonly port: number;
}

/** Ad hoc discovery: a packet to it goes out on every multicast-capable interface (docs/protocol.md, "Discovery"). */
export const multicastLocator: Locator = { address: Uint8Array.of(239, 255, 67, 67), port: 54325 };

/** Of what has none yet. */
export const noLocator: Locator = { address: new Uint8Array(0), port: 0 };

export function sameLocator(a: Locator, b: Locator): boolean {
  if (a === b) return true;
  if (a.port !== b.port || a.address.length !== b.address.length) return false;
  for (let i = 0; i < a.address.length; i++) if (a.address[i] !== b.address[i]) return false;
  return true;
}

/** `192.0.2.1:54324` or `[2001:db8:0:0:0:0:0:1]:54324`; for people, logs and map keys. */
export function formatLocator(locator: Locator): string {
  const { address, port } = locator;
  if (address.length === 4) return `${address[0]}.${address[1]}.${address[2]}.${address[3]}:${port}`;
  const groups: string[] = [];
  for (let i = 0; i < 16; i += 2) groups.push((((address[i] ?? 0) << 8) | (address[i + 1] ?? 0)).toString(16));
  return `[${groups.join(':')}]:${port}`;
}

export function isLoopback(locator: Locator): boolean {
  const { address } = locator;
  if (address.length === 4) return address[0] === 127;
  return address.every((byte, i) => byte === (i === 15 ? 1 : 0));
}

/** An address that is not of the public internet: private (RFC 1918, RFC 4193), shared (RFC 6598), link-local or loopback. */
export function isPrivate(locator: Locator): boolean {
  if (isLoopback(locator)) return true;
  const [a = 0, b = 0] = locator.address;
  if (locator.address.length === 16) return (a & 0xfe) === 0xfc || (a === 0xfe && (b & 0xc0) === 0x80);
  if (a === 10 || (a === 192 && b === 168) || (a === 169 && b === 254)) return true;
  return (a === 172 && (b & 0xf0) === 16) || (a === 100 && (b & 0xc0) === 64);
}
