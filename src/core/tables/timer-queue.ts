/** Deadlines of small integer handles (0, 1, 2, ...: slots of a table), one each. */
export interface TimerQueue {
  /** Handles queued. */
  size: number;
  /** By handle: the deadline wanted, Infinity for none. */
  deadlines: Float64Array;
  /** By handle: position in `heap`, or -1. */
  positions: Int32Array;
  /** Handles and the times they are queued under; a queued time is never later than the deadline. */
  heap: Int32Array;
  heapTimes: Float64Array;
}
export declare function createTimerQueue(capacity?: number): TimerQueue;
/** Sets the handle's only deadline; Infinity cancels. */
export declare function schedule(queue: TimerQueue, handle: number, deadlineUs: number): void;
export declare function cancel(queue: TimerQueue, handle: number): void;
/** Infinity when nothing is scheduled. */
export declare function deadlineOf(queue: TimerQueue, handle: number): number;
/** The earliest deadline, or Infinity. */
export declare function nextDeadlineUs(queue: TimerQueue): number;
/** Removes and answers the handle whose deadline came first, or -1 when none has come by `nowUs`. */
export declare function popExpired(queue: TimerQueue, nowUs: number): number;
