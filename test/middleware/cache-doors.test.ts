// What the Connect door tells browsers and proxies: for how long they may keep an answer and for whom, its name, and that they have it already.
import { connect as connectHttp2 } from "node:http2";
import { toBinary } from "@bufbuild/protobuf";
import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { createConnectTransport, createGrpcTransport } from "@connectrpc/connect-node";
import type { ChannelPolicy } from "@raceway/core";
import { type CacheSettings, cache } from "@raceway/middleware/cache";
import { rbac } from "@raceway/middleware/rbac";
import { type VirtualClock, virtualClock } from "@raceway/testkit";
import { describe, expect, it } from "vitest";
import { LabService, PeekRequestSchema } from "../gen/lab/v1/lab_pb.ts";
import { PEEK, type Peek } from "./cache-world.ts";
import { type Stage, names, stage } from "./stage.ts";

const NAME = /^"[\w-]{22}"$/;

/** The URL of a call by GET, as the Connect protocol has it. */
function get(url: string, text: string, encoding: "json" | "proto" = "json"): string {
  const message =
    encoding === "json"
      ? `message=${encodeURIComponent(JSON.stringify({ text }))}`
      : `base64=1&message=${Buffer.from(toBinary(PeekRequestSchema, { $typeName: "lab.v1.PeekRequest", text, marks: {} })).toString("base64url")}`;
  return `${url}/${PEEK}?connect=v1&encoding=${encoding}&${message}`;
}

interface Door extends Stage {
  readonly clock: VirtualClock;
  readonly asked: string[];
}
async function door(
  settings: CacheSettings | undefined,
  { peek, policy }: { readonly peek?: Peek; readonly policy?: ChannelPolicy } = {},
): Promise<Door> {
  const asked: string[] = [];
  const clock = virtualClock();
  const made = await stage({
    clock,
    use: [settings && cache({ channels: { [PEEK]: settings } }), names, policy && rbac({ default: "public" })],
    ...(policy && { policy: { peek: policy } }),
    handlers: {
      peek(request, context) {
        asked.push(request.text);
        return peek === undefined ? { text: `${request.text} ${asked.length}` } : peek(request, context);
      },
    },
  });
  return { ...made, asked, clock };
}

/** What caches look at. */
function facts({ status, headers }: Response): Readonly<Record<string, unknown>> {
  const { "cache-control": control, vary, etag } = Object.fromEntries(headers);
  return { status, control, vary, ...(etag !== undefined && { etag }) };
}

const ann = { headers: { authorization: "Bearer ann" } };

