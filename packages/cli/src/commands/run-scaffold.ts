// `raceway scaffold`: what it does.
import { type ScaffoldChange, formatDiagnostics, scaffoldHandlers } from "@raceway/generator";
import { type CommandContext, Exit, painted } from "../context.ts";
import { handlerOptions } from "../handler-arguments.ts";
import { refusedAsUsage } from "../refused.ts";
import type { ScaffoldArguments } from "./scaffold.ts";

export async function runScaffold(args: ScaffoldArguments, context: CommandContext): Promise<number> {
  const { into, "dry-run": dryRun } = args;
  const format = args.json ? "json" : args["error-format"];
  const signal = context.stopping();
  const options = { ...(await handlerOptions(args, context.cwd)), ...(into !== undefined && { into }), dryRun, signal };
  const { diagnostics, changes, ok } = await refusedAsUsage(() =>
    scaffoldHandlers({ ...options, progress: (text) => context.progress(text) }),
  );
  context.out(formatDiagnostics(diagnostics, format, { color: context.colors.out }));
  for (const change of changes) {
    if (format === "json") context.out(`${JSON.stringify(change)}\n`);
    else if (dryRun) context.out(coloredDiff(change.diff, context.colors.out));
    context.note(summary(change, dryRun));
  }
  if (changes.length === 0) context.note(ok ? "nothing to add" : "nothing was added");
  return ok ? Exit.fine : Exit.findings;
}

/** "src/rooms.ts: 2 handlers added: say, history of chat.v1.RoomService". */
function summary({ file, handlers, serve }: ScaffoldChange, dryRun: boolean): string {
  const added = handlers.map(({ service, names }) => `${names.join(", ")} of ${service}`).join("; ");
  const lines = [`${file}: ${dryRun ? "would get" : "got"} ${added}`, ...serve.map((call) => `  serve with ${call}`)];
  return lines.join("\n");
}

function coloredDiff(diff: string, colored: boolean): string {
  const color = { "+": "green", "-": "red", "@": "cyan" } as const;
  return diff
    .split("\n")
    .map((line) => {
      const sign = line.charAt(0);
      return sign === "+" || sign === "-" || sign === "@" ? painted(colored, color[sign], line) : line;
    })
    .join("\n");
}
