// The processes of a run: a server and a load for each subject, all up at once.
import { Child, LOAD_CORE, SERVER_CORE } from "./child.ts";
import type { Subject } from "./subjects.ts";

export interface Pair {
  readonly load: Child;
  /** Where the server answers. */
  readonly port: number;
  readonly controlPort: number;
  readonly credential: string;
}

export class Fleet implements AsyncDisposable {
  readonly #pairs = new Map<string, { readonly server: Child; readonly load: Child; readonly pair: Promise<Pair> }>();

  /** Starts both processes of a subject, unless they run. */
  start({ name, module, transport = "" }: Subject): Promise<Pair> {
    const running = this.#pairs.get(name);
    if (running) return running.pair;
    const server = new Child("./server.ts", [module, transport], SERVER_CORE);
    const load = new Child("./load.ts", [module, transport], LOAD_CORE);
    const pair = server.ask<Omit<Pair, "load">>("start").then((ports) => ({ load, ...ports }));
    this.#pairs.set(name, { server, load, pair });
    return pair;
  }

  /** Ends both, for example since one of them is in no known state. */
  async end(name: string): Promise<void> {
    const running = this.#pairs.get(name);
    this.#pairs.delete(name);
    await running?.load[Symbol.asyncDispose]();
    await running?.server[Symbol.asyncDispose]();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const name of [...this.#pairs.keys()]) await this.end(name);
  }
}
