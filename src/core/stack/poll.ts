// Egress: `poll` answers one output at a time, in this order: packets of SAL itself, events, probes of hosts, then the
// streams that are in line, one batch each in turn. Events go before streams so that what the application writes in answer leaves with the
// acknowledgement. A stream's segments are written straight into the caller's send buffer; those that the transport wants
// to be trusted get a tag; all do until the peer knows that the opening is complete, with the ACK of the opening, and while
// somebody forges data for the peer.

import { type FlowId, noLocator } from '../base/index.ts';
import { nextDeadlineUs } from '../tables/index.ts';
import { egress, type Lower, type PacketBatch, type Tcb } from '../transport/index.ts';
import { baseHeaderBytes, type DataSeq, dataSeqBytes, emitBase, emitDataSeq, emitMac, MacFlag } from '../wire/index.ts';
import type { Subflow } from './flow-group.ts';
import { emitOpeningAck, openingBytes, streamHeaderBytes, taggedHeaderBytes, tagPacket } from './packets.ts';
import { push, shift } from './queue.ts';
import { arm, noteDispatched } from './sockets.ts';
import type { Connection, OutgoingPacket, StackState } from './state.ts';
import { type Output, type OutputKind, Protocol } from './types.ts';

/** SAL as the transport sees it, pointed at one connection per batch. */
export interface FlowLower extends Lower {
  headerBytes: number;
  trustedHeaderBytes: number;
  stack: StackState | undefined;
  connection: Connection | undefined;
}

export function createFlowLower(): FlowLower {
  return {
    headerBytes: streamHeaderBytes,
    trustedHeaderBytes: taggedHeaderBytes,
    opening: 'lower',
    pads: true,
    stack: undefined,
    connection: undefined,
    emitHeader({ view, buffer }, offset, segmentBytes, trusted) {
      const { connection, stack } = this;
      if (connection === undefined || stack === undefined) return;
      const { hi, lo }: FlowId = connection.remoteFlow;
      const headerBytes = trusted ? this.trustedHeaderBytes : this.headerBytes;
      emitBase(view, offset, headerBytes, Protocol.TCP, headerBytes + segmentBytes, hi, lo);
      if (headerBytes === streamHeaderBytes) return;
      let at = offset + baseHeaderBytes;
      if (!connection.confirmed) at += emitOpeningAck(view, at, connection);
      if (connection.subflow !== undefined) at += emitDataSeq(view, at, dataSeqOf(stack, connection.subflow));
      emitMac(view, at, connection.keys?.tagEpoch ?? 0, stack.nowUs < connection.distrustUntilUs ? MacFlag.TAG_ALL : 0);
      tagPacket(stack, connection, buffer, offset, headerBytes + segmentBytes, at);
    },
  };
}

/** What one end of several flows has received, told on each of them. */
function dataSeqOf({ work }: StackState, { group }: Subflow): DataSeq {
  work.dataSeq.recordNumber = group.first.reader?.expected ?? 0;
  return work.dataSeq;
}

/** For a stack to poll into; a batch is at most as long as `buffer`. */
export function createOutput(buffer: Uint8Array): Output {
  const view = new DataView(buffer.buffer, buffer.byteOffset, buffer.length);
  return {
    batch: { buffer, view, bytes: 0, packetBytes: 0, packets: 0, probe: false },
    remote: noLocator,
    link: 0,
    event: { kind: 'writable', socket: 0 },
    deadlineUs: Infinity,
  };
}

export function poll(stack: StackState, output: Output, events: boolean): OutputKind {
  const packet = shift(stack.outbox);
  if (packet !== undefined) return transmitPacket(stack, packet, output);
  const event = events ? shift(stack.events) : undefined;
  if (event !== undefined) {
    noteDispatched(stack, event);
    output.event = event;
    return 'event';
  }
  const question = shift(stack.hostProbes);
  if (question !== undefined) {
    output.remote = question.remote;
    output.link = question.link;
    return 'probe';
  }
  if (pollStreams(stack, output)) return 'transmit';
  output.deadlineUs = Math.min(nextDeadlineUs(stack.timers), stack.controlPlaneUs, stack.pressureUs);
  return 'idle';
}

/** As many as leave in one pump of the driver's. */
const mostSpares = 64;

function transmitPacket(stack: StackState, { bytes, remote, link, spare }: OutgoingPacket, output: Output): OutputKind {
  const { batch } = output;
  batch.buffer.set(bytes);
  if (spare !== undefined && stack.spares.length < mostSpares) stack.spares.push(spare);
  batch.bytes = bytes.length;
  batch.packetBytes = bytes.length;
  batch.packets = 1;
  batch.probe = false;
  output.remote = remote;
  output.link = link;
  countOut(stack, batch);
  return 'transmit';
}

function countOut(stack: StackState, batch: PacketBatch): void {
  stack.counters.packetsOut += batch.packets;
  stack.counters.bytesOut += batch.bytes;
}

/** One batch of the next stream in line that has something to send; it goes to the end of the line. */
function pollStreams(stack: StackState, output: Output): boolean {
  const { batch } = output;
  for (;;) {
    const connection = shift(stack.ready);
    if (connection === undefined) return false;
    connection.ready = false;
    if (!egressStream(stack, connection, batch)) {
      // Of a flow that is gone the timer may be another's by now.
      if (connection.state !== 'CLOSED') arm(stack, connection);
      continue;
    }
    connection.ready = true;
    push(stack.ready, connection);
    connection.packetsOut += batch.packets;
    connection.wireBytes += batch.bytes;
    output.remote = connection.peer;
    output.link = connection.link;
    countOut(stack, batch);
    return true;
  }
}

function egressStream(stack: StackState, connection: Connection, batch: PacketBatch): boolean {
  const { tcb, state } = connection;
  if (tcb === undefined || (state !== 'ESTABLISHED' && state !== 'FIN-SENT')) return false;
  const { lower } = stack;
  lower.stack = stack;
  lower.connection = connection;
  lower.trustedHeaderBytes = taggedHeaderBytes + (connection.confirmed ? 0 : openingBytes(connection));
  if (connection.subflow !== undefined) lower.trustedHeaderBytes += dataSeqBytes;
  const bare = connection.confirmed && stack.nowUs >= connection.tagAllUntilUs;
  lower.headerBytes = bare ? streamHeaderBytes : lower.trustedHeaderBytes;
  batch.bytes = 0;
  batch.packets = 0;
  batch.packetBytes = 0;
  batch.probe = false;
  if (connection.allowanceBytes !== Number.POSITIVE_INFINITY) return egressWithin(stack, connection, tcb, batch);
  return egress(tcb, stack.nowUs, lower, batch) && batch.bytes > 0;
}

/** Left for packets of SAL: two ends that have moved both would otherwise wait for each other. */
const controlReserveBytes = 600;

/** The peer's address is not proven: a batch that is no longer than what may go there, or none if no packet fits. */
function egressWithin({ nowUs, lower }: StackState, connection: Connection, tcb: Tcb, batch: PacketBatch): boolean {
  const limitBytes = connection.allowanceBytes - controlReserveBytes;
  if (limitBytes < tcb.mtu.currentBytes) return false;
  const buffer = batch.buffer.subarray(0, Math.min(limitBytes, batch.buffer.length));
  const short = { buffer, view: batch.view, bytes: 0, packetBytes: 0, packets: 0, probe: false };
  if (!egress(tcb, nowUs, lower, short) || short.bytes === 0) return false;
  const { bytes, packetBytes, packets, probe } = short;
  Object.assign(batch, { bytes, packetBytes, packets, probe });
  connection.allowanceBytes -= bytes;
  return true;
}
