// A worker thread that plans, as the watch has it: orders in, plans out, one at a time.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Worker } from "node:worker_threads";
import type { JobFacts, JobPlan, Order, Report, WorkerInput } from "./plan-worker-messages.ts";

/** How long a worker that is in the midst of computing is waited for. */
const STOP_MS = 300;

const script = new URL(`./plan-worker${import.meta.url.endsWith(".ts") ? ".ts" : ".js"}`, import.meta.url);

/** The configuration cannot be used; its files are known as far as they were read. */
export class ConfigurationRefused extends Error {
  override readonly name = "ConfigurationRefused";
  readonly modules: readonly string[];
  /** It can be read, and asks for what cannot be. */
  readonly usage: boolean;

  constructor({ message, modules, usage }: Extract<Report, { readonly kind: "refused" }>) {
    super(message);
    this.modules = modules;
    this.usage = usage;
  }
}

export class PlanWorker {
  readonly jobs: readonly JobFacts[];
  readonly modules: readonly string[];
  readonly #worker: Worker;
  #order: PromiseWithResolvers<readonly JobPlan[]> | undefined;

  private constructor(worker: Worker, { jobs, modules }: Extract<Report, { readonly kind: "ready" }>) {
    this.#worker = worker;
    this.jobs = jobs;
    this.modules = modules;
  }

  /** Rejects with a {@link ConfigurationRefused} if the worker cannot find out what to do. */
  static async start(input: WorkerInput, progress: (text: string) => void): Promise<PlanWorker> {
    // What it and its compilers put away for a while is in a folder of its own, which goes when it has gone, however it ends.
    const temporary = mkdtempSync(join(tmpdir(), "raceway-"));
    const env = { ...process.env, TMPDIR: temporary, TEMP: temporary, TMP: temporary };
    const worker = new Worker(script, { workerData: input, env });
    const first = Promise.withResolvers<Report>();
    let settle: ((plans: readonly JobPlan[] | Error) => void) | undefined;
    worker.on("message", (report: Report) => {
      if (report.kind === "progress") progress(report.text);
      else if (report.kind === "planned") settle?.(report.plans);
      else first.resolve(report);
    });
    worker.on("error", (error: Error) => {
      first.reject(error);
      settle?.(error);
    });
    worker.on("exit", (code) => {
      remove(temporary);
      const error = new Error(
        `The planning thread ended with code ${code}; a module of the configuration may have ended it.`,
      );
      first.reject(error);
      settle?.(error);
    });
    const report = await first.promise;
    if (report.kind === "ready") {
      const started = new PlanWorker(worker, report);
      settle = (plans) => started.#settle(plans);
      return started;
    }
    await worker.terminate();
    if (report.kind === "refused") throw new ConfigurationRefused(report);
    throw new Error("The planning thread said nothing of the kind.");
  }

  edits(paths: readonly string[]): Promise<readonly JobPlan[]> {
    return this.#ask({ kind: "edits", paths });
  }

  whole(): Promise<readonly JobPlan[]> {
    return this.#ask({ kind: "whole" });
  }

  /** Leaves no process and no file behind. What was asked and not answered is never answered. */
  async stop(): Promise<void> {
    this.#order = undefined;
    const gone = new Promise((resolve) => void this.#worker.once("exit", resolve));
    this.#worker.postMessage({ kind: "stop" } satisfies Order, []);
    // While it waits for the compiler it ends that and itself; while it computes it does not listen, and has nothing to put away.
    const timer = setTimeout(() => void this.#worker.terminate(), STOP_MS);
    await gone;
    clearTimeout(timer);
  }

  #ask(order: Order): Promise<readonly JobPlan[]> {
    this.#order = Promise.withResolvers();
    this.#worker.postMessage(order, []);
    return this.#order.promise;
  }

  #settle(plans: readonly JobPlan[] | Error): void {
    const order = this.#order;
    this.#order = undefined;
    if (plans instanceof Error) order?.reject(plans);
    else order?.resolve(plans);
  }
}

function remove(folder: string): void {
  try {
    rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
  } catch {
    // Windows keeps a folder as long as somebody is in it. It is one for temporary files, and goes with those.
  }
}