describe("an answer by GET", () => {
  it("says for how long it is good, of what it depends, and has a name that is its bytes'", async () => {
    await using it = await door({ scope: "public" });
    const [json, again, proto, other] = [
      await fetch(get(it.url, "tea")),
      await fetch(get(it.url, "tea")),
      await fetch(get(it.url, "tea", "proto")),
      await fetch(get(it.url, "milk")),
    ];
    const good = { status: 200, control: "public, max-age=60", vary: "origin", etag: expect.stringMatching(NAME) };
    for (const answer of [json, again, proto, other]) expect(facts(answer)).toEqual(good);
    const tags = [json, again, proto, other].map(({ headers }) => headers.get("etag"));
    expect(tags[1]).toBe(tags[0]);
    expect(new Set(tags).size).toBe(3);
    expect(await json.json()).toEqual({ text: "tea 1" });
    expect(proto.headers.get("content-type")).toBe("application/proto");
    expect(it.asked).toEqual(["tea", "milk"]);
  });

  it("says how much of its age is left, so that nobody keeps it longer than the server", async () => {
    await using it = await door({ scope: "public" });
    const tag = (await fetch(get(it.url, "tea"))).headers.get("etag")!;
    await it.clock.advance(20_001);
    expect(facts(await fetch(get(it.url, "tea")))).toMatchObject({ control: "public, max-age=39", etag: tag });
    await it.clock.advance(39_500);
    expect(facts(await fetch(get(it.url, "tea")))).toMatchObject({ control: "public, max-age=0" });
    await it.clock.advance(500);
    const newer = facts(await fetch(get(it.url, "tea"), { headers: { "if-none-match": tag } }));
    expect(newer).toMatchObject({ status: 200, control: "public, max-age=60" });
    expect(it.asked).toHaveLength(2);
  });

  it("is private where the schema says nothing else, and for nobody where nobody asks", async () => {
    await using it = await door({});
    expect(facts(await fetch(get(it.url, "tea"), ann))).toEqual({
      status: 200,
      control: "private, max-age=60",
      vary: "origin, authorization, cookie",
      etag: expect.stringMatching(NAME),
    });
    expect(facts(await fetch(get(it.url, "tea")))).toEqual({ status: 200, control: "no-store", vary: "origin" });
  });

  it.each([
    ["shows a credential", { authorization: "Bearer ann" }, undefined, "private"],
    ["shows a cookie", { cookie: "session=1" }, undefined, "private"],
    [
      "shows a credential, whatever the schema says of everybody",
      { authorization: "Bearer ann" },
      { auth: { public: true } },
      "private",
    ],
    ["shows nothing", {}, undefined, "public"],
  ] as const)(
    "that is the same for all is not for proxies if who asks %s: they ask no gate",
    async (_, headers, policy, whose) => {
      await using it = await door({ scope: "public" }, policy && { policy });
      const { control, vary } = facts(await fetch(get(it.url, "tea"), { headers }));
      expect(control).toBe(`${whose}, max-age=60`);
      expect(vary).toBe(whose === "public" ? "origin" : "origin, authorization, cookie");
    },
  );

  it("depends on the headers that are named, and on those of the page that asks", async () => {
    await using it = await door({ scope: "public", headers: ["Accept-Language"] });
    const { vary } = facts(await fetch(get(it.url, "tea"), { headers: { origin: it.url, "accept-language": "de" } }));
    expect(vary).toBe("origin, accept-language");
  });

  it("without the plugin, of an error, and of a handler that says so is kept by nobody", async () => {
    const failing: Peek = ({ text }) => {
      if (text === "tea") throw new ConnectError("no tea", Code.NotFound);
      return { text };
    };
    await using without = await door(undefined);
    expect(facts(await fetch(get(without.url, "tea")))).toEqual({ status: 200, control: "no-store", vary: "origin" });
    await using it = await door({ scope: "public" }, { peek: failing });
    const error = await fetch(get(it.url, "tea"));
    expect(facts(error)).toEqual({ status: 404, control: "no-store", vary: "origin" });
    expect(await error.json()).toMatchObject({ code: "not_found" });
    const broken = await fetch(get(it.url, "tea").replace("message=", "message=%7B"));
    expect(facts(broken)).toMatchObject({ status: 400, control: "no-store" });
    await using says = await door(
      { scope: "public" },
      {
        peek: (_, { responseHeader }) => (responseHeader.set("cache-control", "no-store, private"), {}),
      },
    );
    expect(facts(await fetch(get(says.url, "tea")))).toEqual({
      status: 200,
      control: "no-store, private",
      vary: "origin",
    });
  });

  it("is not for who may not ask, whatever he says that he has", async () => {
    await using it = await door({ scope: "public" }, { policy: { auth: { require: { scopes: ["tea"] } } } });
    const etag = facts(await fetch(get(it.url, "tea"), { headers: { authorization: "Bearer ann tea" } }))[
      "etag"
    ] as string;
    expect(etag).toMatch(NAME);
    for (const known of [etag, "*"]) {
      const refused = await fetch(get(it.url, "tea"), {
        headers: { authorization: "Bearer ben", "if-none-match": known },
      });
      expect(facts(refused)).toEqual({ status: 403, control: "no-store", vary: "origin" });
    }
  });
});

describe("who has an answer already", () => {
  it.each([
    ["its name", (tag: string) => tag],
    ["its name, weak", (tag: string) => `W/${tag}`],
    ["a list", (tag: string) => `"a", W/"b,c" , ${tag}`],
    ["a list with gaps", (tag: string) => `, ,"",${tag},`],
    ["any", () => " * "],
  ])("by %s gets 304 and no body", async (_, known) => {
    await using it = await door({ scope: "public" });
    const first = await fetch(get(it.url, "tea"));
    const tag = first.headers.get("etag")!;
    const answer = await fetch(get(it.url, "tea"), { headers: { "if-none-match": known(tag) } });
    expect(facts(answer)).toEqual({ status: 304, control: "public, max-age=60", vary: "origin", etag: tag });
    expect(answer.headers.get("content-type")).toBeNull();
    expect(await answer.text()).toBe("");
  });

  it.each([
    ["another name", () => '"AAAAAAAAAAAAAAAAAAAAAA"'],
    ["half of it", (tag: string) => `${tag.slice(0, 12)}"`],
    ["no quotes", (tag: string) => tag.slice(1, -1)],
    ["a lower case mark of weakness", (tag: string) => `w/${tag}`],
    ["no commas", (tag: string) => `"a" ${tag}`],
    ["a star among others", () => '"a", *'],
    ["nothing", () => ""],
    ["very much", (tag: string) => `${'"a",'.repeat(2_000)} ${tag} "`],
  ])("does not have it by %s, and gets it", async (_, known) => {
    await using it = await door({ scope: "public" });
    const tag = (await fetch(get(it.url, "tea"))).headers.get("etag")!;
    const answer = await fetch(get(it.url, "tea"), { headers: { "if-none-match": known(tag) } });
    expect(answer.status).toBe(200);
    expect(await answer.json()).toEqual({ text: "tea 1" });
  });

  it("gets the new one when it has changed", async () => {
    await using it = await door(
      { scope: "public" },
      {
        peek: (_, { responseHeader }) => (
          responseHeader.set("cache-control", "max-age=0"),
          { text: String(Math.random()) }
        ),
      },
    );
    const first = await fetch(get(it.url, "tea"));
    expect(facts(first)).toMatchObject({ control: "max-age=0", etag: expect.stringMatching(NAME) });
    const second = await fetch(get(it.url, "tea"), { headers: { "if-none-match": first.headers.get("etag")! } });
    expect(second.status).toBe(200);
    expect(second.headers.get("etag")).not.toBe(first.headers.get("etag"));
  });
});

