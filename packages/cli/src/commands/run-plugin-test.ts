// `raceway plugin test`: what it does.
import { type LinkSubject, formatsOf, linkCases, runCases } from "@raceway/testkit";
import { type CommandContext, Exit, UsageError } from "../context.ts";
import { moduleUrl } from "../module-url.ts";
import type { PluginTestArguments } from "./plugin-test.ts";

export async function runPluginTest(args: PluginTestArguments, context: CommandContext): Promise<number> {
  const subject = await subjectOf(args, context);
  try {
    let passed = 0;
    let failed = 0;
    let leftOut = 0;
    for (const format of formatsOf(subject)) {
      if (!args.json) context.out(`${subject.name}, ${format} batches\n`);
      const totals = await runCases(linkCases(subject, { format }), (line, result) =>
        context.out(
          args.json
            ? `${JSON.stringify({ subject: subject.name, format, ...result })}\n`
            : `  ${line.replaceAll("\n", "\n  ")}\n`,
        ),
      );
      passed += totals.passed;
      failed += totals.failed;
      leftOut += totals.leftOut;
    }
    context.err(`${passed} passed, ${failed} failed, ${leftOut} left out\n`);
    return failed === 0 && passed > 0 ? Exit.fine : Exit.findings;
  } finally {
    await subject[Symbol.asyncDispose]?.();
  }
}

async function subjectOf(args: PluginTestArguments, { cwd }: CommandContext): Promise<LinkSubject> {
  const loaded = (await import(moduleUrl(args.module, cwd, "Build the plugin, or correct the path."))) as Readonly<
    Record<string, unknown>
  >;
  const exported = loaded[args.export];
  const subject: unknown = typeof exported === "function" ? await (exported as () => unknown)() : exported;
  if (isSubject(subject)) return subject;
  const have = Object.keys(loaded).join(", ") || "nothing";
  throw new UsageError(
    `${args.module} exports no LinkSubject as ${args.export}; it exports ${have}. The README of @raceway/testkit says what that is; --export names another.`,
  );
}

function isSubject(value: unknown): value is LinkSubject {
  return (
    typeof value === "object" &&
    value !== null &&
    "connect" in value &&
    typeof value.connect === "function" &&
    "traits" in value &&
    "name" in value
  );
}
