// The Range header (RFC 9110 section 14). A header that does not parse is ignored, as the RFC asks; many small or
// overlapping ranges are a known attack on servers, so past a small number the whole file is the answer.

export interface ByteRange {
  readonly start: number;
  /** Inclusive. */
  readonly end: number;
}

/** `whole`: answer 200 with everything. `none`: answer 416. */
export type RangeResult = 'whole' | 'none' | readonly ByteRange[];

const maxRanges = 16;

export function parseRange(header: string | undefined, sizeBytes: number): RangeResult {
  const match = header === undefined ? null : /^bytes\s*=(.*)$/i.exec(header.trim());
  if (match === null) return 'whole';
  const ranges: ByteRange[] = [];
  let specs = 0;
  for (const text of (match[1] ?? '').split(',')) {
    const spec = text.trim();
    if (spec === '') continue;
    const parts = /^(\d{0,15})-(\d{0,15})$/.exec(spec);
    if (parts === null || ++specs > maxRanges) return 'whole';
    const range = oneRange(parts[1] ?? '', parts[2] ?? '', sizeBytes);
    if (range === 'invalid') return 'whole';
    if (range !== undefined) ranges.push(range);
  }
  if (specs === 0) return 'whole';
  if (ranges.length === 0) return 'none';
  return overlap(ranges) ? 'whole' : ranges;
}

function oneRange(first: string, last: string, sizeBytes: number): ByteRange | 'invalid' | undefined {
  if (first === '') {
    if (last === '') return 'invalid';
    const length = Math.min(Number(last), sizeBytes);
    return length === 0 ? undefined : { start: sizeBytes - length, end: sizeBytes - 1 };
  }
  const start = Number(first);
  const end = last === '' ? sizeBytes - 1 : Math.min(Number(last), sizeBytes - 1);
  if (last !== '' && Number(last) < start) return 'invalid';
  return start >= sizeBytes ? undefined : { start, end };
}

function overlap(ranges: readonly ByteRange[]): boolean {
  const sorted = [...ranges].sort((a, b) => a.start - b.start);
  return sorted.some((range, i) => i > 0 && range.start <= (sorted[i - 1]?.end ?? -1));
}
