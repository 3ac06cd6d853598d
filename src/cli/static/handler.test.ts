import assert from 'node:assert/strict';
import { mkdir, mkdtemp, realpath, rm, symlink, utimes, writeFile } from 'node:fs/promises';
import { createServer, type IncomingHttpHeaders, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { createStaticHandler } from './handler.ts';

describe('static handler', () => {
  let base = '';
  let port = 0;
  let content: Buffer;
  const servers: { close(): void; closeAllConnections(): void }[] = [];

  const start = async (listing: boolean, label?: string): Promise<number> => {
    const root = join(base, 'root');
    const handler = createStaticHandler({ root, listing, showHidden: false, ...(label ? { label } : {}) });
    const server = createServer(handler);
    servers.push(server);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return (server.address() as AddressInfo).port;
  };

  before(async () => {
    base = await realpath(await mkdtemp(join(tmpdir(), 'caracal-static-')));
    const root = join(base, 'root');
    await mkdir(join(root, 'site'), { recursive: true });
    await mkdir(join(root, 'bare', 'deep'), { recursive: true });
    content = Buffer.from(Array.from({ length: 600_000 }, (_, i) => (i * 31) & 0xff));
    await writeFile(join(root, 'data.bin'), content);
    await writeFile(join(root, 'copy.bin'), content);
    await utimes(join(root, 'copy.bin'), 1000, 1000);
    await writeFile(join(root, 'empty'), '');
    await writeFile(join(root, 'site', 'index.html'), '<p>home');
    await writeFile(join(root, 'bare', '<i>&".txt'), 'x');
    await writeFile(join(root, '.secret'), 'x');
    await writeFile(join(base, 'outside'), 'x');
    await symlink(join(base, 'outside'), join(root, 'escape'));
    port = await start(true);
  });

  after(async () => {
    for (const server of servers) {
      server.closeAllConnections();
      server.close();
    }
    await rm(base, { recursive: true });
  });

  interface Answer {
    status: number;
    headers: IncomingHttpHeaders;
    body: Buffer;
  }

  const ask = (path: string, headers: Record<string, string> = {}, method = 'GET', to = port): Promise<Answer> =>
    new Promise((resolve, reject) => {
      const outgoing = request({ host: '127.0.0.1', port: to, path, method, headers, agent: false }, (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.on('end', () =>
          resolve({ status: response.statusCode ?? 0, headers: response.headers, body: Buffer.concat(chunks) }),
        );
        response.on('error', reject);
      });
      outgoing.on('error', reject);
      outgoing.end();
    });

  it('GET and HEAD: content, length, type, and an ETag of the content alone', async () => {
    const whole = await ask('/data.bin');
    assert.equal(whole.status, 200);
    assert.ok(whole.body.equals(content));
    assert.equal(whole.headers['content-type'], 'application/octet-stream');
    const head = await ask('/data.bin', {}, 'HEAD');
    assert.equal(head.headers['content-length'], '600000');
    assert.equal(head.body.length, 0);
    const copy = await ask('/copy.bin', {}, 'HEAD');
    assert.equal(copy.headers.etag, whole.headers.etag);
    assert.notEqual(copy.headers['last-modified'], whole.headers['last-modified']);
    const empty = await ask('/empty');
    assert.equal(empty.status, 200);
    assert.equal(empty.body.length, 0);
  });

  it('a changed file gets another ETag', async () => {
    const path = join(base, 'root', 'changing');
    await writeFile(path, 'one');
    const first = await ask('/changing');
    await writeFile(path, 'two');
    const second = await ask('/changing');
    assert.equal(second.body.toString(), 'two');
    assert.notEqual(first.headers.etag, second.headers.etag);
  });

  it('ranges: one, several, none, large', async () => {
    const one = await ask('/data.bin', { range: 'bytes=10-19' });
    assert.equal(one.status, 206);
    assert.equal(one.headers['content-range'], 'bytes 10-19/600000');
    assert.ok(one.body.equals(content.subarray(10, 20)));
    const large = await ask('/data.bin', { range: 'bytes=1-' });
    assert.ok(large.body.equals(content.subarray(1)));
    const none = await ask('/data.bin', { range: 'bytes=600000-' });
    assert.equal(none.status, 416);
    assert.equal(none.headers['content-range'], 'bytes */600000');
    const several = await ask('/data.bin', { range: 'bytes=0-4,-5' });
    assert.equal(several.status, 206);
    assert.equal(several.headers['content-length'], String(several.body.length));
    const boundary = /boundary=(.+)/.exec(several.headers['content-type'] ?? '')?.[1] ?? '';
    const parts = several.body.toString('latin1').split(`--${boundary}`);
    assert.equal(parts.length, 4);
    assert.ok(parts[1]?.includes('Content-Range: bytes 0-4/600000'));
    assert.ok(parts[2]?.endsWith(`\r\n\r\n${content.subarray(-5).toString('latin1')}\r\n`));
  });

  it('validators: If-None-Match, If-Match, If-Range', async () => {
    const etag = (await ask('/data.bin', {}, 'HEAD')).headers.etag ?? '';
    const known = await ask('/data.bin', { 'if-none-match': `"x", W/${etag}` });
    assert.equal(known.status, 304);
    assert.equal(known.headers.etag, etag);
    assert.equal((await ask('/data.bin', { 'if-none-match': '"x"' })).status, 200);
    assert.equal((await ask('/data.bin', { 'if-match': '"x"' })).status, 412);
    assert.equal((await ask('/data.bin', { range: 'bytes=0-0', 'if-range': etag })).status, 206);
    assert.equal((await ask('/data.bin', { range: 'bytes=0-0', 'if-range': '"x"' })).status, 200);
    assert.equal((await ask('/data.bin', { range: 'bytes=0-0', 'if-range': `W/${etag}` })).status, 200);
  });

  it('nothing outside the root, nothing hidden, only GET and HEAD', async () => {
    assert.equal((await ask('/../outside')).status, 400);
    assert.equal((await ask('/%2e%2e/outside')).status, 400);
    assert.equal((await ask('/escape')).status, 404);
    assert.equal((await ask('/.secret')).status, 404);
    assert.equal((await ask('/absent')).status, 404);
    assert.equal((await ask('/data.bin/')).status, 404);
    assert.equal((await ask('/data.bin/x')).status, 404);
    assert.equal((await ask(`/${'a'.repeat(5000)}`)).status, 404);
    const post = await ask('/data.bin', {}, 'POST');
    assert.equal(post.status, 405);
    assert.equal(post.headers.allow, 'GET, HEAD');
  });

  it('directories: slash added, index.html, a page of escaped links, or 404', async () => {
    const moved = await ask('/site?q=1');
    assert.equal(moved.status, 301);
    assert.equal(moved.headers.location, './site/?q=1');
    const home = await ask('/site/');
    assert.equal(home.body.toString(), '<p>home');
    assert.equal(home.headers['content-type'], 'text/html; charset=utf-8');
    const page = (await ask('/bare/')).body.toString();
    assert.ok(page.includes('href="./deep/"'));
    assert.ok(page.includes('href="./%3Ci%3E%26%22.txt"'));
    assert.ok(!page.includes('<i>'));
    assert.ok(!(await ask('/')).body.toString().includes('.secret'));
    const strict = await start(false, 'one');
    const hidden = await ask('/bare/', {}, 'GET', strict);
    assert.equal(hidden.status, 404);
    assert.equal(hidden.headers['x-served-by'], 'one');
  });
});
