// Finds the repository from wherever the compiled tests run (dist, a private build folder) and reads the vectors, which
// stay beside their sources: other implementations read the same files.

import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/** URL of the repository's folder, with a slash at its end. */
export const repository = findRepository(new URL('.', import.meta.url));

/** Parses tests/vectors/NAME. */
export function loadVectors<T>(name: string): T {
  return JSON.parse(readFileSync(new URL(`tests/vectors/${name}`, repository), 'utf8')) as T;
}

export function fromHex(hex: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(Buffer.from(hex, 'hex'));
}

export function toHex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex');
}

/** A view that ends with the bytes: reading one more throws. */
export function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
}

function findRepository(start: URL): URL {
  let folder = start;
  while (!existsSync(fileURLToPath(new URL('package.json', folder)))) folder = new URL('..', folder);
  return folder;
}
