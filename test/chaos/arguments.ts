// The command line of `pnpm chaos`.
import { parseArgs } from "node:util";

export interface ChaosArguments {
  readonly mode: "storm" | "switch" | "swallow";
  readonly seconds: number;
  readonly sessions: number;
  readonly seed: number;
  /** Fewer and shorter: does it hold at all? */
  readonly quick: boolean;
  readonly print: (text: string) => void;
}

export const usage = `pnpm chaos [--switch | --swallow] [options]

Without a mode: many sessions over all transports through faulty connections, a fault every second.
  --switch       a stream of 10,000 messages per second, switched between every ordered pair of transports
  --swallow      a transport that is silently swallowed: time to the first message

  --seconds N    how long faults go on (60)
  --sessions N   how many sessions (200)
  --seed N       repeats the faults of a run, in kind and order (by chance)
  --quick        for CI: 10 seconds, fewer repetitions
`;

/** Throws an Error that says what is wrong. */
export function parseArguments(args: readonly string[], print: (text: string) => void): ChaosArguments | "help" {
  const { values } = parseArgs({
    args: [...args],
    options: {
      switch: { type: "boolean", default: false },
      swallow: { type: "boolean", default: false },
      seconds: { type: "string" },
      sessions: { type: "string" },
      seed: { type: "string" },
      quick: { type: "boolean", default: false },
      help: { type: "boolean", short: "h", default: false },
    },
  });
  if (values.help) return "help";
  if (values.switch && values.swallow) throw new Error("--switch and --swallow are two runs.");
  const { quick } = values;
  return {
    mode: values.switch ? "switch" : values.swallow ? "swallow" : "storm",
    seconds: whole("seconds", values.seconds, quick ? 10 : 60, 3_600),
    sessions: whole("sessions", values.sessions, quick ? 48 : 200, 5_000),
    seed: whole("seed", values.seed, Math.floor(Math.random() * 1_000_000), 4_294_967_295),
    quick,
    print,
  };
}

function whole(name: string, given: string | undefined, otherwise: number, most: number): number {
  if (given === undefined) return otherwise;
  const value = Number(given);
  if (!Number.isInteger(value) || value < 1 || value > most)
    throw new Error(`--${name} is ${given}, expected a whole number from 1 to ${most}.`);
  return value;
}
