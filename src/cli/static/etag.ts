// A strong ETag: the hash of the content, so that every instance with the same files gives the same one and a
// download may resume at another instance (mtime or inode would differ). Hashed once per version of a file: the
// cache knows a file by its identity, size and times. Concurrent requests share one computation.

import { createHash } from 'node:crypto';
import type { BigIntStats } from 'node:fs';
import type { FileHandle } from 'node:fs/promises';

const maxEntries = 4096;
const chunkBytes = 256 * 1024;

interface CacheEntry {
  readonly version: string;
  readonly etag: Promise<string>;
}

export class EtagCache {
  readonly #entries = new Map<string, CacheEntry>();

  /** The quoted ETag of the open file `handle`, whose status is `stats`. `path` is the cache's key. */
  async of(path: string, handle: FileHandle, stats: BigIntStats): Promise<string> {
    const version = `${stats.dev}:${stats.ino}:${stats.size}:${stats.mtimeNs}:${stats.ctimeNs}`;
    const known = this.#entries.get(path);
    this.#entries.delete(path);
    const entry = known?.version === version ? known : { version, etag: hashContent(handle) };
    this.#entries.set(path, entry);
    const oldest = this.#entries.keys().next();
    if (this.#entries.size > maxEntries && !oldest.done) this.#entries.delete(oldest.value);
    try {
      return await entry.etag;
    } catch (error) {
      if (this.#entries.get(path) === entry) this.#entries.delete(path);
      throw error;
    }
  }
}

async function hashContent(handle: FileHandle): Promise<string> {
  const hash = createHash('sha256');
  const chunk = Buffer.allocUnsafe(chunkBytes);
  for (let position = 0; ; ) {
    const { bytesRead } = await handle.read(chunk, 0, chunkBytes, position);
    if (bytesRead === 0) break;
    hash.update(bytesRead === chunkBytes ? chunk : chunk.subarray(0, bytesRead));
    position += bytesRead;
  }
  return `"${hash.digest('base64url').slice(0, 32)}"`;
}
