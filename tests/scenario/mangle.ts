// A hostile peer: an honest stack whose packets are changed on their way out and tagged anew, with the keys that are its own.

import { macBytes } from '../../src/core/wire/index.ts';
import { tapAll } from './attackers.ts';
import type { Connection, LiveFlow } from './live-flow.ts';
import { readPacket } from './packets.ts';

/** Tags a packet of `from`'s flow anew, after it was changed. */
export function retag(flow: LiveFlow, from: Connection, bytes: Uint8Array): Uint8Array {
  const { packet } = readPacket(bytes);
  const at = packet.macOffset + macBytes - 16;
  bytes.fill(0, at, at + 16);
  const { mac } = flow.world.client.stack.state.options.primitives;
  mac.tag(from.keys!.tagKey, bytes, 0, packet.totalBytes, bytes, at);
  return bytes;
}

/** Changes the client's bare ACKs; each may become several. */
export function mangleAcks(
  flow: LiveFlow,
  mangle: (ack: number, of: DataView, ackAt: number) => readonly number[],
): void {
  tapAll(flow.world.simulation, ['client>server'], (packet) => {
    const { packet: parsed } = readPacket(packet.bytes);
    if (parsed.macOffset === 0 || parsed.controlOffset !== 0 || flow.clientSide.keys === undefined) return [packet];
    const view = new DataView(packet.bytes.buffer, packet.bytes.byteOffset);
    const at = parsed.payloadOffset + 8;
    return mangle(view.getUint32(at), view, at).map((ack) => {
      const bytes = packet.bytes.slice();
      new DataView(bytes.buffer).setUint32(at, ack);
      return { ...packet, bytes: retag(flow, flow.clientSide, bytes) };
    });
  });
}
