// One row for each shipped plugin: what it does for whoever comes, whom it refuses, and the ways that have nothing of it.
// It is long because all plugins stand in one table, in which one more is one more row.
import { type Interceptor, createClient } from "@connectrpc/connect";
import { clientCredentials, signIn } from "@raceway/auth-oauth/client";
import { oauth } from "@raceway/auth-oauth/server";
import { csrf, csrfInterceptor } from "@raceway/auth-session/client";
import { sessionCookie } from "@raceway/auth-session/server";
import { bearer } from "@raceway/auth-token/client";
import { token } from "@raceway/auth-token/server";
import { type FanOutEvent, type Plugin, clientAddress, definePlugin, fail, principal, reasonOf } from "@raceway/core";
import { batching } from "@raceway/middleware/batching";
import { cache, clientCache } from "@raceway/middleware/cache";
import { circuitBreaker } from "@raceway/middleware/circuit-breaker";
import { certificateRenewal, clientCertificate } from "@raceway/middleware/client-certificate";
import { compression } from "@raceway/middleware/compression";
import { encryption, vault } from "@raceway/middleware/encryption";
import { hedging } from "@raceway/middleware/hedging";
import { ipFilter } from "@raceway/middleware/ip-filter";
import { limits } from "@raceway/middleware/limits";
import { logging } from "@raceway/middleware/logging";
import { rateLimit } from "@raceway/middleware/rate-limit";
import { rbac } from "@raceway/middleware/rbac";
import { retry } from "@raceway/middleware/retry";
import {
  replySigner,
  replyVerifier,
  signatures,
  signedBy,
  signer,
  verifiedReplies,
  verifier,
} from "@raceway/middleware/signing";
import { attemptTimeout, timeout } from "@raceway/middleware/timeout";
import { telemetry as clientTelemetry } from "@raceway/telemetry/client";
import { prometheus } from "@raceway/telemetry/prometheus";
import { telemetry } from "@raceway/telemetry/server";
import { type VirtualClock, virtualClock } from "@raceway/testkit";
import { validate as clientValidate } from "@raceway/validate/client";
import { validate } from "@raceway/validate/server";
import { SignJWT } from "jose";
import { expect } from "vitest";
import { LabService, PeekRequestSchema, PeekResponseSchema } from "../gen/lab/v1/lab_pb.ts";
import { AUDIENCE, SECRET, testProvider } from "../oauth/provider.ts";
import { Visitor } from "../oauth/visitor.ts";
import { sight } from "../telemetry/sight.ts";
import { authority } from "./certificates.ts";
import { type LabClient, type Own, type Stage, type WayName, names, outcome, stage } from "./stage.ts";
import { troubles } from "./trouble.ts";

/** A plugin at work, on one server that all ways lead to. */
interface Acts {
  /** Holds that somebody who comes by this way has the plugin's effect. */
  shows(way: WayName): Promise<void>;
  /** What somebody gets who is refused. */
  refused?(way: WayName): Promise<unknown>;
  /** Holds that this way has nothing of it. */
  absent?(way: WayName): Promise<void>;
}
export interface Row {
  /** In the table: what a ✓ says. */
  readonly effect: string;
  /** The reason of its refusal. */
  readonly refuses?: string;
  /** Why a way has nothing of it; undefined: it has. */
  readonly notBy?: (way: WayName) => string | undefined;
  readonly open: () => Promise<Acts & AsyncDisposable>;
}

export const isDoor = (way: WayName): boolean => way.includes("door");
/** As the server names it to plugins. */
const transportOf = (way: WayName): string => (isDoor(way) ? "native" : way === "poll short" ? "poll" : way);
const nameOf = (way: WayName): string => way.replaceAll(" ", "-");
const notAtDoors = (way: WayName): string | undefined =>
  isDoor(way) ? "a plugin of `connect()`; clients of others have their own" : undefined;
const bearersAtDoors = (way: WayName): string | undefined =>
  isDoor(way) ? "whoever comes by a door writes `Authorization` himself" : undefined;
const notInMemory = (way: WayName): string | undefined =>
  way === "memory" ? "no HTTP request, so no headers and no address" : undefined;
const PEEK = "/lab.v1.LabService/Peek";

/** A server with these plugins, and what is done there. */
const on = (options: Parameters<typeof stage>[0], act: (it: Stage) => Acts): (() => Promise<Acts & AsyncDisposable>) =>
  async function open() {
    const it = await stage(options);
    return { ...act(it), [Symbol.asyncDispose]: () => it[Symbol.asyncDispose]() };
  };

