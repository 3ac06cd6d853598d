// The rules of the house that a reader would otherwise have to trust: who imports whom (docs/architecture.md), a pure
// core, files of a readable size that say what they are for, documents whose links lead somewhere. Reads the sources
// as text: a compiler's syntax tree would need a dependency, and what is checked here is visible in plain text.

import { strict as assert } from 'node:assert';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

const root = findRoot();

/** Folder -> the folders that it may import, each by its index.ts alone. */
const mayImport: Record<string, readonly string[]> = {
  'core/base': [],
  'core/wire': ['core/base'],
  'core/tables': ['core/base'],
  'core/transport': ['core/base', 'core/wire', 'core/tables'],
  'core/security': ['core/base', 'core/wire', 'core/tables'],
  'core/control': ['core/base', 'core/wire', 'core/tables', 'core/security'],
  'core/stack': ['core'],
  core: ['core'],
  crypto: ['core'],
  keys: ['core', 'crypto'],
  io: ['core', 'crypto'],
  sim: ['core', 'crypto'],
  sockets: ['core', 'crypto', 'keys'],
  router: ['core', 'crypto', 'keys', 'io', 'sim', 'sockets'],
  controller: ['core', 'crypto', 'keys', 'io', 'sim', 'sockets'],
  cli: ['core', 'crypto', 'keys', 'io', 'sim', 'sockets', 'router', 'controller', '.'],
  '.': ['core', 'crypto', 'keys', 'io', 'sim', 'sockets', 'router', 'controller'],
};

/** Packages, and the only folder that may know each. */
const packageOwners: Record<string, string> = { koffi: 'io', commander: 'cli' };

/** Longer than 500 lines, with the reason why one file is better than two. */
const longFiles: Record<string, string> = {};

const reviewLines = 500;
const mostLines = 800;

/** The driver is implemented outside core; only its type stands there. */
const impureAllowed: Record<string, readonly string[]> = { 'src/core/stack/types.ts': ['Promise'] };

const impure: readonly [RegExp, string][] = [
  [/\bBuffer\b/, 'Buffer'],
  [/\bDate\b/, 'Date'],
  [/\bMath\s*\.\s*random\b/, 'Math.random'],
  [/\basync\b/, 'async'],
  [/\bawait\b/, 'await'],
  [/\bPromise\b/, 'Promise'],
  [/\b(setTimeout|setInterval|setImmediate|queueMicrotask)\b/, 'a timer'],
  [/\bperformance\b/, 'performance'],
  [/\bprocess\s*\./, 'process'],
  [/\bcrypto\s*\./, 'crypto'],
  [/\bconsole\s*\./, 'console'],
];

interface Source {
  /** From the root of the repository, with slashes. */
  readonly path: string;
  readonly text: string;
  readonly isTest: boolean;
}

const sources = ['src', 'tests', 'bench', 'examples'].flatMap((folder) => readSources(folder, '.ts'));
const product = sources.filter(({ path }) => path.startsWith('src/'));
const scripts = ['scripts', 'bin'].flatMap((folder) => readSources(folder, '.js'));

test('architecture: there is something to check', () => {
  assert.ok(product.length > 10, `only ${product.length} files below src`);
  assert.ok(readdirSync(join(root, 'src')).includes('core'));
});

test('architecture: imports point down the table', () => {
  const wrong: string[] = [];
  for (const source of product) {
    if (source.isTest || source.path.includes('/testing/')) continue;
    const from = folderOf(source.path);
    for (const target of imports(source)) {
      if (target.kind !== 'file') continue;
      if (target.path.includes('/testing/')) wrong.push(`${source.path} imports ${target.path}, which is for tests`);
      const to = folderOf(target.path);
      if (to === from) continue;
      const allowed = (mayImport[from] ?? []).some((folder) => to === folder || to.startsWith(`${folder}/`));
      if (!allowed) wrong.push(`${source.path} imports ${target.path}: ${from} may not know ${to}`);
    }
  }
  assert.deepEqual(wrong, []);
});

test('architecture: every folder of src stands in the table', () => {
  const folders = new Set(product.map(({ path }) => folderOf(path)));
  assert.deepEqual(
    [...folders].filter((folder) => !(folder in mayImport)),
    [],
  );
});

