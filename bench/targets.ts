// What Raceway over WebSocket has to reach, sessions on.
import type { CaseResult, SubjectResult } from "./results.ts";
import { BASE } from "./subjects.ts";

export interface Target {
  readonly key: string;
  readonly text: string;
  /** The measured value; undefined if it was not measured. */
  measured(result: CaseResult): number | undefined;
  readonly limit: number;
  readonly sense: "at least" | "at most";
  /** " × ws" or " KB". */
  readonly unit: string;
}

const SUBJECT = "raceway websocket";

export const targets: readonly Target[] = [
  ratio("fanout/1000x1", "one topic to 1,000 subscribers, one publication a turn", BASE, 1),
  ratio("fanout/1000x10", "one topic to 1,000 subscribers, ten publications a turn", BASE, 5),
  ratio("compressed", "CPU of permessage-deflate in bare ws", "ws deflate", 5, "raceway compressed"),
  {
    key: "compressed",
    text: "bytes of permessage-deflate in bare ws",
    measured: (result) => {
      const own = subjectOf(result, "raceway compressed")?.bytesPerUnit;
      const other = subjectOf(result, "ws deflate")?.bytesPerUnit;
      return own === undefined || other === undefined ? undefined : own / other;
    },
    limit: 1.1,
    sense: "at most",
    unit: " × ws deflate",
  },
  ratio("batched", "500 publications a second to 100 subscribers", BASE, 2, "raceway batched"),
  {
    key: "batched",
    text: "what the window adds at the median",
    measured: (result) => {
      const own = subjectOf(result, "raceway batched")?.p50Micros;
      const other = subjectOf(result, BASE)?.p50Micros;
      return own === undefined || other === undefined ? undefined : (own - other) / 1e3;
    },
    limit: 5,
    sense: "at most",
    unit: " ms",
  },
  ratio("unary/64", "unary, 64 in flight on one connection", BASE, 1.3),
  ratio("unary/64", "unary, 64 in flight on one connection", "grpc-js", 6),
  ratio("down", "stream down", BASE, 2),
  {
    key: "idle/sessions",
    text: "memory of an idle session, 10,000 of them",
    measured: (result) => subjectOf(result, SUBJECT)?.bytesPerUnit,
    limit: 14 * 1024,
    sense: "at most",
    unit: " B",
  },
];

function ratio(key: string, text: string, to: string, limit: number, subject = SUBJECT): Target {
  return {
    key,
    text,
    limit,
    sense: "at least",
    unit: ` × ${to}`,
    measured: (result) => subjectOf(result, subject)?.ratios[to],
  };
}

function subjectOf(result: CaseResult, name: string): SubjectResult | undefined {
  return result.subjects.find((subject) => subject.name === name);
}

export interface Verdict {
  readonly key: string;
  readonly text: string;
  readonly target: string;
  readonly measured: number;
  readonly unit: string;
  readonly ok: boolean;
}

/** The targets that this result says something about. */
export function judge(result: CaseResult): readonly Verdict[] {
  return targets.flatMap((target) => {
    const measured = target.key === result.key ? target.measured(result) : undefined;
    if (measured === undefined || Number.isNaN(measured)) return [];
    const ok = target.sense === "at least" ? measured >= target.limit : measured <= target.limit;
    const { key, text, unit } = target;
    return [
      {
        key,
        text,
        unit,
        measured,
        ok,
        target: `${target.sense === "at least" ? "≥" : "≤"} ${target.limit.toLocaleString("en")}${unit}`,
      },
    ];
  });
}
