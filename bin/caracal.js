#!/usr/bin/env node
// The launcher: finds the compiled command line, or says how to make it.

import { existsSync } from 'node:fs';

const main = new URL('../dist/src/cli/main.js', import.meta.url);

if (existsSync(main)) {
  const { run } = await import(main.href);
  process.exitCode = await run(process.argv);
} else {
  process.stderr.write('caracal: not built yet\n  try: npm ci && npm run build   (in the folder of package.json)\n');
  process.exitCode = 1;
}
