// How a call, a subscription or an opening failed, as commands say it.
import { Code, ConnectError } from "@connectrpc/connect";
import { errorInfo } from "@raceway/core";
import { type CommandContext, Exit, painted } from "../context.ts";
import { strangerText } from "./stranger-text.ts";

/** Says on standard error how the server refused, and gives the exit code: 1, or 3 if there was no server to refuse. Throws what is no such error. */
export function tellCallError(thrown: unknown, json: boolean, context: CommandContext): number {
  if (!(thrown instanceof ConnectError)) throw thrown;
  const info = errorInfo(thrown);
  const code = codeName(thrown.code);
  const exitCode = isUnreachable(thrown) ? Exit.failure : Exit.findings;
  if (json) {
    const metadata = info?.metadata ?? {};
    context.err(
      `${JSON.stringify({ error: code, reason: info?.reason, message: thrown.rawMessage, metadata, exitCode })}\n`,
    );
  } else {
    const reason = info === undefined ? "" : ` (${info.reason})`;
    context.err(`${painted(context.colors.err, "red", `${code}:`)} ${strangerText(thrown.rawMessage)}${reason}\n`);
  }
  return exitCode;
}

/** There was no server to refuse. */
export function isUnreachable(error: ConnectError): boolean {
  const reason = errorInfo(error)?.reason;
  return (
    error.code === Code.Unavailable && (reason === undefined || reason === "no_transport" || reason.startsWith("link_"))
  );
}

/** "not_found". */
export function codeName(code: Code): string {
  return Code[code].replaceAll(/(?<=[a-z])[A-Z]/g, (letter) => `_${letter}`).toLowerCase();
}
