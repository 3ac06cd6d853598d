// Reason codes: why a packet was dropped or a flow refused. One number space, so that a counter, a FAIL
// extension and an error message speak of the same thing. `parse` returns one of these and never throws
// (docs/protocol.md, "Reasons"). Codes below 64 travel on the wire in CONTROL.reason; the others are local.

export const Reason = {
  OK: 0,
  // Sent in FAIL and RST.
  NO_SUCH_SERVICE: 1,
  NO_INSTANCE: 2,
  REFUSED: 3,
  OVERLOADED: 4,
  UNKNOWN_FLOW: 5,
  UNSUPPORTED_EXTENSION: 6,
  UNSUPPORTED_PROTOCOL: 7,
  LOOP: 8,
  POLICY_DROP: 9,
  TRY_LATER: 10,
  ABORTED: 11,
  CLOSED: 12,
  TIMED_OUT: 13,
  UNREACHABLE: 14,
  COOKIE_REQUIRED: 15,
  NOT_AUTHORIZED: 16,
  EXPIRED: 17,
  REVOKED: 18,
  BAD_SIGNATURE: 19,
  OUT_OF_DATE: 20,
  NONCE_REQUIRED: 21,
  UNTRUSTED: 22,
  MISBEHAVING: 23,
  PEER_LOST: 24,
  SHED: 25,
  SUPERSEDED: 26,
  TOO_MANY_MOVES: 27,
  HANDED_OVER: 28,
  NOT_RESUMED: 29,
  // Never sent: counters only.
  TRUNCATED: 64,
  BAD_VERSION: 65,
  BAD_KIND: 66,
  BAD_HEADER_LENGTH: 67,
  BAD_TOTAL_LENGTH: 68,
  BAD_EXTENSION: 69,
  DUPLICATE_EXTENSION: 70,
  BAD_SEGMENT: 71,
  BAD_CHECKSUM: 72,
  BAD_NONCE: 73,
  BAD_STATE: 74,
  BAD_RECORD: 75,
  BAD_MESSAGE: 76,
  TOO_MANY_PACKETS: 77,
  LIMIT: 78,
  NOT_OURS: 79,
  STALE: 80,
  DUPLICATE: 81,
  TCP_FLAG: 82,
  QUEUE_FULL: 83,
  NOT_AUTHENTIC: 84,
  UNTAGGED: 85,
} as const;

export type Reason = (typeof Reason)[keyof typeof Reason];

const names = new Map<number, string>(Object.entries(Reason).map(([name, code]) => [code, name]));

/** `NO_SUCH_SERVICE` as `no-such-service`; a code unknown to this version as `reason-200`. */
export function reasonName(code: number): string {
  return names.get(code)?.toLowerCase().replaceAll('_', '-') ?? `reason-${code}`;
}
