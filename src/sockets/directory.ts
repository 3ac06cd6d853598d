// Asks the router's directory what a name stands for: NAME-QUERY and NAME-ANSWER (docs/protocol-control.md) in unbound
// datagrams to the directory's well-known service. One socket per driver, made at the first question, never keeping
// the process alive. No answer in time counts as "unknown": the name then means its label, as with no router at all.
// Answers are kept for a short while, so that a busy client asks once.

import { Reason, type ServiceId } from '../core/base/index.ts';
import {
  createControlMessage,
  emitControl,
  MessageType,
  maxControlBytes,
  parseControl,
} from '../core/control/index.ts';
import { directoryLabel } from '../core/security/index.ts';
import type { Driver, Event, SocketId } from '../core/stack/index.ts';
import { labelId } from './labels.ts';

type Answer = (id: ServiceId | undefined) => void;

interface Question {
  readonly name: string;
  readonly transaction: number;
  readonly waiting: Answer[];
  attempt: number;
  timer: NodeJS.Timeout | undefined;
}

interface Known {
  readonly id: ServiceId | undefined;
  readonly untilUs: number;
}

interface Directory {
  readonly driver: Driver;
  readonly socket: SocketId;
  readonly questions: Map<string, Question>;
  readonly known: Map<string, Known>;
  nextTransaction: number;
}

const retryMs = [200, 400, 800];
const keepUs = 30e6;
const keepUnknownUs = 2e6;
const maxKnown = 1000;

const directories = new WeakMap<Driver, Directory>();
/** Calls `answer` once: the id, or undefined when the directory does not know the name or does not answer. */
export function queryDirectory(driver: Driver, name: string, answer: Answer): void {
  const directory = directories.get(driver) ?? openDirectory(driver);
  const known = directory.known.get(name);
  if (known && known.untilUs > driver.nowUs()) {
    answer(known.id);
    return;
  }
  const asked = directory.questions.get(name);
  if (asked) {
    asked.waiting.push(answer);
    return;
  }
  const transaction = directory.nextTransaction++ >>> 0;
  const question: Question = { name, transaction, waiting: [answer], attempt: 0, timer: undefined };
  directory.questions.set(name, question);
  ask(directory, question);
}

function openDirectory(driver: Driver): Directory {
  const socket = driver.handle({ kind: 'datagram-socket' });
  const directory: Directory = { driver, socket, questions: new Map(), known: new Map(), nextTransaction: 1 };
  driver.attach(socket, (event) => onEvent(directory, event));
  driver.unref(socket);
  directories.set(driver, directory);
  return directory;
}

function ask(directory: Directory, question: Question): void {
  const delayMs = retryMs[question.attempt++];
  if (delayMs === undefined) {
    settle(directory, question, undefined);
    return;
  }
  const message = createControlMessage();
  message.type = MessageType.NAME_QUERY;
  message.transaction = question.transaction;
  message.name = question.name;
  const bytes = new Uint8Array(maxControlBytes);
  const length = emitControl(message, bytes, 0);
  directory.driver.handle({
    kind: 'datagram',
    socket: directory.socket,
    bytes: bytes.subarray(0, length),
    to: labelId(directoryLabel),
  });
  question.timer = setTimeout(ask, delayMs, directory, question);
}

function onEvent(directory: Directory, event: Event): void {
  if (event.kind === 'closed') {
    directories.delete(directory.driver);
    for (const question of [...directory.questions.values()]) settle(directory, question, undefined);
  }
  if (event.kind !== 'datagram') return;
  const message = createControlMessage();
  if (parseControl(event.bytes, 0, event.bytes.length, message) !== Reason.OK) return;
  if (message.type !== MessageType.NAME_ANSWER) return;
  const question = directory.questions.get(message.name);
  if (question && question.transaction === message.transaction) settle(directory, question, message.service);
}

function settle(directory: Directory, question: Question, id: ServiceId | undefined): void {
  clearTimeout(question.timer);
  directory.questions.delete(question.name);
  if (directory.known.size >= maxKnown) directory.known.clear();
  const untilUs = directory.driver.nowUs() + (id ? keepUs : keepUnknownUs);
  directory.known.set(question.name, { id, untilUs });
  for (const answer of question.waiting) answer(id);
}