/** A client with middleware of its own. */
const visit = (it: Stage, way: WayName, own: Own, credential = ""): LabClient =>
  createClient(LabService, it.transport(way, credential, own));
const turn = (): Promise<void> => new Promise((resolve) => void setTimeout(resolve, 1));
/** Turn after turn, in each of which something is done, until it is so. Throws when that takes so long that it will never be. */
async function until(so: () => boolean, what: () => Promise<unknown> = turn): Promise<void> {
  const began = performance.now();
  while (!so()) {
    if (performance.now() - began > 15_000) throw new Error(`It did not come about that ${String(so)}`);
    await what();
  }
}

/** A handler at whose gate calls with the text "hold …" wait. */
function gate(): {
  readonly held: Set<string>;
  peek(request: { readonly text: string }): Promise<{ text: string }>;
  open(): void;
} {
  const held = new Set<string>();
  let waiting: (() => void)[] = [];
  return {
    held,
    async peek({ text }) {
      if (!text.startsWith("hold")) return { text };
      held.add(text);
      await new Promise<void>((resolve) => waiting.push(resolve));
      return { text };
    },
    open() {
      for (const resolve of waiting) resolve();
      waiting = [];
    },
  };
}

const secret = "0123456789abcdef0123456789abcdef";
const jwt = (): Promise<string> =>
  new SignJWT({ sub: "ann" })
    .setProtectedHeader({ alg: "HS256" })
    .setAudience("lab")
    .setIssuedAt()
    .setExpirationTime("1h")
    .sign(new TextEncoder().encode(secret));
const tokens = (): Plugin => token({ secret: new TextEncoder().encode(secret), audience: "lab" });
const tellsWho: NonNullable<Parameters<typeof stage>[0]["handlers"]> = {
  peek: (_, context) => ({ text: context.get(principal).id }),
};

const REDIRECT = "https://app.example/back";
/** A server that lets in whom an issuer gave a token, and a program that gets one. */
async function issued(
  act: (it: Stage, program: () => ReturnType<typeof clientCredentials>, issuer: string) => Acts,
): ReturnType<Row["open"]> {
  const provider = await testProvider({ redirectUris: [REDIRECT] });
  const { issuer } = provider;
  const program = (): ReturnType<typeof clientCredentials> =>
    clientCredentials({ issuer, clientId: "worker", clientSecret: SECRET, scope: "chat" });
  const options = { use: [oauth({ issuer, audience: AUDIENCE })], handlers: tellsWho };
  const scene = await on(options, (it) => act(it, program, issuer))();
  return {
    ...scene,
    async [Symbol.asyncDispose]() {
      await scene[Symbol.asyncDispose]();
      await provider[Symbol.asyncDispose]();
    },
  };
}

const HOST = "app.example";
/** A client as a browser's page: its host, its cookies, its origin. */
async function page(
  it: Stage,
  way: WayName,
  headers: Readonly<Record<string, string>>,
  own: Own = {},
): Promise<LabClient> {
  const host = way === "grpc" || isDoor(way) ? { ":authority": HOST } : { host: HOST };
  return (await it.behind(way, "", { ...host, ...headers }, own)).client;
}
async function signedIn(): Promise<{ readonly cookie: string; readonly token: string }> {
  const { cookies, csrfToken } = await sessionCookie({ keys: [secret] }).issue({ id: "ann" });
  return { cookie: cookies.map((line) => line.split(";")[0]).join("; "), token: csrfToken };
}

/** More than connecting takes, less than a link may be silent for. */
const LIMIT_MS = 20_000;
const key = { id: "shared", secret };
const keys = { shared: { secret } };
const exceptTopics = { unsigned: ["lab.v1.LabService/Ticks"] };
/** Of a client that takes signed answers only. */
const takesSignedOnly: Own = {
  use: [replyVerifier({ keys, ...exceptTopics })],
  interceptors: [verifiedReplies({ keys, ...exceptTopics })],
};
const sealing = { keys: { spring: new Uint8Array(32).fill(1) }, seal: "spring" };
const prose = Array.from({ length: 500 }, (_, at) => `line ${at} of what there is to be said today; `).join("");

