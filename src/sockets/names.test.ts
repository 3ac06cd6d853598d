// Names, alias file, directory: what a text stands for.

import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, beforeEach, test } from 'node:test';
import { formatPrefix, formatServiceId, makePrefix, type ServiceId } from '../core/base/index.ts';
import { createControlMessage, emitControl, MessageType, parseControl } from '../core/control/index.ts';
import { type Driver, type Event, type EventListener, tellListener } from '../core/stack/index.ts';
import { aliasPath, parseAliases } from './aliases.ts';
import { labelId } from './labels.ts';
import { parseTarget, resolveService } from './names.ts';
import { createMemoryDriver } from './testing/memory-driver.ts';

const folder = mkdtempSync(join(tmpdir(), 'caracal-names-'));
const webId = formatServiceId(labelId('web'));
let files = 0;

beforeEach(() => useAliases(''));
after(() => rmSync(folder, { recursive: true, force: true }));

/** A new path each time: the same file is looked at again only after a second. */
function useAliases(text: string): string {
  const path = join(folder, `aliases-${++files}`);
  writeFileSync(path, text);
  process.env['CARACAL_ALIASES'] = path;
  return path;
}

async function textOf(service: string | Uint8Array, driver: Driver = createMemoryDriver()): Promise<string> {
  return formatPrefix(await resolveService(driver, service));
}

test('names: every way to write one name is the same service', async () => {
  for (const text of ['web', 'WEB', 'web.svc', 'Web.SVC.', 'svc://web', 'svc://web/', 'SVC://web.svc/path?query#x'])
    assert.equal(await textOf(text), webId, text);
});

test('names: ids and prefixes in text, and bytes, stand for themselves', async () => {
  assert.equal(await textOf(webId), webId);
  assert.equal(await textOf(webId.toUpperCase()), webId);
  assert.equal(await textOf(`${webId}.svc`), webId);
  assert.equal(await textOf(labelId('web')), webId);
  const pool = formatPrefix(makePrefix(labelId('web'), 224));
  assert.equal(await textOf(pool), pool);
});

test('names: bad ones are refused at once, by type', () => {
  // The Kelvin sign and the dotted capital I have lower cases with our letters in them.
  for (const bad of ['', ' ', 'a b', 'svc://', '.svc', 'x'.repeat(300), 'web/path', '\u212Aelvin', '\u0130d'])
    assert.throws(() => parseTarget(bad), TypeError, JSON.stringify(bad));
  assert.throws(() => parseTarget(new Uint8Array(31)), { code: 'ERR_INVALID_SERVICE_ID' });
  assert.throws(() => parseTarget(`${webId}/300`), { code: 'ERR_INVALID_SERVICE_ID' });
  assert.throws(() => parseTarget(8080 as unknown as string), { code: 'ERR_INVALID_ARG_TYPE' });
});

test('labels: members share the service, differ in the last four bytes', () => {
  const [service, member] = [labelId('web'), labelId('web', 7)];
  assert.deepEqual(service.subarray(0, 28), member.subarray(0, 28));
  assert.deepEqual([...member.subarray(28)], [0, 0, 0, 7]);
});

test('aliases: a name in the file wins over its label', async () => {
  useAliases(`# my services\n\n  Shop ${webId}  # the shop\nall ${formatPrefix(makePrefix(labelId('web'), 224))}\n`);
  assert.equal(await textOf('shop'), webId);
  assert.equal(await textOf('all'), formatPrefix(makePrefix(labelId('web'), 224)));
  assert.equal(await textOf('other'), formatServiceId(labelId('other')));
});

test('aliases: a bad line is an error with its place', async () => {
  const path = useAliases(`ok ${webId}\n\nbroken\n`);
  await assert.rejects(resolveService(createMemoryDriver(), 'ok'), { code: 'ERR_INVALID_ALIAS', message: /:3: / });
  for (const line of ['a b c', 'a notanid', `a ${webId}/999`, `a ${webId}\nA ${webId}`])
    assert.throws(() => parseAliases(line, path), { code: 'ERR_INVALID_ALIAS', message: new RegExp(`^${path}:\\d: `) });
});

test('aliases: no file is an empty one', async () => {
  process.env['CARACAL_ALIASES'] = join(folder, 'missing');
  assert.equal(await textOf('web'), webId);
});

test('aliases: where the file is', () => {
  assert.equal(aliasPath({ CARACAL_ALIASES: '/x/y', XDG_CONFIG_HOME: '/c' }), '/x/y');
  assert.equal(aliasPath({ XDG_CONFIG_HOME: '/c' }), '/c/caracal/aliases');
  assert.match(aliasPath({}), /\.config\/caracal\/aliases$/);
});

/** A driver whose router has a directory that knows `known` and hears every question. */
function directoryDriver(known: Map<string, ServiceId>, asked: string[]): Driver {
  const driver = createMemoryDriver();
  const listeners = new Map<number, EventListener>();
  return {
    ...driver,
    hasDirectory: () => true,
    attach(socket, listener) {
      listeners.set(socket, listener);
      driver.attach(socket, listener);
    },
    handle(input) {
      if (input.kind !== 'datagram') return driver.handle(input);
      const message = createControlMessage();
      parseControl(input.bytes, 0, input.bytes.length, message);
      asked.push(message.name);
      message.type = MessageType.NAME_ANSWER;
      message.service = known.get(message.name);
      const bytes = new Uint8Array(320);
      const length = emitControl(message, bytes, 0);
      const event: Event = {
        kind: 'datagram',
        socket: input.socket,
        bytes: bytes.subarray(0, length),
        from: input.to,
      };
      const listener = listeners.get(input.socket);
      if (listener !== undefined) setImmediate(() => tellListener(listener, event));
      return 1;
    },
  };
}

test('directory: asked for names that no alias knows, and its answers are kept', async () => {
  useAliases(`local ${webId}`);
  const asked: string[] = [];
  const driver = directoryDriver(new Map([['shared', labelId('web')]]), asked);
  assert.deepEqual(await Promise.all([textOf('shared', driver), textOf('shared', driver)]), [webId, webId]);
  assert.equal(await textOf('shared', driver), webId);
  assert.equal(await textOf('local', driver), webId);
  assert.equal(await textOf('unknown', driver), formatServiceId(labelId('unknown')));
  assert.deepEqual(asked, ['shared', 'unknown']);
});
