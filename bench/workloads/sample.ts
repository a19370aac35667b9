// What one measurement yields, and the frame around every measurement: CPU time before and after, bytes before and after.
import type { Control } from "../control.ts";
import { countBytes } from "../socket-meter.ts";
import type { Histogram } from "../statistics.ts";

/** One measurement of one peer; plain data, for it crosses processes. */
export interface Sample {
  /** Calls, messages, deliveries or connections. */
  readonly units: number;
  /** CPU time of the server's process, user and system, in microseconds. */
  readonly cpuMicros: number;
  /** The same of the load's process: a load that costs more than its server may have been what held it back. */
  readonly loadCpuMicros: number;
  /** Bytes on the load's sockets, both directions, without TCP and IP. */
  readonly bytes: number;
  readonly wallMicros: number;
  readonly p50Micros?: number | undefined;
  readonly p99Micros?: number | undefined;
}

export interface PreparedCase {
  readonly control: Control;
  measure(seconds: number): Promise<Sample>;
  dispose(): Promise<void>;
}

/** Measures what `run` does; it resolves with the number of units, all of them verified. */
export async function sample(
  control: Control,
  latency: Histogram | undefined,
  run: () => Promise<number>,
): Promise<Sample> {
  latency?.clear();
  const before = countBytes();
  const cpuBefore = await control.cpu();
  const loadBefore = process.cpuUsage();
  const began = performance.now();
  const units = await run();
  const wallMicros = (performance.now() - began) * 1e3;
  const load = process.cpuUsage(loadBefore);
  const cpuMicros = (await control.cpu()) - cpuBefore;
  const after = countBytes();
  return {
    units,
    cpuMicros,
    loadCpuMicros: load.user + load.system,
    wallMicros,
    bytes: after.received - before.received + after.sent - before.sent,
    p50Micros: latency?.percentile(0.5),
    p99Micros: latency?.percentile(0.99),
  };
}