const WINDOW_MS = 10_000;
/** Somebody who listens to a board, and what is said there: each in a turn of its own. */
async function listen(
  it: Stage,
  way: WayName,
  board: string,
): Promise<{ publish(sequence: number): Promise<void>; hear(count: number): Promise<void> } & AsyncDisposable> {
  const events = it.client(way).ticks({ board })[Symbol.asyncIterator]();
  const publish = async (sequence: number): Promise<void> => {
    await it.topics.ticks.publish({ board }, { sequence });
    await turn();
  };
  let isLive = false;
  const first = events.next().then(() => (isLive = true));
  await until(
    () => isLive,
    () => publish(0), // before anybody listens nothing waits
  );
  await first;
  return {
    publish,
    async hear(count) {
      for (let heard = 0; heard < count;) if ((await events.next()).value!.sequence > 0) heard++;
    },
    async [Symbol.asyncDispose]() {
      await events.return?.();
    },
  };
}

/** A turn, while time passes for those whose time is the test's: pollers ask again. */
const passing = (clock: VirtualClock) => async (): Promise<void> => {
  await clock.advance(10);
  await turn();
};

/** What limits the time of calls. The time of the client is the test's; the call waits at the server. */
const timed = (plugin: () => Plugin): Row["open"] => {
  /** What a call comes to that takes longer than the limit, or that it had not come to anything then. */
  const late = async (way: WayName): Promise<unknown> => {
    const clock = virtualClock();
    const { held, peek, open } = gate();
    await using it = await stage({ use: [], handlers: { peek }, clientClock: clock });
    let result: unknown;
    const call = outcome(visit(it, way, { use: [plugin()] }).peek({ text: "hold it" })).then((came) => (result = came));
    await until(() => held.size > 0, passing(clock));
    await clock.advance(LIMIT_MS);
    const ended = result;
    open();
    const last = await call;
    return ended ?? `${String(last)} in the end`;
  };
  return async () => ({
    async shows(way) {
      expect(reasonOf(await late(way))).toBe("call_deadline");
    },
    refused: late,
    async absent(way) {
      expect(await late(way)).toBe("ok in the end");
    },
    async [Symbol.asyncDispose]() {},
  });
};

/** A server in trouble, and a client with a plugin that deals with it, as many attempts as come to the server. */
const troubled = (act: (it: Stage, server: ReturnType<typeof troubles>, clock: VirtualClock) => Acts): Row["open"] => {
  const clock = virtualClock();
  const server = troubles(clock);
  return on({ use: [server.plugin] }, (it) => act(it, server, clock));
};
const unavailable = (): ReturnType<typeof fail> => fail("draining", {});

