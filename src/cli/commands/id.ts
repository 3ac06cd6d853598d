// `caracal id NAME`: what a name stands for, and who said so (N4).

import type { Command } from 'commander';
import { formatPrefix, makePrefix, type Prefix, serviceBits } from '../../core/base/index.ts';
import { aliasPath, defaultDriver, labelId, parseTarget, resolveService } from '../../index.ts';
import { readAliases } from '../aliases.ts';
import { explain } from '../errors.ts';
import { formatPairs, print, printJson } from '../output.ts';

export function registerId(program: Command): void {
  program
    .command('id')
    .description('the serviceID that NAME stands for, its prefixes, and where it comes from')
    .argument('<name>', 'a name, a serviceID or a prefix')
    .option('--json', 'print one object as the last line', false)
    .addHelpText(
      'after',
      `
A name is looked for in the alias file (CARACAL_ALIASES), then in the router's directory; a name that neither
knows stands for its own label: ssID 0 and the first 160 bits of its SHA-256.

Examples:
  caracal id web
  echo "web $(caracal id web --json | node -pe 'JSON.parse(fs.readFileSync(0)).id')" >> ~/.config/caracal/aliases`,
    )
    .action(run);
}

type Origin = 'id' | 'alias' | 'directory' | 'label';

async function run(name: string, { json }: { json: boolean }): Promise<void> {
  const target = parseTarget(name);
  const prefix = target.prefix ?? (await resolve(name));
  const origin = originOf(target.text, target.prefix, prefix);
  const id = formatPrefix(makePrefix(prefix.id, 256));
  const prefixes = {
    system: formatPrefix(makePrefix(prefix.id, 64)),
    service: formatPrefix(makePrefix(prefix.id, serviceBits)),
    member: id,
  };
  const whole = formatPrefix(prefix);
  const from = origin === 'alias' ? aliasPath() : undefined;
  if (json) return printJson({ name, id, bits: prefix.bits, prefix: whole, origin, file: from ?? null, prefixes });
  const origins = {
    id: 'the text itself',
    alias: `the alias file ${from}`,
    directory: "the router's directory",
    label: 'its label: neither alias file nor directory knows it',
  };
  print(
    formatPairs([
      ['id', id],
      ['bound', whole],
      ['from', origins[origin]],
      ['system  /64', prefixes.system],
      ['service /224', prefixes.service],
    ]),
  );
}

function originOf(name: string, literal: Prefix | undefined, prefix: Prefix): Origin {
  if (literal !== undefined) return 'id';
  if (readAliases().prefixes.has(name)) return 'alias';
  return formatPrefix(prefix) === formatPrefix({ id: labelId(name), bits: 256 }) ? 'label' : 'directory';
}

function resolve(name: string): Promise<Prefix> {
  return resolveService(defaultDriver(), name).catch((error: unknown) => {
    throw explain(error, `resolve "${name}"`);
  });
}
