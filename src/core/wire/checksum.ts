// The Internet checksum (RFC 1071) with the pseudo header of IPv4 (RFC 9293 section 3.1) and IPv6 (RFC 8200 section 8.1).
// Over UDP a segment's checksum is zero, since UDP's covers it; on native IP it is computed here. Sums 32-bit words
// in a number: 2^32 is 1 modulo 65,535, and 64 KiB of them stay far below 2^53, so that folding waits until the end.

/**
 * Of a transport segment, with whatever its checksum field holds: zero it first to compute, leave it to check.
 * @param source,destination 4 or 16 bytes, both the same
 */
export function transportChecksum(
  view: DataView,
  offset: number,
  bytes: number,
  source: Uint8Array,
  destination: Uint8Array,
  protocol: number,
): number {
  const pseudo = sumAddress(source) + sumAddress(destination) + protocol + bytes;
  return ~fold(pseudo + sumWords(view, offset, bytes)) & 0xffff;
}

/** Whether the checksum inside the segment is right. */
export function verifyTransportChecksum(
  view: DataView,
  offset: number,
  bytes: number,
  source: Uint8Array,
  destination: Uint8Array,
  protocol: number,
): boolean {
  return transportChecksum(view, offset, bytes, source, destination, protocol) === 0;
}

/** Of bytes alone: an IPv4 header, an ICMP message. */
export function internetChecksum(view: DataView, offset: number, bytes: number): number {
  return ~fold(sumWords(view, offset, bytes)) & 0xffff;
}

function sumWords(view: DataView, offset: number, bytes: number): number {
  const end = offset + bytes;
  let sum = 0;
  let at = offset;
  for (; at + 4 <= end; at += 4) sum += view.getUint32(at);
  if (at + 2 <= end) {
    sum += view.getUint16(at);
    at += 2;
  }
  return at < end ? sum + view.getUint8(at) * 256 : sum;
}

function sumAddress(address: Uint8Array): number {
  let sum = 0;
  for (let i = 0; i < address.length; i += 2) sum += address[i]! * 256 + address[i + 1]!;
  return sum;
}

function fold(sum: number): number {
  while (sum > 0xffff) sum = (sum % 0x10000) + Math.floor(sum / 0x10000);
  return sum;
}
