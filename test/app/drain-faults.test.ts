// Servers that drain and are replaced while links die: by seed, with what must hold whatever happens.
import { expect, it } from "vitest";
import { seeded } from "../endpoints/host.ts";
import { type LabClient, labClient } from "../gen/lab/v1/lab.client.ts";
import { type Node, nodes } from "./nodes.ts";

const URLS = ["http://a.example", "http://b.example"] as const;
const upTo = (last: number): number[] => Array.from({ length: last }, (_, at) => at + 1);

it.each(upTo(Number(process.env["RACEWAY_SEEDS"] ?? 20)))(
  "seed %i: topics lose and repeat nothing, each call runs at most once and settles, nothing is left behind",
  async (seed) => {
    const chance = seeded(seed * 7_919);
    await using world = nodes(["best", "second"]);
    const now: Node[] = [];
    for (const url of URLS) now.push(await world.start(url));
    const pause = (): Promise<void> =>
      new Promise((resolve) => world.clock.after(Math.floor(chance.next() * 60), resolve));
    const connections = upTo(4).map((nth) =>
      world.connect(nth % 2 === 0 ? [...URLS] : URLS.toReversed(), { random: seeded(seed * 31 + nth) }),
    );
    const seen = connections.map((): number[] => []);
    const reading = connections.map(async (connection, at) => {
      for await (const { sequence } of labClient(connection).ticks({ board: "x" }, { from: "start" })) {
        if (sequence === 0) return;
        seen[at]!.push(sequence);
      }
    });
    let stopped = false;
    let made = 0;
    let failed = 0;
    const call = async (client: LabClient): Promise<void> => {
      const text = String(++made);
      const reply = await client.echo({ text, delayMs: Math.floor(chance.next() * 100) }).catch(() => void failed++);
      expect(reply?.text ?? text).toBe(text);
      await pause();
    };
    const calling = connections.map(async (connection) => {
      while (!stopped) await call(labClient(connection));
    });
    let published = 0;
    for (let step = 0; step < 6; step++) {
      const at = step % 2;
      let gone = false;
      const closing = now[at]!.app.close({ drainMs: 2_000, graceMs: 500 }).then(() => (gone = true));
      while (!gone) {
        await now[1 - at]!.topics.ticks.publish({ board: "x" }, { sequence: ++published });
        if (chance.next() < 0.1) now[Math.floor(chance.next() * 2)]!.cut();
        await world.clock.advance(50);
      }
      await closing;
      now[at]!.down();
      now[at] = await world.start(URLS[at]!);
      await world.clock.advance(500);
    }
    stopped = true;
    await now[0]!.topics.ticks.publish({ board: "x" }, { sequence: 0 });
    await world.during(Promise.all([...reading, ...calling]));
    for (const each of seen) expect(each).toEqual(upTo(published));
    const ran = world.calls.filter((call) => call.startsWith("echo"));
    expect(new Set(ran).size).toBe(ran.length);
    expect(failed).toBeLessThan(made / 10);
    for (const connection of connections) await connection.close();
    await world.clock.advance(100);
    expect(now.map(({ app }) => app.sessions)).toEqual([0, 0]);
  },
);
