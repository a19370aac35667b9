// A real proxy in front of the Connect door keeps what it may and nothing else: it asks no gate, so what it keeps it gives to everybody.
import { Code, ConnectError } from "@connectrpc/connect";
import type { ChannelPolicy } from "@raceway/core";
import { type CacheSettings, cache } from "@raceway/middleware/cache";
import { rbac } from "@raceway/middleware/rbac";
import { virtualClock } from "@raceway/testkit";
import { describe, expect, it } from "vitest";
import { needService } from "../../tools/services.mjs";
import { PEEK, type Peek } from "../middleware/cache-world.ts";
import { names, stage } from "../middleware/stage.ts";
import { cacheBefore, nginxServer } from "./nginx-server.ts";

const nginx = needService("nginx");

interface World extends AsyncDisposable {
  /** Asks through the proxy. `cache` is what it did. */
  ask(text: string, headers?: Readonly<Record<string, string>>, method?: string): Promise<Told>;
  readonly asked: string[];
}
interface Told {
  readonly status: number;
  readonly cache: string | null;
  readonly text: string;
  readonly etag: string | null;
}

/** Time stands still in the server, so what it says of ages is always the same; the proxy has its own. */
async function world(
  settings: CacheSettings,
  { peek, policy }: { readonly peek?: Peek; readonly policy?: ChannelPolicy } = {},
): Promise<World> {
  const asked: string[] = [];
  const behind = await stage({
    clock: virtualClock(),
    use: [cache({ channels: { [PEEK]: settings } }), names, policy && rbac()],
    ...(policy && { policy: { peek: policy } }),
    handlers: {
      peek(request, context) {
        asked.push(request.text);
        return peek === undefined ? { text: `${request.text} ${asked.length}` } : peek(request, context);
      },
    },
  });
  const proxy = await nginxServer(nginx!, cacheBefore(behind.url));
  return {
    asked,
    async ask(text, headers = {}, method = "GET") {
      const message = encodeURIComponent(JSON.stringify({ text }));
      const url = `${proxy.url}/${PEEK}?connect=v1&encoding=json&message=${message}`;
      const answer = await fetch(url, { method, headers });
      const body = await answer.text();
      return {
        status: answer.status,
        cache: answer.headers.get("x-cache"),
        text: body.startsWith("{") ? ((JSON.parse(body) as { text?: string }).text ?? "") : body,
        etag: answer.headers.get("etag"),
      };
    },
    async [Symbol.asyncDispose]() {
      await proxy[Symbol.asyncDispose]();
      await behind[Symbol.asyncDispose]();
    },
  };
}

const as = (who: string): Readonly<Record<string, string>> => ({ authorization: `Bearer ${who}` });

describe.skipIf(nginx === undefined)("through nginx", () => {
  it("what is the same for all is asked once, and given to everybody, by HEAD and with a condition, too", async () => {
    await using it = await world({ scope: "public" });
    const first = await it.ask("tea");
    expect(first).toMatchObject({ status: 200, cache: "MISS", text: "tea 1" });
    expect(await it.ask("tea")).toEqual({ ...first, cache: "HIT" });
    expect(await it.ask("tea", as("ann"))).toEqual({ ...first, cache: "HIT" });
    expect(await it.ask("tea", {}, "HEAD")).toEqual({ ...first, cache: "HIT", text: "" });
    expect(await it.ask("tea", { "if-none-match": first.etag! })).toEqual({
      ...first,
      status: 304,
      cache: "HIT",
      text: "",
    });
    expect(await it.ask("milk")).toMatchObject({ cache: "MISS", text: "milk 2" });
    expect(it.asked).toEqual(["tea", "milk"]);
  });

  it("many who ask at one time are one call", async () => {
    await using it = await world({ scope: "public" });
    const all = await Promise.all(Array.from({ length: 40 }, () => it.ask("tea")));
    expect(new Set(all.map(({ text }) => text))).toEqual(new Set(["tea 1"]));
    expect(it.asked).toEqual(["tea"]);
  });

  it("what is somebody's is kept for nobody", async () => {
    await using it = await world(
      {},
      { peek: (_, context) => ({ text: context.requestHeader.get("authorization") ?? "nothing shown" }) },
    );
    const seen: unknown[] = [];
    for (const who of ["ann", "ben", "ann"]) seen.push((await it.ask("tea", as(who))).cache);
    seen.push((await it.ask("tea")).cache, (await it.ask("tea")).cache);
    expect(seen).toEqual(["MISS", "MISS", "MISS", "MISS", "MISS"]);
    expect(it.asked).toHaveLength(4); // ann's second was answered by the server's own
  });

  it("who may not ask gets nothing that others got, nor does nobody", async () => {
    await using it = await world({ scope: "public" }, { policy: { auth: { require: { scopes: ["tea"] } } } });
    for (const [who, status] of [
      ["ann tea", 200],
      ["ben", 403],
      ["eve tea", 200],
      ["ben", 403],
    ] as const)
      expect((await it.ask("tea", as(who))).status, who).toBe(status);
    expect((await it.ask("tea")).status).toBe(401);
    expect(it.asked).toEqual(["tea"]);
  });

  it("what a stranger writes into headers gets to nobody else, and what is named is kept apart", async () => {
    await using it = await world(
      { scope: "public", headers: ["accept-language"] },
      {
        peek: (_, { requestHeader: header }) => ({
          text: `${header.get("accept-language")} ${header.get("x-forwarded-host")}`,
        }),
      },
    );
    const evil = { "x-forwarded-host": "evil.example", "accept-language": "de" };
    expect(await it.ask("tea", evil)).toMatchObject({ cache: "MISS", text: "de null" });
    expect(await it.ask("tea", { "accept-language": "de" })).toMatchObject({ cache: "HIT", text: "de null" });
    expect(await it.ask("tea", { "accept-language": "fr" })).toMatchObject({ cache: "MISS", text: "fr null" });
    expect(await it.ask("tea", { "accept-language": "fr" })).toMatchObject({ cache: "HIT", text: "fr null" });
    expect(it.asked).toHaveLength(2);
  });

  it("an error is kept by nobody", async () => {
    let fails = true;
    await using it = await world(
      { scope: "public" },
      {
        peek: ({ text }) => {
          if (fails) throw new ConnectError("no tea", Code.NotFound);
          return { text };
        },
      },
    );
    expect((await it.ask("tea")).status).toBe(404);
    fails = false;
    expect(await it.ask("tea")).toMatchObject({ status: 200, cache: "MISS", text: "tea" });
    expect(await it.ask("tea")).toMatchObject({ cache: "HIT" });
  });

  it("what is too old is asked about, and 304 makes it new", async () => {
    await using it = await world({ scope: "public", maxAgeMs: 1_000 });
    const first = await it.ask("tea");
    await expect.poll(async () => (await it.ask("tea")).cache, { timeout: 30_000, interval: 200 }).toBe("REVALIDATED");
    expect(await it.ask("tea")).toMatchObject({ status: 200, text: first.text, etag: first.etag });
    expect(it.asked).toEqual(["tea"]);
  }, 40_000);
});
