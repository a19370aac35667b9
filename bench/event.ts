// The event that all streams and topics of the benchmark carry, the same for every peer.
import { readTradingDays } from "../examples/ticker/server/trading-days.ts";

/** As in bench.proto; a type of its own, so that peers without protobuf need none. */
export interface BenchEvent {
  readonly seq: number;
  readonly at: number;
  readonly symbol: string;
  readonly price: number;
  readonly volume: number;
  readonly note: string;
  /** 1.3 KB with 20 of them. */
  readonly rows?: BenchRow[];
}
export interface BenchRow {
  readonly date: string;
  readonly close: number;
  readonly volume: number;
}

/** Sequence numbers start above this: ten digits in JSON for ever, so a raw reader finds them at a fixed place. */
export const SEQ_BASE = 1_000_000_000;

/** Microseconds of the machine's monotonic clock, the same in all processes. */
export function monotonicMicros(): number {
  const [seconds, nanos] = process.hrtime();
  return seconds * 1e6 + Math.round(nanos / 1e3);
}

/** The event with the number `seq` (from 1). `at` is given, since asking the clock costs more than the rest. */
export function makeEvent(seq: number, at: number): BenchEvent {
  return { seq: SEQ_BASE + seq, at, symbol: "ACME", price: 412.37, volume: 1250, note: "limit order filled" };
}

let days: readonly BenchRow[] | undefined;
const ROWS = 20;

/** The same with 20 rows of the demo's data, which go on from event to event; 265 events have all of them. */
export function makeRowsEvent(seq: number, at: number): BenchEvent {
  days ??= readTradingDays();
  const from = (seq * ROWS) % (days.length - ROWS);
  return { ...makeEvent(seq, at), rows: days.slice(from, from + ROWS) };
}

/** Checks that a series is complete and in order; the only thing that counts what arrived. */
export class SeriesCheck {
  #last = SEQ_BASE;
  #count = 0;

  get count(): number {
    return this.#count;
  }

  take(seq: number): void {
    if (seq !== this.#last + 1) throw new Error(`Event ${seq - SEQ_BASE} came after ${this.#last - SEQ_BASE}.`);
    this.#last = seq;
    this.#count++;
  }

  /** Throws unless exactly the first `count` events came. */
  complete(count: number): void {
    if (this.#count !== count || this.#last !== SEQ_BASE + count)
      throw new Error(`${this.#count} events came, the last ${this.#last - SEQ_BASE}; ${count} were sent.`);
  }
}
