// What passed over a network, as plain records, as one hash, or as text. The hash covers times, verdicts and bytes: two
// runs of one seed must agree in it. Nothing is kept unless asked for: it would be a tenth of a run's time. The text form is
// the one that text2pcap reads (`-u 54324,54324`), so that a trace can be opened in a packet analyser.

import { createHash } from 'node:crypto';
import { formatLocator } from '../core/base/index.ts';
import type { Packet } from './link.ts';
import type { Network, Verdict } from './network.ts';

export interface TraceRecord {
  readonly atUs: number;
  readonly verdict: Verdict;
  /** Station names. */
  readonly from: string;
  readonly to: string;
  readonly source: string;
  readonly destination: string;
  readonly bytes: Uint8Array;
}

export interface Trace {
  readonly records: TraceRecord[];
}

/** Follows `network` from now on, if it is to keep what it sees. */
export function followNetwork(network: Network, keepRecords: boolean): Trace {
  const trace: Trace = { records: [] };
  if (!keepRecords) return trace;
  network.observers.push((verdict, from, to, packet) => {
    trace.records.push(record(network.clock.nowUs, verdict, from, to, packet));
  });
  return trace;
}

/** 64 hexadecimal digits. */
export function traceHash({ records }: Trace): string {
  const hash = createHash('sha256');
  for (const { atUs, verdict, from, to, bytes } of records)
    hash.update(`${atUs} ${verdict} ${from} ${to} ${bytes.length}\n`).update(bytes);
  return hash.digest('hex');
}

/** One line per record: `0.020000 a -> b 10.0.0.1:4000 > 10.0.0.2:54324 1100 delivered`. */
export function formatTrace(records: readonly TraceRecord[]): string {
  return records
    .map(
      (r) => `${seconds(r.atUs)} ${r.from} -> ${r.to} ${r.source} > ${r.destination} ${r.bytes.length} ${r.verdict}\n`,
    )
    .join('');
}

/** A hexadecimal dump of the records with one verdict. */
export function dumpTrace(records: readonly TraceRecord[], verdict: Verdict = 'sent'): string {
  let text = '';
  for (const r of records) {
    if (r.verdict !== verdict) continue;
    text += `# ${r.from} -> ${r.to} ${r.source} > ${r.destination}\n${seconds(r.atUs)}\n`;
    for (let offset = 0; offset < r.bytes.length; offset += 16) {
      const row = [...r.bytes.subarray(offset, offset + 16)].map((byte) => byte.toString(16).padStart(2, '0'));
      text += `${offset.toString(16).padStart(6, '0')} ${row.join(' ')}\n`;
    }
  }
  return text;
}

function record(atUs: number, verdict: Verdict, from: string, to: string, packet: Packet): TraceRecord {
  const { source, destination, bytes } = packet;
  return { atUs, verdict, from, to, source: formatLocator(source), destination: formatLocator(destination), bytes };
}

function seconds(atUs: number): string {
  return (atUs / 1e6).toFixed(6);
}
