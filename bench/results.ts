// From samples to figures: medians over repetitions, and ratios within each repetition.
import { median, spread } from "./statistics.ts";
import type { Sample } from "./workloads/sample.ts";
import type { Case } from "./workloads/table.ts";

export interface SubjectResult {
  readonly name: string;
  /** Why there are no figures. */
  readonly failure?: string;
  /** Median of the repetitions; as all figures below. Undefined in `idle`, which measures memory only. */
  readonly unitsPerCpuSecond?: number;
  readonly cpuMicrosPerUnit?: number;
  readonly loadCpuMicrosPerUnit?: number;
  /** (Largest − smallest) ÷ median of `unitsPerCpuSecond`. */
  readonly spread?: number;
  /** To each other subject: the ratio of units per CPU-second within a repetition, then the median over repetitions. In pairs to the first only. */
  readonly ratios: Readonly<Record<string, number>>;
  /** In pairs: CPU time per unit ÷ that of the first subject, measured right before or after: median, and (largest − smallest) ÷ median. */
  readonly cost?: { readonly ratio: number; readonly spread: number };
  readonly p50Micros?: number | undefined;
  readonly p99Micros?: number | undefined;
  /** On the wire, both directions; in `idle`, in the server's memory. */
  readonly bytesPerUnit: number;
  readonly unitsPerSecond?: number;
  readonly samples: readonly Sample[];
}

export interface CaseResult {
  readonly key: string;
  readonly title: string;
  readonly unit: string;
  readonly memory: boolean;
  readonly paired: boolean;
  readonly subjects: readonly SubjectResult[];
}

/** `samples` per subject, one a repetition, all of the same length; or why there are none. `beside`: in pairs, those of the first subject. */
export function summarize(
  workload: Case,
  samples: ReadonlyMap<string, readonly Sample[] | Error>,
  beside: ReadonlyMap<string, readonly Sample[]>,
): CaseResult {
  const paired = workload.paired !== undefined;
  const memory = workload.workload === "idle";
  const subjects: SubjectResult[] = [];
  for (const [name, own] of samples) {
    if (own instanceof Error) {
      subjects.push({
        name,
        failure: own.message.split("\n")[0] ?? "failed",
        ratios: {},
        bytesPerUnit: Number.NaN,
        samples: [],
      });
      continue;
    }
    const ratios: Record<string, number> = {};
    for (const [other, others] of samples) {
      if (!paired && !(others instanceof Error))
        ratios[other] = median(
          own.map((sample, repetition) => cost(others[repetition]!, memory) / cost(sample, memory)),
        );
    }
    const costs = (beside.get(name) ?? []).map((one, at) => cost(own[at]!, memory) / cost(one, memory));
    const bytesPerUnit = median(own.map(({ bytes, units }) => bytes / units));
    if (memory) {
      subjects.push({ name, ratios, bytesPerUnit, samples: own });
      continue;
    }
    const rates = own.map(({ units, cpuMicros }) => (units / cpuMicros) * 1e6);
    subjects.push({
      name,
      ratios,
      bytesPerUnit,
      samples: own,
      unitsPerCpuSecond: median(rates),
      cpuMicrosPerUnit: 1e6 / median(rates),
      loadCpuMicrosPerUnit: median(own.map(({ units, loadCpuMicros }) => loadCpuMicros / units)),
      spread: spread(rates),
      ...(costs.length > 0 && { cost: { ratio: median(costs), spread: spread(costs) } }),
      unitsPerSecond: median(own.map(({ units, wallMicros }) => (units / wallMicros) * 1e6)),
      p50Micros: medianOf(own.map(({ p50Micros }) => p50Micros)),
      p99Micros: medianOf(own.map(({ p99Micros }) => p99Micros)),
    });
  }
  const { key, title, unit } = workload;
  return { key, title, unit, memory, paired, subjects };
}

function cost(sample: Sample, memory: boolean): number {
  return (memory ? sample.bytes : sample.cpuMicros) / sample.units;
}

function medianOf(values: readonly (number | undefined)[]): number | undefined {
  const known = values.filter((value) => value !== undefined);
  return known.length === 0 ? undefined : median(known);
}
