// Answers that are kept: an attacker wants those of others, wants others to get his own, and wants memory.
import { principal } from "@raceway/core";
import { cache } from "@raceway/middleware/cache";
import { rbac } from "@raceway/middleware/rbac";
import { outcome, names, stage, wayNames } from "../middleware/stage.ts";
import { type Attack, holds } from "./attack.ts";

const PEEK = "lab.v1.LabService/Peek";

export const caches: readonly Attack[] = [
  {
    name: "an answer of another's, out of the cache",
    async run() {
      const whose: string[] = [];
      await using it = await stage({
        policy: { peek: { auth: { require: { scopes: ["tea"] } } } },
        use: [cache(), rbac(), names],
        handlers: {
          peek(_, context) {
            whose.push(context.get(principal).id);
            return { text: `the secret of ${whose.at(-1)!}` };
          },
        },
      });
      await it.client("websocket", "ann tea").peek({});
      let refused = 0;
      for (const way of wayNames) {
        const { text } = await it.client(way, "eve tea").peek({});
        holds(text === "the secret of eve", `by ${way}: ${text}`);
        for (const credential of ["ann", "eve", ""]) {
          const got = await outcome(it.client(way, credential).peek({}));
          holds(got !== "ok", `by ${way}, as "${credential}": an answer`);
          refused++;
        }
      }
      holds(whose.join() === "ann,eve", `handlers ran for ${whose.join()}`);
      return `his own, and refused ${refused} times without the right`;
    },
  },
  {
    name: "a cache poisoned by headers that are not part of what was asked",
    async run() {
      await using it = await stage({
        use: [cache({ channels: { [PEEK]: { scope: "public" } } })],
        handlers: {
          peek: ({ text }, { requestHeader }) => ({
            text: `${text} at ${requestHeader.get("x-forwarded-host") ?? requestHeader.get("x-original-url") ?? "home"}`,
          }),
        },
      });
      const headers = { "x-forwarded-host": "evil.example", "x-original-url": "/evil" };
      for (const way of wayNames) {
        await it.client(way).peek({ text: way }, { headers });
        for (const other of wayNames) {
          const { text } = await it.client(other).peek({ text: way });
          holds(text === `${way} at home`, `by ${way}, seen by ${other}: ${text}`);
        }
      }
      return `refused: no such header gets into an answer, by ${wayNames.length} ways in`;
    },
  },
  {
    name: "a cache filled without end, by requests that are all different or all long",
    async run() {
      const maxBytes = 1_000_000;
      const plugin = cache({ channels: { [PEEK]: { scope: "public" } }, maxBytes });
      await using it = await stage({ use: [plugin], handlers: { peek: () => ({ data: new Uint8Array(20_000) }) } });
      const client = it.client("websocket");
      for (let at = 0; at < 300; at++) await client.peek({ text: String(at) });
      for (let at = 0; at < 20; at++) await client.peek({ text: `${at} ${"x".repeat(100_000)}` });
      const { bytes, entries } = plugin.stats;
      holds(bytes <= maxBytes, `${bytes} bytes are kept`);
      holds(entries > 40, `${entries} answers are left`);
      return `limited to ${Math.round(bytes / 1_000)} KB of ${maxBytes / 1_000}`;
    },
  },
];
