// Message patterns (Noise rev. 34 section 7): what each message carries and mixes in. Openings have two. NX: the
// server is known by its key, the client is nobody. XX: both show theirs. They begin alike, so that a client may send the
// first message before it knows which one the server takes. N is one message to a key that is known. Tests bring the other
// fundamental patterns and the deferred ones, so that the published vectors exercise the same interpreter.

/** A key that is sent, or a shared secret: the initiator's key of the first letter and the responder's of the second. */
export type Token = 'e' | 's' | 'ee' | 'es' | 'se' | 'ss';

export interface Pattern {
  readonly name: string;
  /** Static keys that the other end knows beforehand. */
  readonly initiatorKnown?: boolean;
  readonly responderKnown?: boolean;
  /** The initiator's first, then in turn. */
  readonly messages: readonly (readonly Token[])[];
}

export type PatternName = 'N' | 'NX' | 'XX';

export const patterns: Readonly<Record<PatternName, Pattern>> = {
  N: { name: 'N', responderKnown: true, messages: [['e', 'es']] },
  NX: { name: 'NX', messages: [['e'], ['e', 'ee', 's', 'es']] },
  XX: { name: 'XX', messages: [['e'], ['e', 'ee', 's', 'es'], ['s', 'se']] },
};
