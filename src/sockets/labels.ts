// The ids of names in the local domain (DESIGN: ssID 0, SHA-256 of the label). Core takes hashing as an argument; here
// it is node:crypto's.

import { createHash } from 'node:crypto';
import { lowerCase, type ServiceId } from '../core/base/index.ts';
import { labelServiceId, memberServiceId } from '../core/security/index.ts';

const primitives = {
  sha256: (data: Uint8Array): Uint8Array => createHash('sha256').update(data).digest(),
};

/** What a name means where no alias and no directory knows it; `member` 0 is the service itself. */
export function labelId(name: string, member = 0): ServiceId {
  const service = labelServiceId(primitives, lowerCase(name));
  return member === 0 ? service : memberServiceId(service, member);
}
