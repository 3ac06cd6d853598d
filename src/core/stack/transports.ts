// What carries a stream: its transport, with the options that the application gave, and the records that go through it.
// Options are few and connections many, so connections with the same ones share one record of them.

import {
  createRecordCipher,
  createRecordReader,
  createRecordWriter,
  createReplayWindow,
  nullCipher,
} from '../security/index.ts';
import { type EngineOptions, endBatch, type KeepAlive, setOptions, startTcb, type Tcb } from '../transport/index.ts';
import type { Opening } from './half-open.ts';
import { taggedHeaderBytes } from './packets.ts';
import { basePacketBytes, markReady } from './sockets.ts';
import type { Connection, StackState } from './state.ts';
import { Protocol, type StreamOptions } from './types.ts';

const defaultSendBufferBytes = 4 * 1024 * 1024;
/** Two of the records that a peer makes for the smallest window, and what is not read yet. */
const leastReceiveBytes = 16_384;
const defaultReceiveBufferBytes = 16 * 1024 * 1024;
/** Programs have a handful. */
const mostKnownOptions = 64;

/** Where a transport starts counting, if it is made a second time. */
type Start = Pick<Opening, 'iss' | 'tsOffset'>;

/** Gives a stream its transport; `setPeer` tells it what the path allows. */
export function attachTransport(stack: StackState, connection: Connection, start: Start | undefined): Tcb {
  const tcb = makeTransport(stack, connection.stream, start);
  connection.tcb = tcb;
  return tcb;
}

/** A transport in CLOSED. */
export function makeTransport(stack: StackState, stream: StreamOptions, start: Start | undefined): Tcb {
  const options = transportOptions(stack, stream, basePacketBytes);
  return startTcb(start ?? { iss: stack.random.uint32() }, options, stack.blocks, stack.random);
}

/** But for what is drawn for each connection anew; those that are alike share it. */
export function transportOptions(stack: StackState, stream: StreamOptions, maxPacketBytes: number): EngineOptions {
  const { nagle, keepAliveUs, sendBufferBytes, receiveBufferBytes, congestion } = stream;
  const key = `${maxPacketBytes} ${nagle} ${keepAliveUs} ${sendBufferBytes} ${receiveBufferBytes} ${congestion}`;
  const known = stack.transportOptions.get(key);
  if (known !== undefined) return known;
  if (stack.transportOptions.size >= mostKnownOptions) stack.transportOptions.clear();
  const options = newOptions(stack, stream, maxPacketBytes);
  stack.transportOptions.set(key, options);
  return options;
}

function newOptions(stack: StackState, stream: StreamOptions, maxPacketBytes: number): EngineOptions {
  const keepAlive = keepAliveOf(stream);
  return {
    opening: 'lower',
    packetBytes: basePacketBytes,
    maxPacketBytes,
    headerBytes: taggedHeaderBytes,
    sendBufferBytes: stream.sendBufferBytes ?? defaultSendBufferBytes,
    receiveBufferBytes: receiveBufferBytesOf(stream),
    stallUs: stack.limits.stallUs,
    nagle: stream.nagle ?? false,
    ...(stream.congestion === undefined ? {} : { congestion: stream.congestion }),
    ...(keepAlive === undefined ? {} : { keepAlive }),
  };
}

/** The keys are there: what goes through the transport is sealed from here on, a datagram flow counts what it receives. */
export function attachRecords(stack: StackState, connection: Connection): void {
  const { keys, peerProof, security } = connection;
  if (keys === undefined) return;
  if (connection.protocol !== Protocol.TCP) {
    connection.replay = createReplayWindow();
    return;
  }
  const { aead } = stack.options.primitives;
  if (peerProof?.encrypted === false) {
    connection.writer = createRecordWriter(nullCipher);
    connection.reader = createRecordReader(nullCipher);
    return;
  }
  connection.writer = createRecordWriter(createRecordCipher(aead, keys.sealKey), security.paddingBytes);
  connection.reader = createRecordReader(createRecordCipher(aead, keys.openKey));
  keys.sealKey = -1;
  keys.openKey = -1;
}

export function receiveBufferBytesOf({ receiveBufferBytes = defaultReceiveBufferBytes }: StreamOptions): number {
  return Math.max(leastReceiveBytes, receiveBufferBytes);
}

function keepAliveOf({ keepAliveUs = 0 }: StreamOptions): KeepAlive | undefined {
  if (keepAliveUs === 0) return undefined;
  return { idleUs: keepAliveUs, intervalUs: Math.max(1_000_000, keepAliveUs / 8), probes: 8 };
}

/** Only what `stream` names is changed; keep-alive of 0 is turned off. */
export function changeStream(stack: StackState, connection: Connection, stream: StreamOptions): void {
  const { tcb } = connection;
  if (tcb === undefined) return;
  const { nagle, keepAliveUs } = stream;
  if (nagle !== undefined) setOptions(tcb, { nagle });
  if (keepAliveUs !== undefined) setOptions(tcb, { keepAlive: keepAliveOf(stream) ?? null });
  endBatch(tcb, stack.nowUs);
  markReady(stack, connection);
}
