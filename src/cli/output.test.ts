import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { KeysError } from '../keys/index.ts';
import { CliError, exitCodeOf, explain, formatError, usageError } from './errors.ts';
import { colourful, formatBytes, formatDuration, formatLifetime, formatTable, paint, plural } from './output.ts';
import { createProgress, progressLine } from './progress.ts';

describe('cli output', () => {
  it('tables: columns as wide as the widest cell, numbers to the right, no trailing blanks', () => {
    const rows = [
      { name: 'web', count: 2 },
      { name: 'a-long-name', count: 10 },
    ];
    const table = formatTable(rows, [
      { title: 'name', value: (row) => row.name },
      { title: 'n', value: (row) => String(row.count), align: 'right' },
    ]);
    assert.deepEqual(table.split('\n'), ['NAME          N', 'web           2', 'a-long-name  10']);
  });

  it('colour: only on a terminal, never with NO_COLOR', () => {
    const before = { NO_COLOR: process.env['NO_COLOR'], TERM: process.env['TERM'] };
    try {
      delete process.env['NO_COLOR'];
      process.env['TERM'] = 'xterm';
      assert.equal(colourful({ isTTY: true }), true);
      assert.equal(colourful({}), false);
      assert.equal(paint('red', 'x', { isTTY: true }), '\u001b[31mx\u001b[39m');
      process.env['NO_COLOR'] = '1';
      assert.equal(paint('red', 'x', { isTTY: true }), 'x');
    } finally {
      for (const [name, value] of Object.entries(before)) {
        if (value === undefined) delete process.env[name];
        else process.env[name] = value;
      }
    }
  });

  it('units: three figures', () => {
    assert.equal(formatBytes(0), '0 B');
    assert.equal(formatBytes(1023), '1023 B');
    assert.equal(formatBytes(1536), '1.50 KiB');
    assert.equal(formatBytes(268435456), '256 MiB');
    assert.equal(formatDuration(83.4), '83 us');
    assert.equal(formatDuration(1200), '1.20 ms');
    assert.equal(formatDuration(125e6), '2 min 5 s');
    assert.deepEqual([0, 119, 120, 7_199, 86_400, 90 * 86_400 - 1].map(formatLifetime), [
      '0 s',
      '119 s',
      '2 min',
      '119 min',
      '24 h',
      '89 d',
    ]);
    assert.equal(plural(1, 'instance'), '1 instance');
    assert.equal(plural(0, 'instance'), '0 instances');
  });

  it('progress: a line that fits the terminal; nothing when it is not one', () => {
    assert.equal(progressLine('f', 50, 100, 2048, 60), 'f  [###############---------------]   50%  50 B  2.00 KiB/s');
    assert.ok(progressLine('a-file-name', 5e9, 1e10, 1e9, 30).length < 30);
    const written: string[] = [];
    const progress = createProgress('f', 10, 0, { write: (text) => written.push(text) });
    progress.advance(10);
    progress.finish();
    assert.deepEqual(written, []);
  });

  it('errors: what, why, next; 2 for misuse, 1 otherwise', () => {
    const refused = Object.assign(new Error('connect ECONNREFUSED 127.0.0.1:9'), { code: 'ECONNREFUSED' });
    const error = explain(refused, 'reach "web"', 'caracal ls');
    assert.equal(formatError(error), 'caracal: cannot reach "web": refused (ECONNREFUSED)\n  try: caracal ls');
    assert.equal(exitCodeOf(error), 1);
    assert.equal(exitCodeOf(usageError('x')), 2);
    const kept = new CliError('kept');
    assert.equal(explain(kept, 'do'), kept);
    const ours = Object.assign(
      new Error('connect ECONNREFUSED svc://web: no instance is registered; try: caracal ls'),
      {
        code: 'ECONNREFUSED',
      },
    );
    assert.equal(
      formatError(explain(ours, 'go', 'other')),
      'caracal: cannot go: no instance is registered (ECONNREFUSED)\n  try: caracal ls',
    );
    const keys = new KeysError('ERR_CARACAL_KEY_FILE', 'x.key can be read by others', 'chmod 600 x.key');
    assert.equal(formatError(keys), 'caracal: x.key can be read by others\n  try: chmod 600 x.key');
    assert.equal(formatError(explain(keys, 'serve')), formatError(keys));
    assert.equal(exitCodeOf(keys), 1);
    const malformed = Object.assign(new TypeError('"a b" is no name'), { code: 'ERR_INVALID_SERVICE_NAME' });
    assert.equal(exitCodeOf(malformed), 2);
    assert.equal(formatError(malformed), 'caracal: "a b" is no name');
  });
});
