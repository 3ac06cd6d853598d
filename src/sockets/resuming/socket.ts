// A Socket for a client that speaks HTTP/1.1: when the instance at its other end is lost, or asks it to go, it goes on at
// another one, inside an answer too where that is provably the same content. To the client it is the one connection
// that it opened. What is not HTTP passes untouched, and then this is a Socket like any other.

import { entityChanged } from '../errors.ts';
import type { Carrier, CarrierEvent, Dial, Flow } from '../flow.ts';
import type { ServiceName } from '../names.ts';
import { type ConnectOptions, connectOptions } from '../options.ts';
import { Socket } from '../socket.ts';
import { type Resumed, ResumingCarrier } from './carrier.ts';

/** Emits 'resumed' with a `Resumed` each time it has gone on at another instance. */
export class ResumingSocket extends Socket {
  protected override carry(dial: Dial<Flow>, listener: (event: CarrierEvent) => void): Carrier {
    return new ResumingCarrier({
      dial,
      listener,
      onResumed: (resumed: Resumed) => this.emit('resumed', resumed),
      changed: (why) => entityChanged(this.remoteService ?? 'unknown', why),
    });
  }
}

/** As `connect`, for clients that speak HTTP/1.1. */
export function connectResuming(service: ServiceName | ConnectOptions, listener?: () => void): ResumingSocket {
  const options = { ...connectOptions(service), failover: true };
  return new ResumingSocket(options).connect(options, listener);
}
