// What every command gets and gives: where it runs, where its text goes, how it hears of an end, how it ends.
import { styleText } from "node:util";

/** The process around the command line; tests put their own in its place. */
export interface Surroundings {
  /** What relative paths are relative to. */
  readonly cwd: string;
  /** Standard output. */
  out(text: string): void;
  /** Standard error. */
  err(text: string): void;
  /** Standard input; empty unless given. */
  readonly input?: AsyncIterable<Uint8Array>;
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** Whether what goes there may be coloured; no unless given. */
  readonly colors?: { readonly out: boolean; readonly err: boolean };
  /** Whether standard error is a terminal, on which a line can be written over; no unless given. */
  readonly terminal?: boolean;
  /** Whether there is somebody to answer questions: standard input and output are terminals. No unless given. */
  readonly asks?: boolean;
  /** Whether standard input is a terminal, at which somebody may sit and wait. No unless given. */
  readonly typed?: boolean;
  /** Signs that a line has where help is read; 100 unless given. */
  readonly columns?: number | undefined;
  /** Asked for by commands that run until they are stopped: aborts at Ctrl-C or SIGTERM. Never, unless given. */
  stopping?(): AbortSignal;
}

export interface CommandContext {
  readonly cwd: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly input: AsyncIterable<Uint8Array>;
  readonly colors: { readonly out: boolean; readonly err: boolean };
  /** Whether {@link progress} is shown. */
  readonly terminal: boolean;
  readonly asks: boolean;
  /** Whether what {@link input} brings is typed. */
  readonly typed: boolean;
  /** Whether the output is for programs: `--json`, or `--error-format json`. */
  readonly json: boolean;
  /** What was asked for: findings, results. */
  out(text: string): void;
  /** All else, as it is: whoever calls says it as JSON where that is wanted. */
  err(text: string): void;
  /** What people want to know beside, such as how much it was: a line on standard error; `{ note, … }` with the facts where JSON is wanted. */
  note(text: string, facts?: Readonly<Record<string, unknown>>): void;
  /** What may be wrong, and does not end the command: a line on standard error; `{ warning, message, … }` where JSON is wanted. */
  warn(warning: string, message: string, facts?: Readonly<Record<string, unknown>>): void;
  /** What long work is at: one line on a terminal, written over each time; "" takes it away. Elsewhere nothing. */
  progress(text: string): void;
  /**
   * Aborts when somebody wants the command to end: Ctrl-C, SIGTERM. Whoever asks for it has to end then, with its own exit
   * code; a command that never asks is ended by the system as ever.
   */
  stopping(): AbortSignal;
  /** Whether somebody wanted it to end, after the command had asked for that. */
  stopped(): boolean;
}

export const Exit = {
  fine: 0,
  /** Something is wrong with what was looked at. */
  findings: 1,
  /** Something is wrong with what was asked for. */
  usage: 2,
  /** Something is wrong with this machine or this program. */
  failure: 3,
  /** Ended by Ctrl-C or SIGTERM before it had done what was asked for; as shells count an end by SIGINT. */
  interrupted: 130,
} as const;

/** Ends the command with exit code 2. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}

export function commandContext(given: Surroundings, json: boolean): CommandContext {
  let shown = false;
  let stop: AbortSignal | undefined;
  const progress = (text: string): void => {
    if (given.terminal !== true || json || (text === "" && !shown)) return;
    shown = text !== "";
    // To the line's begin, and the line cleared: one that had gone on in the next could not be.
    given.err(`\r\u001b[2K${text.slice(0, (given.columns ?? 100) - 1)}`);
  };
  const err = (text: string): void => {
    progress("");
    given.err(text);
  };
  const colors = given.colors ?? { out: false, err: false };
  return {
    cwd: given.cwd,
    env: given.env ?? {},
    get input() {
      return given.input ?? nothing();
    },
    colors,
    terminal: given.terminal === true,
    asks: given.asks ?? false,
    typed: given.typed ?? false,
    json,
    out(text) {
      progress("");
      given.out(text);
    },
    err,
    note(text, facts = {}) {
      err(json ? `${JSON.stringify({ note: text, ...facts })}\n` : `${text}\n`);
    },
    warn(warning, message, facts = {}) {
      if (json) err(`${JSON.stringify({ warning, message, ...facts })}\n`);
      else err(`${painted(colors.err, "yellow", `warning ${warning}:`)} ${message}\n`);
    },
    progress,
    stopping: () => (stop ??= given.stopping?.() ?? new AbortController().signal),
    stopped: () => stop?.aborted === true,
  };
}

type Format = Parameters<typeof styleText>[0];

/** The text in a colour or weight, where colours are wanted. */
export function painted(wanted: boolean, format: Format, text: string): string {
  return wanted ? styleText(format, text, { validateStream: false }) : text;
}

async function* nothing(): AsyncGenerator<Uint8Array> {
  // Nothing comes.
}
