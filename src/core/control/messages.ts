import type { FlowId, Locator, Prefix, Reason, ServiceId } from '../base/index.ts';

export const controlVersion = 1;
export const controlHeaderBytes = 8;
/** No message of this version is longer. */
export const maxControlBytes = 320;

export const MessageType = {
  SOLICIT: 1,
  ADVERT: 2,
  OFFER: 3,
  WITHDRAW: 4,
  REGISTER: 5,
  REGISTERED: 6,
  UNREGISTER: 7,
  UNREGISTERED: 8,
  NAME_QUERY: 9,
  NAME_ANSWER: 10,
} as const;
export type MessageType = (typeof MessageType)[keyof typeof MessageType];

/** ADVERT.flags. */
export const AdvertFlag = { DIRECTORY: 1, CONTROLLER: 2, LEARNING: 4 } as const;

/** One record for every message, reused: only the fields of its `type` count (docs/protocol-control.md). */
export interface ControlMessage {
  type: MessageType;
  /** 32 bits; an answer repeats its question's. */
  transaction: number;
  protocol: number;
  /** SOLICIT, NAME_ANSWER: undefined = none (a search for routers; an unknown name). */
  service: ServiceId | undefined;
  /** OFFER, WITHDRAW, REGISTER, UNREGISTER. */
  prefix: Prefix;
  /** SOLICIT: where to answer; 0 = the port that it came from. */
  replyPort: number;
  /** ADVERT, REGISTERED, UNREGISTERED: the router's; REGISTER, UNREGISTER: the instance's. */
  boot: FlowId;
  instance: FlowId;
  /** Below 2^53. */
  sequence: number;
  flags: number;
  weight: number;
  priority: number;
  /** REGISTER, REGISTERED, ADVERT: lease; OFFER: time to live. */
  leaseMs: number;
  /** REGISTERED, UNREGISTERED: below 64. */
  reason: Reason;
  /** REGISTERED: where the router saw the sender. */
  observed: Locator;
  /** NAME_QUERY, NAME_ANSWER: 1..253 ASCII characters. */
  name: string;
}
export declare function createControlMessage(): ControlMessage;
/** Fills `out` from `length` bytes at `offset`; OK, or why not (`out` is then in an undefined state). Bytes past the known fields are skipped. */
export declare function parseControl(bytes: Uint8Array, offset: number, length: number, out: ControlMessage): Reason;
/** Writes the message at `offset` and answers its length; the caller leaves `maxControlBytes` of room. */
export declare function emitControl(message: ControlMessage, bytes: Uint8Array, offset: number): number;
