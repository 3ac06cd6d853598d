// `node scripts/run-built.js FILE [ARGUMENTS]`: runs dist/FILE, after installing and building if the sources are newer
// than dist. Only the program itself writes to stdout.

import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { ensureBuilt, ensureInstalled, root } from './setup.js';

const [file, ...args] = process.argv.slice(2);
try {
  ensureInstalled();
  ensureBuilt();
} catch (error) {
  console.error(`setup: ${error.message}`);
  process.exit(1);
}
process.exitCode = spawnSync(process.execPath, [join(root, 'dist', file), ...args], { stdio: 'inherit' }).status ?? 1;
