// Names as an operator writes them to this router: `web`, `web/224`, a serviceID, a prefix. The router's own directory
// decides what a name stands for, then its label; alias files belong to clients.

import { isServiceIdText, lowerCase, makePrefix, type Prefix, parsePrefix } from '../core/base/index.ts';
import { isLabel } from '../core/security/index.ts';
import { labelId, parseAliases } from '../sockets/index.ts';
import { AdminError } from './errors.ts';

/** The directory's file has the alias file's format. Throws an Error with code ERR_INVALID_ALIAS that names the line. */
export function parseNames(text: string, path: string): Map<string, Prefix> {
  return parseAliases(text, path);
}

/** Throws AdminError 400. */
export function prefixOf(names: ReadonlyMap<string, Prefix>, text: string): Prefix {
  const [word = '', bitsText, rest] = text.trim().split('/');
  if (isServiceIdText(word)) return parsedPrefix(text.trim());
  const name = lowerCase(word).replace(/\.svc\.?$/, '');
  if (!isLabel(name)) throw bad(`"${word}" is neither a service name nor a serviceID`);
  const known = names.get(name) ?? { id: labelId(name), bits: 256 };
  if (bitsText === undefined) return known;
  if (rest !== undefined || !/^\d{1,3}$/.test(bitsText) || Number(bitsText) > 256)
    throw bad(`"/${bitsText}" is not a prefix length (0 to 256)`);
  return makePrefix(known.id, Number(bitsText));
}

function parsedPrefix(text: string): Prefix {
  try {
    return parsePrefix(text);
  } catch (error) {
    throw bad((error as Error).message);
  }
}

function bad(message: string): AdminError {
  return new AdminError(400, 'BAD_REQUEST', message);
}
