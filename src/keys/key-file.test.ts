import assert from 'node:assert/strict';
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { formatKeyFile, generateKey, keyName, readKeyFile, readPublicKeyFile, writeKeyFiles } from './key-file.ts';

const folder = mkdtempSync(join(tmpdir(), 'caracal-keys-'));
after(() => rmSync(folder, { recursive: true }));

const kinds = ['service', 'instance', 'system'] as const;
const code = 'ERR_CARACAL_KEY_FILE';
let count = 0;
const fresh = (): string => join(folder, `${++count}.key`);

/** A key file with `change` made to its text. */
function altered(change: (text: string) => string, kind: (typeof kinds)[number] = 'service'): string {
  const path = fresh();
  writeFileSync(path, change(formatKeyFile(generateKey(kind))), { mode: 0o600 });
  return path;
}

describe('key files', () => {
  for (const kind of kinds)
    it(`a ${kind} key is read as it was written, and its public half without a secret`, () => {
      const key = generateKey(kind);
      const path = fresh();
      const publicPath = writeKeyFiles(path, key);
      assert.deepEqual(readKeyFile(path), key);
      assert.equal(statSync(path).mode & 0o777, 0o600);
      assert.equal(publicPath, path.replace(/key$/, 'pub'));
      const publicText = readFileSync(publicPath, 'utf8');
      assert.doesNotMatch(publicText, /private/);
      for (const [, secret = ''] of readFileSync(path, 'utf8').matchAll(/private: (\S+)/g))
        assert.ok(!publicText.includes(secret));
      assert.equal(keyName(readPublicKeyFile(publicPath)), keyName(key));
      assert.deepEqual(readPublicKeyFile(path), readPublicKeyFile(publicPath));
    });

  it('is never overwritten, nor is its public half', () => {
    const path = fresh();
    writeKeyFiles(path, generateKey('service'));
    const before = readFileSync(path, 'utf8');
    assert.throws(() => writeKeyFiles(path, generateKey('service')), { code, message: /exists already/ });
    assert.equal(readFileSync(path, 'utf8'), before);
    rmSync(path);
    assert.throws(() => writeKeyFiles(path, generateKey('service')), { code, message: /\.pub exists already/ });
    assert.ok(!existsSync(path));
  });

  it('is refused when others can read it, with the command that mends it', () => {
    const path = altered((text) => text);
    for (const mode of [0o640, 0o604, 0o620, 0o644]) {
      chmodSync(path, mode);
      for (const read of [readKeyFile, readPublicKeyFile])
        assert.throws(() => read(path), { code, next: `chmod 600 ${path}`, message: /can be read by others/ });
    }
    chmodSync(path, 0o400);
    assert.equal(readKeyFile(path).kind, 'service');
  });

  it('a public half is no private key', () => {
    const publicPath = writeKeyFiles(fresh(), generateKey('service'));
    assert.throws(() => readKeyFile(publicPath), { code, message: /holds no private key/ });
  });

  it('says which line is malformed, and quotes no secret', () => {
    const other = formatKeyFile(generateKey('service'));
    const lineOf = (name: string): string => other.match(new RegExp(`^${name}: .*$`, 'm'))?.[0] ?? '';
    const cases: [RegExp, string][] = [
      [/:1: .*caracal-key 1/, altered(() => 'hello')],
      [/:1: .*caracal-key 1/, altered(() => '')],
      [/:2: .*version 1/, altered((text) => text.replace('key 1', 'key 2'))],
      [/:3: .*kind/, altered((text) => text.replace('kind: service', 'kind: other'))],
      [/:4: the name is not/, altered((text) => text.replace(/^name: .*$/m, lineOf('name')))],
      [/:4: the name is not/, altered((text) => text.replace(/^public: .*$/m, lineOf('public')))],
      [/:6: the private key is not/, altered((text) => text.replace(/^private: .*$/m, lineOf('private')))],
      [/:6: "private" is a key/, altered((text) => text.replace(/^(private: .*).$/m, '$1!'))],
      [/:7: "kind" stands there twice/, altered((text) => `${text}kind: service\n`)],
      [/:7: this is no line/, altered((text) => `${text}colour: blue\n`)],
      [/:4: "instance" is an id/, altered((text) => text.replace(/^instance: .*$/m, 'instance: 0'), 'instance')],
      [/:1: "static-private" is a key/, altered((text) => text.replace(/^static-private: .*$/m, ''), 'instance')],
    ];
    for (const [expected, path] of cases) {
      const secrets = [...readFileSync(path, 'utf8').matchAll(/private: (\S+)/g)].map(([, secret = '']) => secret);
      assert.throws(
        () => readKeyFile(path),
        (error: Error & { code?: string }) => {
          assert.match(error.message, expected);
          assert.ok(error.message.startsWith(path));
          assert.equal(error.code, code);
          assert.ok(secrets.every((secret) => !error.message.includes(secret.slice(0, 20))));
          return true;
        },
      );
    }
  });

  it('what is not there, or no file, is said', () => {
    assert.throws(() => readKeyFile(join(folder, 'none.key')), { code, message: /there is no such file/ });
    assert.throws(() => readKeyFile(folder), { code, message: /not a file|is a folder/ });
    assert.throws(() => writeKeyFiles(join(folder, 'no', 'such.key'), generateKey('service')), { code });
  });
});
