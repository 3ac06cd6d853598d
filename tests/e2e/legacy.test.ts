// Programs that know nothing of services: clients through `forward`, servers behind `expose`, and the whole without
// root on an unmodified network.

import { strict as assert } from 'node:assert';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { makeContent } from './content.ts';
import { type Child, freeTcpPort, isRoot, needsPrograms, Stage, sha256 } from './harness.ts';

const fileBytes = 3_000_000;

/** A directory with something to serve. */
function makeSite(stage: Stage): { folder: string; page: string; file: Buffer } {
  const folder = join(stage.folder, 'site');
  mkdirSync(folder);
  const page = '<!doctype html><title>hello</title>\n';
  const file = Buffer.concat([...makeContent(fileBytes, 41)]);
  writeFileSync(join(folder, 'index.html'), page);
  writeFileSync(join(folder, 'big.bin'), file);
  return { folder, page, file };
}

async function forward(stage: Stage, service: string): Promise<string> {
  const child = stage.caracal(['forward', '0', service]);
  const [, address = ''] = await child.line(/^ready (\S+) leads/m);
  return `http://${address}`;
}

async function finish(child: Child, deadlineMs = 60_000): Promise<string> {
  const { code } = await child.exit(deadlineMs);
  assert.equal(code, 0, child.describe());
  return child.stdout;
}

/** curl, wget and ab against `url`, a site made by `makeSite`. */
async function checkSite(stage: Stage, url: string, page: string, file: Buffer): Promise<void> {
  const curl = (...args: string[]) => finish(stage.start('curl', ['-sS', '--fail', '--max-time', '30', ...args]));
  assert.equal(await curl(`${url}/`), page);
  const fetched = join(stage.folder, 'curl.bin');
  await curl('-o', fetched, `${url}/big.bin`);
  assert.equal(sha256(readFileSync(fetched)), sha256(file));
  const part = join(stage.folder, 'part.bin');
  await curl('-r', '1000000-1999999', '-o', part, `${url}/big.bin`);
  assert.equal(sha256(readFileSync(part)), sha256(file.subarray(1_000_000, 2_000_000)));

  const got = join(stage.folder, 'wget.bin');
  await finish(stage.start('wget', ['-q', '-T', '30', '-t', '1', '-O', got, `${url}/big.bin`]));
  assert.equal(sha256(readFileSync(got)), sha256(file));

  const report = await finish(stage.start('ab', ['-q', '-n', '2000', '-c', '50', '-k', `${url}/index.html`]), 120_000);
  assert.match(report, /^Complete requests:\s+2000$/m, report);
  assert.match(report, /^Failed requests:\s+0$/m, report);
  assert.doesNotMatch(report, /^Non-2xx/m, report);
  assert.match(report, new RegExp(`^Document Length:\\s+${page.length} bytes$`, 'm'), report);
}

test('[L1] unmodified curl, wget and ab reach a service', {
  skip: needsPrograms('curl', 'wget', 'ab'),
  timeout: 180_000,
}, async (t) => {
  const stage = new Stage(t);
  await stage.router();
  const { folder, page, file } = makeSite(stage);
  await stage.caracal(['serve', 'web', folder]).line(/^ready/m);
  await checkSite(stage, await forward(stage, 'web'), page, file);
});

test('[L2] unmodified nginx becomes an instance of a service', {
  skip: needsPrograms('nginx', 'curl', 'wget', 'ab'),
  timeout: 180_000,
}, async (t) => {
  const stage = new Stage(t);
  await stage.router();
  const { folder, page, file } = makeSite(stage);
  const port = await freeTcpPort();
  const configuration = join(stage.folder, 'nginx.conf');
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
    .map((name) => `${name}_temp_path ${stage.folder}/${name};`)
    .join(' ');
  writeFileSync(
    configuration,
    `${isRoot ? 'user root;' : ''} daemon off; master_process off; pid ${stage.folder}/nginx.pid; error_log stderr;
     events { worker_connections 512; }
     http { access_log off; ${temporary} server { listen 127.0.0.1:${port}; root ${folder}; } }\n`,
  );
  stage.start('nginx', ['-p', stage.folder, '-c', configuration], {
    env: { PATH: `${process.env['PATH']}:/usr/sbin:/sbin` },
  });
  const curl = () =>
    stage.start('curl', [
      '-sS',
      '--fail',
      '--retry',
      '20',
      '--retry-connrefused',
      '--retry-delay',
      '1',
      `http://127.0.0.1:${port}/`,
    ]);
  assert.equal(await finish(curl()), page, 'nginx itself');
  await stage.caracal(['expose', 'web', `127.0.0.1:${port}`]).line(/^ready/m);
  await checkSite(stage, await forward(stage, 'web'), page, file);
});

test('[L2] unmodified redis-server behind expose, redis-cli through forward', {
  skip: needsPrograms('redis-server', 'redis-cli'),
  timeout: 60_000,
}, async (t) => {
  const stage = new Stage(t);
  await stage.router();
  const port = await freeTcpPort();
  const redis = stage.start('redis-server', [
    '--port',
    `${port}`,
    '--bind',
    '127.0.0.1',
    '--save',
    '',
    '--appendonly',
    'no',
    '--dir',
    stage.folder,
  ]);
  await redis.line(/Ready to accept connections/);
  await stage.caracal(['expose', 'cache', `127.0.0.1:${port}`]).line(/^ready/m);
  const { hostname, port: localPort } = new URL(await forward(stage, 'cache'));
  const cli = (...args: string[]) => finish(stage.start('redis-cli', ['-h', hostname, '-p', localPort, ...args]));
  assert.equal(await cli('SET', 'animal', 'caracal'), 'OK\n');
  assert.equal(await cli('GET', 'animal'), 'caracal\n');
  const pipelined = stage.start('redis-cli', ['-h', hostname, '-p', localPort, '--pipe']);
  pipelined.write(Array.from({ length: 5000 }, (_, i) => `SET key${i} ${i}\r\n`).join(''));
  pipelined.endInput();
  assert.match(await finish(pipelined), /errors: 0, replies: 5000/);
});

test('[L5] all of it as nobody, on an unmodified network', { timeout: 60_000 }, async (t) => {
  const stage = new Stage(t);
  const { folder, file } = makeSite(stage);
  await stage.router([], { nobody: true });
  const server = stage.caracal(['serve', 'web', folder], { nobody: true });
  await server.line(/^ready/m);
  const uid = readFileSync(`/proc/${server.pid}/status`, 'utf8').match(/^Uid:\s+(\d+)/m)?.[1];
  assert.notEqual(uid, '0');
  const capabilities = readFileSync(`/proc/${server.pid}/status`, 'utf8').match(/^CapEff:\s+(\w+)/m)?.[1];
  assert.match(capabilities ?? '', /^0+$/);
  const answer = await stage.caracalJson<{ sha256: string; bytes: number }>(['get', 'svc://web/big.bin'], {
    nobody: true,
  });
  assert.equal(answer.bytes, file.length);
  assert.equal(answer.sha256, sha256(file));
  const { code, stdout } = await stage.caracalOnce(['doctor'], { nobody: true });
  assert.equal(code, 0, stdout);
});
