// The command line of the benchmark.
import { parseArgs } from "node:util";
import { middlewareNames, middlewareOf } from "./middleware/names.ts";
import { peers, racewaySubject, racewayTransports, type Subject } from "./subjects.ts";
import { type Case, cases, groupOf } from "./workloads/table.ts";

export interface BenchArguments {
  readonly cases: readonly Case[];
  readonly subjects: readonly Subject[];
  /** Middleware by names, those that go together with "+" between. */
  readonly use: readonly string[];
  readonly repetitions: number;
  readonly seconds: number;
  /** Shares processes between cases. */
  readonly quick: boolean;
  readonly json: boolean;
  readonly profile: boolean;
  readonly check: boolean;
}

export const usage: string = `pnpm bench [workload…] [options]

Workloads (all, if none is named): ${[...new Set(cases.map(groupOf))].join(", ")};
or single cases: ${cases.map(({ key }) => key).join(", ")}

pnpm bench generate --help says what is measured of the generator.

  --reps N           repetitions of each measurement (5)
  --seconds S        length of one measurement (1)
  --peers a,b        of ${peers.map(({ name }) => name).join(", ")}; "none" for Raceway alone
  --transports a,b   of ${racewayTransports.join(", ")}; "none" for the peers alone
  --use a,b+c        Raceway also with middleware: common (token, rate limit, compression, batching), or of
                     ${middlewareNames.join(", ")};
                     in "middleware", which is measured only if it is named, these in place of all
  --large            also what takes long: 5,000 subscribers
  --quick            fewer and shorter: does it run?
  --profile          where the CPU time of the Raceway servers goes
  --check            exit 1 if a target is missed
  --json             results as JSON on standard output
`;

/** Throws an Error that says what is wrong. */
export function parseArguments(args: readonly string[]): BenchArguments | "help" {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      reps: { type: "string" },
      seconds: { type: "string" },
      peers: { type: "string" },
      transports: { type: "string" },
      use: { type: "string" },
      large: { type: "boolean", default: false },
      quick: { type: "boolean", default: false },
      profile: { type: "boolean", default: false },
      check: { type: "boolean", default: false },
      json: { type: "boolean", default: false },
      help: { type: "boolean", short: "h", default: false },
    },
  });
  if (values.help) return "help";
  const { quick } = values;
  return {
    cases: chooseCases(positionals, values.large, quick),
    subjects: [
      ...choose(
        "peer",
        values.peers,
        peers.map(({ name }) => name),
      ).map((name) => peers.find((peer) => peer.name === name) as Subject),
      ...choose("transport", values.transports, racewayTransports).map(racewaySubject),
    ],
    use: chooseUse(values.use),
    repetitions: number("reps", values.reps, quick ? 1 : 5, 1, 1_000),
    seconds: number("seconds", values.seconds, quick ? 0.1 : 1, 0.01, 3_600),
    quick,
    json: values.json,
    profile: values.profile,
    check: values.check,
  };
}

function chooseCases(wanted: readonly string[], large: boolean, quick: boolean): readonly Case[] {
  const unknown = wanted.find((name) => !cases.some((one) => name === one.key || name === groupOf(one)));
  if (unknown !== undefined)
    throw new Error(`There is no workload "${unknown}"; known: ${cases.map(({ key }) => key).join(", ")}.`);
  return cases.filter((one) => {
    if (wanted.includes(one.key)) return true;
    if (wanted.length > 0 && !wanted.includes(groupOf(one))) return false;
    if (quick) return one.quick === true && (one.paired === undefined || wanted.length > 0);
    if (one.paired !== undefined) return wanted.length > 0;
    return (large || !one.large) && one.key !== "idle/sessions-500";
  });
}

function chooseUse(given = ""): readonly string[] {
  const use = given.split(",").filter((name) => name !== "");
  for (const name of use) middlewareOf(name.split("+"));
  return use;
}

function choose(what: string, given: string | undefined, known: readonly string[]): readonly string[] {
  if (given === undefined) return known;
  if (given === "none") return [];
  const names = given.split(",").filter((name) => name !== "");
  const unknown = names.find((name) => !known.includes(name));
  if (unknown !== undefined) throw new Error(`There is no ${what} "${unknown}"; known: ${known.join(", ")}.`);
  return known.filter((name) => names.includes(name));
}

function number(name: string, given: string | undefined, otherwise: number, least: number, most: number): number {
  if (given === undefined) return otherwise;
  const value = Number(given);
  if (!(value >= least && value <= most))
    throw new Error(`--${name} is ${given}, expected a number from ${least} to ${most}.`);
  return value;
}
