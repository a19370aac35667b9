// What every command gets and gives: where it runs, where its text goes, how it ends.

export interface CommandContext {
  /** What relative paths are relative to. */
  readonly cwd: string;
  /** What was asked for: findings, results. */
  out(text: string): void;
  /** All else: progress, summaries, failures. */
  err(text: string): void;
}

export const Exit = {
  fine: 0,
  /** Something is wrong with what was looked at. */
  findings: 1,
  /** Something is wrong with what was asked for. */
  usage: 2,
  /** Something is wrong with this machine or this program. */
  failure: 3,
} as const;

/** Ends the command with exit code 2. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}

export type Ended = (code: number) => void;
