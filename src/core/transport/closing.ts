// The ends of the two directions (RFC 9293 sections 3.6 and 3.10.4). A FIN takes the sequence number after the last
// byte and is sent, acknowledged and repeated like one. Above SAL nobody waits in TIME-WAIT: the state is reached, so
// that a repeated FIN is still answered, and SAL frees the flow when it likes. RST exists in self mode only.

import { TcpFlag } from '../wire/index.ts';
import { requestAck } from './ack.ts';
import { ackNumber, clearTimers, fail, type Tcb, wireSeq } from './tcb.ts';
import { Signal } from './types.ts';

/** Twice the maximum segment lifetime. */
const timeWaitUs = 60_000_000;

/** No more bytes will be queued; a FIN follows those that are. */
export function finish(tcb: Tcb, _nowUs: number): void {
  if (tcb.finQueued) return;
  tcb.finQueued = true;
  if (tcb.state === 'ESTABLISHED') tcb.state = 'FIN-WAIT-1';
  else if (tcb.state === 'CLOSE-WAIT') tcb.state = 'LAST-ACK';
}

/** Every byte before the peer's FIN was accepted, so the FIN counts. */
export function receivedFin(tcb: Tcb, nowUs: number): void {
  tcb.finReceived = true;
  requestAck(tcb, nowUs);
  tcb.signals |= Signal.FIN_RECEIVED;
  if (tcb.state === 'ESTABLISHED') tcb.state = 'CLOSE-WAIT';
  else if (tcb.state === 'FIN-WAIT-1') tcb.state = 'CLOSING';
  else if (tcb.state === 'FIN-WAIT-2') enterTimeWait(tcb, nowUs);
}

/** The cumulative acknowledgement covers our FIN. */
export function finWasAcked(tcb: Tcb, nowUs: number): void {
  if (tcb.finAcked) return;
  tcb.finAcked = true;
  tcb.signals |= Signal.FIN_ACKED;
  if (tcb.state === 'FIN-WAIT-1') tcb.state = 'FIN-WAIT-2';
  else if (tcb.state === 'CLOSING') enterTimeWait(tcb, nowUs);
  else if (tcb.state === 'LAST-ACK') {
    tcb.state = 'CLOSED';
    clearTimers(tcb.timers);
  }
}

/** A repeated FIN in TIME-WAIT: the wait begins anew. */
export function enterTimeWait(tcb: Tcb, nowUs: number): void {
  tcb.state = 'TIME-WAIT';
  clearTimers(tcb.timers);
  if (tcb.options.opening === 'self') tcb.timers.stateUs = nowUs + timeWaitUs;
}

/** Self mode: ends the connection at once; `egress` then emits one RST. Above SAL the RST is SAL's. */
export function abort(tcb: Tcb): void {
  const tellPeer = tcb.begun && tcb.state !== 'CLOSED' && tcb.state !== 'LISTEN' && tcb.state !== 'SYN-SENT';
  fail(tcb, 0);
  if (tellPeer && tcb.options.opening === 'self') reset(tcb, wireSeq(tcb.iss, tcb.scoreboard.end));
}

/** One RST at `seq`, acknowledging what was received. */
export function reset(tcb: Tcb, seq: number): void {
  tcb.resetFlags = TcpFlag.RST | TcpFlag.ACK;
  tcb.resetSeq = seq;
  tcb.resetAck = wireSeq(tcb.irs, ackNumber(tcb));
}
