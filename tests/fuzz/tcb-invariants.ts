// What must hold of a connection's record between any two calls of the engine, whatever a peer sent: the order of the
// sequence numbers (RFC 9293 section 3.3.1), a scoreboard that covers what is in flight and counts it right, a reassembly
// list that is sorted and disjoint, windows and timers that are numbers.

import { strict as assert } from 'node:assert';
import type { Tcb } from '../../src/core/transport/index.ts';

/** Flags of a run (core/transport, scoreboard). */
const sacked = 1;
const lost = 2;
const mostIntervals = 256;

export function checkTcb(tcb: Tcb): void {
  checkSending(tcb);
  checkScoreboard(tcb);
  checkReceiving(tcb);
  checkReassembly(tcb);
}

/** No number anywhere is NaN. NaN stays NaN, so once at the end is enough. */
export function checkNumbers(tcb: Tcb): void {
  const { timers, rtt, congestion, pacer, mtu, rack } = tcb;
  for (const record of [tcb, timers, rtt, congestion, pacer, mtu, rack]) checkRecord(record);
}

function checkRecord(record: object): void {
  for (const key in record) {
    const value = (record as Record<string, unknown>)[key];
    if (typeof value === 'number' && Number.isNaN(value)) assert.fail(`${key} is NaN`);
  }
}

function checkSending({ sndUna, sndEnd, sndWnd, scoreboard, congestion, rtt, mtu, mssBytes, finQueued }: Tcb): void {
  const sent = scoreboard.end;
  assert.ok(sndUna >= -1 && sndUna <= sent, `SND.UNA ${sndUna} <= SND.NXT ${sent}`);
  assert.ok(sent <= sndEnd + (finQueued ? 1 : 0), 'nothing is sent that is not queued');
  assert.ok(sndWnd >= 0);
  assert.ok(Number.isFinite(congestion.cwndBytes) && congestion.cwndBytes > 0, `cwnd ${congestion.cwndBytes}`);
  assert.ok(congestion.ssthreshBytes > 0);
  assert.ok(Number.isFinite(rtt.rtoUs) && rtt.rtoUs > 0, `RTO ${rtt.rtoUs}`);
  assert.ok(mssBytes > 0, `MSS ${mssBytes}`);
  assert.ok(mtu.currentBytes > 0);
}

function checkScoreboard({ scoreboard, sndUna }: Tcb): void {
  const { runs, end, sackedBytes, lostBytes, highest } = scoreboard;
  let at = Math.max(0, sndUna);
  let sackedSum = 0;
  let lostSum = 0;
  const after = runs.first + runs.count;
  for (let i = runs.first; i < after; i++) {
    assert.equal(runs.starts[i], at, 'runs are contiguous from SND.UNA on');
    const runEnd = i + 1 < after ? runs.starts[i + 1]! : end;
    assert.ok(runEnd > at, 'no run is empty');
    const flags = runs.marks[i]!;
    if (flags & sacked) sackedSum += runEnd - at;
    if (flags & lost) lostSum += runEnd - at;
    assert.ok((flags & (sacked | lost)) !== (sacked | lost), 'what arrived is not lost');
    at = runEnd;
  }
  assert.equal(at, end, 'runs end at SND.NXT');
  assert.equal(sackedSum, sackedBytes);
  assert.equal(lostSum, lostBytes);
  assert.ok(highest <= end);
}

function checkReceiving(tcb: Tcb): void {
  const { rcvAcked, rcvNxt, rcvAdv, rcvConsumed, rcvFinAt, finReceived, receiveBuffer } = tcb;
  assert.ok(rcvConsumed <= rcvAcked && rcvAcked <= rcvNxt, `${rcvConsumed} <= ${rcvAcked} <= RCV.NXT ${rcvNxt}`);
  assert.ok(rcvNxt <= rcvAdv, `RCV.NXT ${rcvNxt} within what was advertised, ${rcvAdv}`);
  assert.ok(receiveBuffer.end <= rcvAdv, 'nothing is stored outside of the window');
  if (finReceived) assert.ok(rcvFinAt === rcvAcked && rcvNxt === rcvAcked, 'nothing follows a FIN');
}

function checkReassembly({ reassembly, rcvNxt, rcvAdv }: Tcb): void {
  const { first, count, starts, values } = reassembly.intervals;
  assert.ok(count <= mostIntervals);
  let above = rcvNxt;
  for (let i = first; i < first + count; i++) {
    assert.ok(starts[i]! > above && values[i]! > starts[i]!, 'intervals are sorted, disjoint and apart');
    above = values[i]!;
  }
  assert.ok(above <= rcvAdv);
}