describe("HEAD", () => {
  it("is GET without the body, over HTTP/1.1", async () => {
    await using it = await door({ scope: "public" });
    const whole = await fetch(get(it.url, "tea"));
    const head = await fetch(get(it.url, "tea"), { method: "HEAD" });
    expect(facts(head)).toEqual(facts(whole));
    expect(head.headers.get("content-length")).toBe(String((await whole.arrayBuffer()).byteLength));
    expect(await head.text()).toBe("");
    const known = { "if-none-match": whole.headers.get("etag")! };
    expect((await fetch(get(it.url, "tea"), { method: "HEAD", headers: known })).status).toBe(304);
  });

  it("is so over HTTP/2, and the connection goes on", async () => {
    await using it = await door({ scope: "public" });
    const session = connectHttp2(it.url);
    const ask = (
      method: string,
    ): Promise<{ readonly status: number; readonly length: string; readonly body: string }> =>
      new Promise((resolve, reject) => {
        const stream = session.request({ ":method": method, ":path": get("", "tea") });
        let body = "";
        let head: Readonly<Record<string, unknown>> = {};
        stream
          .setEncoding("utf8")
          .on("response", (headers) => (head = headers))
          .on("data", (part: string) => (body += part));
        stream.on("end", () =>
          resolve({ status: Number(head[":status"]), length: String(head["content-length"]), body }),
        );
        stream.on("error", reject).end();
      });
    const head = await ask("HEAD");
    expect(head).toEqual({ status: 200, length: "16", body: "" });
    expect(await ask("GET")).toEqual({ status: 200, length: "16", body: '{"text":"tea 1"}' });
    session.close();
  });

  it("is not for calls that may have effects, nor is GET", async () => {
    await using it = await door({ scope: "public" });
    for (const method of ["HEAD", "GET"]) {
      const answer = await fetch(get(it.url, "tea").replace("Peek", "Echo"), { method });
      expect(facts(answer)).toEqual({ status: 405, control: "no-store", vary: "origin" });
    }
    expect(it.calls).toEqual([]);
    expect((await fetch(get(it.url, "tea"), { method: "OPTIONS" })).headers.get("allow")).toBe(
      "POST, GET, HEAD, OPTIONS",
    );
  });
});

describe("an answer by POST", () => {
  it("is for nobody else, since its URL does not say what was asked; it has no name, and no condition holds", async () => {
    await using it = await door({ scope: "public" });
    const post = (headers: Readonly<Record<string, string>> = {}): Promise<Response> =>
      fetch(`${it.url}/${PEEK}`, {
        method: "POST",
        body: '{"text":"tea"}',
        headers: { "content-type": "application/json", ...headers },
      });
    expect(facts(await post())).toEqual({ status: 200, control: "private, max-age=60", vary: "origin" });
    expect((await post({ "if-none-match": "*" })).status).toBe(200);
    expect(it.asked).toEqual(["tea"]);
  });

  it("comes as ever to clients of gRPC and Connect, by GET, too", async () => {
    await using it = await door({ scope: "public" });
    const options = { baseUrl: it.url, httpVersion: "2" as const };
    for (const transport of [
      createGrpcTransport(options),
      createConnectTransport(options),
      createConnectTransport({ ...options, useHttpGet: true }),
      createConnectTransport({ ...options, useHttpGet: true, useBinaryFormat: false }),
    ])
      expect((await createClient(LabService, transport).peek({ text: "tea" })).text).toBe("tea 1");
  });
});
