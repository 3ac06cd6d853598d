// `npm run test:node24`: the same run on Node 24, whose binary comes as an npm package. It goes into .out, not into
// package.json: 40 MB that nobody needs who does not run this.

import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { ensureBuilt, ensureInstalled, root, say } from './setup.js';

const name = `node-${process.platform}-${process.arch}`;
const folder = join(root, '.out', 'node24');
const binary = join(folder, 'node_modules', name, 'bin', 'node');

if (!existsSync(binary)) {
  say(`npm install ${name}@24 into .out/node24`);
  spawnSync('npm', ['install', '--prefix', folder, '--no-save', '--no-audit', '--no-fund', `${name}@24`], {
    stdio: ['ignore', 2, 2],
  });
}
if (!existsSync(binary)) {
  console.error(`there is no Node 24 for ${process.platform}-${process.arch} as the package ${name}`);
  process.exit(1);
}
ensureInstalled();
ensureBuilt();
const args = [join(root, 'scripts', 'test.js'), '--no-setup', ...process.argv.slice(2)];
process.exitCode = spawnSync(binary, args, { stdio: 'inherit' }).status ?? 1;
