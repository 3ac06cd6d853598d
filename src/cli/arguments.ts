// Command-line values: text in, checked value out. Every refusal names the argument, says what it should look like
// and exits with 2. Kept apart from commander, so that the rules are tested without running a command.

import { isIP } from 'node:net';
import { usageError } from './errors.ts';

export interface HostPort {
  readonly host: string;
  readonly port: number;
}

/** 0 to 65535 in decimal; `least` 0 allows "any free port". */
export function parsePort(text: string, what = 'PORT', least = 1): number {
  const port = /^\d{1,5}$/.test(text) ? Number(text) : Number.NaN;
  if (!(port >= least && port <= 65535)) throw usageError(`${what} is a number from ${least} to 65535, not "${text}"`);
  return port;
}

/** `HOST:PORT`, `[IPV6]:PORT`; with `defaultHost` also `PORT` alone. */
export function parseHostPort(
  text: string,
  what: string,
  options: { defaultHost?: string; least?: number } = {},
): HostPort {
  const { defaultHost, least = 1 } = options;
  if (defaultHost !== undefined && /^\d+$/.test(text)) return { host: defaultHost, port: parsePort(text, what, least) };
  const match = /^(?:\[([0-9a-fA-F:.%\w]+)\]|([^:[\]/\s]+)):(\d+)$/.exec(text);
  if (match === null) throw usageError(`${what} is HOST:PORT (an IPv6 address in brackets), not "${text}"`);
  return { host: match[1] ?? match[2] ?? '', port: parsePort(match[3] ?? '', `the port in ${what}`, least) };
}

/** What CARACAL_ROUTER may hold: an IP address or `localhost`, with a port or without. Throws as the others do. */
export function checkRouterAddress(text: string): void {
  const bare = isIP(text) === 4 || text === 'localhost' || /^\[[^\]]+\]$/.test(text);
  const { host } = parseHostPort(bare ? `${text}:1` : text, 'CARACAL_ROUTER');
  if (isIP(host) === 0 && host !== 'localhost')
    throw usageError(`CARACAL_ROUTER is ADDRESS:PORT with an IP address, not "${text}"`);
}

/** A whole number within [least, most]. */
export function parseInteger(text: string, what: string, least: number, most: number): number {
  const value = /^-?\d{1,15}$/.test(text) ? Number(text) : Number.NaN;
  if (!(value >= least && value <= most))
    throw usageError(`${what} is a whole number from ${least} to ${most}, not "${text}"`);
  return value;
}

const unitUs = new Map([
  ['ms', 1e3],
  ['s', 1e6],
  ['m', 60e6],
  ['', 1e6],
]);

/** `5`, `5s`, `250ms`, `2m` as microseconds; a bare number is seconds. */
export function parseDurationUs(text: string, what: string, leastUs: number, mostUs: number): number {
  const match = /^(\d+(?:\.\d+)?)(ms|s|m|)$/.exec(text);
  const us = match === null ? Number.NaN : Math.round(Number(match[1]) * (unitUs.get(match[2] ?? '') ?? Number.NaN));
  if (!(us >= leastUs && us <= mostUs))
    throw usageError(`${what} is a time such as 5s or 250ms (${leastUs / 1e3} ms to ${mostUs / 1e6} s), not "${text}"`);
  return us;
}

const lifetimeUnits = new Map([
  ['s', 1],
  ['m', 60],
  ['h', 3_600],
  ['d', 86_400],
]);
/** No certificate is valid for longer, as on the web. */
const mostLifetimeDays = 825;

/** `90m`, `24h`, `7d` as seconds, at most 825 days. */
export function parseLifetimeSeconds(text: string, what: string): number {
  const match = /^(\d{1,9})([smhd])$/.exec(text);
  const seconds = Number(match?.[1] ?? Number.NaN) * (lifetimeUnits.get(match?.[2] ?? '') ?? Number.NaN);
  if (!(seconds >= 1 && seconds <= mostLifetimeDays * 86_400))
    throw usageError(`${what} is a time such as 90m, 24h or 7d (at most ${mostLifetimeDays}d), not "${text}"`);
  return seconds;
}

/** `now`, Unix seconds, or a date such as 2026-03-01T12:00:00Z, as Unix seconds. */
export function parseMoment(text: string, what: string, nowSeconds: number): number {
  if (text === 'now') return nowSeconds;
  if (/^\d{1,12}$/.test(text)) return Number(text);
  const seconds = Math.floor(Date.parse(text) / 1000);
  if (Number.isNaN(seconds) || !/^\d{4}-\d\d-\d\d/.test(text) || seconds < 0)
    throw usageError(`${what} is "now", Unix seconds or a date such as 2026-03-01T12:00:00Z, not "${text}"`);
  return seconds;
}

export interface ServiceUrl {
  readonly service: string;
  /** Path and query, as it goes into the request line. */
  readonly path: string;
}

/** `svc://NAME/path?query`; `http://NAME.svc/path` is the same thing, as curl users write it. */
export function parseServiceUrl(text: string): ServiceUrl {
  const match = /^(?:svc:\/\/([^/?#\s]+)|http:\/\/([^/?#\s:]+)\.svc)([/?][^#]*)?(?:#.*)?$/i.exec(text);
  const service = match?.[1] ?? match?.[2];
  if (match === null || service === undefined)
    throw usageError(`a URL here is svc://NAME/path, not "${text}"`, 'caracal get svc://web/index.html');
  const path = match[3] ?? '/';
  return { service, path: encodePath(path.startsWith('/') ? path : `/${path}`) };
}

/** Percent-encodes what a request line cannot carry and leaves what is already encoded. */
function encodePath(path: string): string {
  return path.replace(/[^\u0021\u0023-\u003b\u003d\u003f-\u005b\u005d\u005f\u0061-\u007a\u007e]+/g, (run) =>
    encodeURIComponent(run),
  );
}

/** The last segment of a URL path as a file name; `index.html` for a directory. Never a path, never hidden. */
export function fileNameOf(path: string): string {
  const segment =
    path
      .replace(/[?#].*$/, '')
      .split('/')
      .pop() ?? '';
  let name = segment;
  try {
    name = decodeURIComponent(segment);
  } catch {
    // Not valid percent-encoding: the raw text serves as well.
  }
  name = [...name].filter((character) => character > '\u001f' && character !== '/' && character !== '\\').join('');
  name = name.replace(/^\.+/, '');
  return name === '' ? 'index.html' : name;
}
