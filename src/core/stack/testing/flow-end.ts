// One end of a flow without the rest of its stack, and what packets are made of it: for vectors, which fix every byte of
// an opening. A whole stack would draw its flowIDs, nonces and sequence numbers itself.

import type { FlowId, Primitives } from '../../base/index.ts';
import type { FlowKeys, Offer } from '../../security/index.ts';
import { createExchange } from '../open.ts';
import type { Connection, StackState } from '../state.ts';

export {
  buildAck,
  buildConnectedDatagram,
  buildShed,
  buildSyn,
  buildSynAck,
  emitOpeningAck,
  openingBytes,
  taggedHeaderBytes,
  tagPacket,
} from '../packets.ts';

export interface FlowEndOptions {
  readonly primitives: Primitives;
  readonly protocol: number;
  readonly service: Uint8Array;
  readonly source: Uint8Array | undefined;
  readonly localFlow: FlowId;
  readonly localNonce: FlowId;
  readonly remoteFlow: FlowId;
  readonly remoteNonce: FlowId;
  readonly encrypted: boolean;
}

export interface FlowEnd {
  readonly stack: StackState;
  readonly connection: Connection;
}

export function createFlowEnd({ primitives, source, encrypted, ...values }: FlowEndOptions): FlowEnd {
  const connection = { ...values, sourceService: source, attempt: 0, nextDatagram: 1, peerProof: { encrypted } };
  // All that the packets of an opening and datagrams read.
  return { stack: { options: { primitives } } as StackState, connection: connection as unknown as Connection };
}

/** The client has made its offer. */
export function setOffer({ connection }: FlowEnd, offer: Offer, segment: Uint8Array): void {
  connection.exchange = createExchange(offer, segment);
}

/** The exchange is over; under XX the client has a proof to send. */
export function setKeys({ connection }: FlowEnd, keys: FlowKeys, proof: Uint8Array | undefined): void {
  connection.keys = keys;
  if (connection.exchange !== undefined) connection.exchange.proof = proof;
}
