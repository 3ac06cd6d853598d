// A half-open connection as it is kept: one record and one piece of memory, because strangers decide how many there are and
// a Connection is four times as large. The memory begins with the SYN-ACK, to be repeated byte for byte; behind it stands
// what makes the connection out of the ACK. No SocketId yet, no keys, no transport: all of that is made when the
// ACK has shown that somebody is there.

import type { FlowId, Locator, ServiceId } from '../base/index.ts';
import { savedExchangeBytes } from '../security/index.ts';
import { readServiceId } from '../wire/index.ts';
import type { HalfOpen } from './state.ts';

/** What the ACK needs. */
export interface Opening {
  readonly localFlow: FlowId;
  readonly localNonce: FlowId;
  readonly remoteFlow: FlowId;
  readonly remoteNonce: FlowId;
  readonly service: ServiceId;
  /** The name that the client calls itself by. */
  readonly source: ServiceId | undefined;
  readonly peer: Locator;
  /** The server's exchange as it was saved. */
  readonly exchange: Uint8Array;
  /** What the transport said in the SYN-ACK, and when. */
  readonly iss: number;
  readonly tsOffset: number;
  readonly answeredUs: number;
  /** The client's transport SYN; empty for datagrams. */
  readonly segment: Uint8Array;
}

/** Offsets behind the SYN-ACK. */
const flowsAt = 0;
const answeredAt = 32;
const issAt = 40;
const tsOffsetAt = 44;
const portAt = 48;
const addressBytesAt = 50;
const hasSourceAt = 51;
const addressAt = 52;
const serviceAt = 68;
const sourceAt = 100;
const exchangeAt = 132;
const segmentAt = exchangeAt + savedExchangeBytes;

/** The SYN-ACK, and behind it `opening`. */
export function packOpening(answer: Uint8Array, opening: Opening): Uint8Array {
  const { localFlow, localNonce, remoteFlow, remoteNonce, peer, source, segment } = opening;
  const memory = new Uint8Array(answer.length + segmentAt + segment.length);
  memory.set(answer);
  const facts = memory.subarray(answer.length);
  const view = viewOf(facts);
  for (const [i, id] of [localFlow, localNonce, remoteFlow, remoteNonce].entries()) {
    view.setUint32(flowsAt + 8 * i, id.hi);
    view.setUint32(flowsAt + 8 * i + 4, id.lo);
  }
  view.setFloat64(answeredAt, opening.answeredUs);
  view.setUint32(issAt, opening.iss);
  view.setUint32(tsOffsetAt, opening.tsOffset);
  view.setUint16(portAt, peer.port);
  view.setUint8(addressBytesAt, peer.address.length);
  view.setUint8(hasSourceAt, source === undefined ? 0 : 1);
  facts.set(peer.address, addressAt);
  facts.set(opening.service, serviceAt);
  if (source !== undefined) facts.set(source, sourceAt);
  facts.set(opening.exchange, exchangeAt);
  facts.set(segment, segmentAt);
  return memory;
}

/** Shares no memory with `half`. */
export function readOpening(half: HalfOpen): Opening {
  const facts = half.memory.subarray(half.answerBytes);
  const view = viewOf(facts);
  const id = (index: number): FlowId => ({
    hi: view.getUint32(flowsAt + 8 * index),
    lo: view.getUint32(flowsAt + 8 * index + 4),
  });
  return {
    localFlow: id(0),
    localNonce: id(1),
    remoteFlow: id(2),
    remoteNonce: id(3),
    service: readServiceId(view, serviceAt),
    source: view.getUint8(hasSourceAt) === 0 ? undefined : readServiceId(view, sourceAt),
    peer: peerOf(half),
    exchange: facts.slice(exchangeAt, segmentAt),
    iss: view.getUint32(issAt),
    tsOffset: view.getUint32(tsOffsetAt),
    answeredUs: view.getFloat64(answeredAt),
    segment: facts.slice(segmentAt),
  };
}

/** Where the answer goes. */
export function peerOf(half: HalfOpen): Locator {
  const facts = half.memory.subarray(half.answerBytes);
  const view = viewOf(facts);
  const address = facts.slice(addressAt, addressAt + view.getUint8(addressBytesAt));
  return { address, port: view.getUint16(portAt) };
}

export function localFlowOf({ memory, answerBytes }: HalfOpen): FlowId {
  const view = viewOf(memory);
  return { hi: view.getUint32(answerBytes + flowsAt), lo: view.getUint32(answerBytes + flowsAt + 4) };
}

/** What nobody else may learn is overwritten; a SYN-ACK that waits to be sent stays. */
export function wipe({ memory, answerBytes }: HalfOpen): void {
  memory.fill(0, answerBytes);
}

/** The SYN-ACK, in place. */
export function answerOf(half: HalfOpen): Uint8Array {
  return half.memory.subarray(0, half.answerBytes);
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
}
