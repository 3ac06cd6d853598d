// What a client was promised by the head of an answer, and whether another instance's answer carries the very same bytes
// (RFC 9110 sections 8.8 and 14). The proof is a strong ETag, equal in both. Last-Modified is no proof here, even where
// section 8.8.2.2 calls it strong: its second is long enough for two versions, and two instances may hold different
// content of one date. Without the proof nothing is put together.

import {
  type Framing,
  fieldValue,
  fieldValues,
  type RequestHead,
  type ResponseHead,
  requestFraming,
  responseFraming,
} from './head.ts';

/** A representation, and the part of it that the body under way is. */
export interface Entity {
  readonly etag: string;
  /** Offsets of the body's first and last byte in the representation; the last is unknown while chunks come. */
  readonly first: number;
  readonly last: number | undefined;
  /** Bytes of the representation; undefined: not told. */
  readonly totalBytes: number | undefined;
  readonly coding: string | undefined;
  readonly partial: boolean;
}

/** `same`: the body of this answer begins at `start` (of the old body) and is delimited by `framing`. */
export type Verdict =
  | { readonly kind: 'same'; readonly start: number; readonly framing: number | 'chunked' }
  /** Nothing is missing but the end itself. */
  | { readonly kind: 'complete' }
  /** Another instance, or a later moment, may bring the right answer. */
  | { readonly kind: 'unable'; readonly why: string }
  | { readonly kind: 'changed'; readonly why: string };

/** Fields that ask for a part or set a condition: ours replace them. An upgrade was declined the first time. */
const replaced = new Set([
  'range',
  'if-range',
  'if-match',
  'if-none-match',
  'if-modified-since',
  'if-unmodified-since',
  'upgrade',
]);

/** The text says why the answer cannot be gone on with. */
export function promisedEntity(request: RequestHead, response: ResponseHead): Entity | string {
  if (request.method !== 'GET') return `it answers ${request.method}, not GET`;
  if (requestFraming(request) !== 0) return 'its request has a body';
  const { status } = response;
  if (status !== 200 && status !== 206) return `its status is ${status}`;
  const etag = fieldValue(response, 'etag');
  if (etag === undefined || !/^"[!\x23-\x7e\x80-\xff]*"$/.test(etag)) return 'the answer has no strong ETag';
  if (fieldValues(response, 'trailer').length > 0) return 'it has a trailer';
  const framing = responseFraming(request.method, response);
  if (framing === 'close') return 'the answer does not tell its length';
  const coding = fieldValue(response, 'content-encoding')?.toLowerCase();
  if (status === 206) return promisedPart(response, framing, etag, coding);
  const totalBytes = framing === 'chunked' ? undefined : framing;
  const last = totalBytes === undefined ? undefined : totalBytes - 1;
  return { etag, first: 0, last, totalBytes, coding, partial: false };
}

function promisedPart(
  response: ResponseHead,
  framing: Framing,
  etag: string,
  coding: string | undefined,
): Entity | string {
  const range = contentRange(response);
  if (range === undefined) return 'it is no single range';
  const { first, last, totalBytes } = range;
  if (typeof framing === 'number' && framing !== last - first + 1) return 'its length is not that of its range';
  return { etag, first, last, totalBytes, coding, partial: true };
}

/** The request for what is missing of the body from `offset`, in the words of the first one. */
export function requestForRest(request: RequestHead, entity: Entity, offset: number): string {
  const [line = '', ...fields] = request.text.slice(0, -4).split('\r\n');
  const kept = fields.filter((field) => !replaced.has(field.slice(0, field.indexOf(':')).toLowerCase()));
  const range = `Range: bytes=${entity.first + startOfRest(entity, offset)}-${entity.partial ? entity.last : ''}`;
  return [line, ...kept, range, `If-Range: ${entity.etag}`, '', ''].join('\r\n');
}

/** Of a part in chunks the end alone may be missing; no range is empty, so the last byte comes again. */
function startOfRest({ first, last }: Entity, offset: number): number {
  return last === undefined ? offset : Math.min(offset, last - first);
}

/** Judges the answer to `requestForRest`. */
export function judgeRest(request: RequestHead, entity: Entity, offset: number, answer: ResponseHead): Verdict {
  const { status } = answer;
  if (status >= 500 || status === 408 || status === 429)
    return { kind: 'unable', why: `another instance answers ${status}` };
  const etag = fieldValue(answer, 'etag');
  if (etag !== entity.etag) {
    const other = etag === undefined ? `${status} without an ETag` : `${status} with the ETag ${etag}`;
    return changed(`another instance answers ${other} instead of ${entity.etag}`);
  }
  const coding = fieldValue(answer, 'content-encoding')?.toLowerCase();
  if (coding !== undefined && coding !== entity.coding) return changed(`another instance encodes it as ${coding}`);
  if (status === 206) return judgePart(request, entity, offset, answer);
  if (status === 416) return judgeEnd(entity, offset, answer);
  if (status === 200 && !entity.partial) return judgeWhole(request, entity, answer);
  return changed(`another instance answers ${status}`);
}

function judgePart(request: RequestHead, entity: Entity, offset: number, answer: ResponseHead): Verdict {
  const range = contentRange(answer);
  const framing = responseFraming(request.method, answer);
  if (range === undefined) return changed('another instance answers with no single range');
  const { first, last, totalBytes } = range;
  const start = startOfRest(entity, offset);
  const wanted = entity.last ?? (totalBytes === undefined ? undefined : totalBytes - 1);
  const right =
    first === entity.first + start &&
    last === wanted &&
    (entity.totalBytes === undefined || totalBytes === undefined || totalBytes === entity.totalBytes) &&
    (typeof framing !== 'number' || framing === last - first + 1);
  if (!right) return changed('another instance answers with another range than the one asked for');
  return { kind: 'same', start, framing: framing === 'chunked' ? framing : last - first + 1 };
}

/** A server without ranges sends all of it again: equal ETags say that the beginning is what the client has. */
function judgeWhole(request: RequestHead, entity: Entity, answer: ResponseHead): Verdict {
  const told = responseFraming(request.method, answer);
  const framing = told === 'close' ? entity.totalBytes : told;
  if (framing === undefined) return { kind: 'unable', why: 'another instance does not tell the length of its answer' };
  if (typeof framing === 'number' && framing !== (entity.totalBytes ?? framing))
    return changed('another instance answers with another length');
  return { kind: 'same', start: 0, framing };
}

/** Chunks do not tell before how many they are: what is missing may be the last one, which is empty. */
function judgeEnd(entity: Entity, offset: number, answer: ResponseHead): Verdict {
  const end = entity.first + offset;
  if (entity.last !== undefined || fieldValue(answer, 'content-range')?.toLowerCase() !== `bytes */${end}`)
    return changed('another instance does not have the part that is missing');
  return { kind: 'complete' };
}

function contentRange(head: ResponseHead): { first: number; last: number; totalBytes: number | undefined } | undefined {
  if (fieldValues(head, 'content-type').some((type) => /^multipart\/byteranges\b/i.test(type))) return undefined;
  const match = /^bytes (\d{1,15})-(\d{1,15})\/(?:(\d{1,15})|\*)$/i.exec(fieldValue(head, 'content-range') ?? '');
  if (match === null) return undefined;
  const [first, last] = [Number(match[1]), Number(match[2])];
  const totalBytes = match[3] === undefined ? undefined : Number(match[3]);
  return first <= last && (totalBytes === undefined || last < totalBytes) ? { first, last, totalBytes } : undefined;
}

function changed(why: string): Verdict {
  return { kind: 'changed', why };
}
