// Batching by time: nothing waits when it is quiet, nothing waits longer than the window, and order is kept.
import { create, toBinary } from "@bufbuild/protobuf";
import { reasonOf } from "@raceway/core";
import { batching } from "@raceway/middleware/batching";
import { describe, expect, it } from "vitest";
import { type Lab, lab, take } from "../app/lab.ts";
import { hello, open, rawPeer } from "../app/raw-peer.ts";
import { TicksRequestSchema } from "../gen/lab/v1/lab_pb.ts";

/** A subscriber, and how many events it has. */
async function subscriber(world: Lab): Promise<() => number> {
  const peer = await rawPeer(world.memory, world.clock);
  peer.say(hello());
  await world.clock.settle();
  const payload = toBinary(TicksRequestSchema, create(TicksRequestSchema, { board: "b" }));
  peer.say(open(1, "/lab.v1.LabService/Ticks", { payload }));
  await world.clock.settle();
  return () => peer.frames.filter(({ kind }) => kind === "publication").length;
}
const publish = async (world: Lab, sequence: number, symbol = ""): Promise<void> => {
  void world.topics.ticks.publish({ board: "b" }, { sequence, symbol });
  await world.clock.settle();
};

describe("a topic", () => {
  it("says the first after a silence at once, and what follows within the window at its end", async () => {
    await using world = await lab({ server: { use: [batching({ windowMs: 50 })] } });
    const have = await subscriber(world);
    await publish(world, 1);
    expect(have()).toBe(1);
    await publish(world, 2);
    await world.clock.advance(20);
    await publish(world, 3);
    expect(have()).toBe(1);
    await world.clock.advance(20);
    expect(have()).toBe(1);
    await world.clock.advance(20);
    expect(have()).toBe(3);
    await publish(world, 4);
    expect(have()).toBe(3); // a write was just now
    await world.clock.advance(200);
    expect(have()).toBe(4);
    await publish(world, 5);
    expect(have()).toBe(5);
  });

  it("does not wait for more than it was told to", async () => {
    await using world = await lab({ server: { use: [batching({ windowMs: 1_000, maxMessages: 3, maxBytes: 500 })] } });
    const have = await subscriber(world);
    await publish(world, 1);
    await publish(world, 2);
    await publish(world, 3);
    expect(have()).toBe(1);
    await publish(world, 4);
    expect(have()).toBe(4);
    await publish(world, 5, "x".repeat(600));
    expect(have()).toBe(5);
  });

  it("waits not at all by default", async () => {
    await using world = await lab({ server: { use: [batching()] } });
    const have = await subscriber(world);
    for (let sequence = 1; sequence <= 5; sequence++) {
      await publish(world, sequence);
      expect(have()).toBe(sequence);
    }
  });

  it("loses nothing and repeats nothing for those who come, and come back, while something waits", async () => {
    await using world = await lab({
      server: { use: [batching({ windowMs: 40 })] },
      client: { backoff: { firstMs: 5, capMs: 10 } },
    });
    const reading = take(world.client.ticks({ board: "b" }), 100);
    await world.clock.advance(100);
    for (let sequence = 1; sequence <= 100; sequence++) {
      await publish(world, sequence);
      await world.clock.advance(7);
      if (sequence % 23 === 0) world.memory.cut();
    }
    await world.clock.advance(2_000);
    expect((await reading).map(({ sequence }) => sequence)).toEqual(Array.from({ length: 100 }, (_, at) => at + 1));
  });
});

describe("a stream", () => {
  /** Says lines when it is told to. */
  const spoken = (): { readonly say: (text: string) => void; readonly lines: AsyncGenerator<{ text: string }> } => {
    const waiting: string[] = [];
    let wake = (): void => {};
    const more = (): Promise<void> => new Promise((resolve) => (wake = resolve));
    return {
      say(text) {
        waiting.push(text);
        wake();
      },
      lines: (async function* () {
        for (;;) {
          while (waiting.length > 0) yield { text: waiting.shift()! };
          await more();
        }
      })(),
    };
  };

  it.each(["client", "server"] as const)(
    "of the %s waits for the window, and calls take along what waits",
    async (side) => {
      const use = [batching({ windowMs: 100 })];
      await using world = await lab({ [side]: { use } });
      const heard: string[] = [];
      const { say, lines } = spoken();
      void (async (): Promise<void> => {
        for await (const { text } of world.client.chat(lines)) heard.push(text);
      })().catch(() => {}); // ends with the connection
      await world.clock.advance(500);
      say("a");
      await world.clock.advance(10);
      expect(heard).toEqual(["a!"]);
      say("b");
      say("c");
      await world.clock.advance(10);
      expect(heard).toEqual(["a!"]);
      await world.client.echo({ text: "a call" });
      await world.clock.advance(1);
      expect(heard).toEqual(["a!", "b!", "c!"]);
      say("d");
      await world.clock.advance(150);
      expect(heard).toEqual(["a!", "b!", "c!", "d!"]);
    },
  );

  it("calls and their replies do not wait", async () => {
    const use = [batching({ windowMs: 10_000 })];
    await using world = await lab({ server: { use }, client: { use } });
    await world.clock.advance(10);
    const before = world.clock.now();
    for (let call = 0; call < 20; call++) await world.client.echo({ text: `${call}` });
    expect(world.clock.now() - before).toBeLessThan(5);
  });

  it("what waits is said before the end of its stream", async () => {
    const use = [batching({ windowMs: 10_000 })];
    await using world = await lab({
      server: { use },
      client: { use },
    });
    const sum = world.client.sum(
      (async function* () {
        for (let value = 1; value <= 50; value++) yield { value };
      })(),
    );
    const counted = take(world.client.count({ from: 1, to: 50 }), 50);
    await world.clock.advance(20);
    expect(await sum).toMatchObject({ sum: 1_275, count: 50 });
    expect((await counted).map(({ value }) => value)).toEqual(Array.from({ length: 50 }, (_, at) => at + 1));
  });
});

it("tells on the user's own line what cannot be", () => {
  let error: unknown;
  try {
    batching({ windowMs: -1 });
  } catch (thrown) {
    error = thrown;
  }
  expect(reasonOf(error)).toBe("option_invalid");
});
