// A flowID is 64 random bits chosen by the stack that owns the flow. It is kept as two unsigned 32-bit halves:
// a bigint would allocate on every packet. Zero means "no flow" (a SYN's destination, an unbound datagram).

import type { Random } from './random.ts';

export interface FlowId {
  readonly hi: number;
  readonly lo: number;
}

export const noFlow: FlowId = { hi: 0, lo: 0 };

export function sameFlow(a: FlowId, b: FlowId): boolean {
  return a.hi === b.hi && a.lo === b.lo;
}

/** 64 random bits as two halves, never zero; also used for nonces. */
export function randomId(random: Random): FlowId {
  for (;;) {
    const hi = random.uint32();
    const lo = random.uint32();
    if ((hi | lo) !== 0) return { hi, lo };
  }
}

/** 16 lower-case hexadecimal digits. */
export function formatFlowId(id: FlowId): string {
  return id.hi.toString(16).padStart(8, '0') + id.lo.toString(16).padStart(8, '0');
}
