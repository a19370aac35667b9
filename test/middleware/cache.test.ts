// Calls that are answered by what equal calls were answered: what is equal, to whom it is answered, and what cannot get into an answer.
import { type CallOptions, Code, ConnectError, createContextKey } from "@connectrpc/connect";
import { definePlugin, jsonCodec, peer, principal, sessionId } from "@raceway/core";
import { type CacheSettings, cache } from "@raceway/middleware/cache";
import { rbac } from "@raceway/middleware/rbac";
import { describe, expect, it } from "vitest";
import { labClient } from "../gen/lab/v1/lab.client.ts";
import { PEEK, type Peek, shows, text, world } from "./cache-world.ts";
import { type WayName, names, outcome, stage, wayNames } from "./stage.ts";

describe("an equal call", () => {
  it("gets the same answer until it is too old, without its handler", async () => {
    await using it = await world();
    const ann = it.as("ann");
    expect(await text(ann.peek({ text: "tea" }))).toBe("tea 1");
    expect(await text(ann.peek({ text: "tea" }))).toBe("tea 1");
    expect(await text(ann.peek({ text: "milk" }))).toBe("milk 2");
    await it.lab.clock.advance(59_999);
    expect(await text(ann.peek({ text: "tea" }))).toBe("tea 1");
    await it.lab.clock.advance(1);
    expect(await text(ann.peek({ text: "tea" }))).toBe("tea 3");
    expect(it.cache.stats).toMatchObject({ hits: 2, shared: 0, misses: 3, entries: 2 });
  });

  it("is one whose request says the same, in whatever order and codec it was written", async () => {
    await using it = await world();
    const ann = it.as("ann");
    const json = labClient(it.lab.connect({ use: [shows("ann")], codecs: [jsonCodec()] }));
    const first = await ann.peek({ text: "tea", marks: { a: 1, b: 2 } });
    expect(await json.peek({ marks: { b: 2, a: 1 }, text: "tea" })).toEqual(first);
    await json.peek({ marks: { b: 2, a: 2 }, text: "tea" });
    expect(it.asked).toHaveLength(2);
  });

  it("gets the headers and trailers that the handler set, too", async () => {
    await using it = await world(
      {},
      {
        peek(_, context) {
          context.responseHeader.set("x-origin", "kettle");
          context.responseTrailer.set("x-done", "yes");
          return { text: "tea" };
        },
      },
    );
    const ann = it.as("ann");
    for (let count = 0; count < 2; count++) {
      const seen: (string | null)[] = [];
      await ann.peek(
        {},
        {
          onHeader: (header) => void seen.push(header.get("x-origin"), header.get("cache-control")),
          onTrailer: (trailer) => void seen.push(trailer.get("x-done")),
        },
      );
      expect(seen).toEqual(["kettle", "private, max-age=60", "yes"]);
    }
    expect(it.asked).toHaveLength(1);
  });

  it("is told how much of its age is left", async () => {
    await using it = await world();
    const ann = it.as("ann");
    const left = async (): Promise<string | null> => {
      let seen: string | null = null;
      await ann.peek({}, { onHeader: (header) => void (seen = header.get("cache-control")) });
      return seen;
    };
    expect(await left()).toBe("private, max-age=60");
    await it.lab.clock.advance(20_500);
    expect(await left()).toBe("private, max-age=39");
  });

  it("gets nothing from a cache that somebody wrote into on the way out", async () => {
    const scribbles = definePlugin({
      name: "scribbles",
      start: () => ({
        call: () => (next) => async (request) => {
          const response = await next(request);
          if (!response.stream) {
            const message = response.message as { text?: string; data?: Uint8Array };
            message.text += "!";
            message.data?.fill(0);
          }
          return response;
        },
      }),
    });
    await using it = await world(
      {},
      {
        use: [names, scribbles],
        peek: () => ({ text: "tea", data: Uint8Array.of(1, 2, 3) }),
      },
    );
    const ann = it.as("ann");
    for (let count = 0; count < 3; count++)
      expect(await ann.peek({})).toMatchObject({ text: "tea!", data: new Uint8Array(3) });
    expect(it.asked).toHaveLength(1);
  });

  it.each(wayNames)("is answered by %s, also by what came another way", async (way) => {
    const asked: string[] = [];
    await using it = await stage({
      use: [cache(), names],
      handlers: {
        peek({ text: said }, context) {
          asked.push(said);
          context.responseHeader.set("x-origin", "kettle");
          return { text: `${said} ${asked.length}`, data: Uint8Array.of(7) };
        },
      },
    });
    const other: WayName = way === "websocket" ? "gRPC door" : "websocket";
    const seen: unknown[] = [];
    const told: CallOptions = { onHeader: (header) => void seen.push(header.get("x-origin")) };
    for (const from of [way, way, other, way]) seen.push(await it.client(from, "ann").peek({ text: "tea" }, told));
    const answer = expect.objectContaining({ text: "tea 1", data: Uint8Array.of(7) });
    expect(seen).toEqual(["kettle", answer, "kettle", answer, "kettle", answer, "kettle", answer]);
    expect(asked).toEqual(["tea"]);
  });
});

