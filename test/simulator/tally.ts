// What many seeds come to: figures that are added up, and the seeds that failed.
import { type PlantName, Violation } from "@raceway/testkit";
import type { FaultName } from "./settings.ts";
import type { Outcome } from "./simulate.ts";

/** What a worker is to do: every `step`th seed. */
export interface Task {
  readonly from: number;
  readonly to: number;
  readonly step: number;
  readonly only: FaultName | undefined;
  readonly plant: PlantName | undefined;
}

export interface Lot {
  seeds: number;
  virtualMs: number;
  turns: number;
  batches: number;
  frames: number;
  checked: number;
  mostReplayBytes: number;
  faults: Record<string, number>;
  /** Calls that ended with an error for which there was a reason, by that. */
  errors: Record<string, number>;
  failures: { readonly seed: number; readonly failure: string }[];
}

export class Tally {
  readonly lot: Lot = {
    seeds: 0,
    virtualMs: 0,
    turns: 0,
    batches: 0,
    frames: 0,
    checked: 0,
    mostReplayBytes: 0,
    faults: {},
    errors: {},
    failures: [],
  };

  add(outcome: Outcome, unhandled: unknown): void {
    const { seed, failure, virtualMs, turns, batches, frames, checked, mostReplayBytes, faults, errors } = outcome;
    const failures: Lot["failures"] = [];
    if (failure !== undefined) failures.push({ seed, failure });
    else if (unhandled !== undefined)
      failures.push({
        seed,
        failure: new Violation("silent", unhandled instanceof Error ? (unhandled.stack ?? "") : "what is no error")
          .message,
      });
    this.merge({ seeds: 1, virtualMs, turns, batches, frames, checked, mostReplayBytes, faults, errors, failures });
  }

  merge(more: Lot): void {
    const { lot } = this;
    for (const key of ["seeds", "virtualMs", "turns", "batches", "frames", "checked"] as const) lot[key] += more[key];
    lot.mostReplayBytes = Math.max(lot.mostReplayBytes, more.mostReplayBytes);
    for (const key of ["faults", "errors"] as const)
      for (const [name, count] of Object.entries(more[key])) lot[key][name] = (lot[key][name] ?? 0) + count;
    lot.failures.push(...more.failures);
  }

  get faults(): number {
    return Object.values(this.lot.faults).reduce((sum, count) => sum + count, 0);
  }
}
