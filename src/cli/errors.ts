// What the command line says when something fails: what, why, and the next command to try; on stderr, so that stdout
// stays data. Exit codes: 0 ok, 1 failed, 2 the command was used wrongly (docs/operations.md, "Exit codes").

import { KeysError } from '../keys/index.ts';

export const ExitCode = { OK: 0, FAILED: 1, USAGE: 2 } as const;

export class CliError extends Error {
  readonly exitCode: number;
  /** A command or an action that helps; printed after "try:". */
  readonly next: string | undefined;

  constructor(message: string, options: { exitCode?: number; next?: string; cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'CliError';
    this.exitCode = options.exitCode ?? ExitCode.FAILED;
    this.next = options.next;
  }
}

export function usageError(message: string, next?: string): CliError {
  return new CliError(message, { exitCode: ExitCode.USAGE, ...(next === undefined ? {} : { next }) });
}

/**
 * A failure of the system or of a connection, put into words. `doing` reads after "cannot": `reach "web"`. What our
 * sockets say to try next goes before `next`. A malformed service name is the caller's mistake: exit code 2.
 */
export function explain(error: unknown, doing: string, next?: string): CliError {
  if (error instanceof CliError) return error;
  if (error instanceof KeysError) return keysError(error);
  if (isMisuse(error)) return usageError(messageOf(error));
  const advice = serviceMessage(error)?.next ?? next;
  return new CliError(`cannot ${doing}: ${reasonOf(error)}`, {
    cause: error,
    ...(advice === undefined ? {} : { next: advice }),
  });
}

/** Key files say what, why and the next command themselves. */
function keysError({ problem, next, cause }: KeysError): CliError {
  return new CliError(problem, { cause, ...(next === undefined ? {} : { next }) });
}

const misuseCodes = new Set(['ERR_INVALID_SERVICE_NAME', 'ERR_INVALID_SERVICE_ID']);

/** The parts of "connect ECONNREFUSED svc://web: no instance is registered; try: caracal ls". */
function serviceMessage(error: unknown): { why: string; next: string | undefined } | undefined {
  const match = /^\w+ E[A-Z_]+ svc:\/\/\S+: (.*?)(?:; try: (.*))?$/s.exec(messageOf(error));
  return match === null ? undefined : { why: match[1] ?? '', next: match[2] };
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message || error.name : String(error);
}

const reasons = new Map<string, string>([
  ['EADDRINUSE', 'the port is taken by another program'],
  ['EADDRNOTAVAIL', 'this machine does not have that address'],
  ['EACCES', 'permission denied'],
  ['EPERM', 'not permitted'],
  ['ENOENT', 'no such file or directory'],
  ['ENOTDIR', 'not a directory'],
  ['EISDIR', 'it is a directory'],
  ['ENOSPC', 'no space left on the device'],
  ['ENOTFOUND', 'no such host'],
  ['ECONNREFUSED', 'refused'],
  ['ECONNRESET', 'the other end broke the connection off'],
  ['ETIMEDOUT', 'no answer in time'],
  ['EPIPE', 'the other end is closed'],
]);

/** The words of a Node error, with its code; our own sockets' errors already carry theirs. */
export function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const code = codeOf(error);
  const words = code === undefined ? undefined : reasons.get(code);
  const message = messageOf(error);
  const service = serviceMessage(error);
  if (service !== undefined) return `${service.why} (${code})`;
  if (error instanceof AggregateError && error.errors.length > 0 && error.message === '')
    return reasonOf(error.errors[0]);
  if (code === undefined) return message;
  if (words === undefined) return message.includes(code) ? message : `${message} (${code})`;
  // Node's own texts are "connect ECONNREFUSED 127.0.0.1:9": the code says it all; a longer text is kept.
  return /^\w+ E[A-Z]+\b/.test(message) || message.startsWith(code) ? `${words} (${code})` : `${message} (${code})`;
}

export function codeOf(error: unknown): string | undefined {
  if (typeof error !== 'object' || error === null || !('code' in error)) return undefined;
  return typeof error.code === 'string' ? error.code : undefined;
}

/** The lines for stderr, without a trailing newline. */
export function formatError(error: unknown): string {
  if (error instanceof KeysError) return formatError(keysError(error));
  if (isMisuse(error)) return `caracal: ${messageOf(error)}`;
  if (!(error instanceof CliError)) {
    const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
    return `caracal: internal error: ${text}`;
  }
  const next = error.next === undefined ? '' : `\n  try: ${error.next}`;
  return `caracal: ${error.message}${next}`;
}

export function exitCodeOf(error: unknown): number {
  if (isMisuse(error)) return ExitCode.USAGE;
  return error instanceof CliError ? error.exitCode : ExitCode.FAILED;
}

/** A service name or an environment variable that the stack refused: thrown at the call, long after the arguments were read. */
export function isMisuse(error: unknown): boolean {
  const code = codeOf(error) ?? '';
  return misuseCodes.has(code) || (code === 'ERR_INVALID_ARG_VALUE' && messageOf(error).includes('CARACAL_'));
}