export const rows: Readonly<Record<string, Row>> = {
  "auth-oauth/client#clientCredentials": {
    effect: "the server knows whose token the issuer gave",
    notBy: bearersAtDoors,
    open: () =>
      issued((it, program) => ({
        async shows(way) {
          expect(await visit(it, way, { use: [program()] }).peek({})).toMatchObject({ text: "worker" });
        },
        async absent(way) {
          expect(await outcome(it.client(way).peek({}))).toMatchObject({ message: expect.stringContaining("token") });
          expect(await it.client(way, await program().token()).peek({})).toMatchObject({ text: "worker" });
        },
      })),
  },
  "auth-oauth/client#signIn": {
    effect: "the server knows who signed in at the issuer",
    notBy: bearersAtDoors,
    open: () =>
      issued((it, _, issuer) => {
        const user = async (): Promise<ReturnType<typeof signIn>> => {
          let sentTo = "";
          const navigate = (url: string): void => void (sentTo = url);
          const made = signIn({ issuer, clientId: "page", redirectUri: REDIRECT, scope: "openid chat", navigate });
          await made.begin();
          await made.complete(await new Visitor().visit(sentTo));
          return made;
        };
        return {
          async shows(way) {
            expect(await visit(it, way, { use: [await user()] }).peek({})).toMatchObject({ text: "ann" });
          },
          async absent(way) {
            expect(await outcome(it.client(way).peek({}))).toMatchObject({ message: expect.stringContaining("token") });
            expect(await it.client(way, await (await user()).token()).peek({})).toMatchObject({ text: "ann" });
          },
        };
      }),
  },
  "auth-oauth/server#oauth": {
    effect: "the handler knows whose token was shown",
    refuses: "credential_invalid",
    open: () =>
      issued((it, program) => ({
        async shows(way) {
          expect(await it.client(way, await program().token()).peek({})).toMatchObject({ text: "worker" });
        },
        refused: async (way) => outcome(it.client(way, await jwt()).peek({})),
      })),
  },
  "auth-session/client#csrf": {
    effect: "shows the token without which a cookie is not taken",
    notBy: notInMemory,
    async open() {
      const { cookie, token: shown } = await signedIn();
      return on({ use: [sessionCookie({ keys: [secret] })], handlers: tellsWho }, (it) => ({
        async shows(way) {
          const without = await outcome((await page(it, way, { cookie })).peek({}));
          expect(without).toMatchObject({ message: expect.stringContaining("x-csrf-token") });
          const own = { use: [csrf({ token: shown })], interceptors: [csrfInterceptor({ token: shown })] };
          expect(await (await page(it, way, { cookie }, own)).peek({})).toMatchObject({ text: "ann" });
        },
        async absent(way) {
          const client = visit(it, way, { use: [csrf({ token: shown })] });
          expect(await outcome(client.peek({}))).toMatchObject({ message: expect.stringContaining("cookie") });
        },
      }))();
    },
  },
  "auth-session/server#sessionCookie": {
    effect: "the handler knows whose cookie came",
    refuses: "cross_site_refused",
    notBy: notInMemory,
    async open() {
      const { cookie } = await signedIn();
      return on({ use: [sessionCookie({ keys: [secret] })], handlers: tellsWho }, (it) => ({
        async shows(way) {
          const client = await page(it, way, { cookie, origin: `http://${HOST}` });
          expect(await client.peek({})).toMatchObject({ text: "ann" });
        },
        // Pages of other origins do not even get so far: servers refuse them by `allowedOrigins`.
        refused: async (way) => outcome((await page(it, way, { cookie, "x-csrf-token": "made up" })).peek({})),
        async absent(way) {
          expect(await outcome(it.client(way).peek({}))).toMatchObject({ message: expect.stringContaining("cookie") });
        },
      }))();
    },
  },
  "auth-token/client#bearer": {
    effect: "the server knows whose token was shown",
    notBy: bearersAtDoors,
    open: on({ use: [tokens()], handlers: tellsWho }, (it) => ({
      async shows(way) {
        expect(await visit(it, way, { use: [bearer(jwt)] }).peek({})).toMatchObject({ text: "ann" });
      },
      async absent(way) {
        expect(await outcome(it.client(way).peek({}))).toMatchObject({ message: expect.stringContaining("token") });
        expect(await it.client(way, await jwt()).peek({})).toMatchObject({ text: "ann" });
      },
    })),
  },
  "auth-token/server#token": {
    effect: "the handler knows whose token was shown",
    refuses: "credential_invalid",
    open: on({ use: [tokens()], handlers: tellsWho }, (it) => ({
      async shows(way) {
        expect(await it.client(way, await jwt()).peek({})).toMatchObject({ text: "ann" });
      },
      refused: async (way) => outcome(it.client(way, `${await jwt()}x`).peek({})),
    })),
  },
  "middleware/batching#batching": {
    effect: "what is published one after the other leaves together",
    notBy: (way) => (isDoor(way) ? "at native doors each message leaves as soon as it is there" : undefined),
    open() {
      const fanOuts: FanOutEvent[] = [];
      const watch = definePlugin({
        name: "watch",
        start: () => ({ observe: { fanOut: (event) => void fanOuts.push(event) } }),
      });
      return on({ use: [batching({ windowMs: WINDOW_MS, maxMessages: 19 }), watch] }, (it) => ({
        async shows(way) {
          const board = nameOf(way);
          await using heard = await listen(it, way, board);
          for (let sequence = 1; sequence <= 40; sequence++) await heard.publish(sequence);
          await heard.hear(19);
          const sizes = fanOuts.filter(({ address }) => address === `boards/${board}/ticks`);
          expect(Math.max(...sizes.map(({ events }) => events))).toBeGreaterThanOrEqual(19);
        },
        async absent(way) {
          await using board = await listen(it, way, nameOf(way));
          const began = performance.now();
          for (let sequence = 1; sequence <= 3; sequence++) await board.publish(sequence);
          await board.hear(3);
          expect(performance.now() - began).toBeLessThan(WINDOW_MS);
        },
      }))();
    },
  },
  "middleware/cache#cache": {
    effect: "the handler is asked once for what is asked twice",
    open: on({ use: [cache({ channels: { [PEEK.slice(1)]: { maxAgeMs: 60_000, scope: "public" } } })] }, (it) => ({
      async shows(way) {
        const text = `what is asked by ${way}`;
        for (let time = 0; time < 2; time++) expect(await it.client(way).peek({ text })).toMatchObject({ text });
        expect(it.calls.filter((call) => call === `peek ${text}`)).toHaveLength(1);
      },
    })),
  },
  "middleware/cache#clientCache": {
    effect: "the server is asked once for what is asked twice",
    notBy: notAtDoors,
    open: on({ use: [] }, (it) => {
      const asked = async (way: WayName): Promise<number> => {
        const text = `what is asked by ${way}`;
        const own = isDoor(way) ? {} : { use: [clientCache({ channels: { [PEEK.slice(1)]: 60_000 } })] };
        const client = visit(it, way, own);
        for (let time = 0; time < 2; time++) expect(await client.peek({ text })).toMatchObject({ text });
        return it.calls.filter((call) => call === `peek ${text}`).length;
      };
      return {
        async shows(way) {
          expect(await asked(way)).toBe(1);
        },
        async absent(way) {
          expect(await asked(way)).toBe(2);
        },
      };
    }),
  },
  "middleware/circuit-breaker#circuitBreaker": {
    effect: "after failures the server is not asked",
    refuses: "circuit_open",
    notBy: notAtDoors,
    open: troubled((it, server) => {
      const third = async (way: WayName): Promise<{ readonly error: unknown; readonly came: number }> => {
        const before = server.came.length;
        server.next("Peek", unavailable(), unavailable());
        const client = visit(it, way, isDoor(way) ? {} : { use: [circuitBreaker({ leastCalls: 2 })] });
        for (let call = 0; call < 2; call++) await outcome(client.peek({}));
        return { error: await outcome(client.peek({})), came: server.came.length - before };
      };
      return {
        async shows(way) {
          expect((await third(way)).came).toBe(2);
        },
        refused: async (way) => (await third(way)).error,
        async absent(way) {
          expect(await third(way)).toEqual({ error: "ok", came: 3 });
        },
      };
    }),
  },
  "middleware/client-certificate#certificateRenewal": {
    effect: "a session shows itself again over a new link",
    notBy: notAtDoors,
    async open() {
      /** How the server was come in to, until the client had shown itself again; or all there was of it. */
      const openings = async (way: WayName): Promise<readonly string[]> => {
        const clock = virtualClock();
        const kinds: string[] = [];
        const expires = definePlugin({
          name: "expires",
          start: () => ({
            session(opening) {
              kinds.push(opening.kind);
              opening.expiresIn(LIMIT_MS);
            },
          }),
        });
        await using it = await stage({ use: [expires], clientClock: clock });
        let answered = false;
        const call = outcome(visit(it, way, { use: [certificateRenewal()] }).peek({})).then(() => (answered = true));
        await until(() => answered, passing(clock));
        await call;
        await clock.advance(LIMIT_MS * 0.85); // less than a fifth of the time is left
        await until(() => isDoor(way) || kinds.length === 2, passing(clock));
        return kinds;
      };
      return {
        async shows(way) {
          expect(await openings(way)).toEqual(["open", "resume"]);
        },
        async absent(way) {
          expect(await openings(way)).toEqual(["native"]);
        },
        async [Symbol.asyncDispose]() {},
      };
    },
  },
  "middleware/client-certificate#clientCertificate": {
    effect: "the handler knows whose certificate was shown to the proxy in front",
    refuses: "credential_invalid",
    notBy: notInMemory,
    open() {
      const issuer = authority("a proxy's");
      const shown = (names: readonly string[]): Readonly<Record<string, string>> => ({
        "client-cert": `:${Buffer.from(issuer.issue({ names }).der).toString("base64")}:`,
      });
      const use = [clientCertificate({ allow: ["email:*@example.org"], trustedProxies: ["127.0.0.1", "::1"] })];
      return on({ use, handlers: tellsWho }, (it) => ({
        async shows(way) {
          const { client } = await it.behind(way, "", shown(["email:ann@example.org"]));
          expect(await client.peek({})).toMatchObject({ text: "ann@example.org" });
        },
        refused: async (way) => outcome((await it.behind(way, "", shown(["email:ann@evil.example"]))).client.peek({})),
        async absent(way) {
          expect(await outcome(it.client(way).peek({}))).toMatchObject({
            message: expect.stringContaining("certificate"),
          });
        },
      }))();
    },
  },
  "middleware/compression#compression": {
    effect: "a long answer is short on the wire",
    notBy: (way) => (way === "Connect door by GET" ? "by GET Connect's own client takes none; browsers do" : undefined),
    open() {
      let out = 0;
      const watch = definePlugin({
        name: "watch",
        start: () => ({
          observe: { batch: (_, direction, bytes) => void (out += direction === "out" ? bytes : 0) },
        }),
      });
      return on({ use: [compression(), watch], handlers: { peek: () => ({ text: prose }) } }, (it) => {
        /** How the answer came, by the headers of gRPC and Connect. */
        const encodings = async (way: WayName): Promise<readonly string[]> => {
          const seen: string[] = [];
          const looks: Interceptor = (next) => async (request) => {
            const response = await next(request);
            seen.push(...["content-encoding", "grpc-encoding"].flatMap((name) => response.header.get(name) ?? []));
            return response;
          };
          expect((await visit(it, way, { interceptors: [looks] }).peek({})).text).toBe(prose);
          return seen;
        };
        return {
          async shows(way) {
            if (isDoor(way)) {
              expect(await encodings(way)).toEqual(["gzip"]);
              return;
            }
            const before = out;
            expect((await visit(it, way, { use: [compression()] }).peek({})).text).toBe(prose);
            expect(out - before).toBeLessThan(prose.length / 4);
          },
          async absent(way) {
            expect(await encodings(way)).toEqual([]);
          },
        };
      })();
    },
  },
  "middleware/encryption#encryption": {
    effect: "a request and its answer are sealed on their way",
    refuses: "sealed_missing",
    open: on({ use: [encryption(sealing)], handlers: { peek: ({ text }) => ({ text: `${text}, opened` }) } }, (it) => ({
      async shows(way) {
        if (isDoor(way)) {
          // By hand: who has the key needs no Raceway.
          const made = vault(sealing);
          const answer = await it
            .client(way)
            .peek(await made.seal(PeekRequestSchema, { text: "tea" }, { request: PEEK }));
          expect(answer.text).toBe("");
          expect(await made.open(PeekResponseSchema, answer, { response: PEEK })).toMatchObject({
            text: "tea, opened",
          });
          return;
        }
        const sent: unknown[] = [];
        const looks = definePlugin({
          name: "looks",
          after: ["encryption"],
          start: () => ({
            call: () => (next) => async (request) => {
              sent.push(request.message);
              const response = await next(request);
              sent.push(response.message);
              return response;
            },
          }),
        });
        const client = visit(it, way, { use: [encryption(sealing), looks] });
        expect(await client.peek({ text: "tea" })).toMatchObject({ text: "tea, opened" });
        expect(sent).toMatchObject([
          { text: "", sealed: { keyId: "spring" } },
          { text: "", sealed: { keyId: "spring" } },
        ]);
      },
      refused: async (way) => outcome(it.client(way).peek({ text: "tea" })),
    })),
  },
  "middleware/hedging#hedging": {
    effect: "a slow call is made once more, and answered",
    notBy: notAtDoors,
    open: troubled((it, server, clock) => ({
      async shows(way) {
        const before = server.came.length;
        server.next("Peek", 1_000); // in a time that stands still
        expect(await outcome(visit(it, way, { use: [hedging({ afterMs: 1, percentile: 0 })] }).peek({}))).toBe("ok");
        expect(server.came.length - before).toBe(2);
      },
      async absent(way) {
        const before = server.came.length;
        server.next("Peek", 1_000);
        const client = it.client(way);
        const call = outcome(client.peek({}));
        await until(() => server.came.length > before);
        for (let other = 0; other < 3; other++) await outcome(client.peek({}));
        expect(server.came.length - before).toBe(4);
        await clock.advance(1_000);
        expect(await call).toBe("ok");
      },
    })),
  },
  "middleware/ip-filter#ipFilter": {
    effect: "the handler knows the address behind a proxy",
    refuses: "address_refused",
    notBy: notInMemory,
    open: on(
      {
        use: [ipFilter({ deny: ["198.51.100.0/24"], trustedProxies: ["127.0.0.1", "::1"] })],
        handlers: { peek: (_, context) => ({ text: context.get(clientAddress) }) },
      },
      (it) => ({
        async shows(way) {
          const { client } = await it.behind(way, "", { "x-forwarded-for": "203.0.113.9" });
          expect(await client.peek({})).toMatchObject({ text: "203.0.113.9" });
        },
        refused: async (way) =>
          outcome((await it.behind(way, "", { "x-forwarded-for": "198.51.100.7" })).client.peek({})),
        async absent(way) {
          expect(await it.client(way).peek({})).toMatchObject({ text: "" });
        },
      }),
    ),
  },
  "middleware/limits#limits": {
    effect: "a call that ends makes room for the next",
    refuses: "channel_busy",
    open() {
      const { held, peek, open } = gate();
      const policy = { peek: { maxConcurrent: 1 } };
      return on({ use: [limits()], policy, handlers: { peek } }, (it) => {
        const second = async (way: WayName): Promise<unknown> => {
          held.clear();
          const client = it.client(way);
          const first = outcome(client.peek({ text: "hold it" }));
          await until(() => held.size > 0);
          const error = await outcome(client.peek({}));
          open();
          expect(await first).toBe("ok");
          return error;
        };
        return {
          async shows(way) {
            expect(await second(way)).not.toBe("ok");
            expect(await outcome(it.client(way).peek({}))).toBe("ok");
          },
          refused: second,
        };
      })();
    },
  },
  "middleware/logging#logging": {
    effect: "a call is a line, with the transport by which it came",
    open() {
      const lines: object[] = [];
      const write = (fields: object, message: string): void => void lines.push({ message, ...fields });
      const log = { debug: write, info: write, warn: write, error: write };
      return on({ use: [logging({ log, headers: ["x-way"] })] }, (it) => ({
        async shows(way) {
          await it.client(way).peek({}, { headers: { "x-way": way } });
          const line = { message: "call", code: "ok", transport: transportOf(way), headers: { "x-way": way } };
          await expect.poll(() => lines).toContainEqual(expect.objectContaining(line));
        },
      }))();
    },
  },
  "middleware/rate-limit#rateLimit": {
    effect: "two calls of one user are let through",
    refuses: "rate_limited",
    open: on({ use: [names, rateLimit({ perSecond: 0.001, burst: 2 })] }, (it) => {
      return {
        async shows(way) {
          const client = it.client(way, `ann-by-${nameOf(way)}`);
          for (let call = 0; call < 2; call++) expect(await outcome(client.peek({}))).toBe("ok");
        },
        async refused(way) {
          const client = it.client(way, `bob-by-${nameOf(way)}`);
          for (let call = 0; call < 2; call++) await client.peek({});
          return outcome(it.client(way, `bob-by-${nameOf(way)}`).peek({})); // a session of his own does not help
        },
      };
    }),
  },
  "middleware/rbac#rbac": {
    effect: "who has the scope is let through",
    refuses: "permission_denied",
    open: on({ use: [names, rbac()], policy: { peek: { auth: { require: { scopes: ["look"] } } } } }, (it) => ({
      async shows(way) {
        expect(await outcome(it.client(way, "ann look").peek({}))).toBe("ok");
      },
      refused: (way) => outcome(it.client(way, "bob").peek({})),
    })),
  },
  "middleware/retry#retry": {
    effect: "a call that failed is made again",
    notBy: notAtDoors,
    open: troubled((it, server) => ({
      async shows(way) {
        const before = server.came.length;
        server.next("Peek", unavailable());
        expect(await outcome(visit(it, way, { use: [retry({ firstMs: 0 })] }).peek({}))).toBe("ok");
        expect(server.came.length - before).toBe(2);
      },
      async absent(way) {
        const before = server.came.length;
        server.next("Peek", unavailable());
        expect(await outcome(it.client(way).peek({}))).not.toBe("ok");
        expect(server.came.length - before).toBe(1);
      },
    })),
  },
  "middleware/signing#replySigner": {
    effect: "an answer is signed for who takes no other",
    open: on({ use: [replySigner({ key, ...exceptTopics })] }, (it) => ({
      async shows(way) {
        expect(await outcome(visit(it, way, takesSignedOnly).peek({}))).toBe("ok");
      },
    })),
  },
  "middleware/signing#replyVerifier": {
    effect: "a signed answer is taken",
    refuses: "reply_unsigned",
    open: on({ use: [replySigner({ key, unsigned: [...exceptTopics.unsigned, "lab.v1.LabService/Add"] })] }, (it) => ({
      async shows(way) {
        expect(await outcome(visit(it, way, takesSignedOnly).peek({}))).toBe("ok");
      },
      refused: (way) => outcome(visit(it, way, takesSignedOnly).add({})),
    })),
  },
  "middleware/signing#signer": {
    effect: "the server knows with which key a call was signed",
    open: on(
      {
        use: [verifier({ keys, unsigned: ["lab.v1.LabService/Cursor"] })],
        handlers: { peek: (_, context) => ({ text: context.get(signedBy) }) },
      },
      (it) => ({
        async shows(way) {
          const own = { use: [signer({ key })], interceptors: [signatures({ key })] };
          expect(await visit(it, way, own).peek({})).toMatchObject({ text: "shared" });
        },
      }),
    ),
  },
  "middleware/signing#verifier": {
    effect: "a signed call is let through",
    refuses: "signature_missing",
    open: on({ use: [verifier({ keys, unsigned: ["lab.v1.LabService/Cursor"] })] }, (it) => ({
      async shows(way) {
        const own = { use: [signer({ key })], interceptors: [signatures({ key })] };
        expect(await outcome(visit(it, way, own).peek({}))).toBe("ok");
      },
      refused: (way) => outcome(it.client(way).peek({})),
    })),
  },
  "middleware/timeout#attemptTimeout": {
    effect: "an attempt without an answer ends",
    refuses: "call_deadline",
    notBy: notAtDoors,
    open: timed(() => attemptTimeout({ attemptMs: LIMIT_MS })),
  },
  "middleware/timeout#timeout": {
    effect: "a call without an answer ends",
    refuses: "call_deadline",
    notBy: notAtDoors,
    open: timed(() => timeout({ ms: LIMIT_MS })),
  },
  "telemetry/client#telemetry": {
    effect: "a call has a span, and the server's is within it",
    notBy: notAtDoors,
    open() {
      const server = sight();
      return on({ use: [telemetry(server.options)] }, (it) => {
        const spans = async (way: WayName, own: Own): Promise<string | undefined> => {
          const before = server.spans.length;
          await visit(it, way, own).peek({});
          await expect.poll(() => server.spans.length).toBeGreaterThan(before);
          return server.spans.at(-1)!.parentSpanContext?.spanId;
        };
        return {
          async shows(way) {
            const client = sight();
            const parent = await spans(way, { use: [clientTelemetry(client.options)] });
            expect(parent).toBe(client.span("CLIENT", "lab.v1.LabService/Peek").spanContext().spanId);
          },
          async absent(way) {
            expect(await spans(way, {})).toBeUndefined();
          },
        };
      })();
    },
  },
  "telemetry/prometheus#prometheus": {
    effect: "calls are counted by transport at /metrics",
    open() {
      const metrics = prometheus();
      return on({ use: [metrics, telemetry({ meterProvider: metrics.meterProvider })] }, (it) => {
        const counted = async (way: WayName): Promise<number> => {
          const text = await (await fetch(`${it.url}/metrics`)).text();
          const lines = text.split("\n").filter((line) => line.startsWith("rpc_server_call_duration_count{"));
          const own = lines.filter((line) => line.includes(`raceway_transport="${transportOf(way)}"`));
          return own.reduce((sum, line) => sum + Number(/\} (\d+)/.exec(line)?.[1]), 0);
        };
        return {
          async shows(way) {
            const before = await counted(way);
            await it.client(way).peek({});
            await expect.poll(() => counted(way)).toBe(before + 1);
          },
        };
      })();
    },
  },
  "telemetry/server#telemetry": {
    effect: "a call has a span, with the transport by which it came",
    open() {
      const seen = sight();
      return on({ use: [telemetry(seen.options)] }, (it) => ({
        async shows(way) {
          const before = seen.spans.length;
          await it.client(way).peek({});
          await expect.poll(() => seen.spans.length).toBeGreaterThan(before);
          expect(seen.spans.at(-1)).toMatchObject({
            name: "lab.v1.LabService/Peek",
            attributes: { "raceway.transport": transportOf(way) },
          });
        },
      }))();
    },
  },
  "validate/client#validate": {
    effect: "what the server would refuse is not sent",
    refuses: "message_invalid",
    notBy: notAtDoors,
    open: on({ use: [] }, (it) => {
      const broken = (way: WayName): Promise<unknown> =>
        outcome(visit(it, way, { use: [clientValidate()] }).peek({ text: "it is broken" }));
      return {
        async shows(way) {
          it.calls.length = 0;
          expect(await broken(way)).not.toBe("ok");
          expect(it.calls).toEqual([]);
        },
        refused: broken,
        async absent(way) {
          expect(await outcome(it.client(way).peek({ text: "it is broken" }))).toBe("ok");
        },
      };
    }),
  },
  "validate/server#validate": {
    effect: "what keeps to the rules is let through",
    refuses: "message_invalid",
    open: on({ use: [validate()] }, (it) => ({
      async shows(way) {
        expect(await outcome(it.client(way).peek({ text: "whole" }))).toBe("ok");
      },
      refused: (way) => outcome(it.client(way).peek({ text: "it is broken" })),
    })),
  },
};
