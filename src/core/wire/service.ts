// SERVICE, 36 or 68 bytes: the name that a first packet or an unbound datagram is for, and the sender's own where an
// answer needs one (docs/protocol.md, "SERVICE"). Parsing gives offsets; the 32 bytes are copied only by who keeps
// them, and a router may read them into one array that it reuses.

import { Reason, type ServiceId } from '../base/index.ts';
import { writeBytes } from './bytes.ts';
import { Extension, emitExtensionHeader, extensionBytes } from './extension.ts';

const idBytes = 32;
const destinationOnlyBytes = 4 + idBytes;
const bothBytes = destinationOnlyBytes + idBytes;

export interface Service {
  /** None is defined: sent 0. */
  flags: number;
  /** Absolute; for `readServiceId`. */
  destinationOffset: number;
  /** Absolute; 0: absent. */
  sourceOffset: number;
}

export function createService(): Service {
  return { flags: 0, destinationOffset: 0, sourceOffset: 0 };
}

export function serviceBytes(withSource: boolean): number {
  return withSource ? bothBytes : destinationOnlyBytes;
}

/** Both ids have 32 bytes. */
export function emitService(view: DataView, offset: number, destination: Uint8Array, source?: Uint8Array): number {
  const bytes = serviceBytes(source !== undefined);
  emitExtensionHeader(view, offset, Extension.SERVICE, bytes);
  writeBytes(view, offset + 4, destination);
  if (source !== undefined) writeBytes(view, offset + 4 + idBytes, source);
  return bytes;
}

export function parseService(view: DataView, offset: number, out: Service): Reason {
  const bytes = extensionBytes(view, offset);
  if (bytes !== destinationOnlyBytes && bytes !== bothBytes) return Reason.BAD_EXTENSION;
  out.flags = view.getUint8(offset + 2);
  out.destinationOffset = offset + 4;
  out.sourceOffset = bytes === bothBytes ? offset + 4 + idBytes : 0;
  return Reason.OK;
}

/** The 32 bytes at `offset`, copied into `into` (a new array unless given) and branded. */
export function readServiceId(view: DataView, offset: number, into = new Uint8Array(idBytes)): ServiceId {
  for (let i = 0; i < idBytes; i++) into[i] = view.getUint8(offset + i);
  return into as ServiceId;
}
