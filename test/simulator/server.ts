// The server of a simulated world: one app after another on the same network, with handlers that check what they are given.
import type { Backplane, Store, StorePart } from "@raceway/core";
import { MemoryStorage, memory, raceway, type Raceway } from "@raceway/server";
import { type Listening, type Network, Sequence, SimProcess, Violation, simServer } from "@raceway/testkit";
import { type LabHandlers, type LabPublishers, labService } from "../gen/lab/v1/lab.server.ts";
import { middlewareOf } from "./settings.ts";
import type { Stage } from "./stage.ts";

/** Values of an upload: which upload it is, times this, plus its number. */
export const STRIDE = 10_000;

export class SimServer {
  readonly #stage: Stage;
  /** Transport → who listens there. */
  readonly #listening = new Map<string, Listening>();
  #storage = new MemoryStorage();
  #kept = new Map<string, { value: Uint8Array; until: number }>();
  #app: Raceway | undefined;
  #process: SimProcess | undefined;
  readonly networks: Network[] = [];
  /** Went down in good order: each has to come to rest. */
  readonly left: SimProcess[] = [];
  /** Nothing more is published. */
  quiet = false;

  constructor(stage: Stage) {
    this.#stage = stage;
  }

  get process(): SimProcess | undefined {
    return this.#process;
  }
  get up(): boolean {
    return this.#process !== undefined;
  }
  get sessions(): number {
    return this.#app?.sessions ?? 0;
  }
  listening(transport: string): Listening | undefined {
    return this.#listening.get(transport);
  }

