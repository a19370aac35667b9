// The thread that plans for `raceway generate --watch`: it loads the configuration, so that a new configuration is a new thread.
import { statSync } from "node:fs";
import { registerHooks } from "node:module";
import { constants, getPriority, setPriority } from "node:os";
import { dirname, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { parentPort, workerData } from "node:worker_threads";
import { EditPlanner, type GenerateOptions, type Planned, planGeneration } from "@raceway/generator";
import type { GenerateJob } from "../config.ts";
import { UsageError } from "../context.ts";
import { jobsOf } from "../generate-jobs.ts";
import {
  changesOnly,
  type JobFacts,
  type JobPlan,
  type Order,
  type Report,
  type WorkerInput,
} from "./plan-worker-messages.ts";

/** How much nicer than the command the background is: it gets a third of what others get, if all want the processor. */
const NICER = 5;

const { args, cwd, background } = workerData as WorkerInput;
// Linux alone has it for a thread, and for the processes that the thread starts; elsewhere it would be for all of the command.
if (background && process.platform === "linux") stepBack();
const port = parentPort!;
const say = (report: Report): void => port.postMessage(report);
const stopped = new AbortController();

const modules = new Set<string>();
const hooks = registerHooks({
  resolve(specifier, context, next) {
    const found = next(specifier, context);
    if (found.url.startsWith("file:") && !found.url.includes("/node_modules/")) modules.add(fileURLToPath(found.url));
    return found;
  },
});
try {
  const jobs = await jobsOf(args, cwd);
  hooks.deregister();
  serve(jobs);
  say({ kind: "ready", jobs: jobs.map(factsOf), modules: [...modules] });
} catch (error) {
  say({ kind: "refused", message: messageOf(error), usage: error instanceof UsageError, modules: [...modules] });
}

function serve(jobs: readonly GenerateJob[]): void {
  const planned = jobs.map((job) => {
    const options: GenerateOptions = {
      ...job,
      cwd,
      signal: stopped.signal,
      progress: (text) => say({ kind: "progress", text: `${job.out}: ${text}` }),
    };
    let planner: EditPlanner | undefined;
    return {
      edits: async (paths: readonly string[]) => {
        if (planner === undefined) {
          planner = new EditPlanner(options);
          void planner.prepare();
        }
        return planner.plan(paths);
      },
      whole: async () => planGeneration(options),
      close: async () => planner?.[Symbol.asyncDispose](),
    };
  });
  port.on("message", (order: Order) => {
    if (order.kind === "stop") {
      stopped.abort(new Error("stopped"));
      port.close();
      for (const { close } of planned) void close();
      return;
    }
    void (async () => {
      const plans: JobPlan[] = [];
      for (const { edits, whole } of planned)
        plans.push(await dataOf(() => (order.kind === "edits" ? edits(order.paths) : whole())));
      if (!stopped.signal.aborted) say({ kind: "planned", plans });
    })();
  });
}

function stepBack(): void {
  try {
    setPriority(Math.min(getPriority() + NICER, constants.priority.PRIORITY_LOW));
  } catch {
    // A sandbox may forbid it; then both are as important.
  }
}

async function dataOf(plan: () => Promise<Planned | "unchanged" | "whole">): Promise<JobPlan> {
  try {
    const found = await plan();
    if (typeof found === "string") return found;
    const { folder, diagnostics, read } = found;
    return { folder, diagnostics, read, ...(found.plan !== undefined && { plan: changesOnly(found.plan) }) };
  } catch (error) {
    return { failure: messageOf(error) };
  }
}

function factsOf({ inputs, out }: GenerateJob): JobFacts {
  const folders = new Map<string, boolean>();
  for (const input of inputs) {
    const path = resolve(cwd, input);
    // What is not there is taken for a folder to come, unless it is called as a schema is.
    const stats = statSync(path, { throwIfNoEntry: false });
    const isFolder = stats?.isDirectory() ?? !path.endsWith(".proto");
    if (isFolder) folders.set(path, true);
    else if (!folders.has(dirname(path))) folders.set(dirname(path), false);
  }
  return { out, folders };
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
