// `caracal trust`: whose keys this person believes (X2): systems by their key, labels pinned to the key of their service.

import { existsSync } from 'node:fs';
import type { Command } from 'commander';
import { formatPrefix, formatServiceId, lowerCase, makePrefix } from '../../core/base/index.ts';
import { formatShared } from '../../core/security/index.ts';
import {
  addPin,
  addSystem,
  fingerprint,
  keyText,
  parseKeyText,
  pinEntry,
  readPublicKeyFile,
  readTrust,
  removeTrust,
  systemEntry,
  type TrustFile,
} from '../../keys/index.ts';
import { CliError, usageError } from '../errors.ts';
import { formatTable, note, print, printJson } from '../output.ts';

const jsonHelp = 'print one object as the last line';

export function registerTrust(program: Command): void {
  const trust = program
    .command('trust')
    .description('read or change whose keys are believed here')
    .option('--json', jsonHelp)
    .addHelpText(
      'after',
      `
Pins that programs made when they first met a label stand in known-services; they are never replaced, only removed.
Files: CARACAL_TRUST and CARACAL_KNOWN, else caracal/trust and caracal/known-services in ~/.config.

Examples:
  caracal trust
  caracal trust add system corp corp.pub
  caracal trust add pin web svc:aaaaaaaaaaaac...
  caracal trust remove pin web`,
    )
    .action(({ json }: { json?: boolean }) => list(json === true));
  trust
    .command('ls')
    .description('list systems and pins')
    .option('--json', jsonHelp)
    .action(({ json }: { json?: boolean }, command: Command) =>
      list(json === true || command.parent?.opts()['json'] === true),
    );
  const add = trust.command('add').description('believe a key');
  add
    .command('system')
    .description('this key speaks for all names of its system')
    .argument('<name>', 'what you call the system')
    .argument('<key>', 'its public key, or its .pub file')
    .action(addSystemKey);
  add
    .command('pin')
    .description('the instances of LABEL must be certified by this key')
    .argument('<label>')
    .argument('<id>', 'svc:ID of the service key, or its .pub file')
    .action(addLabelPin);
  trust
    .command('remove')
    .description('believe a key no longer')
    .argument('<kind>', 'system or pin')
    .argument('<name>')
    .action(remove);
}

interface Entry {
  readonly kind: 'system' | 'pin';
  readonly name: string;
  /** A system's key; `svc:ID` of the key that a label is pinned to. */
  readonly key: string;
  /** The names that it is about. */
  readonly prefix: string | null;
  readonly firstUse: boolean;
  readonly file: string;
  readonly line: number;
}

function list(json: boolean): void {
  const { configured, known } = readTrust();
  const entries = [...entriesOf(configured, false), ...entriesOf(known, true)];
  if (json) return printJson({ entries, files: { trust: configured.path, known: known.path } });
  if (entries.length === 0) {
    note(`looked into ${configured.path} and ${known.path}`);
    return print('no key is trusted: names that are not the hash of their key prove nothing here');
  }
  print(
    formatTable(entries, [
      { title: 'kind', value: ({ kind }) => kind },
      { title: 'name', value: ({ name }) => name },
      { title: 'key', value: ({ key }) => key },
      { title: 'from', value: ({ file, line, firstUse }) => `${file}:${line}${firstUse ? ' (first use)' : ''}` },
    ]),
  );
}

function entriesOf({ path, systems, pins }: TrustFile, firstUse: boolean): Entry[] {
  const common = { file: path, firstUse };
  return [
    ...systems.map(({ name, key, ssId, line }): Entry => {
      const id = new Uint8Array(32);
      id.set(Buffer.from(ssId, 'hex'));
      return { kind: 'system', name, key: keyText(key), prefix: formatPrefix(makePrefix(id, 64)), line, ...common };
    }),
    ...pins.map(
      ({ label, id, line }): Entry => ({
        kind: 'pin',
        name: label,
        key: formatShared({ id }),
        prefix: null,
        line,
        ...common,
      }),
    ),
  ];
}

function addSystemKey(name: string, text: string): void {
  const key = text.endsWith('.pub') || existsSync(text) ? systemKeyIn(text) : parseKeyText(text);
  if (key === undefined) throw usageError(`a key is 52 base32 characters or a .pub file, not "${text}"`);
  const entry = systemEntry(lowerCase(name), key);
  if (typeof entry === 'string') throw usageError(entry);
  note(addSystem(entry) === 'added' ? `added: names of this system need its key now` : 'it was there already');
}

function systemKeyIn(path: string): Uint8Array {
  const key = readPublicKeyFile(path);
  if (key.kind === 'system') return key.publicKey;
  const next = key.kind === 'service' ? `caracal trust add pin LABEL ${path}` : undefined;
  throw usageError(`${path} is a ${key.kind} key, not a system's`, next);
}

function addLabelPin(label: string, text: string): void {
  const id = text.endsWith('.pub') || existsSync(text) ? serviceIdIn(text) : text;
  const entry = pinEntry(lowerCase(label), id);
  if (typeof entry === 'string') throw usageError(entry);
  const outcome = addPin(entry);
  note(outcome === 'added' ? `added: "${label}" is ${formatServiceId(entry.id)} here` : 'it was there already');
}

function serviceIdIn(path: string): string {
  const key = readPublicKeyFile(path);
  if (key.kind === 'instance')
    throw usageError(`${path} is an instance key: a label is pinned to the key of its service`);
  return fingerprint(key.publicKey);
}

function remove(kind: string, name: string): void {
  if (kind !== 'system' && kind !== 'pin') throw usageError(`what is removed is a system or a pin, not "${kind}"`);
  if (removeTrust(kind, lowerCase(name)) === 0)
    throw new CliError(`there is no ${kind} "${name}"`, { next: 'caracal trust' });
  note(`removed: ${kind} ${name}`);
}
