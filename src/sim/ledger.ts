// The byte ledger of a simulation: what each host received from, and sent to, every address, and whether that address has
// shown that it receives (docs/protocol.md, "Addresses"). It reads packets by the wire format and asks no stack, so that it
// holds a stack to the rule instead of believing it. At most three bytes go to an unproven address for each that came from
// there; errors and answers of the control plane weigh at most what they answer, and nothing answers an error.
// Not charged: what a host begins itself (SYN, of a connection or of one more flow, requests, multicast, an application's datagrams). Known gap: a client
// believes an authentic SYN-ACK about where it comes from.

import { formatLocator, type Locator, Reason } from '../core/base/index.ts';
import { createControlMessage, MessageType, parseControl as parseMessage } from '../core/control/index.ts';
import { controlLabel, labelServiceId } from '../core/security/index.ts';
import {
  type Control,
  ControlFlag,
  createChallenge,
  createControl,
  createCookie,
  createPacket,
  createService,
  createSource,
  Direction,
  entryOffset,
  type Packet,
  PacketKind,
  parseChallenge,
  parseControl,
  parseCookie,
  parsePacket,
  parseService,
  parseSource,
  readLocator,
} from '../core/wire/index.ts';
import { createCrypto } from '../crypto/index.ts';
import type { Packet as Datagram } from './link.ts';
import type { Network } from './network.ts';

/** One host's dealings with one address. */
export interface Account {
  receivedBytes: number;
  /** Charged ones. */
  sentBytes: number;
  /** Packets: of what came, all but errors; of what went, errors and answers of the control plane. */
  questions: number;
  questionBytes: number;
  answers: number;
  answerBytes: number;
  proven: boolean;
}

export interface Ledger {
  /** The first ones, as sentences. */
  readonly violations: string[];
  readonly accounts: Map<string, Map<string, Account>>;
  /** Stations that need not keep the rule: attackers. */
  readonly exempt: Set<string>;
}

interface Book {
  readonly accounts: Map<string, Account>;
  /** Flows that the host told in a SYN of its own, and those told in SYN-ACKs, with the address they were told to. */
  readonly ownFlows: Set<string>;
  readonly told: Map<string, Set<string>>;
  /** Tokens and cookies by the address that they were sent to. */
  readonly secrets: Map<string, string>;
  /** Addresses that sent a SYN-ACK for a flow of the host. */
  readonly answered: Set<string>;
  namedIn: number;
  forwarded: number;
}

const amplification = 3;
const mostViolations = 20;
const controlService = labelServiceId(createCrypto(), controlLabel);
const requests: readonly number[] = [
  MessageType.SOLICIT,
  MessageType.WITHDRAW,
  MessageType.REGISTER,
  MessageType.UNREGISTER,
  MessageType.NAME_QUERY,
  MessageType.HEARTBEAT,
  MessageType.LIVENESS_QUERY,
];

export function followBytes(network: Network): Ledger {
  const ledger: Ledger = { violations: [], accounts: new Map(), exempt: new Set() };
  const books = new Map<string, Book>();
  const bookOf = (name: string): Book => {
    const known = books.get(name);
    if (known !== undefined) return known;
    const accounts = new Map<string, Account>();
    const book: Book = {
      accounts,
      ownFlows: new Set(),
      told: new Map(),
      secrets: new Map(),
      answered: new Set(),
      namedIn: 0,
      forwarded: 0,
    };
    books.set(name, book);
    ledger.accounts.set(name, accounts);
    return book;
  };
  const charged = new WeakSet<Datagram>();
  network.observers.push((verdict, from, to, datagram) => {
    if (verdict === 'delivered') credit(bookOf(to), datagram);
    // Whoever sends to an address where nobody is has sent all the same.
    if ((verdict !== 'sent' && verdict !== 'unreachable') || datagram.multicast === true || ledger.exempt.has(from))
      return;
    if (charged.has(datagram) || network.forged.has(datagram)) return;
    charged.add(datagram);
    charge(ledger, from, bookOf(from), datagram);
  });
  return ledger;
}

