// What travels of one connection, and several of them as one sealed parcel: the stack's state, what the Duplex of either
// direction held, the application's own bytes. The seal is core's (docs/protocol.md, "Handoff"): a parcel opens once, by the key that its receiver
// made for it. Plain text is wiped here as soon as it is sealed: it holds the connection's keys.

import type { Primitives } from '../../core/base/index.ts';
import { createImportKey, type ImportKey, openState, sealState } from '../../core/security/index.ts';
import { primitives, unixSeconds } from '../../keys/index.ts';

/** What a Socket holds beside its state. */
export interface Luggage {
  readonly bytesRead: number;
  /** Of what left before `unwritten`. */
  readonly bytesWritten: number;
  /** Read, and not taken by the application. */
  readonly unread: Uint8Array;
  /** Written, and not taken by the stack. */
  readonly unwritten: Uint8Array;
}

export interface Carried extends Luggage {
  /** Its number within the batch. */
  readonly index: number;
  /** As the stack exported it. */
  readonly state: Uint8Array;
  /** What the application gave along. */
  readonly blob: Uint8Array;
}

/** Connections of one parcel: a key each would cost more than all the rest. */
export const connectionsPerParcel = 16;

const sealing: Primitives = { ...primitives, allocate: (bytes) => new Uint8Array(bytes), unixSeconds };
const headBytes = 4 + 8 + 8;
const parts = ['state', 'unread', 'unwritten', 'blob'] as const;

export function createParcelKey(): ImportKey {
  return createImportKey(sealing);
}

/** For the key that the receiver made. Undefined: it is no key. Wipes the states. */
export function sealParcel(key: Uint8Array, connections: readonly Carried[]): Uint8Array | undefined {
  const plain = emit(connections);
  for (const { state } of connections) state.fill(0);
  try {
    return sealState(sealing, key, plain);
  } finally {
    plain.fill(0);
  }
}

/** Undefined: not for this key, or the key was used. */
export function openParcel(key: ImportKey, sealed: Uint8Array): Carried[] | undefined {
  const plain = openState(sealing, key, sealed);
  if (plain === undefined) return undefined;
  try {
    return parse(plain);
  } finally {
    plain.fill(0);
  }
}

function emit(connections: readonly Carried[]): Uint8Array {
  let bytes = 0;
  for (const one of connections) bytes += headBytes + parts.reduce((sum, part) => sum + 4 + one[part].length, 0);
  const plain = new Uint8Array(bytes);
  const view = new DataView(plain.buffer);
  let at = 0;
  for (const one of connections) {
    view.setUint32(at, one.index);
    view.setFloat64(at + 4, one.bytesRead);
    view.setFloat64(at + 12, one.bytesWritten);
    at += headBytes;
    for (const part of parts) {
      view.setUint32(at, one[part].length);
      plain.set(one[part], at + 4);
      at += 4 + one[part].length;
    }
  }
  return plain;
}

function parse(plain: Uint8Array): Carried[] | undefined {
  const view = new DataView(plain.buffer, plain.byteOffset, plain.length);
  const connections: Carried[] = [];
  for (let at = 0; at < plain.length; ) {
    if (at + headBytes > plain.length) return undefined;
    const index = view.getUint32(at);
    const bytesRead = view.getFloat64(at + 4);
    const bytesWritten = view.getFloat64(at + 12);
    at += headBytes;
    const found = {} as Record<(typeof parts)[number], Uint8Array>;
    for (const part of parts) {
      const end = at + 4 <= plain.length ? at + 4 + view.getUint32(at) : Number.POSITIVE_INFINITY;
      if (end > plain.length) return undefined;
      found[part] = plain.slice(at + 4, end);
      at = end;
    }
    connections.push({ index, bytesRead, bytesWritten, ...found });
  }
  return connections;
}
