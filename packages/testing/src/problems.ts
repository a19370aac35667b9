// What the hosts of a test have to complain about: their logs, warnings and errors only.
import { type Logger, silentLogger } from "@raceway/core";

/** A line of the log of the server or of a client. */
export interface Problem {
  readonly side: "server" | "client";
  readonly level: "warn" | "error";
  readonly message: string;
  /** A handler's own error, say, which the client only sees as `internal`. */
  readonly fields: Readonly<Record<string, unknown>>;
}

/** A log that keeps its warnings and errors in `problems`. */
export function problemLog(side: Problem["side"], problems: Problem[]): Logger {
  return {
    ...silentLogger,
    warn: (message, fields = {}) => void problems.push({ side, level: "warn", message, fields }),
    error: (message, fields = {}) => void problems.push({ side, level: "error", message, fields }),
  };
}
