// Latencies of calls, and errors by their code, within the time that is measured.
import { createHistogram, type RecordableHistogram } from "node:perf_hooks";
import { ConnectError } from "@connectrpc/connect";
import { codeName } from "../remote/call-error.ts";

export interface LatencyReport {
  readonly calls: number;
  readonly perSecond: number;
  /** Milliseconds. */
  readonly p50: number;
  readonly p90: number;
  readonly p99: number;
  readonly p999: number;
  readonly max: number;
  /** By code: "unavailable". */
  readonly errors: Readonly<Record<string, number>>;
}

export class Latencies {
  /** Nanoseconds, to three digits. */
  readonly #histogram: RecordableHistogram = createHistogram({ figures: 3 });
  readonly #errors = new Map<string, number>();
  readonly #from: number;
  readonly #until: number;

  /** What ends between these times counts, both in milliseconds of `performance.now`. */
  constructor(from: number, until: number) {
    this.#from = from;
    this.#until = until;
  }

  succeeded(began: number, ended: number): void {
    if (this.#counts(ended)) this.#histogram.record(Math.max(1, Math.round((ended - began) * 1e6)));
  }

  failed(error: unknown, ended: number): void {
    if (this.#counts(ended)) this.count(error instanceof ConnectError ? codeName(error.code) : "failed");
  }

  count(error: string): void {
    this.#errors.set(error, (this.#errors.get(error) ?? 0) + 1);
  }

  /** `seconds` were measured: fewer than were wanted, if somebody ended it before. */
  report(seconds: number): LatencyReport {
    const histogram = this.#histogram;
    const calls = histogram.count;
    const ms = (nanoseconds: number): number => (calls === 0 ? 0 : nanoseconds / 1e6);
    return {
      calls,
      perSecond: seconds > 0 ? calls / seconds : 0,
      p50: ms(histogram.percentile(50)),
      p90: ms(histogram.percentile(90)),
      p99: ms(histogram.percentile(99)),
      p999: ms(histogram.percentile(99.9)),
      max: ms(histogram.max),
      errors: Object.fromEntries(this.#errors),
    };
  }

  #counts(ended: number): boolean {
    return ended >= this.#from && ended < this.#until;
  }
}
