// What was found in schemas or handlers, on standard output, and how much it is, on standard error.
import { type Diagnostic, formatDiagnostics } from "@raceway/generator";
import type { CommandContext } from "./context.ts";
import type { InputArguments } from "./input-arguments.ts";

export function tellFindings(
  name: string,
  found: readonly Diagnostic[],
  args: Pick<InputArguments, "json" | "error-format">,
  context: CommandContext,
): { readonly errors: number; readonly warnings: number } {
  context.out(formatDiagnostics(found, args.json ? "json" : args["error-format"], { color: context.colors.out }));
  const errors = found.filter(({ severity }) => severity === "error").length;
  const accepted = found.filter(({ accepted: why }) => why !== undefined).length;
  const warnings = found.length - errors - accepted;
  const counts = [
    counted(errors, "error"),
    counted(warnings, "warning"),
    accepted === 0 ? "" : `${accepted} accepted`,
  ].filter((text) => text !== "");
  context.note(`${name}: ${counts.join(", ") || "nothing found"}`, { errors, warnings, accepted });
  return { errors, warnings };
}

/** "" for none. */
function counted(count: number, what: string): string {
  return count === 0 ? "" : `${count} ${what}${count === 1 ? "" : "s"}`;
}
