// What the demo serves: files of pseudo-random bytes, the same in both directories, as two replicas of a site would be.
// The bytes are an AES-CTR key stream over a fixed key: a quarter of a gigabyte in a fraction of a second, and equal on
// every machine, so that a wrong byte anywhere shows in the hash.

import { createCipheriv, createHash } from 'node:crypto';
import { constants } from 'node:fs';
import { copyFile, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

export interface DemoFile {
  readonly name: string;
  readonly bytes: number;
  readonly sha256: string;
}

/** Fills each folder (made if missing) with the same `count` files of `fileBytes`. */
export async function makeContent(
  folders: readonly [string, ...string[]],
  count: number,
  fileBytes: number,
): Promise<DemoFile[]> {
  const [first, ...others] = folders;
  for (const folder of folders) await mkdir(folder, { recursive: true });
  const stream = createCipheriv('aes-128-ctr', Buffer.alloc(16, 'caracal'), Buffer.alloc(16));
  const zeros = Buffer.alloc(fileBytes);
  const files: DemoFile[] = [];
  for (let i = 0; i < count; i++) {
    const name = `part-${String(i).padStart(2, '0')}.bin`;
    const content = stream.update(zeros);
    await writeFile(join(first, name), content);
    for (const folder of others) await copyFile(join(first, name), join(folder, name), constants.COPYFILE_FICLONE);
    files.push({ name, bytes: content.length, sha256: createHash('sha256').update(content).digest('hex') });
  }
  return files;
}
