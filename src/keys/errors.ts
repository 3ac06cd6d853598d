// What goes wrong with files of keys: an Error with a code, for programs, and with what, why and the next command, for
// people. Private material never gets into a message: what a key file holds is not quoted, only its line is named.

export type KeysErrorCode =
  | 'ERR_CARACAL_KEY_FILE'
  | 'ERR_CARACAL_CERTIFICATE_FILE'
  | 'ERR_CARACAL_REVOCATION_FILE'
  | 'ERR_CARACAL_TRUST_FILE'
  | 'ERR_CARACAL_PIN_CONFLICT'
  | 'ERR_CARACAL_IDENTITY';

export class KeysError extends Error {
  readonly code: KeysErrorCode;
  /** The message without the advice. */
  readonly problem: string;
  /** A command that helps. */
  readonly next: string | undefined;

  constructor(code: KeysErrorCode, problem: string, next?: string, cause?: unknown) {
    super(next === undefined ? problem : `${problem}; try: ${next}`, cause === undefined ? undefined : { cause });
    this.name = 'KeysError';
    this.code = code;
    this.problem = problem;
    this.next = next;
  }
}

/** The words of a failed system call on `path`. */
export function fileError(code: KeysErrorCode, path: string, doing: string, error: unknown, next?: string): KeysError {
  const { code: errno } = error as NodeJS.ErrnoException;
  const why = new Map([
    ['ENOENT', 'there is no such file or folder'],
    ['EACCES', 'permission denied'],
    ['EISDIR', 'it is a folder'],
    ['ENOSPC', 'no space left on the device'],
    ['EROFS', 'it is on a read-only file system'],
  ]).get(errno ?? '');
  return new KeysError(code, `cannot ${doing} ${path}: ${why ?? (error as Error).message}`, next, error);
}
