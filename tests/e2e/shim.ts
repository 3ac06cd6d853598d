// The test's side of programs/shim.ts: a bad network between a client and everything else. Its trace is decoded here
// with the stack's own codec, which has its vectors elsewhere.

import { Reason } from '../../src/core/base/index.ts';
import {
  ControlFlag,
  createControl,
  createPacket,
  createSegment,
  parseControl,
  parsePacket,
  parseSegment,
} from '../../src/core/wire/index.ts';
import type { Child, Stage } from './harness.ts';

export interface ShimOptions {
  readonly loss?: number;
  readonly reorder?: number;
  readonly duplicate?: number;
  readonly corrupt?: number;
  readonly tamper?: number;
  readonly replay?: number;
  readonly delayMs?: number;
  readonly seed?: number;
  readonly trace?: boolean;
  readonly record?: boolean;
}

export interface ShimStats {
  readonly out: number;
  readonly in: number;
  readonly lost: number;
  readonly reordered: number;
  readonly duplicated: number;
  readonly corrupted: number;
  readonly tampered: number;
  readonly replayed: number;
}

export interface TracedPacket {
  readonly atMs: number;
  /** As the client sees it. */
  readonly direction: 'out' | 'in';
  /** The real host:port of the other end. */
  readonly peer: string;
  readonly protocol: number;
  /** Destination flowID, 16 hexadecimal digits. */
  readonly flow: string;
  /** Of the datagram. */
  readonly bytes: number;
  readonly payloadBytes: number;
  readonly control?: { readonly flags: string; readonly sourceFlow: string; readonly attempt: number };
  /** TCP flags above SAL, where there is a segment. */
  readonly tcp?: number;
}

export class Shim {
  /** What the client is given as CARACAL_ROUTER. */
  readonly address: string;
  private readonly child: Child;

  private constructor(child: Child, address: string) {
    this.child = child;
    this.address = address;
  }

  /** In front of the stage's router. */
  static async start(stage: Stage, options: ShimOptions = {}): Promise<Shim> {
    const child = stage.program('shim', [JSON.stringify({ ...options, router: stage.routerAddress })]);
    const [, port = ''] = await child.line(/^ready (\d+)$/m);
    return new Shim(child, `127.0.0.1:${port}`);
  }

  /** From now on the client's packets come from another port. */
  async rebind(): Promise<void> {
    await this.ask('rebind', 'rebound');
  }

  async set(impairments: ShimOptions): Promise<void> {
    await this.ask(`set ${JSON.stringify(impairments)}`, 'set');
  }

  /** Sends all that was recorded once more, in order; answers how many datagrams. */
  replay(): Promise<number> {
    return this.ask('replay', 'replay');
  }

  stats(): Promise<ShimStats> {
    return this.ask('stats', 'stats');
  }

  /** Every packet that it has seen, whatever became of it. */
  async trace(): Promise<TracedPacket[]> {
    const heads = await this.ask<(Omit<TracedPacket, keyof Decoded> & { head: string })[]>('trace', 'trace');
    return heads.map(({ head, ...seen }) => ({ ...seen, ...decode(head, seen.bytes) }));
  }

  private async ask<T>(command: string, key: string): Promise<T> {
    const from = this.child.stdout.length;
    this.child.write(`${command}\n`);
    const answer = new RegExp(`^[\\s\\S]{${from}}(?:.*\\n)*?(\\{"${key}".*\\})\\n`);
    const [, text = ''] = await this.child.line(answer);
    return (JSON.parse(text) as Record<string, T>)[key] as T;
  }
}

type Decoded = Omit<TracedPacket, 'atMs' | 'direction' | 'peer' | 'bytes'>;

function decode(head: string, datagramBytes: number): Decoded {
  const bytes = Uint8Array.from(Buffer.from(head, 'hex'));
  // The head is cut; what a length field claims must fit the whole datagram.
  const whole = new Uint8Array(Math.max(datagramBytes, bytes.length));
  whole.set(bytes);
  const view = new DataView(whole.buffer);
  const packet = createPacket();
  const reason = parsePacket(view, 0, datagramBytes, packet);
  if (reason !== Reason.OK) throw new Error(`a packet on the wire does not parse: ${reason} ${head}`);
  const flow = head.slice(16, 32);
  const result = { protocol: packet.protocol, flow, payloadBytes: packet.payloadBytes };
  const tcp =
    packet.protocol === 6 && packet.payloadBytes >= 20
      ? tcpFlags(view, packet.payloadOffset, packet.payloadBytes)
      : undefined;
  const control = packet.controlOffset > 0 ? readControl(view, packet.controlOffset) : undefined;
  return { ...result, ...(tcp === undefined ? {} : { tcp }), ...(control === undefined ? {} : { control }) };
}

function tcpFlags(view: DataView, offset: number, bytes: number): number | undefined {
  const segment = createSegment();
  return parseSegment(view, offset, bytes, segment) === Reason.OK ? segment.flags : undefined;
}

function readControl(view: DataView, offset: number): NonNullable<TracedPacket['control']> {
  const control = createControl();
  parseControl(view, offset, control);
  const flags = Object.entries(ControlFlag).filter(([, bit]) => (control.flags & bit) !== 0);
  const hex = (half: number): string => half.toString(16).padStart(8, '0');
  return {
    flags: flags.map(([name]) => name).join('|'),
    sourceFlow: hex(control.flowHi) + hex(control.flowLo),
    attempt: control.attempt,
  };
}
