// V8 gives a number field the room of what has been stored in it: while that was never more than 31 bits, code compiled for
// the record reads small integers, and all of it is thrown away when the first larger one comes. Byte counts get there at
// 2 GiB of a connection, one field after another, in the middle of a transfer. Rejected: offsets that wrap, as on the wire.

/** `record` is of the shape that all of its kind have from the start, and is thrown away; `names` are fields that grow. */
export function widen<T>(record: T, names: readonly (keyof T & string)[]): void {
  for (const name of names) (record as Record<string, unknown>)[name] = large;
}

const large = 2 ** 40;
