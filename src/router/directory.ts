// The router's directory (N4; docs/protocol-control.md, NAME-QUERY): answers what a name stands for, out of a file that
// the operator keeps. One datagram in, one datagram out to the name that asked; no state per asker. An unknown name
// is answered too (no id), so that the asker need not wait for its timeout.

import { lowerCase, type Prefix, Reason } from '../core/base/index.ts';
import {
  createControlMessage,
  emitControl,
  MessageType,
  maxControlBytes,
  parseControl,
} from '../core/control/index.ts';
import { directoryLabel } from '../core/security/index.ts';
import type { Driver, Event, SocketId } from '../core/stack/index.ts';
import { labelId } from '../sockets/index.ts';

/** Binds the directory's name on `driver` and answers from `names` (lower case). */
export function serveDirectory(driver: Driver, names: ReadonlyMap<string, Prefix>): SocketId {
  const socket = driver.handle({ kind: 'datagram-socket', service: labelId(directoryLabel) });
  const question = createControlMessage();
  const answer = createControlMessage();
  const bytes = new Uint8Array(maxControlBytes);
  driver.attach(socket, (event: Event) => {
    if (event.kind !== 'datagram' || event.from === undefined) return;
    if (parseControl(event.bytes, 0, event.bytes.length, question) !== Reason.OK) return;
    if (question.type !== MessageType.NAME_QUERY) return;
    answer.type = MessageType.NAME_ANSWER;
    answer.transaction = question.transaction;
    answer.name = question.name;
    answer.service = names.get(lowerCase(question.name))?.id;
    const length = emitControl(answer, bytes, 0);
    driver.handle({ kind: 'datagram', socket, bytes: bytes.slice(0, length), to: event.from });
  });
  driver.unref(socket);
  return socket;
}
