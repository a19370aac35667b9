// A client of a simulated world: a connection that is opened, switched and replaced, and what it asks of the server, each answer checked.
import type { Transport } from "@connectrpc/connect";
import { type Connection, connect } from "@raceway/client";
import { type Clock, type Codec, reasonOf } from "@raceway/core";
import { type Chance, type Network, Reader, Sequence, SimProcess, Violation, simClient } from "@raceway/testkit";
import { type LabClient, labClient } from "../gen/lab/v1/lab.client.ts";
import { STRIDE, latenessOf } from "./server.ts";
import { middlewareOf } from "./settings.ts";
import type { Operation, Stage } from "./stage.ts";

export class SimClient {
  readonly process: SimProcess;
  readonly networks: readonly Network[];
  readonly #stage: Stage;
  readonly #chance: Chance;
  readonly #codec: Codec;
  #connection!: Connection;
  #lab!: LabClient;
  /** Connections that were closed by their owner: their calls end with that. */
  readonly #closed = new WeakSet<Connection>();
  readonly subscriptions: Set<{ readonly reader: Reader; readonly abort: AbortController; connection: Connection }> =
    new Set();
  /** The topics are to be left now. */
  #leaving = false;

  constructor(stage: Stage, at: number, codec: Codec, networkOf: (process: SimProcess) => readonly Network[]) {
    this.#stage = stage;
    this.process = new SimProcess(stage.world, `c${at}`, stage.settings.clocks[at]);
    this.process.lateness = latenessOf(stage, this.process);
    this.#codec = codec;
    this.#chance = stage.world.chance.fork();
    this.networks = networkOf(this.process);
  }

  get connection(): Connection {
    return this.#connection;
  }

