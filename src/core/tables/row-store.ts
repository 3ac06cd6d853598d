// Rows of bytes, many and small: what is known of a hundred thousand idle flows. A typed array for each would weigh 200
// bytes before it held one, so rows of like size share a page, and a row is a number. Pages whose last row is freed go back
// to the garbage collector. Invariant: the bytes of a row that is free are zero, but for the link to the next free one.

export interface RowStore {
  /** By number; undefined: given back. */
  readonly pages: (Page | undefined)[];
  readonly freePages: number[];
  /** By granules of a row: numbers of pages that may have room. A page may stand here that has none, or has gone. */
  readonly open: number[][];
  rows: number;
}

interface Page {
  readonly bytes: Uint8Array;
  readonly granules: number;
  used: number;
  /** Rows beyond it were never used. */
  fresh: number;
  /** Offset of the first free row, in granules, counted from 1; 0: none. The next one's stands in its first two bytes. */
  free: number;
  /** It stands in `open`. */
  listed: boolean;
}

const granuleBytes = 32;
const pageBytes = 65_536;
const pageGranules = pageBytes / granuleBytes;
/** The longest row. */
export const mostRowBytes = 2_048;

export function createRowStore(): RowStore {
  return { pages: [], freePages: [], open: [], rows: 0 };
}

/** Copies the first `length` of `bytes`; answers the row. */
export function addRow(store: RowStore, bytes: Uint8Array, length: number): number {
  const granules = Math.max(1, Math.ceil(length / granuleBytes));
  const number = pageWithRoom(store, granules);
  const page = store.pages[number] as Page;
  const at = takeRow(page);
  for (let i = 0; i < length; i++) page.bytes[at * granuleBytes + i] = bytes[i] as number;
  page.used++;
  store.rows++;
  return number * pageGranules + at;
}

/** The page that the row stands in, and beside it where: see `rowOffset`. */
export function rowPage({ pages }: RowStore, row: number): Uint8Array {
  return (pages[Math.floor(row / pageGranules)] as Page).bytes;
}

export function rowOffset(row: number): number {
  return (row % pageGranules) * granuleBytes;
}

/** What stood there is overwritten. */
export function freeRow(store: RowStore, row: number): void {
  const number = Math.floor(row / pageGranules);
  const page = store.pages[number] as Page;
  const at = row % pageGranules;
  page.bytes.fill(0, at * granuleBytes, (at + page.granules) * granuleBytes);
  store.rows--;
  if (--page.used === 0) {
    store.pages[number] = undefined;
    store.freePages.push(number);
    return;
  }
  page.bytes[at * granuleBytes] = page.free & 0xff;
  page.bytes[at * granuleBytes + 1] = page.free >> 8;
  page.free = at + 1;
  list(store, page, number);
}

function pageWithRoom(store: RowStore, granules: number): number {
  const open = openPages(store, granules);
  for (;;) {
    const number = open.at(-1);
    if (number === undefined) return addPage(store, granules);
    const page = store.pages[number];
    if (page?.granules === granules && page.listed && hasRoom(page)) return number;
    if (page?.granules === granules) page.listed = false;
    open.pop();
  }
}

function addPage(store: RowStore, granules: number): number {
  const number = store.freePages.pop() ?? store.pages.length;
  const page = { bytes: new Uint8Array(pageBytes), granules, used: 0, fresh: 0, free: 0, listed: false };
  store.pages[number] = page;
  list(store, page, number);
  return number;
}

function list(store: RowStore, page: Page, number: number): void {
  if (page.listed) return;
  page.listed = true;
  openPages(store, page.granules).push(number);
}

function openPages({ open }: RowStore, granules: number): number[] {
  while (open.length <= granules) open.push([]);
  return open[granules] as number[];
}

function hasRoom({ free, fresh, granules }: Page): boolean {
  return free > 0 || fresh + granules <= pageGranules;
}

function takeRow(page: Page): number {
  const { bytes, free, granules } = page;
  if (free === 0) {
    page.fresh += granules;
    return page.fresh - granules;
  }
  const at = free - 1;
  page.free = (bytes[at * granuleBytes] as number) | ((bytes[at * granuleBytes + 1] as number) << 8);
  return at;
}
