// One msghdr with what it points at (iovec, sockaddr, one control message), laid out once in memory that does not move,
// so that a system call costs little more than itself: per call a few words change. 64-bit little-endian Linux.
//
//   0 msghdr: name 0, namelen 8, iov 16, iovlen 24, control 32, controllen 40, flags 48
//  56 iovec: base 56, length 64      72 sockaddr (28)      104 cmsghdr: length 104, level 112, type 116, data 120

import { type Libc, Linux } from './libc.ts';
import { socketAddressBytes } from './socket-address.ts';

export const nameOffset = 72;
const iovecOffset = 56;
export const controlOffset = 104;
/** Of UDP_SEGMENT's. */
const segmentControlBytes = 24;

export class NativeMessage {
  /** What sendmsg and recvmsg take. */
  readonly pointer: bigint;
  readonly view: DataView;
  readonly #memory: Buffer;

  /** `controlBytes`: room for what the kernel adds to a received message. */
  constructor(libc: Libc, controlBytes = segmentControlBytes) {
    const totalBytes = controlOffset + controlBytes;
    this.#memory = Buffer.allocUnsafeSlow(totalBytes).fill(0);
    this.view = new DataView(this.#memory.buffer, this.#memory.byteOffset, totalBytes);
    this.pointer = libc.addressOf(this.#memory);
    this.view.setBigUint64(0, this.pointer + BigInt(nameOffset), true);
    this.view.setBigUint64(16, this.pointer + BigInt(iovecOffset), true);
    this.view.setBigUint64(24, 1n, true);
    this.view.setBigUint64(32, this.pointer + BigInt(controlOffset), true);
    this.view.setBigUint64(controlOffset, 18n, true);
    this.view.setUint32(controlOffset + 8, Linux.SOL_UDP, true);
    this.view.setUint32(controlOffset + 12, Linux.UDP_SEGMENT, true);
  }

  /** `address`: of memory that the caller keeps alive; user addresses fit a double exactly. */
  setData(address: number, bytes: number): void {
    this.view.setUint32(iovecOffset, address >>> 0, true);
    this.view.setUint32(iovecOffset + 4, Math.floor(address / 2 ** 32), true);
    this.view.setUint32(iovecOffset + 8, bytes, true);
  }

  setNameBytes(bytes: number): void {
    this.view.setUint32(8, bytes, true);
  }

  /** Segment size for this call; 0: the data is one datagram. */
  setSegmentBytes(bytes: number): void {
    this.view.setUint16(controlOffset + 16, bytes, true);
    this.view.setUint32(40, bytes === 0 ? 0 : segmentControlBytes, true);
  }

  /** Before each recvmsg: both fields are overwritten by the kernel. */
  resetForReceive(controlBytes = 0): void {
    this.view.setUint32(8, socketAddressBytes, true);
    this.view.setUint32(40, controlBytes, true);
  }
}
