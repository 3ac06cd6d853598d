// Checking the tag of a packet that belongs to a flow (docs/protocol.md, "MAC"). The tag covers the packet with zeros in
// its own place, so it is taken out, the packet tagged again, and both compared in constant time. The epoch says which key
// made it: an end that goes on in another process is ahead, and shows it by the move that it tells, by nothing else.

import { Reason } from '../base/index.ts';
import { advanceTagKey, type FlowKeys, nextTagKey } from '../security/index.ts';
import { ControlFlag, macTagBytes, parseMac, withoutSource } from '../wire/index.ts';
import type { Connection, StackState } from './state.ts';

/** Whether the packet under way carries a tag that the other end of `connection` made. */
export function isTagged(stack: StackState, { keys }: Connection): boolean {
  const { packet, view, bytes, mac, shownTag, tag } = stack.work;
  if (packet.macOffset === 0 || keys === undefined) return false;
  // SOURCE is a router's: it has no place in a packet of a flow.
  if (packet.sourceOffset !== 0 || parseMac(view, packet.macOffset, mac) !== Reason.OK) return false;
  const start = packet.payloadOffset - packet.headerBytes;
  takeTag(bytes, mac.tagOffset, shownTag);
  const known = tagAgain(stack, keys, bytes, start, packet.totalBytes);
  putTag(bytes, mac.tagOffset, shownTag);
  return known && sameTag(shownTag, tag);
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
  return tagAgain(stack, keys, bytes, 0, bytes.length) && sameTag(shownTag, tag);
}

/** Epochs that a move may be ahead: one for who was given the connection, two for who took it back. */
const mostAhead = 2;

/** The tag that the packet should have; false: its epoch is none that it may have. */
function tagAgain(
  { work, options }: StackState,
  { verifyKey, verifyEpoch }: FlowKeys,
  bytes: Uint8Array,
  offset: number,
  length: number,
): boolean {
  const { mac } = options.primitives;
  work.epochsAhead = (work.mac.epoch - verifyEpoch) & 0xff;
  if (work.epochsAhead === 0) {
    mac.tag(verifyKey, bytes, offset, length, work.tag, 0);
    return true;
  }
  if (work.epochsAhead > mostAhead || work.packet.controlOffset === 0 || work.control.flags !== ControlFlag.RSYN)
    return false;
  let key = mac.importKey(nextTagKey(mac, verifyKey));
  for (let epoch = 1; epoch < work.epochsAhead; epoch++) key = advanceTagKey(mac, key);
  mac.tag(key, bytes, offset, length, work.tag, 0);
  mac.releaseKey(key);
  return true;
}

/** The move at hand is committed: its sender's epoch is the only one from here on. */
export function adoptEpoch({ work, options }: StackState, { keys }: Connection): void {
  if (keys === undefined) return;
  for (; work.epochsAhead > 0; work.epochsAhead--) {
    keys.verifyKey = advanceTagKey(options.primitives.mac, keys.verifyKey);
    keys.verifyEpoch++;
  }
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