  start(): void {
    const stage = this.#stage;
    const { settings, world } = stage;
    const name = `server${++stage.incarnation}`;
    const process = new SimProcess(world, name, settings.clocks[0]);
    process.lateness = latenessOf(stage, process);
    this.#process = process;
    if (!settings.durable) {
      this.#storage = new MemoryStorage();
      this.#kept = new Map();
    }
    for (const history of this.#storage.histories.values()) history.followers.clear(); // those of a process that was killed
    const app = raceway({
      transports: settings.kinds.map(({ transport, traits }) =>
        simServer(transport, traits, process, (server) => {
          if (server !== undefined) this.#listening.set(transport, server);
          else if (this.#listening.get(transport)?.process === process) {
            this.#listening.delete(transport);
            this.#cutLinks(process);
          }
        }),
      ),
      clock: process.clock,
      random: process.random,
      backplane: this.#backplane(),
      limits: settings.serverLimits,
      maxLinkAgeMs: settings.maxLinkAgeMs,
      use: middlewareOf(settings),
    });
    const topics = app.serve(labService, this.#handlers(process));
    this.#app = app;
    process.post(() => {
      for (const board of stage.topics.keys()) stage.watch(this.#publish(process, topics, board));
    });
  }

  #backplane(): Backplane {
    const storage = this.#storage;
    const store = this.#store();
    return memory({ storage, store });
  }

  /** Outlives the process, as a database would. */
  #store(): StorePart {
    const kept = this.#kept;
    const { world } = this.#stage;
    const store: Store = {
      async get(key) {
        const found = kept.get(key);
        return found !== undefined && found.until > world.now ? found.value : undefined;
      },
      async put(key, value, { ttlMs, ifAbsent }) {
        const found = kept.get(key);
        if (ifAbsent === true && found !== undefined && found.until > world.now) return false;
        kept.set(key, { value, until: world.now + ttlMs });
        return true;
      },
      async delete(key) {
        kept.delete(key);
      },
      take: () => Promise.resolve({ ok: true, retryAfterMs: 0 }),
    };
    return {
      name: "simulated",
      contract: 1,
      traits: { durability: "power-loss", shared: false },
      start: () => Promise.resolve(Object.assign(store, { [Symbol.asyncDispose]: () => Promise.resolve() })),
    };
  }

  /** Stops in good order: goodbye to all, and nothing left behind. */
  async stop(graceMs: number): Promise<void> {
    const process = this.#process;
    const app = this.#app;
    if (process === undefined || app === undefined) return;
    await new Promise<void>((resolve) => process.post(resolve));
    if (this.#process !== process) return;
    const closing = app.close(graceMs);
    this.#stage.serverWent = this.#stage.world.now;
    await closing;
    this.#stage.serverWent = this.#stage.world.now;
    if (this.#process === process) this.#process = undefined;
    this.left.push(process);
    this.#stage.world.trace.note("stopped", process.name);
  }

  /** As SIGKILL. `told`: the system closes the sockets; else the machine is gone, and nobody hears of it. */
  crash(told: boolean): void {
    const process = this.#process;
    if (process === undefined) return;
    this.#stage.serverWent = this.#stage.world.now;
    process.kill();
    this.#process = undefined;
    for (const [transport, listening] of this.#listening)
      if (listening.process === process) this.#listening.delete(transport);
    for (const network of this.networks)
      for (const link of network.links) if (link.server.process === process) link.vanish("server", told);
    for (const name of this.#stage.handlers) if (name.startsWith(`${process.name} `)) this.#stage.handlers.delete(name);
  }

  #cutLinks(process: SimProcess): void {
    for (const network of this.networks)
      for (const link of network.links) if (link.server.process === process && !link.server.over) link.server.close();
  }

  async #publish(process: SimProcess, topics: LabPublishers, board: number): Promise<void> {
    const stage = this.#stage;
    const model = stage.topics[board]!;
    const chance = stage.world.chance.fork();
    const say = async (): Promise<void> => {
      const value = stage.next();
      try {
        const position = await topics.ticks.publish(
          { board: model.address },
          { sequence: value, symbol: process.name },
        );
        if (process.dead) return;
        model.published(value, position);
      } catch (error) {
        if (this.#process === process && stage.serverWent < 0) throw error; // refused while it goes down: fine
      }
    };
    await say();
    for (;;) {
      await process.sleep(chance.wait(150));
      if (this.quiet || this.#process !== process) return;
      for (let burst = chance.int(1, 4); burst > 0; burst--) stage.watch(say());
    }
  }

  #handlers(process: SimProcess): LabHandlers {
    const stage = this.#stage;
    const { runs, settings } = stage;
    /** What runs the handler: a number, to tell two runs apart. */
    const running = (what: string): Disposable => {
      const name = `${process.name} ${what} ${stage.next()}`;
      stage.handlers.add(name);
      stage.world.trace.note("handler", what);
      return { [Symbol.dispose]: () => void stage.handlers.delete(name) };
    };
    const begin = (what: string, most: number): void => {
      try {
        runs.begin(what, most);
      } catch (error) {
        stage.world.fail(error);
        throw error;
      }
    };
    const checked = <T>(check: () => T): T => {
      try {
        stage.checked++;
        return check();
      } catch (error) {
        stage.world.fail(error);
        throw error;
      }
    };
    const idle = (ms: number, signal: AbortSignal): Promise<void> =>
      Promise.race([
        process.sleep(ms),
        new Promise<void>((resolve) => {
          if (signal.aborted) resolve();
          else signal.addEventListener("abort", () => resolve());
        }),
      ]);
    return {
      async echo({ text, data, delayMs }, { signal }) {
        using _ = running(`echo ${text}`);
        begin(`echo ${text}`, 1);
        if (delayMs > 0) await idle(delayMs, signal);
        return { text, data };
      },
      async add({ a, b }) {
        using _ = running(`add ${a}`);
        begin(`add ${a}`, settings.durable ? 1 : stage.incarnation);
        if (b % 3 === 0) await process.sleep(b % 500);
        return { sum: a + b };
      },
      peek({ text }) {
        begin(`peek ${text}`, 12);
        return { text };
      },
      async *count({ from, to }, { signal }) {
        using _ = running(`count ${from}`);
        begin(`count ${from}`, 1);
        for (let value = from; value <= to; value++) {
          if (value % 16 === 0) await idle(20, signal);
          if (signal.aborted) return;
          yield { value };
        }
      },
      async sum(requests) {
        let sequence: Sequence | undefined;
        let sum = 0;
        let count = 0;
        using _ = running("sum");
        stage.queue(requests, settings.limits.server.windowMessages);
        for await (const { value } of requests) {
          const upload = Math.floor(value / STRIDE);
          if (sequence === undefined) begin(`sum ${upload}`, 1);
          sequence ??= new Sequence(`upload ${upload} at the server`);
          const to = sequence;
          checked(() => to.took(value % STRIDE));
          sum += value % STRIDE;
          count++;
          if (value % 32 === 0) await process.sleep(15);
        }
        return { sum, count };
      },
      async *chat(requests) {
        let sequence: Sequence | undefined;
        using _ = running("chat");
        stage.queue(requests, settings.limits.server.windowMessages);
        for await (const { text } of requests) {
          const [chat = "", line = ""] = text.split(":");
          if (sequence === undefined) begin(`chat ${chat}`, 1);
          sequence ??= new Sequence(`chat ${chat} at the server`);
          const to = sequence;
          checked(() => to.took(Number(line)));
          yield { text: `${text}!` };
        }
      },
      async cursor(positions) {
        const last = new Map<string, number>();
        using _ = running("cursor");
        stage.queue(positions, settings.limits.server.windowMessages);
        for await (const { userId, x } of positions) {
          checked(() => {
            if (x <= (last.get(userId) ?? 0))
              throw new Violation("signal", `${userId}: position ${x} came after ${last.get(userId)}`);
          });
          last.set(userId, x);
          stage.cursorsHeard.set(userId, Math.max(x, stage.cursorsHeard.get(userId) ?? 0));
        }
      },
    };
  }
}

/** The planted fault of a late timer. */
export function latenessOf(stage: Stage, process: SimProcess): ((ms: number) => number) | undefined {
  if (stage.plant !== "late-timer") return undefined;
  return () => (process.random.next() < 0.2 ? 1_500 : 0);
}
