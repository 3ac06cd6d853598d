// Conditional requests (RFC 9110 section 13.2.2), as one pure function over the headers and the file's validators.

import type { IncomingHttpHeaders } from 'node:http';

export interface Validators {
  /** Strong, with its quotes. */
  readonly etag: string;
  /** Whole seconds, in milliseconds: what Last-Modified can say. */
  readonly modifiedMs: number;
}

/** 200: go on; 304: the client has it; 412: what the client wanted is no longer there. */
export function precondition(headers: IncomingHttpHeaders, validators: Validators): 200 | 304 | 412 {
  const match = headers['if-match'];
  if (match !== undefined) {
    if (!matches(match, validators.etag, false)) return 412;
  } else {
    const unmodifiedMs = dateOf(headers['if-unmodified-since']);
    if (unmodifiedMs !== undefined && validators.modifiedMs > unmodifiedMs) return 412;
  }
  const noneMatch = headers['if-none-match'];
  if (noneMatch !== undefined) return matches(noneMatch, validators.etag, true) ? 304 : 200;
  const modifiedMs = dateOf(headers['if-modified-since']);
  return modifiedMs !== undefined && validators.modifiedMs <= modifiedMs ? 304 : 200;
}

/** Whether a Range header may be honoured: If-Range names this very content, or is absent. */
export function rangeApplies(ifRange: string | undefined, validators: Validators): boolean {
  if (ifRange === undefined) return true;
  const text = ifRange.trim();
  if (text.startsWith('"')) return text === validators.etag;
  return dateOf(text) === validators.modifiedMs;
}

function matches(header: string, etag: string, weak: boolean): boolean {
  if (header.trim() === '*') return true;
  const tags = header.match(/(?:W\/)?"[^"]*"/g) ?? [];
  return tags.some((tag) => tag === etag || (weak && tag === `W/${etag}`));
}

function dateOf(text: string | undefined): number | undefined {
  const ms = text === undefined ? Number.NaN : Date.parse(text);
  return Number.isNaN(ms) ? undefined : ms;
}
