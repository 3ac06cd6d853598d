// Runs files of node:test and answers one plain record per test. `node --test` cannot give both a live view and
// the results, so this uses the same machinery through `run()`, which Node 20 and 24 share.

import { readdirSync } from 'node:fs';
import { join, relative } from 'node:path';
import { run } from 'node:test';
import { inspect } from 'node:util';
import { root } from './setup.js';

const fileTimeoutMs = 10 * 60_000;

/** Every built test file below dist, as paths relative to dist. */
export function findTests() {
  const dist = join(root, 'dist');
  return readdirSync(dist, { recursive: true })
    .filter((path) => path.endsWith('.test.js'))
    .sort();
}

/**
 * Runs `files` (relative to dist), `concurrency` processes at a time; `pattern` keeps only the tests whose title
 * matches. Calls `onTest` as each ends and answers them all:
 * `{ file, title, status: 'pass' | 'fail' | 'skip', seconds, reason?, error? }`.
 */
export function runTests(files, { concurrency, pattern, onTest = () => {} }) {
  const dist = join(root, 'dist');
  const results = [];
  return new Promise((resolve, reject) => {
    const options = { files: files.map((file) => join(dist, file)), concurrency, timeout: fileTimeoutMs };
    if (pattern) options.testNamePatterns = [pattern];
    const printed = new Map();
    const add = (data, status) => {
      const result = asResult(data, status, dist);
      if (!result) return;
      // A file that fails as a whole says why on stderr only.
      if (status === 'fail' && result.title === result.file) result.error += `\n${printed.get(data.file) ?? ''}`;
      results.push(result);
      onTest(result);
    };
    run(options)
      .on('test:pass', (data) => add(data, 'pass'))
      .on('test:fail', (data) => add(data, 'fail'))
      .on('test:stderr', ({ file, message }) => printed.set(file, `${printed.get(file) ?? ''}${message}`.slice(-8000)))
      .on('error', reject)
      .on('end', () => resolve(results))
      .resume();
  });
}

/** A suite is not a test, nor is a test that failed only because one inside it did; what a pattern left out is none. */
function asResult(data, status, dist) {
  const { name, skip, todo, details } = data;
  if (details?.type === 'suite') return undefined;
  if (details?.error?.failureType === 'subtestsFailed') return undefined;
  if (skip === 'test name does not match pattern') return undefined;
  const skipped = skip !== undefined || todo !== undefined;
  return {
    file: data.file ? relative(dist, data.file) : '',
    title: name.startsWith(dist) ? relative(dist, name) : name,
    status: skipped ? 'skip' : status,
    seconds: (details?.duration_ms ?? 0) / 1000,
    ...(skipped ? { reason: typeof skip === 'string' ? skip : typeof todo === 'string' ? todo : '' } : {}),
    ...(status === 'fail' ? { error: describeError(details?.error) } : {}),
  };
}

function describeError(error) {
  const cause = error?.cause ?? error;
  return cause instanceof Error ? (cause.stack ?? cause.message) : inspect(cause);
}
