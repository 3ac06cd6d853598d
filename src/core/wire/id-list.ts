// Lists of 64-bit ids, as LINEAGE and FLOWIDS carry them: two arrays of 32-bit halves that are made once and reused.
// An array of FlowId records would be rebuilt on every parse.

export interface IdList {
  count: number;
  readonly hi: Uint32Array;
  readonly lo: Uint32Array;
}

export function createIdList(most: number): IdList {
  return { count: 0, hi: new Uint32Array(most), lo: new Uint32Array(most) };
}

/** Answers the bytes written: 8 for each. */
export function emitIds(view: DataView, offset: number, ids: Readonly<IdList>): number {
  for (let i = 0; i < ids.count; i++) {
    view.setUint32(offset + i * 8, ids.hi[i]!);
    view.setUint32(offset + i * 8 + 4, ids.lo[i]!);
  }
  return ids.count * 8;
}

export function parseIds(view: DataView, offset: number, count: number, out: IdList): void {
  out.count = count;
  for (let i = 0; i < count; i++) {
    out.hi[i] = view.getUint32(offset + i * 8);
    out.lo[i] = view.getUint32(offset + i * 8 + 4);
  }
}

export function hasId(ids: Readonly<IdList>, hi: number, lo: number): boolean {
  for (let i = 0; i < ids.count; i++) if (ids.hi[i] === hi && ids.lo[i] === lo) return true;
  return false;
}