  start(): void {
    const { settings, world } = this.#stage;
    this.process.post(() => {
      this.#open();
      for (let count = settings.operations; count > 0; count--) this.#stage.watch(this.#some());
      for (const board of this.#stage.topics.keys()) if (this.#chance.maybe(0.8)) this.#stage.watch(this.#ticks(board));
      if (this.#chance.maybe(0.4)) this.#stage.watch(this.#cursor());
      world.trace.note("starts", this.process.name);
    });
  }

  #open(): void {
    const { settings } = this.#stage;
    const connection = connect("http://lab", {
      transports: this.networks.map(simClient),
      clock: this.process.clock,
      random: this.process.random,
      codecs: [this.#codec],
      frames: settings.jsonFrames ? "json" : "binary",
      limits: settings.clientLimits,
      staggerMs: settings.staggerMs,
      probeMs: settings.probeMs,
      use: middlewareOf(settings),
      backoff: { firstMs: 20, capMs: settings.backoffCapMs },
    });
    this.#connection = connection;
    const { windowMessages, topicQueueMessages } = settings.limits.client;
    const measured: Transport & { readonly clock: Clock } = {
      clock: this.process.clock,
      unary: (...all) => connection.unary(...all),
      stream: async (method, ...all) => {
        const response = await connection.stream(method, ...all);
        this.#stage.queue(response.message, method.name === "Ticks" ? topicQueueMessages : windowMessages);
        return response;
      },
    };
    this.#lab = labClient(measured);
  }

  /** Closes the connection and opens another; what runs on the old one ends. */
  async reconnect(): Promise<void> {
    const old = this.#connection;
    this.#closed.add(old);
    await old.close();
    if (this.#connection === old && !this.#leaving) this.#open();
  }

  /** The end of the world. */
  async close(): Promise<void> {
    this.#leaving = true;
    this.#closed.add(this.#connection);
    for (const { abort } of this.subscriptions) abort.abort();
    await this.#connection.close();
  }

  switch(): void {
    const { transport } = this.#chance.pick(this.networks).kind;
    const connection = this.#connection;
    this.process.post(() => {
      connection.switchTo(transport).catch(() => {}); // there may be nothing to switch from, or the new link dies: that is the game
      if (this.#chance.maybe(0.5)) connection.ping().catch(() => {});
    });
  }

  // ---- what it asks

  async #some(): Promise<void> {
    const { faultsForMs } = this.#stage.settings;
    const chance = this.#chance;
    await this.process.sleep(chance.next() * faultsForMs);
    const kind = chance.pick([
      "echo",
      "echo",
      "echo",
      "add",
      "add",
      "peek",
      "count",
      "count",
      "sum",
      "chat",
      "chat",
    ] as const);
    const number = this.#stage.next();
    const deadlineMs = chance.maybe(0.25) ? Math.round(chance.spread(20, 3_000)) : undefined;
    const abort = chance.maybe(0.15) ? new AbortController() : undefined;
    const connection = this.#connection;
    const lab = this.#lab;
    const operation = this.#stage.begin(`${kind} ${number} of ${this.process.name}`, this.process, deadlineMs);
    if (abort !== undefined)
      this.#stage.watch(
        this.process.sleep(chance.spread(1, 2_000)).then(() => {
          operation.aborted = true;
          abort.abort();
        }),
      );
    const options = {
      ...(deadlineMs !== undefined && { timeoutMs: deadlineMs }),
      ...(abort !== undefined && { signal: abort.signal }),
    };
    try {
      await this.#ask(lab, kind, number, options, operation);
    } catch (error) {
      this.#ended(operation, connection, error);
      return;
    }
    this.#ended(operation, connection);
  }

  #ended(operation: Operation, connection: Connection, error?: unknown): void {
    if (error instanceof Violation) throw error;
    this.#stage.end(operation, error);
    if (error !== undefined) this.#stage.excuse(operation, error, this.#closed.has(connection));
  }

  async #ask(
    lab: LabClient,
    kind: "echo" | "add" | "peek" | "count" | "sum" | "chat",
    number: number,
    options: { readonly timeoutMs?: number; readonly signal?: AbortSignal },
    operation: Operation,
  ): Promise<void> {
    const stage = this.#stage;
    const chance = this.#chance;
    switch (kind) {
      case "echo": {
        const data = new Uint8Array(chance.maybe(0.2) ? Math.round(chance.spread(1, 6_000)) : 0).fill(number);
        const delayMs = chance.maybe(0.5) ? Math.round(chance.spread(1, 4_000)) : 0;
        const reply = await lab.echo({ text: String(number), data, delayMs }, options);
        this.#same(reply.text === String(number) && same(reply.data, data), `echo ${number}`);
        if (stage.runs.of(`echo ${number}`) === 0)
          throw new Violation("truth", `echo ${number} was answered, and no handler ran`);
        return;
      }
      case "add": {
        const b = chance.int(0, 2_000);
        const { sum } = await lab.add({ a: number, b }, options);
        this.#same(sum === number + b, `add ${number}`);
        return;
      }
      case "peek": {
        const { text } = await lab.peek({ text: String(number) }, options);
        this.#same(text === String(number), `peek ${number}`);
        return;
      }
      case "count": {
        const count = Math.round(chance.spread(1, 120));
        const from = number * STRIDE + 1;
        const to = from + count - 1;
        const sequence = new Sequence(`count ${number}`);
        const leaveAt = chance.maybe(0.15) ? chance.int(1, count) : Infinity;
        const messages = lab.count({ from, to }, options);
        for await (const { value } of messages) {
          stage.checked++;
          sequence.took(value - from + 1);
          if (sequence.last >= leaveAt) return;
          if (chance.maybe(0.1)) await this.#dawdle(operation, chance.wait(30));
        }
        sequence.ended(count);
        return;
      }
      case "sum": {
        const count = Math.round(chance.spread(1, 100));
        const reply = await lab.sum(this.#numbers(number, count), options);
        this.#same(reply.count === count && reply.sum === (count * (count + 1)) / 2, `sum ${number}`);
        return;
      }
      case "chat": {
        const count = Math.round(chance.spread(1, 60));
        const sequence = new Sequence(`chat ${number}`);
        for await (const { text } of lab.chat(this.#lines(number, count), options)) {
          stage.checked++;
          const [chat, line = ""] = text.split(":");
          this.#same(chat === String(number) && line.endsWith("!"), `chat ${number}`);
          sequence.took(Number(line.slice(0, -1)));
          if (chance.maybe(0.05)) await this.#dawdle(operation, chance.wait(40));
        }
        sequence.ended(count);
      }
    }
  }

  /** A reader who takes his time; that is not the system's. */
  async #dawdle(operation: Operation, ms: number): Promise<void> {
    await this.process.sleep(ms);
    operation.busyUntil = this.#stage.world.now;
  }

  async *#numbers(upload: number, count: number): AsyncGenerator<{ value: number }> {
    for (let value = 1; value <= count; value++) {
      if (this.#chance.maybe(0.1)) await this.process.sleep(this.#chance.wait(20));
      yield { value: upload * STRIDE + value };
    }
  }
  async *#lines(chat: number, count: number): AsyncGenerator<{ text: string }> {
    for (let line = 1; line <= count; line++) {
      if (this.#chance.maybe(0.1)) await this.process.sleep(this.#chance.wait(20));
      yield { text: `${chat}:${line}` };
    }
  }

  #same(is: boolean, what: string): void {
    this.#stage.checked++;
    if (!is) throw new Violation("truth", `${what}: the reply is not what was asked for`);
  }

