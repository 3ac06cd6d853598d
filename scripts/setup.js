// What a fresh clone needs before anything runs: the packages of package-lock.json, and a build that is newer than
// the sources. Plain JavaScript without dependencies, because it runs before there are any. Every step says what it
// does and why, on stderr, so that a command with JSON on stdout stays clean.

import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, rmSync, statSync, unlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = dirname(dirname(fileURLToPath(import.meta.url)));

/** Packages of Debian that the system tests use, each with a program that tells whether it is there. */
const debianPackages = [
  ['iproute2', 'ip'],
  ['nftables', 'nft'],
  ['tcpdump', 'tcpdump'],
  ['nginx-light', 'nginx'],
  ['redis-server', 'redis-server'],
  ['apache2-utils', 'ab'],
  ['wget', 'wget'],
  ['curl', 'curl'],
  ['procps', 'ps'],
];

/** Of Debian, what the models (`npm run model`) are checked with. */
const checkerPackages = [
  ['spin', 'spin'],
  ['gcc', 'cc'],
  ['libc6-dev', 'cc'],
];

/** Throws an Error whose message is for people when a step fails. */
export function ensureInstalled() {
  const why = staleInstall();
  if (why === undefined) return;
  say(`npm ci (${why})`);
  run(
    'npm',
    ['ci', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'],
    'npm ci failed: is the package registry reachable?',
  );
}

export function ensureBuilt() {
  const built = join(root, 'dist', '.built');
  if (existsSync(built) && statSync(built).mtimeMs > newestSource()) return;
  build();
}

/** From nothing, so that a test that was deleted does not go on running. */
export function build() {
  say('tsc -p .');
  rmSync(join(root, 'dist'), { recursive: true, force: true });
  const started = Date.now();
  run(process.execPath, [join(root, 'node_modules', 'typescript', 'bin', 'tsc'), '-p', '.'], 'the build failed');
  writeFileSync(join(root, 'dist', '.built'), '');
  say(`built in ${((Date.now() - started) / 1000).toFixed(1)} s`);
}

/**
 * As root on a Debian system, installs what the system tests use. Otherwise nothing: those tests skip, each with its
 * reason. Never fails the run.
 */
export function ensureSystemPackages() {
  ensurePackages([...debianPackages, ...checkerPackages]);
}

/** The same for what checks the models. */
export function ensureModelChecker() {
  ensurePackages(checkerPackages);
}

function ensurePackages(packages) {
  const missing = packages.filter(([, program]) => !findProgram(program)).map(([name]) => name);
  if (missing.length === 0) return;
  if (process.getuid?.() !== 0 || !findProgram('apt-get')) {
    say(`not here: ${missing.join(', ')} (no root or no apt-get to install them): what needs them is left out`);
    return;
  }
  say(`apt-get install ${missing.join(' ')} (the system tests and models use them)`);
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  const quietly = (...args) => spawnSync('apt-get', args, { env, stdio: ['ignore', 'ignore', 'inherit'] }).status === 0;
  const undo = keepDaemonsDown();
  try {
    if (!quietly('update', '-qq') || !quietly('install', '-y', '-qq', '--no-install-recommends', ...missing))
      say('apt-get failed: what needs those programs is left out');
  } finally {
    undo();
  }
}

/** The path of a program, looked for in PATH and where Debian keeps daemons; undefined if there is none. */
export function findProgram(name) {
  const folders = [...(process.env['PATH'] ?? '').split(':'), '/usr/sbin', '/sbin'];
  return folders.map((folder) => join(folder, name)).find((path) => existsSync(path));
}

export function say(text) {
  process.stderr.write(`setup: ${text}\n`);
}

/** Debian starts a daemon when its package is installed, unless this file says no; ours are started by the tests. */
function keepDaemonsDown() {
  const policy = '/usr/sbin/policy-rc.d';
  if (existsSync(policy)) return () => {};
  try {
    writeFileSync(policy, '#!/bin/sh\nexit 101\n', { mode: 0o755 });
  } catch {
    return () => {};
  }
  return () => unlinkSync(policy);
}

function run(command, args, problem) {
  const { status, error } = spawnSync(command, args, { cwd: root, stdio: ['ignore', 2, 2] });
  if (status !== 0) throw new Error(error ? `${problem} (${error.message})` : problem);
}

/** Why node_modules is not what package-lock.json asks for, or undefined. */
function staleInstall() {
  const installedPath = join(root, 'node_modules', '.package-lock.json');
  if (!existsSync(installedPath)) return 'node_modules is missing';
  const wanted = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')).packages;
  const installed = JSON.parse(readFileSync(installedPath, 'utf8')).packages;
  for (const [path, { version, optional }] of Object.entries(wanted)) {
    if (path === '' || (optional && !installed[path])) continue;
    if (installed[path]?.version !== version) return `${path.replace('node_modules/', '')} is not ${version}`;
  }
  return undefined;
}

function newestSource() {
  let newest = 0;
  const visit = (path) => {
    const { mtimeMs } = statSync(path);
    newest = Math.max(newest, mtimeMs);
  };
  for (const file of ['tsconfig.json', 'package-lock.json']) visit(join(root, file));
  for (const folder of ['src', 'tests', 'bench', 'examples']) {
    const path = join(root, folder);
    if (!existsSync(path)) continue;
    visit(path);
    for (const entry of readdirSync(path, { recursive: true })) visit(join(path, entry));
  }
  return newest;
}
