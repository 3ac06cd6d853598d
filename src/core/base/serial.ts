// Serial arithmetic (RFC 1982) at the edge of the wire. Inside the stack sequence numbers and timestamps are
// plain numbers that never wrap (2^53 bytes is 100 days at 8 Tbit/s); only their low 32 bits travel. `unwrap`
// picks the number nearest to a reference, so no comparison elsewhere has to think of wrapping.

const span = 2 ** 32;

/** The number congruent to `low` (32 bits) modulo 2^32 that lies nearest to `reference`; may be negative near 0. */
export function unwrap32(low: number, reference: number): number {
  const difference = (low - reference) | 0;
  return reference + difference;
}

/** The low 32 bits of a non-negative or negative integer, as an unsigned number. */
export function wrap32(value: number): number {
  const low = value % span;
  return low < 0 ? low + span : low;
}
