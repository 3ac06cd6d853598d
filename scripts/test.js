// `npm test`: everything that must hold, on a fresh machine with nothing done before. Set-up, lint, the architecture
// test, then the levels from the quickest to the slowest, so that a plain mistake shows at once. Its last line is
// always `N passed, N failed, N skipped`; the exit code is 1 if anything failed.
//
// `npm test -- LEVEL...` runs only those levels; `npm test -- --no-setup` takes dist as it is.

import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { findTests, runTests } from './run-tests.js';
import { build, ensureInstalled, ensureSystemPackages, root } from './setup.js';

/** End-to-end tests of what is so, however long it takes, of programs that know their own router: two go well together. */
const untimed =
  'attacks|control|datagrams|flows|guard|handoff|hostile|impaired|keys|lab|legacy|limits|model|names|path-mtu|registration|rules|security|sockets|usage|wire';

/** In order; a file belongs to the first level whose pattern it matches. The rest of end to end needs the machine to itself. */
const levels = [
  { name: 'architecture', pattern: /^tests\/architecture\.test\.js$/, concurrency: 1 },
  { name: 'unit', pattern: /^src\//, concurrency: 2 },
  { name: 'vectors', pattern: /^tests\/vectors\//, concurrency: 2 },
  { name: 'model', pattern: /^tests\/model\//, concurrency: 2 },
  { name: 'fuzz', pattern: /^tests\/fuzz\//, concurrency: 2 },
  { name: 'scenario', pattern: /^tests\/scenario\//, concurrency: 2 },
  { name: 'conformance', pattern: /^tests\/conformance\//, concurrency: 1 },
  { name: 'examples', pattern: /^examples\//, concurrency: 1 },
  { name: 'e2e', pattern: new RegExp(`^tests/e2e/(${untimed})\\.test`), concurrency: 2 },
  { name: 'e2e-alone', pattern: /^tests\/e2e\//, concurrency: 1 },
  { name: 'other', pattern: /./, concurrency: 1 },
];

const started = Date.now();
const wanted = process.argv.slice(2).filter((argument) => !argument.startsWith('--'));
const rows = [];
const failures = [];
const skips = [];

try {
  if (!process.argv.includes('--no-setup')) {
    ensureInstalled();
    ensureSystemPackages();
    build();
  }
  if (wanted.length === 0 || wanted.includes('lint')) lint();
  await runLevels();
} catch (error) {
  failures.push({ level: 'setup', file: '', title: error.message, error: '' });
  rows.push({ name: 'setup', pass: 0, fail: 1, skip: 0, seconds: 0 });
}
report();

function lint() {
  const from = Date.now();
  const biome = join(root, 'node_modules', '@biomejs', 'biome', 'bin', 'biome');
  const { status, stdout, stderr } = spawnSync(process.execPath, [biome, 'check', '.'], {
    cwd: root,
    encoding: 'utf8',
  });
  const ok = status === 0;
  rows.push({ name: 'lint', pass: ok ? 1 : 0, fail: ok ? 0 : 1, skip: 0, seconds: (Date.now() - from) / 1000 });
  if (!ok) failures.push({ level: 'lint', file: '', title: 'biome check .', error: `${stdout}${stderr}` });
}

async function runLevels() {
  const left = new Set(findTests());
  for (const { name, pattern, concurrency } of levels) {
    const files = [...left].filter((file) => pattern.test(file));
    for (const file of files) left.delete(file);
    if (files.length === 0 || !isWanted(name)) continue;
    console.log(`\n${name}: ${files.length} file${files.length === 1 ? '' : 's'}`);
    const from = Date.now();
    const row = { name, pass: 0, fail: 0, skip: 0, seconds: 0 };
    const results = await runTests(files, { concurrency, onTest: (result) => show(name, result) });
    for (const result of results) {
      row[result.status]++;
      if (result.status === 'fail') failures.push({ level: name, ...result });
      if (result.status === 'skip') skips.push({ level: name, ...result });
    }
    if (results.length === 0) {
      row.fail++;
      failures.push({ level: name, file: '', title: 'no test ran', error: files.join('\n') });
    }
    row.seconds = (Date.now() - from) / 1000;
    rows.push(row);
    console.log(`  ${row.pass} passed, ${row.fail} failed, ${row.skip} skipped, ${row.seconds.toFixed(1)} s`);
  }
}

/** `e2e` stands for both of its levels. */
function isWanted(level) {
  return wanted.length === 0 || wanted.includes(level) || (level === 'e2e-alone' && wanted.includes('e2e'));
}

/** Slow tests and failures as they come; the quick ones would only scroll. */
function show(level, { title, file, status, seconds }) {
  if (status === 'fail') console.log(`  FAILED  ${title}  (${file})`);
  else if (level.startsWith('e2e') && status === 'pass') console.log(`  ok      ${title}  ${seconds.toFixed(1)} s`);
}

function report() {
  for (const { level, file, title, error } of failures) {
    console.log(`\n--- FAILED  ${level}  ${file}\n    ${title}\n${error.replace(/^/gm, '    ')}`);
  }
  if (skips.length > 0) console.log('\nskipped:');
  for (const { level, title, reason } of skips) console.log(`  ${level}: ${title}: ${reason || 'no reason given'}`);
  console.log(
    `\n${'level'.padEnd(14)}${['passed', 'failed', 'skipped', 'seconds'].map((h) => h.padStart(9)).join('')}`,
  );
  for (const { name, pass, fail, skip, seconds } of rows)
    console.log(name.padEnd(14) + [pass, fail, skip, seconds.toFixed(1)].map((n) => String(n).padStart(9)).join(''));
  const total = (key) => rows.reduce((sum, row) => sum + row[key], 0);
  console.log(`\nin ${((Date.now() - started) / 1000).toFixed(0)} s on Node ${process.versions.node}`);
  console.log(`${total('pass')} passed, ${total('fail')} failed, ${total('skip')} skipped`);
  process.exitCode = total('fail') === 0 ? 0 : 1;
}
