import assert from 'node:assert/strict';
import { mkdir, mkdtemp, realpath, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { realPathUnder, splitTarget } from './path.ts';

describe('static path', () => {
  const split = (target: string) => {
    const result = splitTarget(target);
    return result.ok ? result.segments.join('/') + (result.directory ? '/' : '') : result.status;
  };

  it('plain targets: decoded once, query dropped, empty and "." segments skipped', () => {
    assert.equal(split('/a/b.txt'), 'a/b.txt');
    assert.equal(split('/'), '/');
    assert.equal(split('//a/./b/?q=../..'), 'a/b/');
    assert.equal(split('/caf%C3%A9%20x'), 'café x');
    assert.equal(split('/%2541'), '%41');
    assert.equal(split('http://web.svc/a'), 'a');
    assert.equal(split('http://web.svc'), '/');
  });

  it('escapes: "..", encoded or not, separators, NUL and bad encoding are refused', () => {
    for (const target of [
      '/../x',
      '/a/../../x',
      '/%2e%2e/x',
      '/.%2E/x',
      '/a%2fb',
      '/..%2f..%2fetc/passwd',
      '/a%5cb',
      '/..\\x',
      '/a%00b',
      '/%',
      '/%ff',
      'x',
      '',
      '*',
    ])
      assert.equal(split(target), 400, target);
  });

  it('hidden names: 404 unless asked for; .well-known is not hidden', () => {
    assert.equal(split('/.git/config'), 404);
    assert.equal(split('/a/.env'), 404);
    assert.equal(split('/.well-known/x'), '.well-known/x');
    assert.deepEqual(splitTarget('/.env', true), { ok: true, segments: ['.env'], directory: false });
  });

  it('any text: a result never has a segment that moves', () => {
    const piece = fc.constantFrom('/', '.', '..', '%2e', '%2f', '%5c', '\\', '%00', 'a', '%25', '%', '?', '#', ':');
    fc.assert(
      fc.property(fc.array(fc.oneof(piece, fc.string({ maxLength: 3 })), { maxLength: 12 }), (pieces) => {
        const result = splitTarget(`/${pieces.join('')}`, true);
        if (!result.ok) return;
        for (const name of result.segments) {
          assert.ok(name !== '' && name !== '.' && name !== '..');
          assert.ok(!/[/\\\0]/.test(name));
        }
      }),
    );
  });

  it('symbolic links: inside the root they are followed, outside they are not', async () => {
    const base = await realpath(await mkdtemp(join(tmpdir(), 'caracal-path-')));
    try {
      const root = join(base, 'root');
      await mkdir(join(root, 'sub'), { recursive: true });
      await mkdir(join(base, 'root-other'));
      await writeFile(join(root, 'sub', 'file'), 'x');
      await writeFile(join(base, 'root-other', 'secret'), 'x');
      await symlink(join(root, 'sub'), join(root, 'inside'));
      await symlink(join(base, 'root-other'), join(root, 'outside'));
      await symlink('/etc/passwd', join(root, 'passwd'));
      assert.equal(await realPathUnder(root, ['inside', 'file']), join(root, 'sub', 'file'));
      assert.equal(await realPathUnder(root, ['outside', 'secret']), undefined);
      assert.equal(await realPathUnder(root, ['passwd']), undefined);
      assert.equal(await realPathUnder(root, []), root);
      await assert.rejects(realPathUnder(root, ['absent']), { code: 'ENOENT' });
    } finally {
      await rm(base, { recursive: true });
    }
  });
});
