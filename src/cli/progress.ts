// A progress bar on stderr, drawn only on a terminal: a pipe or a log gets nothing. Redrawn at most ten times a
// second, because drawing on every chunk of a fast download costs more than the download.

import { formatBytes } from './output.ts';

export interface Progress {
  /** Adds to what was done. */
  advance(bytes: number): void;
  /** Clears the line, so that what follows starts on a clean one. */
  finish(): void;
}

interface ProgressStream {
  readonly isTTY?: boolean;
  readonly columns?: number;
  write(text: string): unknown;
}

const redrawMs = 100;

/** `totalBytes` undefined: the size is not known, and only the count and the rate are shown. */
export function createProgress(
  label: string,
  totalBytes: number | undefined,
  doneBytes = 0,
  stream: ProgressStream = process.stderr,
): Progress {
  if (stream.isTTY !== true) return { advance() {}, finish() {} };
  const startedMs = performance.now();
  const startBytes = doneBytes;
  let drawnMs = Number.NEGATIVE_INFINITY;
  return {
    advance(bytes) {
      doneBytes += bytes;
      const nowMs = performance.now();
      if (nowMs - drawnMs < redrawMs) return;
      drawnMs = nowMs;
      const rate = ((doneBytes - startBytes) * 1000) / Math.max(1, nowMs - startedMs);
      stream.write(`\r\u001b[K${progressLine(label, doneBytes, totalBytes, rate, stream.columns ?? 80)}`);
    },
    finish() {
      stream.write('\r\u001b[K');
    },
  };
}

/** One line of at most `columns - 1` characters. */
export function progressLine(
  label: string,
  doneBytes: number,
  totalBytes: number | undefined,
  bytesPerSecond: number,
  columns: number,
): string {
  const rate = `${formatBytes(Math.round(bytesPerSecond))}/s`;
  if (totalBytes === undefined) return `${label}  ${formatBytes(doneBytes)}  ${rate}`.slice(0, columns - 1);
  const share = totalBytes === 0 ? 1 : Math.min(1, doneBytes / totalBytes);
  const tail = `${String(Math.floor(share * 100)).padStart(3)}%  ${formatBytes(doneBytes)}  ${rate}`;
  const width = Math.min(40, columns - label.length - tail.length - 7);
  if (width < 5) return `${label}  ${tail}`.slice(0, columns - 1);
  const filled = Math.round(share * width);
  return `${label}  [${'#'.repeat(filled)}${'-'.repeat(width - filled)}]  ${tail}`;
}
