// What goes to stdout: aligned tables for people, one compact JSON object as the last line for programs. Colour only
// on a terminal and without NO_COLOR; columns are sized by the longest cell, so a table never wraps by our doing.

export interface Column<Row> {
  readonly title: string;
  readonly value: (row: Row) => string;
  readonly align?: 'left' | 'right';
}

/** One header line and one line per row, two spaces between columns, without a trailing newline. */
export function formatTable<Row>(rows: readonly Row[], columns: readonly Column<Row>[]): string {
  const cells = rows.map((row) => columns.map((column) => column.value(row)));
  const widths = columns.map((column, i) =>
    Math.max(column.title.length, ...cells.map((line) => line[i]?.length ?? 0)),
  );
  const line = (texts: readonly string[]): string =>
    texts
      .map((text, i) => (columns[i]?.align === 'right' ? text.padStart(widths[i] ?? 0) : text.padEnd(widths[i] ?? 0)))
      .join('  ')
      .trimEnd();
  const head = line(columns.map((column) => column.title.toUpperCase()));
  return [paint('dim', head), ...cells.map(line)].join('\n');
}

/** `label  value` lines with the values aligned. */
export function formatPairs(pairs: readonly (readonly [string, string])[]): string {
  const width = Math.max(0, ...pairs.map(([label]) => label.length));
  return pairs.map(([label, value]) => `${label.padEnd(width)}  ${value}`).join('\n');
}

const styles = { bold: [1, 22], dim: [2, 22], red: [31, 39], green: [32, 39], yellow: [33, 39] } as const;

export type Style = keyof typeof styles;

export function colourful(stream: { isTTY?: boolean } = process.stdout): boolean {
  return stream.isTTY === true && !process.env['NO_COLOR'] && process.env['TERM'] !== 'dumb';
}

export function paint(style: Style, text: string, stream: { isTTY?: boolean } = process.stdout): string {
  if (!colourful(stream)) return text;
  const [on, off] = styles[style];
  return `\u001b[${on}m${text}\u001b[${off}m`;
}

export function print(text: string): void {
  process.stdout.write(`${text}\n`);
}

/** Diagnostics: never on stdout. */
export function note(text: string): void {
  process.stderr.write(`${text}\n`);
}

/** The one object of `--json`; `version` counts incompatible changes of its fields. */
export function printJson(fields: Readonly<Record<string, unknown>>): void {
  print(JSON.stringify({ version: 1, ...fields }));
}

/** Binary units, three figures: `0 B`, `1.50 KiB`, `256 MiB`. */
export function formatBytes(bytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'];
  let unit = 0;
  let value = bytes;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit++;
  }
  return unit === 0 ? `${bytes} B` : `${threeFigures(value)} ${units[unit]}`;
}

/** Microseconds as `83 us`, `1.20 ms`, `5.00 s`, `2 min 5 s`. */
export function formatDuration(us: number): string {
  if (us < 1000) return `${Math.round(us)} us`;
  if (us < 1e6) return `${threeFigures(us / 1000)} ms`;
  if (us < 60e6) return `${threeFigures(us / 1e6)} s`;
  const seconds = Math.round(us / 1e6);
  return `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
}

/** The largest unit that fits, rounded down: `40 s`, `5 min`, `23 h`, `90 d`. */
export function formatLifetime(seconds: number): string {
  const units: [number, string][] = [
    [2 * 86_400, 'd'],
    [2 * 3_600, 'h'],
    [2 * 60, 'min'],
  ];
  const [twice, unit] = units.find(([least]) => seconds >= least) ?? [2, 's'];
  return `${Math.floor(seconds / (twice / 2))} ${unit}`;
}

function threeFigures(value: number): string {
  if (value >= 99.95) return value.toFixed(0);
  return value >= 9.995 ? value.toFixed(1) : value.toFixed(2);
}

/** `1 instance`, `2 instances`. */
export function plural(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`;
}
