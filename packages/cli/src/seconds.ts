// Options that are times in seconds: what a timer takes.
import { UsageError } from "./context.ts";

/** A timer counts milliseconds in 31 bits; what is longer would fire at once. */
const MOST_SECONDS = 2 ** 31 / 1000 - 1;

/** Throws a {@link UsageError} that names the option. `least` is allowed itself; without it, 0 is not. */
export function checkSeconds(option: string, seconds: number, least?: number): void {
  const enough = least === undefined ? seconds > 0 : seconds >= least;
  if (enough && seconds <= MOST_SECONDS) return;
  const from = least === undefined ? "more than 0" : `at least ${least}`;
  throw new UsageError(
    `--${option} is ${seconds}; it has to be ${from} and at most ${Math.floor(MOST_SECONDS)} seconds.`,
  );
}
