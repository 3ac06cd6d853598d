// Packets for a live flow by somebody who knows its flowID and has no key: each kind of control packet, acknowledgments
// and data, without a tag or with one that was guessed. Made in batches of one size, as segmentation offload takes them.

import { type FlowId, type Random, randomBelow, randomBytes } from '../../src/core/base/index.ts';
import {
  baseHeaderBytes,
  ControlFlag,
  challengeBytes,
  controlBytes,
  createControl,
  createSegment,
  Direction,
  emitBase,
  emitChallenge,
  emitControl,
  emitFinal,
  emitMac,
  emitSegment,
  finalBytes,
  macBytes,
  TcpFlag,
} from '../../src/core/wire/index.ts';

type Emit = (view: DataView, at: number, random: Random) => number;

interface Kind {
  readonly name: string;
  /** Extensions behind the base header; answers their bytes. */
  readonly extensions: Emit;
  readonly segment?: Emit;
}

const controlOf =
  (flags: number, and: Emit = () => 0): Emit =>
  (view, at, random) => {
    const control = { ...createControl(), flags, reason: randomBelow(random, 23) };
    control.nonceHi = random.uint32();
    control.nonceLo = random.uint32();
    control.flowHi = random.uint32();
    control.flowLo = random.uint32();
    const bytes = emitControl(view, at, control);
    return bytes + and(view, at + bytes, random);
  };

const final: Emit = (view, at, random) =>
  emitFinal(view, at, { sentOffset: random.uint32(), receivedOffset: random.uint32() });

const challenge: Emit = (view, at, random) =>
  emitChallenge(view, at, { direction: Direction.REQUEST, tokenHi: random.uint32(), tokenLo: random.uint32() });

const segmentOf =
  (payloadBytes: number, flags: number): Emit =>
  (view, at, random) => {
    const segment = { ...createSegment(), flags, seq: random.uint32(), ack: random.uint32() };
    segment.windowRaw = randomBelow(random, 65_536);
    segment.hasTimestamps = true;
    segment.tsval = random.uint32();
    segment.tsecr = random.uint32();
    const bytes = emitSegment(view, at, segment);
    new Uint8Array(view.buffer, at + bytes, payloadBytes).set(randomBytes(random, payloadBytes));
    return bytes + payloadBytes;
  };

const none: Emit = () => 0;

export const kinds: readonly Kind[] = [
  { name: 'RSYN', extensions: controlOf(ControlFlag.RSYN) },
  { name: 'FIN', extensions: controlOf(ControlFlag.FIN, final) },
  { name: 'FIN|ACK', extensions: controlOf(ControlFlag.FIN | ControlFlag.ACK, final) },
  { name: 'RST', extensions: controlOf(ControlFlag.RST) },
  { name: 'FAIL', extensions: controlOf(ControlFlag.FAIL) },
  { name: 'SYN|ACK', extensions: controlOf(ControlFlag.SYN | ControlFlag.ACK) },
  { name: 'ACK', extensions: controlOf(ControlFlag.ACK), segment: segmentOf(0, TcpFlag.ACK) },
  { name: 'CHALLENGE', extensions: challenge },
  { name: 'acknowledgment and window', extensions: none, segment: segmentOf(0, TcpFlag.ACK) },
  { name: 'data', extensions: none, segment: segmentOf(64, TcpFlag.ACK | TcpFlag.PSH) },
  { name: 'end', extensions: none, segment: segmentOf(0, TcpFlag.ACK | TcpFlag.FIN) },
  { name: 'reset', extensions: none, segment: segmentOf(0, TcpFlag.RST) },
];

export const largestForgery = baseHeaderBytes + controlBytes + finalBytes + challengeBytes + macBytes + 128;

/** Writes one packet at `at`; answers its bytes, the same for each of a kind. */
export function forge(
  { extensions, segment = none }: Kind,
  tagged: boolean,
  flow: FlowId,
  random: Random,
  to: Uint8Array,
  at: number,
): number {
  const view = new DataView(to.buffer, to.byteOffset);
  let end = at + baseHeaderBytes;
  end += extensions(view, end, random);
  if (tagged) {
    emitMac(view, end, 0);
    to.set(randomBytes(random, 16), end + macBytes - 16);
    end += macBytes;
  }
  const headerBytes = end - at;
  end += segment(view, end, random);
  emitBase(view, at, headerBytes, 6, end - at, flow.hi, flow.lo);
  return end - at;
}
