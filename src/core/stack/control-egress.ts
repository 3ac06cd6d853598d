// Control messages on their way out: unbound datagrams to the well-known control name, to one locator or to everyone on
// the local network. What to say is core/control's business, when to say it control-plane.ts's.

import { type Locator, multicastLocator, type Prefix } from '../base/index.ts';
import { type ControlMessage, emitControl, MessageType } from '../control/index.ts';
import { buildUnboundDatagram, sendForStranger, sendPacket } from './packets.ts';
import type { StackState } from './state.ts';

export function sendControlMessage(stack: StackState, message: ControlMessage, remote: Locator): void {
  sendPacket(stack, buildMessage(stack, message), remote);
}

/** To who asked, whoever that is. */
export function answerControlMessage(stack: StackState, message: ControlMessage, remote: Locator): void {
  sendForStranger(stack, buildMessage(stack, message), remote);
}

function buildMessage(stack: StackState, message: ControlMessage): Uint8Array {
  const { payload } = stack.work;
  const length = emitControl(message, payload, 0);
  return buildUnboundDatagram(stack.controlService, undefined, payload.subarray(0, length));
}

/** Asks the local network, and wherever a router may be on this machine. */
export function solicit(stack: StackState, message: ControlMessage): void {
  message.replyPort = stack.locals[0]?.port ?? 0;
  sendControlMessage(stack, message, multicastLocator);
  for (const candidate of stack.options.routerCandidates ?? []) sendControlMessage(stack, message, candidate);
}

/** Tells those who found the name ad hoc that it is gone. */
export function sendWithdraw(stack: StackState, prefix: Prefix, protocol: number): void {
  const { answer } = stack.work;
  Object.assign(answer, { type: MessageType.WITHDRAW, transaction: 0, prefix, protocol, instance: stack.instance });
  answer.replyPort = stack.locals[0]?.port ?? 0;
  sendControlMessage(stack, answer, multicastLocator);
}