describe("whose answer it is", () => {
  it("a private one is its principal's, with the rights he had", async () => {
    await using it = await world();
    for (const who of ["ann", "ben", "ann read", "ann #admin", "ann"]) await it.as(who).peek({});
    expect(it.asked).toHaveLength(4);
  });

  it("a private one of nobody is for nobody", async () => {
    await using it = await world();
    await it.as("").peek({});
    let told: string | null = "";
    await it.as("").peek({}, { onHeader: (header) => void (told = header.get("cache-control")) });
    expect(it.asked).toHaveLength(2);
    expect(told).toBeNull();
    expect(it.cache.stats.entries).toBe(0);
  });

  it("claims count, but for those that are another in each token", async () => {
    const known = new Map<string, Readonly<Record<string, unknown>>>([
      ["one", { tenant: "a", exp: 1, iat: 2, nbf: 3, jti: "x" }],
      ["renewed", { tenant: "a", exp: 10, iat: 20, nbf: 30, jti: "y" }],
      ["moved", { tenant: "b", exp: 1, iat: 2, nbf: 3, jti: "x" }],
      ["odd", { count: 1n }],
    ]);
    const claims = definePlugin({
      name: "claims",
      provides: [principal],
      start: () => ({
        session: ({ context, credential }) =>
          void context.set(principal, { id: "ann", claims: known.get(credential ?? "") ?? {} }),
      }),
    });
    await using it = await world({}, { use: [claims] });
    const answers: string[] = [];
    for (const who of ["one", "renewed", "moved", "one", "odd", "odd"]) answers.push(await text(it.as(who).peek({})));
    expect(answers).toEqual([" 1", " 1", " 2", " 1", " 3", " 4"]);
  });

  it("a public one is everybody's, so its handler sees nobody", async () => {
    const seen: string[] = [];
    await using it = await world(
      { scope: "public" },
      {
        peek(_, context) {
          seen.push(context.get(principal).id, context.get(sessionId), context.get(peer).address);
          seen.push(context.requestHeader.get("x-user") ?? "none");
          return { text: "tea" };
        },
      },
    );
    for (const who of ["ann", "ben", ""]) await it.as(who).peek({}, { headers: { "x-user": who } });
    expect(seen).toEqual(["", "", "", "none"]);
  });

  it.each(wayNames)("whoever is not let in gets no answer of another's by %s", async (way) => {
    const plugin = cache({ channels: { [PEEK]: { scope: "public" } } });
    await using it = await stage({
      policy: { peek: { auth: { require: { scopes: ["tea"] } } } },
      use: [plugin, rbac(), names],
    });
    expect(await outcome(it.client(way, "ann tea").peek({ text: "tea" }))).toBe("ok");
    for (const who of ["ben", ""]) {
      const refused = ConnectError.from(await outcome(it.client(way, who).peek({ text: "tea" })));
      expect([Code.PermissionDenied, Code.Unauthenticated]).toContain(refused.code);
    }
    expect(await outcome(it.client(way, "eve tea").peek({ text: "tea" }))).toBe("ok");
    expect(it.calls).toEqual(["peek tea"]);
    expect(plugin.stats).toMatchObject({ hits: 1, misses: 1 });
  });

  it("`by` says what else an answer depends on, and that there is none to keep", async () => {
    const tenant = createContextKey("", { description: "tenant" });
    const tenants = definePlugin({
      name: "tenants",
      start: () => ({
        call: () => (next) => (request) => {
          request.contextValues.set(tenant, request.header.get("x-tenant") ?? "");
          return next(request);
        },
      }),
    });
    const by: CacheSettings["by"] = ({ context }) => context.get(tenant) || undefined;
    await using it = await world(
      { by },
      {
        use: [names, tenants],
        peek: (_, context) => ({ text: context.get(tenant) }),
      },
    );
    const ann = it.as("ann");
    const of = (name: string): Promise<string> => text(ann.peek({}, { headers: { "x-tenant": name } }));
    expect([await of("a"), await of("b"), await of("a"), await of(""), await of("")]).toEqual(["a", "b", "a", "", ""]);
    expect(it.asked).toHaveLength(4);
  });
});

describe("headers of a request", () => {
  const greeting: Peek = (_, { requestHeader: header }) => ({
    text: `${header.get("accept-language")} ${header.get("x-forwarded-host")} ${header.get("authorization")}`,
  });

  it("that are not named cannot get into an answer that others get", async () => {
    await using it = await world({}, { peek: greeting });
    const ann = it.as("ann");
    const headers = { "x-forwarded-host": "evil.example", authorization: "secret", "accept-language": "xx" };
    expect(await text(ann.peek({}, { headers }))).toBe("null null null");
    expect(await text(ann.peek({}))).toBe("null null null");
  });

  it("that are named are part of what was asked, and are told to proxies", async () => {
    await using it = await world({ headers: ["Accept-Language"] }, { peek: greeting });
    const ann = it.as("ann");
    const vary: (string | null)[] = [];
    const onHeader = (header: Headers): void => void vary.push(header.get("vary"));
    for (const language of ["de", "fr", "de"])
      expect(await text(ann.peek({}, { headers: { "accept-language": language }, onHeader }))).toBe(
        `${language} null null`,
      );
    expect(it.asked).toHaveLength(2);
    expect(vary).toEqual(Array.from({ length: 3 }, () => "accept-language, authorization, cookie"));
  });

  it("are all there where nothing is kept, and for plugins before and after the call", async () => {
    const seen: (string | null)[] = [];
    const watches = definePlugin({
      name: "watches",
      start: () => ({
        call: () => (next) => async (request) => {
          const response = await next(request);
          seen.push(request.header.get("x-mark"), request.contextValues.get(principal).id);
          return response;
        },
      }),
    });
    await using it = await world(
      { scope: "public", by: () => undefined },
      {
        use: [names, watches],
        peek: (_, { requestHeader }) => ({ text: requestHeader.get("x-mark") ?? "" }),
      },
    );
    expect(await text(it.as("ann").peek({}, { headers: { "x-mark": "m" } }))).toBe("m");
    expect(seen).toEqual(["m", "ann"]);
    await using other = await world({ scope: "public" }, { use: [names, watches] });
    await other.as("ben").peek({}, { headers: { "x-mark": "n" } });
    expect(seen).toEqual(["m", "ann", "n", "ben"]);
  });
});