/** The host knows by other means than packets that whoever is at `locator` is there: another process told it. */
export function vouch({ accounts }: Ledger, host: string, locator: Locator): void {
  const own = accounts.get(host);
  if (own !== undefined) accountIn(own, formatLocator(locator)).proven = true;
}

const packet = createPacket();
const control = createControl();
const service = createService();
const source = createSource();
const cookie = createCookie();
const challenge = createChallenge();
const message = createControlMessage();

/** Calls back for each packet of a datagram; `packet` and `control` describe it. */
function eachPacket({ bytes }: Datagram, visit: (view: DataView) => void): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  for (let at = 0; at < bytes.length; at += packet.totalBytes) {
    if (bytes[at] === 0) break;
    if (parsePacket(view, at, bytes.length, packet) !== Reason.OK || packet.kind === PacketKind.PADDING) return;
    control.flags = 0;
    if (packet.controlOffset !== 0) parseControl(view, packet.controlOffset, control);
    visit(view);
  }
}

function credit(book: Book, datagram: Datagram): void {
  let sender = datagram.source;
  let questions = 0;
  eachPacket(datagram, (view) => {
    sender = clientOf(view) ?? sender;
    if (isNamed(packet)) {
      book.namedIn++;
      noteCookie(book, view, sender);
    } else noteProof(book, view, datagram.source);
    if (!isErrorPacket(packet, control)) questions++;
  });
  const account = accountOf(book, sender);
  account.receivedBytes += datagram.bytes.length;
  if (questions === 0) return;
  account.questions += questions;
  account.questionBytes += datagram.bytes.length;
}

/** Of a packet that was passed on: its sender as the first to do so saw it. */
function clientOf(view: DataView): Locator | undefined {
  if (packet.sourceOffset === 0 || parseSource(view, packet.sourceOffset, source) !== Reason.OK) return undefined;
  return readLocator(view, entryOffset(source, 0));
}

function noteCookie(book: Book, view: DataView, sender: Locator): void {
  if (packet.cookieOffset === 0 || parseCookie(view, packet.cookieOffset, cookie) !== Reason.OK) return;
  if (cookie.direction === Direction.RESPONSE) prove(book, sender, `cookie ${cookieText(view)}`);
}

/** Who repeats what was told to one address alone has received it there. */
function noteProof(book: Book, view: DataView, sender: Locator): void {
  if (control.flags === (ControlFlag.SYN | ControlFlag.ACK) && book.ownFlows.has(`${packet.flowHi} ${packet.flowLo}`))
    book.answered.add(formatLocator(sender));
  if (control.flags === ControlFlag.ACK) {
    const told = book.told.get(`${packet.flowHi} ${packet.flowLo} ${control.nonceHi} ${control.nonceLo}`);
    if (told?.size === 1) for (const address of told) accountAt(book, address).proven = true;
  }
  if (packet.challengeOffset === 0 || parseChallenge(view, packet.challengeOffset, challenge) !== Reason.OK) return;
  if (challenge.direction === Direction.RESPONSE)
    prove(book, sender, `token ${challenge.tokenHi} ${challenge.tokenLo}`);
}

function prove(book: Book, sender: Locator, secret: string): void {
  const address = formatLocator(sender);
  if (book.secrets.get(secret) === address) accountAt(book, address).proven = true;
}

function charge(ledger: Ledger, name: string, book: Book, datagram: Datagram): void {
  const address = formatLocator(datagram.destination);
  const account = accountAt(book, address);
  let charged = false;
  let isAnswer = false;
  eachPacket(datagram, (view) => {
    if (packet.sourceOffset !== 0) book.forwarded++;
    else if (control.flags === ControlFlag.SYN) book.ownFlows.add(`${control.flowHi} ${control.flowLo}`);
    else if (isNamed(packet)) isAnswer = noteNamed(view, datagram.bytes);
    else {
      charged = true;
      isAnswer = isErrorPacket(packet, control);
      noteTold(book, view, address);
    }
  });
  if (book.forwarded > book.namedIn) tell(ledger, `${name} forwarded ${book.forwarded} of ${book.namedIn} packets`);
  if (!charged && !isAnswer) return;
  account.sentBytes += datagram.bytes.length;
  if (isAnswer) {
    account.answers++;
    account.answerBytes += datagram.bytes.length;
  }
  check(ledger, `${name} to ${address}`, account);
}

