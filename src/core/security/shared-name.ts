// A name as people hand it to each other, in one string (docs/keys.md, "Names to share"): `svc:ID`, or `svc:NAME@ID`, where
// ID is the self-certifying serviceID of the key that the instances of NAME must present. `svc:` may be left out.
// `svc://NAME/path` is a URL and not ours; `@` cannot stand in a name, so nothing else is taken for one of these.

import { formatServiceId, isServiceIdText, lowerCase, parseServiceId, type ServiceId } from '../base/index.ts';
import { isLabel, memberServiceId, nameKind } from './names.ts';

/**
 * At least one is there. `name` alone: any text that is a label. `id` alone: any serviceID. Both: the name is to be
 * resolved, and its root key must hash to `id`.
 */
export interface SharedName {
  readonly name?: string;
  readonly id?: ServiceId;
}

/** Undefined for what is none of these: a URL, a prefix with `/bits`, a malformed name. Never throws. */
export function parseShared(text: string): SharedName | undefined {
  // In lower case some letters of other alphabets are ours (U+212A is a k).
  if (/[^!-~]/.test(text)) return undefined;
  const bare = lowerCase(text.replace(/^svc:(?!\/\/)/i, ''));
  const at = bare.indexOf('@');
  if (at < 0) {
    if (isServiceIdText(bare)) return { id: parseServiceId(bare) };
    return isLabel(bare) ? { name: bare } : undefined;
  }
  const name = bare.slice(0, at);
  const idText = bare.slice(at + 1);
  if (!isLabel(name) || isServiceIdText(name) || !isServiceIdText(idText)) return undefined;
  const id = parseServiceId(idText);
  return isKeyId(id) ? { name, id } : undefined;
}

/** `svc:NAME@ID`, `svc:ID` or `svc:NAME`. */
export function formatShared({ name, id }: SharedName): string {
  return `svc:${[name, id && formatServiceId(id)].filter((part) => part !== undefined).join('@')}`;
}

/** Whether an id names a key itself: what a fingerprint must be. */
export function isKeyId(id: ServiceId): boolean {
  return nameKind(id) === 'key' && formatServiceId(memberServiceId(id, 0)) === formatServiceId(id);
}
