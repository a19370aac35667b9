// What comes in one batch with a gap: what was read before it is before it, and a position fits what is shown.
import { type Clock, systemClock } from "@raceway/core";
import { MessageQueue } from "@raceway/core/internal";
import { QueryClient, type QueryKey } from "@tanstack/query-core";
import { expect, it } from "vitest";
import { Follower, type Opening, type Plan } from "./follower.ts";

const listed: Plan["fold"] = (before, messages) => [...((before as readonly unknown[] | undefined) ?? []), ...messages];
const newest: Plan["fold"] = (before, messages) => messages.at(-1) ?? before;

/** A query that is followed, and the hands that push numbers into it and end the turns. */
class Numbers {
  readonly follower: Follower;
  /** What runs at the end of the turn, in order, without a break. */
  readonly due: (() => void)[] = [];
  opening: Opening | undefined;
  readonly #client = new QueryClient();
  readonly #key: QueryKey = ["numbers"];
  readonly #queue: MessageQueue<number>;

  /** `before`: the query has this, and is to go on after it. */
  constructor(fold: Plan["fold"] = listed, before?: number) {
    let read = 0;
    this.#queue = new MessageQueue<number>({
      decode: ([value]) => (read = value!),
      consumed: () => {},
      abandoned: () => {},
    });
    const clock: Clock = { ...systemClock(), loopEnd: (run) => void this.due.push(run) };
    const plan: Plan = {
      path: "/test/Numbers",
      clock,
      graceMs: 1_000,
      open: (opening) => {
        this.opening = opening;
        return {
          get position() {
            return { epoch: "e", offset: read };
          },
          [Symbol.asyncIterator]: () => this.#queue,
        };
      },
      fold,
      failure: (cause) => cause as Error,
    };
    const query = this.#client.getQueryCache().build(this.#client, { queryKey: this.#key });
    if (before !== undefined) query.setData(before);
    const position = before === undefined ? undefined : { epoch: "e", offset: before };
    this.follower = new Follower(this.#client, query, plan, position, () => this.#client.clear());
    this.follower.start();
  }

  get shown(): unknown {
    return this.#client.getQueryData(this.#key);
  }
  push(value: number): void {
    this.#queue.push(Uint8Array.of(value));
  }
  async turn(): Promise<void> {
    await new Promise((resolve) => setImmediate(resolve)); // what was pushed is read
    for (const run of this.due.splice(0)) run();
  }
}

it("takes what was said before a gap for what is before it, though both come at once", async () => {
  const numbers = new Numbers();
  numbers.push(1);
  await numbers.turn();
  numbers.push(2); // is on its way to the reader, who waits for it
  numbers.opening!.reset();
  numbers.push(9);
  await numbers.turn();
  expect(numbers.shown).toEqual([9]);
  expect(numbers.follower.position?.offset).toBe(9);
  numbers.follower.stop();
});

it("waits for no message if all that came before is gone, since nothing newer than what is shown may ever come", async () => {
  const numbers = new Numbers(newest, 5);
  const data = numbers.follower.data();
  numbers.opening!.reset();
  await Promise.resolve();
  numbers.opening!.opened();
  await numbers.turn();
  expect(await data).toBe(5);
  expect(numbers.follower.upToDate).toBe(true);
  numbers.follower.stop();
});

it("stands where the last message stands that is shown, though the next one is on its way", async () => {
  const numbers = new Numbers();
  numbers.push(1);
  await numbers.turn();
  numbers.push(2);
  numbers.due.push(() => numbers.push(3));
  await numbers.turn();
  expect(numbers.shown).toEqual([1, 2]);
  expect(numbers.follower.position?.offset).toBe(2);
  await numbers.turn();
  expect(numbers.shown).toEqual([1, 2, 3]);
  expect(numbers.follower.position?.offset).toBe(3);
  numbers.follower.stop();
});
