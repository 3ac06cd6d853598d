// Datagrams that were damaged on the way: the UDP checksum of the original over content that differs in one bit, sent
// through a raw socket (root only), so that the receiving kernel finds the damage as it would on a real network.

import koffi from 'koffi';
import { transportChecksum } from '../../../src/core/wire/index.ts';

interface Endpoint {
  readonly address: string;
  readonly port: number;
}

export type SendDamaged = (bytes: Uint8Array, from: Endpoint, to: Endpoint, bit: number) => void;

const AF_INET = 2;
const SOCK_RAW = 3;
const IPPROTO_UDP = 17;
const udpHeaderBytes = 8;

/** Undefined where raw sockets cannot be had. IPv4 only. */
export function openDamager(): SendDamaged | undefined {
  if (process.platform !== 'linux' || process.getuid?.() !== 0) return undefined;
  const libc = koffi.load('libc.so.6');
  const socket = libc.func('int socket(int, int, int)');
  const sendto = libc.func('long sendto(int, const uint8_t *, size_t, int, const uint8_t *, uint32_t)');
  const fd = socket(AF_INET, SOCK_RAW, IPPROTO_UDP) as number;
  if (fd < 0) return undefined;
  return (bytes, from, to, bit) => {
    const datagram = damaged(bytes, from, to, bit);
    const address = Buffer.alloc(16);
    address.writeUInt16LE(AF_INET, 0);
    address.set(octets(to.address), 4);
    sendto(fd, datagram, datagram.length, 0, address, address.length);
  };
}

function damaged(bytes: Uint8Array, from: Endpoint, to: Endpoint, bit: number): Buffer {
  const datagram = Buffer.alloc(udpHeaderBytes + bytes.length);
  datagram.writeUInt16BE(from.port, 0);
  datagram.writeUInt16BE(to.port, 2);
  datagram.writeUInt16BE(datagram.length, 4);
  datagram.set(bytes, udpHeaderBytes);
  const view = new DataView(datagram.buffer, datagram.byteOffset);
  const checksum = transportChecksum(view, 0, datagram.length, octets(from.address), octets(to.address), IPPROTO_UDP);
  datagram.writeUInt16BE(checksum || 0xffff, 6);
  const at = udpHeaderBytes + ((bit >>> 3) % bytes.length);
  datagram[at] = (datagram[at] ?? 0) ^ (1 << (bit & 7));
  return datagram;
}

function octets(address: string): Uint8Array {
  return Uint8Array.from(address.split('.').map(Number));
}
