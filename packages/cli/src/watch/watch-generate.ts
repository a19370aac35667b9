// `raceway generate --watch`: what an edit changes is written at once, by a plan of that edit; the plan of the whole follows behind it.
import { existsSync, lstatSync, realpathSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { type Diagnostic, writePlan } from "@raceway/generator";
import type { GenerateArguments } from "../commands/generate.ts";
import { configNames } from "../config.ts";
import { type CommandContext, Exit, UsageError } from "../context.ts";
import { ConfigurationRefused, PlanWorker } from "./plan-worker-handle.ts";
import type { JobPlan, WatchInput } from "./plan-worker-messages.ts";
import { TreeWatch } from "./tree-watch.ts";
import { WatchOutput } from "./watch-output.ts";

/** After a change nothing may come for so long, since editors write in several steps. */
const QUIET_MS = 8;
/** While changes keep coming, as by a checkout, those that came wait no longer. */
const PATIENCE_MS = 100;
/** An empty schema is one that is being written; if it stays empty, it is meant. */
const EMPTY_MS = 50;
/** The whole is planned when nobody has edited for so long. */
const CALM_MS = 250;

export interface WatchListener {
  /** Something was written. */
  written(): void;
  /** All is as the schemas say, or there are errors. */
  checked(errors: number): void;
}

/** Ends, with exit code 0, when somebody wants it to. */
export async function watchGenerate(
  args: GenerateArguments,
  json: boolean,
  context: CommandContext,
  listener?: WatchListener,
): Promise<number> {
  const output = new WatchOutput(context, json);
  const watching = new GenerateWatch({ args, cwd: context.cwd }, context.stopping(), output, listener);
  await watching.run();
  return Exit.fine;
}

/**
 * All is decided in one loop, which does one thing at a time, and this thread alone writes. So a plan fits what is on the disk: one of
 * an edit since the next edit waits for it, one of the whole since it is thrown away if there was an edit while it was made.
 */
class GenerateWatch {
  readonly #input: WatchInput;
  readonly #stopping: AbortSignal;
  readonly #output: WatchOutput;
  readonly #listener: WatchListener | undefined;
  readonly #tree: TreeWatch;
  #wake: () => void = () => undefined;

  readonly #edited = new Set<string>();
  /** When the first and the last of them came. */
  #firstAt = 0;
  #lastAt = 0;
  #emptySince: number | undefined;

  #quick: PlanWorker | undefined;
  #background: PlanWorker | undefined;
  #configFiles = new Set<string>();
  #configChanged = false;

  #wholeWanted = false;
  /** Since when it runs, and whether there was an edit since. */
  #whole: { readonly since: number; stale: boolean } | undefined;
  #wholePlans: readonly JobPlan[] | undefined;
  #failure: Error | undefined;

  constructor(input: WatchInput, stopping: AbortSignal, output: WatchOutput, listener: WatchListener | undefined) {
    this.#listener = listener;
    this.#input = input;
    this.#stopping = stopping;
    this.#output = output;
    this.#tree = new TreeWatch({
      matches: (path) => path.endsWith(".proto") || this.#configFiles.has(path),
      changed: (path) => this.#changed(path),
      failed: (error) => this.#fail(error),
    });
  }

  async run(): Promise<void> {
    this.#stopping.addEventListener("abort", () => this.#wake());
    try {
      await this.#configure(true);
      while (!this.#stopping.aborted) {
        if (this.#failure !== undefined) throw this.#failure;
        const now = performance.now();
        const editsAt = this.#editsAt(now);
        const wholeAt = this.#wholeWanted && this.#whole === undefined ? this.#lastAt + CALM_MS : Infinity;
        if (this.#configChanged) await this.#configure(false);
        else if (editsAt <= now) await this.#takeEdits();
        else if (this.#wholePlans !== undefined) await this.#takeWhole(this.#wholePlans);
        else if (wholeAt <= now && this.#edited.size === 0) this.#startWhole();
        else await this.#until(Math.min(editsAt, wholeAt) - now);
      }
    } finally {
      this.#tree[Symbol.dispose]();
      await this.#stopWorkers();
    }
  }

  #changed(path: string): void {
    if (this.#configFiles.has(path)) this.#configChanged = true;
    if (path.endsWith(".proto") || !this.#configFiles.has(path)) {
      this.#lastAt = performance.now();
      if (this.#edited.size === 0) this.#firstAt = this.#lastAt;
      this.#edited.add(path);
      if (this.#whole !== undefined) this.#whole.stale = true;
    }
    this.#wake();
  }

  /** When the edits so far are to be planned. */
  #editsAt(now: number): number {
    if (this.#edited.size === 0) return Infinity;
    const at = Math.min(this.#lastAt + QUIET_MS, this.#firstAt + PATIENCE_MS);
    if (at > now || ![...this.#edited].some(isEmptySchema)) {
      if (at <= now) this.#emptySince = undefined;
      return at;
    }
    this.#emptySince ??= now;
    return this.#emptySince + EMPTY_MS;
  }

  async #takeEdits(): Promise<void> {
    const paths = [...this.#edited];
    const since = this.#firstAt;
    this.#edited.clear();
    this.#emptySince = undefined;
    if (this.#quick === undefined) return; // until the configuration can be read
    const plans = await this.#unlessStopped(this.#quick.edits(paths));
    if (plans === undefined) return;
    for (const [at, plan] of plans.entries()) {
      if (plan === "unchanged") continue;
      this.#wholeWanted = true;
      if (plan !== "whole") await this.#carryOut(at, plan, since, false);
    }
    if (this.#wholeWanted && this.#whole !== undefined) this.#whole.stale = true;
  }

  #startWhole(): void {
    const background = this.#background;
    if (background === undefined) return;
    this.#wholeWanted = false;
    this.#whole = { since: performance.now(), stale: false };
    background.whole().then(
      (plans) => {
        if (background === this.#background) this.#wholePlans = plans;
        this.#wake();
      },
      (error: unknown) => {
        if (background === this.#background) this.#fail(error as Error);
      },
    );
  }

  async #takeWhole(plans: readonly JobPlan[]): Promise<void> {
    const { since, stale } = this.#whole!;
    this.#wholePlans = undefined;
    this.#whole = undefined;
    this.#output.progress("");
    if (stale) {
      this.#wholeWanted = true;
      return;
    }
    const diagnostics: Diagnostic[] = [];
    let failures = 0;
    for (const [at, plan] of plans.entries()) {
      if (typeof plan === "string") continue;
      if ("failure" in plan) failures++;
      else diagnostics.push(...plan.diagnostics);
      await this.#carryOut(at, plan, since, true);
    }
    this.#watch(plans.flatMap((plan) => (typeof plan === "object" && "read" in plan ? plan.read : [])));
    const errors = diagnostics.filter(({ severity }) => severity === "error").length;
    this.#output.checked(errors + failures, diagnostics.length - errors);
    this.#listener?.checked(errors + failures);
  }

  async #carryOut(job: number, plan: Extract<JobPlan, object>, since: number, whole: boolean): Promise<void> {
    const out = this.#quick!.jobs[job]!.out;
    if ("failure" in plan) {
      if (whole) this.#output.failed(plan.failure); // the whole follows, and says it too
      return;
    }
    if (plan.plan !== undefined) {
      try {
        await writePlan(plan.folder, plan.plan);
      } catch (error) {
        this.#output.failed((error as Error).message); // a full disk may have room again after the next edit
        return;
      }
      if (plan.plan.changes.length > 0) {
        this.#output.written(out, plan.plan.changes, performance.now() - since);
        this.#listener?.written();
      }
    }
    this.#output.findings(out, plan.diagnostics, whole);
  }

  /** Loads the configuration, at first and after it has changed; then all is planned anew. */
  async #configure(first: boolean): Promise<void> {
    this.#configChanged = false;
    await this.#stopWorkers();
    const progress = (text: string): void => this.#output.progress(text);
    let modules: readonly string[] = [];
    try {
      [this.#quick, this.#background] = await startBoth(this.#input, progress);
      modules = this.#quick.modules;
      this.#wholeWanted = true;
    } catch (error) {
      if (!(error instanceof ConfigurationRefused)) throw error;
      if (first) throw error.usage ? new UsageError(error.message, { cause: error }) : error;
      modules = error.modules;
      this.#output.failed(error.message);
    }
    this.#configFiles = new Set([...configNames.map((name) => join(this.#input.cwd, name)), ...modules]);
    this.#watch([]);
    // What the planner of edits takes for the state before is read before the whole is planned.
    if (this.#quick !== undefined) await this.#unlessStopped(this.#quick.edits([]));
    this.#edited.clear();
  }

  #watch(read: readonly string[]): void {
    const folders = new Map<string, boolean>();
    for (const path of [...this.#configFiles, ...read, ...read.flatMap(behindLink)]) folders.set(dirname(path), false);
    for (const job of this.#quick?.jobs ?? [])
      for (const [path, deep] of job.folders) if (deep || !folders.has(path)) folders.set(path, deep);
    this.#tree.want(folders);
  }

  async #stopWorkers(): Promise<void> {
    const workers = [this.#quick, this.#background].filter((worker) => worker !== undefined);
    this.#quick = this.#background = this.#whole = this.#wholePlans = undefined;
    await Promise.all(workers.map((worker) => worker.stop()));
  }

  #fail(error: Error): void {
    this.#failure ??= error;
    this.#wake();
  }

  async #unlessStopped<T>(promise: Promise<T>): Promise<T | undefined> {
    const stopped = Promise.withResolvers<undefined>();
    const stop = (): void => stopped.resolve(undefined);
    this.#stopping.addEventListener("abort", stop);
    if (this.#stopping.aborted) stop();
    try {
      return await Promise.race([promise, stopped.promise]);
    } finally {
      this.#stopping.removeEventListener("abort", stop);
    }
  }

  /** Until something happens, at most so long. */
  #until(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = ms === Infinity ? undefined : setTimeout(resolve, Math.max(1, ms));
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
      if (this.#stopping.aborted) this.#wake();
    });
  }
}

/** Both threads load the same at the same time; edits do not wait for the whole. If one cannot start, neither does. */
async function startBoth(input: WatchInput, progress: (text: string) => void): Promise<[PlanWorker, PlanWorker]> {
  const silent = (): void => undefined;
  const starting = [
    PlanWorker.start({ ...input, background: false }, silent),
    PlanWorker.start({ ...input, background: true }, progress),
  ] as const;
  try {
    return await Promise.all(starting);
  } catch (error) {
    for (const one of await Promise.allSettled(starting)) if (one.status === "fulfilled") await one.value.stop();
    throw error;
  }
}

/** Where a link leads: whoever edits the file there is not heard of where the link is. */
function behindLink(path: string): readonly string[] {
  return lstatSync(path, { throwIfNoEntry: false })?.isSymbolicLink() === true && existsSync(path)
    ? [realpathSync(path)]
    : [];
}

function isEmptySchema(path: string): boolean {
  return path.endsWith(".proto") && statSync(path, { throwIfNoEntry: false })?.size === 0;
}
