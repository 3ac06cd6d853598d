// Heads of HTTP/1.x messages (RFC 9112 sections 2 to 5), as far as one must read them to know where messages end and what
// they carry. Strict on purpose: of a head that is malformed or ambiguous nothing is read, and what cannot be read is
// passed on untouched and never resumed. A tolerant reading could differ from the ends' own, which is how requests are
// smuggled.

export interface Head {
  /** As it came, one character per byte, the empty line included. */
  readonly text: string;
  /** HTTP/1.0, where connections end after one exchange unless told otherwise. */
  readonly old: boolean;
  /** What the head says of its body: its bytes, chunks, nothing (which means something else in each direction). */
  readonly length: number | 'chunked' | undefined;
}

export interface RequestHead extends Head {
  readonly method: string;
}

export interface ResponseHead extends Head {
  readonly status: number;
}

/** How a message's body is delimited: its number of bytes, chunks, or the end of the connection. */
export type Framing = number | 'chunked' | 'close';

const other = "(?!content-length:|transfer-encoding:)[!#$%&'*+.^_`|~0-9a-z-]+:[^\\r\\n\\0]*\\r\\n";
/** The only two ways to delimit a body that are read; an HTTP/1.0 message has no chunks. */
const length = 'content-length:[ \\t]*(\\d{1,15})[ \\t]*\\r\\n|transfer-encoding:[ \\t]*(chunked)[ \\t]*\\r\\n';
const fields = `\\r\\n(?:${other})*(?:(?:${length})(?:${other})*)?\\r\\n$`;
/** One expression each, because every message of a connection comes by: version and method or status, length, chunks. */
const requestHead = new RegExp(`^([a-z]{1,20}) [!-\\xff]+ HTTP/1\\.([01])${fields}`, 'i');
const responseHead = new RegExp(`^HTTP/1\\.([01]) ([1-9]\\d\\d)(?: [^\\r\\n\\0]*)?${fields}`, 'i');

/** Undefined: not a request that can be read with certainty. */
export function parseRequestHead(text: string): RequestHead | undefined {
  const match = requestHead.exec(text);
  if (match === null) return undefined;
  const old = match[2] === '0';
  const length = lengthOf(match[3], match[4]);
  return old && length === 'chunked' ? undefined : { text, old, length, method: match[1]! };
}

export function parseResponseHead(text: string): ResponseHead | undefined {
  const match = responseHead.exec(text);
  if (match === null) return undefined;
  const old = match[1] === '0';
  const length = lengthOf(match[3], match[4]);
  return old && length === 'chunked' ? undefined : { text, old, length, status: Number(match[2]) };
}

function lengthOf(digits: string | undefined, chunked: string | undefined): Head['length'] {
  if (digits !== undefined) return Number(digits);
  return chunked === undefined ? undefined : 'chunked';
}

/** RFC 9112 section 6.3: without either field there is no body. */
export function requestFraming(request: RequestHead): number | 'chunked' {
  return request.length ?? 0;
}

/** How the body of `response`, an answer to a request with `method`, is delimited. */
export function responseFraming(method: string, { status, length }: ResponseHead): Framing {
  const bodiless = method === 'HEAD' || status < 200 || status === 204 || status === 304;
  return bodiless ? 0 : (length ?? 'close');
}

/** Every value of a field, in order; `name` in lower case. */
export function fieldValues({ text }: Head, name: string): string[] {
  const pattern = new RegExp(`\\r\\n${name}:[ \\t]*([^\\r]*?)[ \\t]*(?=\\r\\n)`, 'gi');
  return Array.from(text.matchAll(pattern), ([, value = '']) => value);
}

/** The value of a field that stands there once; undefined if it is absent or stands there again. */
export function fieldValue(head: Head, name: string): string | undefined {
  const values = fieldValues(head, name);
  return values.length === 1 ? values[0] : undefined;
}

/** Whether a comma-separated field has the element, in any case. */
export function hasElement(head: Head, name: string, element: string): boolean {
  return fieldValues(head, name).some((value) =>
    value.split(',').some((each) => each.trim().toLowerCase() === element),
  );
}

/** Whether another exchange may follow on the connection (RFC 9112 section 9.3). */
export function isPersistent(request: Head, response: Head): boolean {
  const closes = (head: Head): boolean =>
    hasElement(head, 'connection', 'close') || (head.old && !hasElement(head, 'connection', 'keep-alive'));
  return !closes(request) && !closes(response);
}
