// What tcpdump wrote: the UDP datagrams of a pcap file over IPv4, from Ethernet or from the "any" interface (Linux cooked
// capture, version 1 or 2). No more of the format than these tests meet; anything else throws.

const fileHeaderBytes = 24;
const recordHeaderBytes = 16;
/** Bytes in front of the IP header, by link type. */
const linkHeaderBytes = new Map([
  [1, 14],
  [113, 16],
  [276, 20],
]);
const udp = 17;

/** The payloads, in order. A datagram that the capture cut short throws. */
export function readUdp(file: Buffer): Uint8Array[] {
  if (file.readUInt32LE(0) !== 0xa1b2c3d4) throw new Error('not a little-endian pcap file of microseconds');
  const link = file.readUInt32LE(20);
  const skipped = linkHeaderBytes.get(link);
  if (skipped === undefined) throw new Error(`link type ${link} is not known`);
  const found: Uint8Array[] = [];
  for (let at = fileHeaderBytes; at + recordHeaderBytes <= file.length; ) {
    const [captured, whole] = [file.readUInt32LE(at + 8), file.readUInt32LE(at + 12)];
    if (captured < whole) throw new Error(`a packet of ${whole} bytes was cut to ${captured}`);
    at += recordHeaderBytes;
    const payload = udpPayload(file.subarray(at + skipped, at + captured));
    if (payload) found.push(payload);
    at += captured;
  }
  return found;
}

function udpPayload(ip: Buffer): Uint8Array | undefined {
  if (ip.readUInt8(0) >> 4 !== 4 || ip.readUInt8(9) !== udp) return undefined;
  const headerBytes = (ip.readUInt8(0) & 15) * 4;
  return ip.subarray(headerBytes + 8, ip.readUInt16BE(2));
}
