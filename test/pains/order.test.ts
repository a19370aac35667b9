// Row 18 of what went wrong elsewhere: order that is lost behind hooks that take their time. However long middleware thinks about each message, a channel keeps its order.
import type { Interceptor } from "@connectrpc/connect";
import { type Clock, type Plugin, definePlugin } from "@raceway/core";
import { Chance } from "@raceway/testkit";
import { describe, expect, it } from "vitest";
import { from } from "../app/lab.ts";
import { worlds } from "./world.ts";

/** Waits that differ and are the same in each run: none, or a few milliseconds. */
function waits(clock: () => Clock): () => Promise<void> | undefined {
  const chance = new Chance(18);
  return () => (chance.maybe(0.3) ? undefined : new Promise((resolve) => clock().after(chance.int(1, 8), resolve)));
}

/** Thinks before each call, and about each message of it, in both directions; before each publication, too. Says no to negative numbers. */
function hesitant(clock: () => Clock): Plugin {
  const wait = waits(clock);
  async function* slowly<T>(messages: AsyncIterable<T>): AsyncGenerator<T> {
    for await (const message of messages) {
      await wait();
      yield message;
    }
  }
  const hesitate: Interceptor = (next) => async (request) => {
    await wait();
    const response = await next(request.stream ? { ...request, message: slowly(request.message) } : request);
    return response.stream ? { ...response, message: slowly(response.message) } : response;
  };
  return definePlugin({
    name: "hesitant",
    start: () => ({
      call: () => hesitate,
      topic: () => ({
        publish({ message }) {
          const { sequence } = message as { sequence: number };
          const waiting = wait();
          if (sequence >= 0) return waiting;
          return (async () => {
            await waiting;
            throw new Error("not this one");
          })();
        },
      }),
    }),
  });
}

/** What comes of a stream, as long as it runs. */
function reading<T>(messages: AsyncIterable<T>): T[] {
  const got: T[] = [];
  void (async () => {
    for await (const message of messages) got.push(message);
  })().catch(() => {});
  return got;
}

const numbers = Array.from({ length: 60 }, (_, at) => at + 1);

describe.each(Object.entries(worlds))("over %s", (_, make) => {
  const hesitating: typeof make = async (options) => {
    let clock: Clock;
    const now = (): Clock => clock;
    const it = await make({ ...options, use: [hesitant(now)], client: { use: [hesitant(now)] } });
    clock = it.clock;
    return it;
  };

  it("python-socketio #284: what a stream says comes in order, in both directions at once", async () => {
    await using it = await hesitating();
    const said = reading(it.client.chat(from(numbers.map((each) => ({ text: `${each}` })))));
    const counted = reading(it.client.count({ from: 1, to: 60 }));
    await it.until(() => said.length === 60 && counted.length === 60);
    expect(said.map(({ text }) => text)).toEqual(numbers.map((each) => `${each}!`));
    expect(counted.map(({ value }) => value)).toEqual(numbers);
  });

  it("hocuspocus #880: what is published is read in the order in which it was, each topic by itself; what is refused holds nothing up", async () => {
    await using it = await hesitating();
    const refused: number[] = [];
    for (const sequence of numbers)
      for (const board of ["x", "y"]) {
        it.topics.ticks.publish({ board }, { sequence }).catch(() => {});
        if (sequence % 7 === 0)
          it.topics.ticks.publish({ board }, { sequence: -sequence }).catch(() => void refused.push(sequence));
      }
    const boards = ["x", "y"].map((board) => reading(it.client.ticks({ board }, { from: "start" })));
    await it.until(() => boards.every((read) => read.length === 60) && refused.length === 16);
    for (const read of boards) expect(read.map(({ sequence }) => sequence)).toEqual(numbers);
  });
});
