// Time and turns, asked from the host: nothing in core reads a global clock.

/** A thing that can be called off. */
export interface Timer extends Disposable {}

/** Time, timers and the two flush points of a turn. */
export interface Clock {
  /** Milliseconds; monotonic, with no meaning of its own. */
  now(): number;
  /** Milliseconds since 1970, for what people read. */
  wallNow(): number;
  /** Runs once after `ms` milliseconds, unless disposed before. Cheap: sessions hold several. Not exact: may be late by the wheel's tick. */
  after(ms: number, run: () => void): Timer;
  /** The same to the millisecond, for what comes again and again within few: a native timer each. Absent: `after` is as good. */
  soon?(ms: number, run: () => void): Timer;
  /** Runs when the code that is running, and all that continues from it without waiting, is done. Replies are flushed here. */
  turnEnd(run: () => void): void;
  /** Runs when the events at hand have been dealt with. Publications are flushed here. */
  loopEnd(run: () => void): void;
}
