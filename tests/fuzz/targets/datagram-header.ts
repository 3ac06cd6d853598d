// Fuzz target: the bytes as the header of a connected datagram. What parses is emitted byte for byte as it was.

import { strict as assert } from 'node:assert';
import { Reason } from '../../../src/core/base/index.ts';
import * as wire from '../../../src/core/wire/index.ts';
import { viewOf } from '../../vectors/load.ts';

export const maxBytes = 32;

export function fuzz(data: Uint8Array): void {
  const view = viewOf(data);
  if (wire.parseDatagramHeader(view, 0, data.length, datagram) !== Reason.OK) return;
  assert.ok(Number.isSafeInteger(datagram.datagramNumber));
  wire.emitDatagramHeader(scratch, 0, datagram.datagramNumber);
  for (let i = 0; i < wire.datagramHeaderBytes; i += 4) assert.equal(scratch.getUint32(i), view.getUint32(i));
}

const datagram = wire.createDatagramHeader();
const scratch = new DataView(new ArrayBuffer(wire.datagramHeaderBytes));