/** A named packet that a host sends by itself; true: it answers somebody. */
function noteNamed(view: DataView, bytes: Uint8Array): boolean {
  if (packet.controlOffset !== 0 || packet.serviceOffset === 0) return false;
  if (parseService(view, packet.serviceOffset, service) !== Reason.OK) return false;
  for (let i = 0; i < controlService.length; i++)
    if (view.getUint8(service.destinationOffset + i) !== controlService[i]) return false;
  const verdict = parseMessage(bytes, packet.payloadOffset, packet.payloadBytes, message);
  return verdict === Reason.OK && !requests.includes(message.type);
}

/** What only a receiver at this address can repeat. */
function noteTold(book: Book, view: DataView, address: string): void {
  if (control.flags === (ControlFlag.SYN | ControlFlag.ACK)) {
    const key = `${control.flowHi} ${control.flowLo} ${control.nonceHi} ${control.nonceLo}`;
    const told = book.told.get(key) ?? new Set();
    book.told.set(key, told.add(address));
  }
  if (control.flags === ControlFlag.ACK && book.answered.has(address)) accountAt(book, address).proven = true;
  if (packet.cookieOffset !== 0 && parseCookie(view, packet.cookieOffset, cookie) === Reason.OK)
    book.secrets.set(`cookie ${cookieText(view)}`, address);
  if (packet.challengeOffset !== 0 && parseChallenge(view, packet.challengeOffset, challenge) === Reason.OK)
    book.secrets.set(`token ${challenge.tokenHi} ${challenge.tokenLo}`, address);
}

function check(ledger: Ledger, who: string, account: Account): void {
  const { receivedBytes, sentBytes, questions, questionBytes, answers, answerBytes, proven } = account;
  if (answers > questions) tell(ledger, `${who}: ${answers} errors and answers to ${questions} questions`);
  if (answerBytes > questionBytes)
    tell(ledger, `${who}: ${answerBytes} bytes of errors and answers to ${questionBytes} bytes`);
  if (!proven && sentBytes > amplification * receivedBytes)
    tell(ledger, `${who}: ${sentBytes} bytes to an unproven address that sent ${receivedBytes}`);
}

function tell({ violations }: Ledger, violation: string): void {
  if (violations.length < mostViolations) violations.push(violation);
}

/** FAIL, or RST without a tag: whoever sends it holds no flow. */
function isErrorPacket({ macOffset }: Packet, { flags }: Control): boolean {
  return macOffset === 0 && (flags === ControlFlag.FAIL || flags === ControlFlag.RST);
}

function isNamed({ flowHi, flowLo }: Packet): boolean {
  return (flowHi | flowLo) === 0;
}

function cookieText(view: DataView): string {
  let text = '';
  for (let i = 0; i < cookie.cookieBytes; i++) text += ` ${view.getUint8(cookie.cookieOffset + i)}`;
  return text;
}

function accountOf(book: Book, locator: Locator): Account {
  return accountAt(book, formatLocator(locator));
}

function accountAt({ accounts }: Book, address: string): Account {
  return accountIn(accounts, address);
}

function accountIn(accounts: Map<string, Account>, address: string): Account {
  let account = accounts.get(address);
  if (account === undefined) {
    account = {
      receivedBytes: 0,
      sentBytes: 0,
      questions: 0,
      questionBytes: 0,
      answers: 0,
      answerBytes: 0,
      proven: false,
    };
    accounts.set(address, account);
  }
  return account;
}
