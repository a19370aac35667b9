// One use of each of the kit's channels, from the client's side: resolves if it was admitted and came back as it should.
import { ConnectError } from "@connectrpc/connect";
import { require } from "../case.ts";
import type { KitClient, Stage } from "./stage.ts";
import type { KitChannel } from "./subject.ts";

let used = 0;
/** A text that no other use has. */
export const fresh = (): string => `use-${++used}`;

export async function* each<T>(messages: readonly T[]): AsyncGenerator<T> {
  yield* messages;
}

/** Uses a channel once. Rejects with what the client gets; breaks the rule if an answer is another's. */
export function useChannel(channel: KitChannel, client: KitClient, stage: Stage): Promise<void> {
  return uses[channel](client, stage, fresh());
}

type Use = (client: KitClient, stage: Stage, text: string) => Promise<void>;
const same = (what: string, got: unknown, wanted: unknown): void =>
  require(JSON.stringify(got) === JSON.stringify(wanted), () =>
    `${what} gave ${JSON.stringify(got)} in place of ${JSON.stringify(wanted)}`);

const uses: Readonly<Record<KitChannel, Use>> = {
  echo: async (client, _, text) => same("echo", (await client.echo({ text })).text, text),
  save: async (client, _, text) => same("save", (await client.save({ text })).text, text),
  look: async (client, _, text) => same("look", (await client.look({ text })).text, text),
  async count(client, _, text) {
    const numbers: number[] = [];
    for await (const { number } of client.count({ text, to: 3 })) numbers.push(number);
    same("count", numbers, [1, 2, 3]);
  },
  sum: async (client) => same("sum", (await client.sum(each([{ number: 2 }, { number: 3 }]))).sum, 5),
  async talk(client) {
    const numbers: number[] = [];
    for await (const { number } of client.talk(each([{ number: 8 }, { number: 9 }]))) numbers.push(number);
    same("talk", numbers, [8, 9]);
  },
  async news(client, stage, room) {
    const listener = new Listener(client, stage, room);
    await listener.live();
    await listener.leave();
  },
  async post(client, _, room) {
    await client.post({ room, number: 1 });
  },
};

/** Reads a room's news as they come. */
export class Listener {
  /** What came, but for the greetings. */
  readonly numbers: number[] = [];
  error: Error | undefined;
  over = false;
  #greeted = false;
  readonly #room: string;
  readonly #stage: Stage;
  readonly #leave = new AbortController();
  readonly #read: Promise<void>;

  constructor(client: KitClient, stage: Stage, room: string) {
    this.#room = room;
    this.#stage = stage;
    this.#read = this.#listen(client);
  }
  async #listen(client: KitClient): Promise<void> {
    try {
      for await (const { number } of client.news({ room: this.#room }, { signal: this.#leave.signal })) {
        if (number === 0) this.#greeted = true;
        else this.numbers.push(number);
      }
    } catch (error) {
      if (!this.#leave.signal.aborted) this.error = ConnectError.from(error);
    } finally {
      this.over = true;
    }
  }

  /** Until something that is said in the room comes: from then on nothing may be missing. Rejects with what the subscription was refused with. */
  async live(): Promise<void> {
    await this.#stage.until(() => {
      if (!this.#greeted && !this.over) void this.#stage.publish(this.#room, 0);
      return this.#greeted || this.over;
    }, "the first news of a room");
    if (this.error !== undefined) throw this.error;
    require(this.#greeted, "a subscription ended without an error, and nobody had left");
  }
  async leave(): Promise<void> {
    this.#leave.abort();
    await this.#stage.within(this.#read, "the end of a subscription whose reader has left");
  }
}

/** A conversation that goes on message by message. */
export class Talk {
  readonly numbers: number[] = [];
  error: Error | undefined;
  over = false;
  #said = 0;
  readonly #stage: Stage;
  readonly #waiting: (() => void)[] = [];
  readonly #outbox: number[] = [];
  #ended = false;

  constructor(client: KitClient, stage: Stage) {
    this.#stage = stage;
    void this.#read(client);
  }
  async #read(client: KitClient): Promise<void> {
    try {
      for await (const { number } of client.talk(this.#say())) this.numbers.push(number);
    } catch (error) {
      this.error = ConnectError.from(error);
    } finally {
      this.over = true;
    }
  }
  async *#say(): AsyncGenerator<{ number: number }> {
    for (;;) {
      const number = this.#outbox.shift();
      if (number !== undefined) yield { number };
      else if (this.#ended) return;
      else await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
  }
  #wake(): void {
    for (const resolve of this.#waiting.splice(0)) resolve();
  }

  /** Says so many more, and waits until all have come back, in order. */
  async go(count: number, what: string): Promise<void> {
    for (let at = 0; at < count; at++) this.#outbox.push(++this.#said);
    this.#wake();
    await this.#stage.until(() => this.numbers.length >= this.#said || this.over, what);
    if (this.error !== undefined) require(false, () => `${what}: the conversation failed with ${String(this.error)}`);
    requireRun(this.numbers, this.#said, what);
  }
  async end(): Promise<void> {
    this.#ended = true;
    this.#wake();
    await this.#stage.until(() => this.over, "the end of a conversation after its last message");
    if (this.error !== undefined) throw this.error;
  }
}

/** 1, 2, … up to `last`, none missing, none twice. */
export function requireRun(numbers: readonly number[], last: number, what: string): void {
  for (const [at, number] of numbers.entries())
    require(number === at + 1, () => `${what}: number ${number} came in place of ${at + 1}`);
  require(numbers.length === last, () => `${what}: ${numbers.length} came in place of ${last}`);
}
