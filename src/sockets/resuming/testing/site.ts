// A small origin server as a function, and a client's reading of answers, both written apart from what they test.

import type { Instance } from './world.ts';

export interface SiteOptions {
  readonly body: string;
  readonly etag?: string | undefined;
  readonly mode?: 'length' | 'chunked' | 'close';
  readonly ranges?: boolean;
  /** More lines of the head, each with its line end. */
  readonly fields?: string;
  readonly interim?: string;
  /** Of each chunk, in turn. */
  readonly chunkBytes?: readonly number[];
  readonly trailer?: string;
}

export function site(options: SiteOptions): Instance {
  const { body, etag, mode = 'length', ranges = true, fields = '', interim = '' } = options;
  return (request) => {
    const field = (name: string): string | undefined => new RegExp(`^${name}: *(.*?)\\r$`, 'im').exec(request)?.[1];
    const tag = etag === undefined ? '' : `ETag: ${etag}\r\n`;
    const applies = ranges && (field('if-range') ?? etag) === etag;
    const range = applies ? /^bytes=(\d+)-(\d*)$/.exec(field('range') ?? '') : null;
    const first = Number(range?.[1] ?? 0);
    const last = Math.min(range?.[2] ? Number(range[2]) : body.length - 1, body.length - 1);
    if (range !== null && first > last)
      return `HTTP/1.1 416 Range\r\n${tag}Content-Range: bytes */${body.length}\r\nContent-Length: 2\r\n\r\nno`;
    const status = range === null ? '200 OK' : '206 Partial Content';
    const part = range === null ? '' : `Content-Range: bytes ${first}-${last}/${body.length}\r\n`;
    const content = body.slice(first, last + 1);
    const head = (framing: string): string => `${interim}HTTP/1.1 ${status}\r\n${tag}${part}${fields}${framing}\r\n`;
    if (request.startsWith('HEAD')) return head(`Content-Length: ${content.length}\r\n`);
    if (mode === 'close') return head('Connection: close\r\n') + content;
    if (mode === 'length') return head(`Content-Length: ${content.length}\r\n`) + content;
    return head('Transfer-Encoding: chunked\r\n') + chunked(content, options);
  };
}

function chunked(content: string, { chunkBytes = [7, 1, 300, 2], trailer = '' }: SiteOptions): string {
  let text = '';
  for (let at = 0, n = 0; at < content.length; n++) {
    const chunk = content.slice(at, at + chunkBytes[n % chunkBytes.length]!);
    at += chunk.length;
    text += `${chunk.length.toString(16)}\r\n${chunk}\r\n`;
  }
  return `${text}0\r\n${trailer}\r\n`;
}

/** As far as a client can tell. */
export interface Answer {
  readonly head: string;
  /** Decoded; of an answer that is not complete, what has come. */
  readonly body: string;
  readonly complete: boolean;
}

/**
 * The first answer to a request with `method`, interim ones passed over, and what follows it; undefined while its head is not
 * there. `closed`: the connection has ended, and with it a body that nothing else delimits.
 */
export function readAnswer(
  text: string,
  method: string,
  closed: boolean,
): { answer: Answer; rest: string } | undefined {
  const end = text.indexOf('\r\n\r\n') + 4;
  if (end < 4) return undefined;
  const head = text.slice(0, end);
  if (/^HTTP\/1\.1 1\d\d/.test(head)) return readAnswer(text.slice(end), method, closed);
  const { body, length } = readBody(head, text.slice(end), method, closed);
  return { answer: { head, body, complete: length !== undefined }, rest: text.slice(end + (length ?? 0)) };
}

interface Body {
  readonly body: string;
  /** Undefined: not complete. */
  readonly length: number | undefined;
}

function readBody(head: string, text: string, method: string, closed: boolean): Body {
  if (method === 'HEAD' || /^HTTP\/1\.1 (?:204|304)/.test(head)) return { body: '', length: 0 };
  const length = /^content-length: *(\d+)\r$/im.exec(head)?.[1];
  if (length !== undefined) {
    const body = text.slice(0, Number(length));
    return { body, length: body.length === Number(length) ? body.length : undefined };
  }
  if (/^transfer-encoding: *chunked\r$/im.test(head)) return readChunks(text);
  return { body: text, length: closed ? text.length : undefined };
}

function readChunks(text: string): Body {
  let body = '';
  for (let at = 0; ; ) {
    const line = /^([0-9a-f]+)\r\n/i.exec(text.slice(at));
    if (line === null) return { body, length: undefined };
    at += line[0].length;
    const size = Number.parseInt(line[1]!, 16);
    if (size === 0) {
      const trailer = /^(?:[^\r\n]+\r\n)*\r\n/.exec(text.slice(at));
      return { body, length: trailer === null ? undefined : at + trailer[0].length };
    }
    body += text.slice(at, at + size);
    if (text.slice(at + size, at + size + 2) !== '\r\n') return { body, length: undefined };
    at += size + 2;
  }
}
