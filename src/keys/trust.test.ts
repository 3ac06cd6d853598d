import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, beforeEach, describe, it } from 'node:test';
import { promisify } from 'node:util';
import { formatServiceId } from '../core/base/index.ts';
import { labelServiceId, selfCertifyingId, ssIdText, systemServiceId } from '../core/security/index.ts';
import { generateKey, keyText, type SigningKey } from './key-file.ts';
import { primitives } from './primitives.ts';
import { addPin, addSystem, pinOnFirstUse, removeTrust } from './trust-edit.ts';
import { currentTrust, knownPath, readTrust, type SystemEntry, systemEntry, trustPath } from './trust-file.ts';

const folder = mkdtempSync(join(tmpdir(), 'caracal-trust-'));
let count = 0;
beforeEach(() => {
  process.env['XDG_CONFIG_HOME'] = join(folder, `${++count}`);
  delete process.env['CARACAL_TRUST'];
  delete process.env['CARACAL_KNOWN'];
});
after(() => rmSync(folder, { recursive: true }));

const system = generateKey('system') as SigningKey;
const entry = systemEntry('corp', system.publicKey) as SystemEntry;
const [one, two] = ['service', 'service'].map(() =>
  selfCertifyingId(primitives, (generateKey('service') as SigningKey).publicKey),
) as [ReturnType<typeof selfCertifyingId>, ReturnType<typeof selfCertifyingId>];
const labelText = (label: string): string => formatServiceId(labelServiceId(primitives, label));

function write(path: string, text: string): void {
  process.env['CARACAL_TRUST'] = join(folder, `${count}.trust`);
  process.env['CARACAL_KNOWN'] = join(folder, `${count}.known`);
  writeFileSync(path === 'known' ? knownPath() : trustPath(), text);
}

describe('trust file', () => {
  it('holds systems and pins by name', () => {
    write(
      'trust',
      `# mine\nsystem corp ${keyText(system.publicKey)}\n\n  pin web svc:${formatServiceId(one)} # the shop\n`,
    );
    write('known', `pin mail ${formatServiceId(two)}\n`);
    const { trust, configured, known } = readTrust();
    assert.deepEqual([...trust.systems.keys()], [ssIdText(systemServiceId(primitives, system.publicKey, 'x'))]);
    assert.equal(trust.pins.get(labelText('web')), formatServiceId(one));
    assert.equal(trust.pins.get(labelText('mail')), formatServiceId(two));
    assert.deepEqual(
      configured.pins.map(({ label, line }) => [label, line]),
      [['web', 4]],
    );
    assert.equal(known.pins.length, 1);
  });

  it('is looked for in $CARACAL_TRUST, $XDG_CONFIG_HOME, ~/.config; none is none', () => {
    assert.equal(trustPath({ CARACAL_TRUST: '/a/b' }), '/a/b');
    assert.equal(trustPath({ XDG_CONFIG_HOME: '/x' }), '/x/caracal/trust');
    assert.match(trustPath({}), /\/\.config\/caracal\/trust$/);
    assert.equal(knownPath({ XDG_CONFIG_HOME: '/x' }), '/x/caracal/known-services');
    assert.equal(knownPath({ CARACAL_KNOWN: '/k' }), '/k');
    const { trust, configured } = readTrust();
    assert.deepEqual([trust.systems.size, trust.pins.size, configured.exists], [0, 0, false]);
  });

  it('a malformed line is an error with its place', () => {
    const id = formatServiceId(one);
    const key = keyText(system.publicKey);
    const wrong: [string, RegExp][] = [
      ['trust me', /trust:1: a line is/],
      [`# a\nsystem corp`, /trust:2: a line is "system NAME KEY", this has 2 words/],
      [`system corp ${key.slice(1)}`, /trust:1: the key of "corp" is not/],
      [`system Corp ${key}`, /trust:1: "Corp" is not a name/],
      [`system a ${key}\nsystem b ${key}`, /trust:2: "b" is the same system as in line 1/],
      [`pin web ${id} extra`, /trust:1: a line is "pin LABEL ID", this has 4 words/],
      [`pin web ${labelText('web')}`, /trust:1: .* is not the id of a service key/],
      [`pin web web@${id}`, /trust:1: .* is not the id of a service key/],
      [`pin we/b ${id}`, /trust:1: "we\/b" is not a label/],
      [`pin web ${id}\npin web ${id}`, /trust:2: "web" is pinned twice, first in line 1/],
    ];
    for (const [text, message] of wrong) {
      write('trust', text);
      assert.throws(() => readTrust(), { code: 'ERR_CARACAL_TRUST_FILE', message });
      assert.throws(() => currentTrust(), { code: 'ERR_CARACAL_TRUST_FILE', message });
    }
    write('trust', '');
    write('known', `system corp ${key}`);
    assert.throws(() => readTrust(), { code: 'ERR_CARACAL_TRUST_FILE', message: /known:1: a line is "pin LABEL ID"/ });
  });
});