  /** A subscription that goes on until the world ends, over connections of its owner's. */
  async #ticks(board: number): Promise<void> {
    const stage = this.#stage;
    const model = stage.topics[board]!;
    const chance = this.#chance;
    await this.process.sleep(chance.next() * 1_000);
    let from: "start" | "now" | { epoch: string; offset: number } = chance.pick(["start", "now"] as const);
    const slow = chance.maybe(0.3);
    while (!this.#leaving) {
      const connection = this.#connection;
      const abort = new AbortController();
      const reader = new Reader(model, this.process.name, from);
      const entry = { reader, abort, connection };
      this.subscriptions.add(entry);
      const deaf = chance.maybe(0.2);
      const events = this.#lab.ticks(
        { board: model.address },
        {
          from,
          signal: abort.signal,
          ...(!deaf && { onReset: ({ first, epoch }) => this.#reset(reader, first, epoch) }),
        },
      );
      try {
        for await (const { sequence } of events) {
          stage.checked++;
          reader.took(sequence, events.position);
          if (slow && chance.maybe(0.2)) await this.process.sleep(chance.wait(100));
        }
        throw new Violation("topic", `${this.process.name}: ${model.address} ended by itself`);
      } catch (error) {
        this.subscriptions.delete(entry);
        if (this.#leaving) return;
        const reason = reasonOf(error);
        stage.world.trace.note(`leaves ${model.address}, ${reason ?? String(error)}`, this.process.name);
        const gone = reason === "history_gone" && deaf && !stage.settings.durable;
        if (!gone && !(reason === "connection_closed" && this.#closed.has(connection)) && reason !== "outbox_full")
          throw error;
        from = reader.epoch === "" ? from : gone ? "start" : { epoch: reader.epoch, offset: reader.offset };
        await this.process.sleep(50);
      }
    }
  }

  #reset(reader: Reader, first: number, epoch: string): void {
    if (this.#stage.settings.durable)
      this.#stage.world.fail(
        new Violation("topic", `${this.process.name}: told of a gap in a topic that lost nothing`),
      );
    reader.reset(first, epoch);
  }

  async #cursor(): Promise<void> {
    const stage = this.#stage;
    const chance = this.#chance;
    const { faultsForMs } = stage.settings;
    await this.process.sleep(chance.next() * faultsForMs * 0.5);
    const users = Array.from({ length: chance.int(1, 3) }, (_, at) => `${this.process.name}/${at}`);
    const connection = this.#connection;
    const operation = stage.begin(`cursor of ${this.process.name}`, this.process);
    const sender = this.#lab.cursor();
    const said = new Map<string, number>();
    try {
      for (let count = chance.int(1, 60); count > 0; count--) {
        const userId = chance.pick(users);
        const x = (said.get(userId) ?? 0) + 1;
        sender.send({ userId, x, y: 0 });
        said.set(userId, x);
        await this.process.sleep(chance.wait(60));
      }
      await sender.close();
    } catch (error) {
      this.#ended(operation, connection, error);
      return;
    }
    this.#ended(operation, connection);
    for (const [userId, x] of said) {
      const heard = stage.cursorsHeard.get(userId) ?? 0;
      if (heard !== x) throw new Violation("signal", `${userId}: ${x} was said last, and ${heard} was heard last`);
    }
  }
}

function same(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, at) => byte === b[at]);
}
