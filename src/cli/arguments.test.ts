import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  checkRouterAddress,
  fileNameOf,
  parseDurationUs,
  parseHostPort,
  parseInteger,
  parseLifetimeSeconds,
  parseMoment,
  parsePort,
  parseServiceUrl,
} from './arguments.ts';

const usage = { exitCode: 2 };

describe('cli arguments', () => {
  it('ports', () => {
    assert.equal(parsePort('8080'), 8080);
    assert.equal(parsePort('0', 'PORT', 0), 0);
    for (const text of ['0', '65536', '-1', '1e3', '', '80x', '0x50'])
      assert.throws(() => parsePort(text), usage, text);
  });

  it('host and port: names, IPv4, IPv6 in brackets, a default host', () => {
    assert.deepEqual(parseHostPort('localhost:80', 'X'), { host: 'localhost', port: 80 });
    assert.deepEqual(parseHostPort('[::1]:80', 'X'), { host: '::1', port: 80 });
    assert.deepEqual(parseHostPort('80', 'X', { defaultHost: '127.0.0.1' }), { host: '127.0.0.1', port: 80 });
    for (const text of ['80', '::1:80', ':80', 'a:', 'a:0', 'a:99999', 'a b:1'])
      assert.throws(() => parseHostPort(text, 'X'), usage, text);
  });

  it('router addresses: IP addresses, the port may be left out', () => {
    for (const text of ['192.0.2.1', '192.0.2.1:5', '[::1]', '[::1]:5', 'localhost', 'localhost:5'])
      checkRouterAddress(text);
    for (const text of ['', 'router.example:5', '::1', '192.0.2.1:0', '192.0.2.1:x', 'not an address'])
      assert.throws(() => checkRouterAddress(text), usage, text);
  });

  it('lifetimes and moments', () => {
    assert.deepEqual(
      ['1s', '90m', '24h', '825d'].map((text) => parseLifetimeSeconds(text, '--for')),
      [1, 5_400, 86_400, 71_280_000],
    );
    for (const text of ['0s', '826d', '24', '1.5h', '-1h', '1w', '', 'h'])
      assert.throws(() => parseLifetimeSeconds(text, '--for'), usage, text);
    assert.equal(parseMoment('now', 'T', 7), 7);
    assert.equal(parseMoment('1800000000', 'T', 7), 1_800_000_000);
    assert.equal(parseMoment('2027-01-15T08:00:00Z', 'T', 7), 1_800_000_000);
    for (const text of ['', 'yesterday', '12:00', '-5', '2027-99-99', '1960-01-01'])
      assert.throws(() => parseMoment(text, 'T', 7), usage, text);
  });

  it('numbers and times', () => {
    assert.equal(parseInteger('-3', 'N', -5, 5), -3);
    assert.throws(() => parseInteger('6', 'N', -5, 5), usage);
    assert.throws(() => parseInteger('1.5', 'N', 0, 5), usage);
    assert.equal(parseDurationUs('250ms', 'T', 0, 1e9), 250_000);
    assert.equal(parseDurationUs('5', 'T', 0, 1e9), 5_000_000);
    assert.equal(parseDurationUs('1.5s', 'T', 0, 1e9), 1_500_000);
    for (const text of ['', 's', '-1s', '5h', '2000s'])
      assert.throws(() => parseDurationUs(text, 'T', 0, 1e9), usage, text);
  });

  it('service URLs: svc://NAME/path and http://NAME.svc/path', () => {
    assert.deepEqual(parseServiceUrl('svc://web'), { service: 'web', path: '/' });
    assert.deepEqual(parseServiceUrl('svc://web/a%20b/ü?x=1#top'), { service: 'web', path: '/a%20b/%C3%BC?x=1' });
    assert.deepEqual(parseServiceUrl('http://web.svc/a'), { service: 'web', path: '/a' });
    assert.deepEqual(parseServiceUrl('svc://web?x'), { service: 'web', path: '/?x' });
    for (const text of ['web/a', 'http://web/a', 'svc:///a', 'svc://we b/', ''])
      assert.throws(() => parseServiceUrl(text), usage);
  });

  it('file names of URLs are names, never paths, never hidden', () => {
    assert.equal(fileNameOf('/a/b.txt?x'), 'b.txt');
    assert.equal(fileNameOf('/a/'), 'index.html');
    assert.equal(fileNameOf('/%2e%2e%2fx'), 'x');
    assert.equal(fileNameOf('/..'), 'index.html');
    assert.equal(fileNameOf('/%zz'), '%zz');
  });
});
