// Consecutive batches to one destination as one: a host with many small flows to another sends the answers of a turn in
// one system call, where each flow's own batch would be one packet. What UDP_SEGMENT asks for bounds it: packets equal in
// size, only the last one shorter. The order of packets is kept. Batches that fill a call by themselves pass uncopied.
// Rejected: several flows in one batch of the stack, whose engine would then have to undo what does not fit.

import type { Locator } from '../core/base/index.ts';
import { sameLocator } from '../core/base/index.ts';
import type { Output } from '../core/stack/index.ts';
import { maxBatchBytes } from './udp-link.ts';

/** UDP_MAX_SEGMENTS of the kernels in use. */
const maxPackets = 64;
/** From here on a copy costs more than it spares. */
const largestCopyBytes = 8_192;

type Batch = Output['batch'];

export class Coalescer implements Batch {
  readonly buffer = new Uint8Array(maxBatchBytes);
  readonly view = new DataView(this.buffer.buffer);
  readonly probe = false;
  bytes = 0;
  packetBytes = 0;
  packets = 0;
  remote: Locator | undefined;

  /** Whether `batch` was taken; if not, what is held goes first. */
  take(batch: Readonly<Batch>, remote: Locator): boolean {
    if (batch.probe || batch.bytes > largestCopyBytes) return false;
    if (this.packets === 0) {
      this.remote = remote;
      this.packetBytes = batch.packetBytes || batch.bytes;
    } else if (!this.#fits(batch, remote)) return false;
    this.buffer.set(batch.buffer.subarray(0, batch.bytes), this.bytes);
    this.bytes += batch.bytes;
    this.packets += batch.packets;
    return true;
  }

  clear(): void {
    this.bytes = 0;
    this.packets = 0;
  }

  #fits({ bytes, packets, packetBytes }: Readonly<Batch>, remote: Locator): boolean {
    const ended = this.bytes !== this.packets * this.packetBytes;
    const sizes = packets === 1 ? bytes <= this.packetBytes : packetBytes === this.packetBytes;
    const room = this.packets + packets <= maxPackets && this.bytes + bytes <= maxBatchBytes;
    return !ended && sizes && room && this.remote !== undefined && sameLocator(this.remote, remote);
  }
}
