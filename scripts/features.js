// `npm run features`: every row of docs/features.md with pass, fail or missing, from one run of the end-to-end tests
// whose title begins with the row's id in brackets. A row whose tests all skipped (no root, say) is missing: it was
// not shown. `--json` prints one object as the last line and nothing else on stdout.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { findTests, runTests } from './run-tests.js';
import { ensureBuilt, ensureInstalled, ensureSystemPackages, root } from './setup.js';

ensureInstalled();
ensureSystemPackages();
ensureBuilt();

const features = readRows();
const files = findTests().filter((file) => file.startsWith('tests/e2e/'));
const pattern = '^\\[[A-Z][0-9]+\\] ';
const results = await runTests(files, {
  concurrency: 1,
  pattern,
  onTest: ({ title, status, reason }) =>
    process.stderr.write(`${status.padEnd(5)} ${title}${reason ? ` (${reason})` : ''}\n`),
});
for (const { status, title, error } of results) if (status === 'fail') process.stderr.write(`\n${title}\n${error}\n`);

const rows = features.map(({ id, title }) => ({ id, status: statusOf(id), title }));
if (process.argv.includes('--json')) console.log(JSON.stringify({ rows }));
else printTable();
process.exitCode = rows.some(({ status }) => status === 'fail') ? 1 : 0;

function readRows() {
  const page = readFileSync(join(root, 'docs', 'features.md'), 'utf8');
  const matches = page.matchAll(/^\| ([A-Z][0-9]+) \| ([^|]+?) \|/gm);
  return [...matches].map(([, id, title]) => ({ id, title }));
}

function statusOf(id) {
  const own = results.filter(({ title }) => title.startsWith(`[${id}] `));
  if (own.some(({ status }) => status === 'fail')) return 'fail';
  return own.some(({ status }) => status === 'pass') ? 'pass' : 'missing';
}

function printTable() {
  for (const { id, status, title } of rows) console.log(`${id.padEnd(5)}${status.padEnd(9)}${title}`);
  const count = (wanted) => rows.filter(({ status }) => status === wanted).length;
  console.log(`\n${count('pass')} pass, ${count('fail')} fail, ${count('missing')} missing, of ${rows.length} rows`);
}
