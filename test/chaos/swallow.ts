// `pnpm chaos --swallow`: the best transport is swallowed on the way, without a word: how much later does the first message come?
import { connect } from "@raceway/client";
import { type FaultProxy, faultProxy } from "@raceway/testkit/node";
import { chaosClient } from "../gen/chaos/v1/chaos.client.ts";
import type { ChaosArguments } from "./arguments.ts";
import { Child } from "./child.ts";
import { table } from "./table.ts";
import { through, transportOf } from "./transports.ts";

/** What happens to the WebSocket's connection, by name. */
const manners: Readonly<Record<string, (proxy: FaultProxy) => void>> = {
  works: () => {},
  "hangs at connect": (proxy) => proxy.admit("hang"),
  "request swallowed": (proxy) => proxy.stall("up"),
  "answer swallowed": (proxy) => proxy.stall("down"),
  "swallowed once upgraded": (proxy) =>
    void proxy.passed(1, "down").then(() => {
      for (const connection of proxy.connections) connection.stall();
    }),
  refused: (proxy) => proxy.admit("refuse"),
};
/** A swallowed transport may cost the stagger of the race, and so much more. */
const ALLOWED_MS = 250 + 250;

/** True: each manner brought the first message, by another transport where it had to, and in time. */
export async function swallow({ quick, print }: ChaosArguments): Promise<boolean> {
  const repetitions = quick ? 3 : 25;
  await using server = new Child("server.ts");
  const port = await server.ask<number>("listen");
  const url = `http://127.0.0.1:${port}`;
  const names = Object.keys(manners);
  const times = new Map<string, number[]>(names.map((name) => [name, []]));
  const used = new Map<string, Set<string>>(names.map((name) => [name, new Set()]));
  // One round more than is counted: the first has everything to load.
  for (let round = 0; round <= repetitions; round++) {
    for (const name of names) {
      await using proxy = await faultProxy(port);
      manners[name]!(proxy);
      const began = performance.now();
      await using connection = connect(url, {
        transports: [
          through(transportOf("websocket"), `http://127.0.0.1:${proxy.address}`),
          transportOf("sse"),
          transportOf("poll"),
        ],
        probeMs: 0,
      });
      for await (const _ of chaosClient(connection).feed({ count: 1 })) {
        if (round > 0) times.get(name)!.push(performance.now() - began);
        used.get(name)!.add(connection.state.current.transport ?? "");
      }
    }
  }
  const medianOf = (name: string): number => times.get(name)!.sort((a, b) => a - b)[Math.floor(repetitions / 2)]!;
  const base = medianOf("works");
  print(
    table(
      ["websocket", "first message by", "median ms", "longest ms", "later than working, ms"],
      names.map((name) => {
        const median = medianOf(name);
        return [
          name,
          [...used.get(name)!].join(", "),
          median.toFixed(1),
          times.get(name)!.at(-1)!.toFixed(1),
          (median - base).toFixed(1),
        ];
      }),
    ),
  );
  const swallowed = names.filter((name) => /hangs|swallowed/.test(name));
  const worst = Math.max(...swallowed.map(medianOf));
  const byOther = names.every((name) => used.get(name)!.has(name === "works" ? "websocket" : "sse"));
  const ok = byOther && worst - base <= ALLOWED_MS;
  print(
    `${repetitions} × ${names.length}: first message after ${base.toFixed(1)} ms with websocket working, after ${worst.toFixed(1)} ms with it swallowed: ` +
      `${(worst - base).toFixed(1)} ms later, ratio ${(worst / base).toFixed(1)} (allowed: ${ALLOWED_MS} ms later)`,
  );
  return ok;
}
