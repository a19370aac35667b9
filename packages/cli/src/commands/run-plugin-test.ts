// `raceway plugin test`: what it does.
import { runCases, type Suite } from "@raceway/testkit";
import { type CommandContext, Exit, UsageError } from "../context.ts";
import { loadModule } from "../load-module.ts";
import { moduleUrl } from "../module-url.ts";
import { suitesOf } from "../plugin-suites.ts";
import type { PluginTestArguments } from "./plugin-test.ts";

export async function runPluginTest(args: PluginTestArguments, context: CommandContext): Promise<number> {
  const subject = await subjectOf(args, context);
  try {
    let passed = 0;
    let failed = 0;
    let leftOut = 0;
    for (const suite of subject.suites) {
      if (!args.json) context.out(`${suite.title}\n`);
      const totals = await runCases(suite.cases, (line, result) =>
        context.out(
          args.json ? `${JSON.stringify({ suite: suite.title, ...result })}\n` : `  ${line.replaceAll("\n", "\n  ")}\n`,
        ),
      );
      passed += totals.passed;
      failed += totals.failed;
      leftOut += totals.leftOut;
    }
    context.note(`${passed} passed, ${failed} failed, ${leftOut} left out`, { passed, failed, leftOut });
    return failed === 0 && passed > 0 ? Exit.fine : Exit.findings;
  } finally {
    await subject.end?.();
  }
}

async function subjectOf(
  args: PluginTestArguments,
  { cwd }: CommandContext,
): Promise<{ readonly suites: readonly Suite[]; readonly end?: () => Promise<void> }> {
  const url = moduleUrl(args.module, cwd, "Build the plugin, or correct the path.");
  const loaded = await loadModule(url, args.module, cwd);
  const exported = loaded[args.export];
  const subject: unknown = typeof exported === "function" ? await given(exported as () => unknown, args) : exported;
  const known = suitesOf(subject);
  if (known !== undefined) return known;
  const have = Object.keys(loaded).join(", ") || "nothing";
  throw new UsageError(
    `${args.module} exports no subject of the kit as ${args.export}; it exports ${have}. The README of @raceway/testkit says what that is; --export names another.`,
  );
}

async function given(make: () => unknown, args: PluginTestArguments): Promise<unknown> {
  try {
    return await make();
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    throw new Error(`${args.module} gives no subject: its ${args.export}() failed: ${message}`, { cause: error });
  }
}
