// What `raceway generate --watch` says: each finding once as long as it stands, what was written, and whether all is well.
import { type Diagnostic, type FileChange, formatDiagnostics } from "@raceway/generator";
import type { CommandContext } from "../context.ts";

/** With `json`, each is one object on standard output: `{ event: "written" | "finding" | "failed" | "checked", … }`. */
export class WatchOutput {
  readonly #context: CommandContext;
  readonly #json: boolean;
  readonly #standing = new Map<string, Set<string>>();
  #status = "";

  constructor(context: CommandContext, json: boolean) {
    this.#context = context;
    this.#json = json;
  }

  /** `ms` is from when the edit was heard of to when its outputs were written. */
  written(out: string, changes: readonly FileChange[], ms: number): void {
    if (this.#json) {
      this.#event({
        event: "written",
        out,
        changes: changes.map(({ path, change }) => ({ path, change })),
        ms: Math.round(ms),
      });
    } else {
      const [first] = changes;
      const names = changes.length === 1 ? first!.path : `${changes.length} files`;
      const kinds = [...new Set(changes.map(({ change }) => change))].join(", ");
      this.#context.err(`${out}: ${kinds} ${names} in ${Math.round(ms)} ms\n`);
    }
    this.#showStatus();
  }

  /** Those that are new. After a plan of the whole, others no longer stand. */
  findings(out: string, diagnostics: readonly Diagnostic[], whole: boolean): void {
    const before = this.#standing.get(out) ?? new Set();
    const fresh = diagnostics.filter((one) => !before.has(JSON.stringify(one)));
    const now = diagnostics.map((one) => JSON.stringify(one));
    this.#standing.set(out, new Set(whole ? now : [...before, ...now]));
    if (this.#json) for (const finding of fresh) this.#event({ event: "finding", out, finding });
    else this.#context.out(formatDiagnostics(fresh, "text", { color: this.#context.colors.out }));
    this.#showStatus();
  }

  /** What is no finding about a schema: no schemas at all, a tool that does not work, a configuration that cannot be read. */
  failed(message: string): void {
    if (this.#json) this.#event({ event: "failed", message });
    else this.#context.err(`raceway: ${message}\n`);
    this.#showStatus();
  }

  /** All is planned and written, as far as there are no errors. */
  checked(errors: number, warnings: number): void {
    const found = [counted(errors, "error"), counted(warnings, "warning")].filter((text) => text !== "").join(", ");
    const status = `watching, ${found === "" ? "no errors" : found}`;
    if (this.#json) this.#event({ event: "checked", errors, warnings });
    else if (status !== this.#status && !this.#context.terminal) this.#context.err(`${status}\n`);
    this.#status = status;
    this.#showStatus();
  }

  progress(text: string): void {
    this.#context.progress(text === "" ? this.#status : text);
  }

  #showStatus(): void {
    this.#context.progress(this.#status);
  }

  #event(event: object): void {
    this.#context.out(`${JSON.stringify(event)}\n`);
  }
}

function counted(count: number, what: string): string {
  return count === 0 ? "" : `${count} ${what}${count === 1 ? "" : "s"}`;
}
