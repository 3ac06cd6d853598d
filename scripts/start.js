// `npm start`: the main job from a fresh clone. Installs and builds what is missing, then runs the demo; arguments
// (`npm start -- --json`) go to it.

import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { ensureBuilt, ensureInstalled, root } from './setup.js';

try {
  ensureInstalled();
  ensureBuilt();
} catch (error) {
  console.error(`setup: ${error.message}`);
  process.exit(1);
}
const program = join(root, 'bin', 'caracal.js');
const demo = spawn(process.execPath, [program, 'demo', ...process.argv.slice(2)], { stdio: 'inherit' });
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => demo.kill(signal));
demo.on('error', (error) => {
  console.error(`start: ${error.message}`);
  process.exitCode = 1;
});
demo.on('exit', (code) => {
  process.exitCode = code ?? 1;
});