test('architecture: folders are crossed only through index.ts', () => {
  const wrong: string[] = [];
  for (const source of sources) {
    for (const target of imports(source)) {
      if (target.kind !== 'file' || !target.path.startsWith('src/')) continue;
      const within = source.path.startsWith('src/') && folderOf(source.path) === folderOf(target.path);
      const forTests = !source.path.startsWith('src/') && target.path.includes('/testing/');
      if (!within && !forTests && !target.path.endsWith('/index.ts'))
        wrong.push(`${source.path} imports ${target.path}`);
    }
  }
  assert.deepEqual(wrong, []);
});

test('architecture: a package is known to one folder, core and sim know none', () => {
  const wrong: string[] = [];
  for (const source of product) {
    if (source.isTest) continue;
    const from = folderOf(source.path);
    for (const target of imports(source)) {
      if (target.kind === 'package' && packageOwners[target.path] !== from)
        wrong.push(`${source.path} imports the package ${target.path}`);
      if (target.kind === 'node' && from.startsWith('core')) wrong.push(`${source.path} imports ${target.path}`);
    }
  }
  assert.deepEqual(wrong, []);
});

test('architecture: core is pure, synchronous and deterministic', () => {
  const wrong: string[] = [];
  for (const { path, text, isTest } of product) {
    if (isTest || !path.startsWith('src/core/')) continue;
    const code = withoutCommentsAndStrings(text);
    for (const [pattern, what] of impure) {
      if (pattern.test(code) && !impureAllowed[path]?.includes(what)) wrong.push(`${path} uses ${what}`);
    }
  }
  assert.deepEqual(wrong, []);
});

test('architecture: files stay readable', () => {
  const wrong: string[] = [];
  for (const { path, text } of [...sources, ...scripts]) {
    const lines = text.split('\n').length - 1;
    if (lines > mostLines) wrong.push(`${path} has ${lines} lines: ${mostLines} at most`);
    else if (lines > reviewLines && !(path in longFiles)) wrong.push(`${path} has ${lines} lines and no reason for it`);
  }
  const needless = Object.keys(longFiles).filter((path) => {
    const source = sources.find((candidate) => candidate.path === path);
    return source === undefined || source.text.split('\n').length - 1 <= reviewLines;
  });
  assert.deepEqual(wrong, []);
  assert.deepEqual(needless, [], 'listed as long, and not long');
});