describe('pins on first use', () => {
  it('the first key of a label is remembered, in a file of this user alone', () => {
    assert.equal(pinOnFirstUse('web', one), 'pinned');
    assert.equal(pinOnFirstUse('web', one), 'known');
    assert.equal(statSync(knownPath()).mode & 0o777, 0o600);
    assert.equal(currentTrust().trust.pins.get(labelText('web')), formatServiceId(one));
    assert.equal(readFileSync(knownPath(), 'utf8').split('\n').length, 2);
  });

  it('another key is refused, naming both and the line; nothing changes', () => {
    pinOnFirstUse('mail', two);
    pinOnFirstUse('web', one);
    const before = readFileSync(knownPath(), 'utf8');
    assert.throws(
      () => pinOnFirstUse('web', two),
      (error: Error & { code?: string }) => {
        assert.equal(error.code, 'ERR_CARACAL_PIN_CONFLICT');
        for (const part of [
          `${knownPath()}:2`,
          formatServiceId(one),
          formatServiceId(two),
          'caracal trust remove pin web',
        ])
          assert.ok(error.message.includes(part), part);
        return true;
      },
    );
    assert.equal(readFileSync(knownPath(), 'utf8'), before);
  });

  it('what a person pinned comes first', () => {
    addPin({ label: 'web', id: one });
    assert.equal(pinOnFirstUse('web', one), 'known');
    assert.equal(readTrust().known.exists, false);
    assert.throws(() => pinOnFirstUse('web', two), { code: 'ERR_CARACAL_PIN_CONFLICT', message: /trust:1\)/ });
  });

  it('a last line without an end is not lengthened', () => {
    write('known', `pin mail ${formatServiceId(two)}`);
    pinOnFirstUse('web', one);
    assert.deepEqual(
      readTrust().known.pins.map(({ label, line }) => [label, line]),
      [
        ['mail', 1],
        ['web', 2],
      ],
    );
  });

  it('of processes that race for a label one key wins, and every other is told', async () => {
    const ids = Array.from({ length: 6 }, () =>
      formatServiceId(selfCertifyingId(primitives, (generateKey('service') as SigningKey).publicKey)),
    );
    const script = `
      import { parseServiceId } from ${JSON.stringify(new URL('../core/base/index.js', import.meta.url).href)};
      import { pinOnFirstUse } from ${JSON.stringify(new URL('./index.js', import.meta.url).href)};
      const at = Number(process.argv[2]);
      while (Date.now() < at);
      try { pinOnFirstUse('web', parseServiceId(process.argv[1])); console.log('won'); }
      catch (error) { console.log(error.code); }`;
    const at = Date.now() + 1_500;
    const run = promisify(execFile);
    const outcomes = await Promise.all(
      ids.map((id) => run(process.execPath, ['--input-type=module', '-e', script, id, `${at}`])),
    );
    const words = outcomes.map(({ stdout }) => stdout.trim());
    assert.equal(words.filter((word) => word === 'won').length, 1, words.join());
    assert.equal(words.filter((word) => word === 'ERR_CARACAL_PIN_CONFLICT').length, ids.length - 1);
    assert.equal(readTrust().trust.pins.get(labelText('web')), ids[words.indexOf('won')]);
  });
});

describe('trust by hand', () => {
  it('adds systems and pins, and never replaces one', () => {
    assert.equal(addSystem(entry), 'added');
    assert.equal(addSystem(entry), 'known');
    const other = generateKey('system') as SigningKey;
    assert.throws(() => addSystem(systemEntry('corp', other.publicKey) as SystemEntry), {
      code: 'ERR_CARACAL_PIN_CONFLICT',
      next: 'caracal trust remove system corp',
    });
    assert.equal(addPin({ label: 'web', id: one }), 'added');
    assert.equal(addPin({ label: 'web', id: one }), 'known');
    assert.throws(() => addPin({ label: 'web', id: two }), { code: 'ERR_CARACAL_PIN_CONFLICT' });
    assert.equal(statSync(trustPath()).mode & 0o777, 0o600);
  });

  it('removes one entry from where it stands, and leaves the rest as written', () => {
    addSystem(entry);
    addPin({ label: 'web', id: one });
    pinOnFirstUse('mail', two);
    writeFileSync(trustPath(), `# kept\n${readFileSync(trustPath(), 'utf8')}`);
    assert.equal(removeTrust('pin', 'web'), 1);
    assert.equal(removeTrust('pin', 'mail'), 1);
    assert.equal(removeTrust('pin', 'none'), 0);
    assert.equal(readFileSync(trustPath(), 'utf8'), `# kept\nsystem corp ${keyText(system.publicKey)}\n`);
    assert.equal(readTrust().trust.pins.size, 0);
    assert.equal(removeTrust('system', 'corp'), 1);
    assert.equal(pinOnFirstUse('web', two), 'pinned');
  });
});
