// Checking the tag of a packet that belongs to a flow (docs/protocol.md, "MAC"). The tag covers the packet with zeros in
// its own place, so it is taken out, the packet tagged again, and both compared in constant time.

import { Reason } from '../base/index.ts';
import { macTagBytes, parseMac, withoutSource } from '../wire/index.ts';
import type { Connection, StackState } from './state.ts';

/** Whether the packet under way carries a tag that the other end of `connection` made. */
export function isTagged(stack: StackState, { keys }: Connection): boolean {
  const { packet, view, bytes, mac, shownTag, tag } = stack.work;
  if (packet.macOffset === 0 || keys === undefined) return false;
  // SOURCE is a router's: it has no place in a packet of a flow.
  if (packet.sourceOffset !== 0 || parseMac(view, packet.macOffset, mac) !== Reason.OK) return false;
  const start = packet.payloadOffset - packet.headerBytes;
  takeTag(bytes, mac.tagOffset, shownTag);
  stack.options.primitives.mac.tag(keys.verifyKey, bytes, start, packet.totalBytes, tag, 0);
  putTag(bytes, mac.tagOffset, shownTag);
  return sameTag(shownTag, tag);
}

/** The same for a packet that routers have passed on: their SOURCE is not covered. */
export function isTaggedBehindSource(stack: StackState, { keys }: Connection): boolean {
  const { packet, view, shownTag, tag, mac } = stack.work;
  if (packet.macOffset === 0 || keys === undefined || parseMac(view, packet.macOffset, mac) !== Reason.OK) return false;
  const bytes = withoutSource(view, packet);
  const start = packet.payloadOffset - packet.headerBytes;
  const behind = packet.sourceOffset !== 0 && packet.macOffset > packet.sourceOffset;
  const removed = behind ? packet.totalBytes - bytes.length : 0;
  takeTag(bytes, mac.tagOffset - start - removed, shownTag);
  stack.options.primitives.mac.tag(keys.verifyKey, bytes, 0, bytes.length, tag, 0);
  return sameTag(shownTag, tag);
}

/** The same for the tag of a SYN-ACK, by a key that is used once. */
export function isAnswerTagged(stack: StackState, answerKey: Uint8Array): boolean {
  const { packet, view, bytes, mac, shownTag } = stack.work;
  if (packet.macOffset === 0 || parseMac(view, packet.macOffset, mac) !== Reason.OK) return false;
  const start = packet.payloadOffset - packet.headerBytes;
  takeTag(bytes, mac.tagOffset, shownTag);
  const expected = stack.options.primitives.hmac(answerKey, bytes.subarray(start, start + packet.totalBytes));
  putTag(bytes, mac.tagOffset, shownTag);
  return sameTag(shownTag, expected);
}

function takeTag(bytes: Uint8Array, offset: number, tag: Uint8Array): void {
  for (let i = 0; i < macTagBytes; i++) {
    tag[i] = bytes[offset + i] ?? 0;
    bytes[offset + i] = 0;
  }
}

function putTag(bytes: Uint8Array, offset: number, tag: Uint8Array): void {
  for (let i = 0; i < macTagBytes; i++) bytes[offset + i] = tag[i] ?? 0;
}

function sameTag(a: Uint8Array, b: Uint8Array): boolean {
  let difference = 0;
  for (let i = 0; i < macTagBytes; i++) difference |= (a[i] ?? 0) ^ (b[i] ?? 0);
  return difference === 0;
}