/** A unit test stands beside the file that it is about: its titles say enough. */
test('architecture: every file says what it is for in its first lines', () => {
  const wrong: string[] = [];
  for (const { path, text, isTest } of [...sources, ...scripts]) {
    if (isTest && path.startsWith('src/')) continue;
    if (path.endsWith('/index.ts') && isOnlyExports(text)) continue;
    const lines = text.replace(/^#!.*\n/, '').split('\n');
    const header = lines.findIndex((line) => !line.startsWith('//'));
    if (header < 1 || header > 10) wrong.push(`${path} opens with ${header} comment lines`);
  }
  assert.deepEqual(wrong, []);
});

test('architecture: nothing is exported by default', () => {
  const wrong = [...sources, ...scripts].filter(({ text }) =>
    /^\s*export\s+default\b/m.test(withoutCommentsAndStrings(text)),
  );
  assert.deepEqual(
    wrong.map(({ path }) => path),
    [],
  );
});

test('architecture: nothing is left for later', () => {
  const marks = new RegExp(['TO', 'DO|FIX', 'ME|X', 'XX|not ', 'implemented'].join(''));
  const wrong = [...sources, ...scripts].filter(({ text }) => marks.test(text));
  assert.deepEqual(
    wrong.map(({ path }) => path),
    [],
  );
});

test('architecture: package-lock.json records no download addresses', () => {
  const lock = readFileSync(join(root, 'package-lock.json'), 'utf8');
  assert.doesNotMatch(lock, /"resolved"/);
});

test('architecture: every link in the documents leads to a file', () => {
  const pages = [
    ...readdirSync(root).filter((name) => name.endsWith('.md')),
    ...readdirSync(join(root, 'docs'), { recursive: true })
      .map((name) => join('docs', String(name)))
      .filter((name) => name.endsWith('.md')),
    join('bench', 'README.md'),
  ];
  const wrong: string[] = [];
  for (const page of pages) {
    const text = readFileSync(join(root, page), 'utf8').replace(/```[\s\S]*?```/g, '');
    for (const [, link = ''] of text.matchAll(/\]\(([^)#\s]+)(?:#[^)]*)?\)/g)) {
      if (/^[a-z]+:/.test(link)) continue;
      if (!existsSync(resolve(root, dirname(page), link))) wrong.push(`${page}: ${link}`);
    }
  }
  assert.deepEqual(wrong, []);
});

test('architecture: docs/features.md and the end-to-end tests name each other', () => {
  const page = readFileSync(join(root, 'docs', 'features.md'), 'utf8');
  const rows = [...page.matchAll(/^\| ([A-Z]\d+) \|.*\| (\S+) \|$/gm)].map(([, id = '', file = '']) => ({ id, file }));
  const ids = rows.map(({ id }) => id);
  assert.equal(new Set(ids).size, ids.length, 'a row stands twice');
  const shown = new Map<string, Set<string>>();
  for (const { path, text, isTest } of sources) {
    if (!isTest || !path.startsWith('tests/e2e/')) continue;
    const found = [...text.matchAll(/['"`]\[([A-Z]\d+)\] /g)].map(([, id = '']) => id);
    shown.set(path.slice('tests/e2e/'.length, -'.test.ts'.length), new Set(found));
  }
  const wrong = rows.flatMap(({ id, file }) =>
    file === '–' || shown.get(file)?.has(id) ? [] : [`${id} is not shown in ${file}.test.ts`],
  );
  const named = new Set(rows.filter(({ file }) => file !== '–').map(({ id }) => id));
  for (const [file, found] of shown)
    for (const id of found) if (!named.has(id)) wrong.push(`${file}.test.ts shows ${id}, which the page does not say`);
  assert.deepEqual(wrong, []);
});

function findRoot(): string {
  let folder = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(folder, 'package.json'))) folder = dirname(folder);
  return folder;
}

function readSources(folder: string, ending: string): Source[] {
  if (!existsSync(join(root, folder))) return [];
  return readdirSync(join(root, folder), { recursive: true })
    .map((name) => join(folder, String(name)))
    .filter((path) => path.endsWith(ending) && !path.endsWith('.d.ts'))
    .map((path) => ({ path, text: readFileSync(join(root, path), 'utf8'), isTest: path.endsWith('.test.ts') }));
}

/** `src/core/wire/base.ts` -> `core/wire`, `src/cli/commands/ls.ts` -> `cli`, `src/index.ts` -> `.`. */
function folderOf(path: string): string {
  const parts = dirname(path).split('/').slice(1);
  if (parts.length === 0) return '.';
  return parts[0] === 'core' ? parts.slice(0, 2).join('/') : (parts[0] ?? '.');
}

interface Target {
  readonly kind: 'file' | 'node' | 'package';
  readonly path: string;
}

function imports({ path, text }: Source): Target[] {
  const pattern =
    /^\s*(?:import|export)\b[^;'"]*?from\s+'([^']+)'|^\s*import\s+'([^']+)'|\bimport\(\s*'([^']+)'\s*\)/gm;
  const withoutComments = text.replace(/^\s*(\/\/|\*).*$/gm, '');
  return [...withoutComments.matchAll(pattern)].map((match): Target => {
    const name = match[1] ?? match[2] ?? match[3] ?? '';
    if (name.startsWith('.')) return { kind: 'file', path: relative(root, resolve(root, dirname(path), name)) };
    if (name.startsWith('node:')) return { kind: 'node', path: name };
    return {
      kind: 'package',
      path: name
        .split('/')
        .slice(0, name.startsWith('@') ? 2 : 1)
        .join('/'),
    };
  });
}

/** A folder's door: a list of names needs no introduction. */
function isOnlyExports(text: string): boolean {
  return text.replace(/export (type )?(\{[^}]*\}|\*) from '[^']+';/g, '').trim() === '';
}

function withoutCommentsAndStrings(text: string): string {
  const tokens = /\/\*[\s\S]*?\*\/|\/\/[^\n]*|'(?:\\.|[^'\\\n])*'|"(?:\\.|[^"\\\n])*"|`(?:\\.|[^`\\])*`/g;
  return text.replace(tokens, ' ');
}

test('architecture: every export of the package leads to a module that can be loaded', async () => {
  const { name, exports } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  for (const path of Object.keys(exports)) {
    const module = await import(path.replace('.', name));
    assert.ok(Object.keys(module).length > 0, path);
  }
});
