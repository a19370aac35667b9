// Bearer tokens: what is refused and why, by every way in; keys that rotate and issuers that fail; what was taken back.
import { Code, ConnectError } from "@connectrpc/connect";
import { bearer } from "@raceway/auth-token/client";
import { type TokenOptions, token } from "@raceway/auth-token/server";
import { connect } from "@raceway/client";
import { memoryTransport, principal, reasonOf } from "@raceway/core";
import { raceway } from "@raceway/server";
import { virtualClock } from "@raceway/testkit";
import { websocket } from "@raceway/transport-websocket/client";
import { type JWK, type JWTPayload, SignJWT, UnsecuredJWT, exportJWK, exportSPKI, generateKeyPair } from "jose";
import { beforeAll, describe, expect, it, vi } from "vitest";
import { handlers } from "../app/lab.ts";
import { labClient } from "../gen/lab/v1/lab.client.ts";
import { labService } from "../gen/lab/v1/lab.server.ts";
import { issuer } from "./issuer.ts";
import { first, outcome, stage, wayNames } from "./stage.ts";

const ISSUER = "https://issuer.example";
const AUDIENCE = "lab";
type Pair = Awaited<ReturnType<typeof generateKeyPair>>;
interface Key extends Pair {
  readonly jwk: JWK;
}

async function newKey(kid: string, algorithm = "ES256"): Promise<Key> {
  const pair = await generateKeyPair(algorithm, { extractable: true });
  return { ...pair, jwk: { ...(await exportJWK(pair.publicKey)), kid, alg: algorithm, use: "sig" } };
}
const now = (): number => Math.floor(Date.now() / 1_000);

/** A token as it should be, but for what is given. */
function signed(
  key: Key,
  claims: { readonly [name in keyof JWTPayload]?: JWTPayload[name] | undefined } = {},
  header: { alg?: string; kid?: string; typ?: string } = {},
): Promise<string> {
  const all = { iss: ISSUER, aud: AUDIENCE, sub: "ann", scope: "chat look", iat: now(), exp: now() + 600, ...claims };
  const kept = Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined));
  return new SignJWT(kept).setProtectedHeader({ alg: key.jwk.alg!, kid: key.jwk.kid!, ...header }).sign(key.privateKey);
}

let key: Key;
let rsa: Key;
let other: Key;
beforeAll(async () => {
  [key, rsa, other] = await Promise.all([newKey("one"), newKey("rsa", "RS256"), newKey("one")]);
});
const options = (more: Partial<TokenOptions> = {}): TokenOptions => ({
  issuer: ISSUER,
  audience: AUDIENCE,
  keys: { keys: [key.jwk, rsa.jwk] },
  ...more,
});

/** Tokens that must not be taken: each with the reason, and a word of what the error says. */
const wrong: readonly [string, () => Promise<string>, string, string][] = [
  ["none at all", () => Promise.resolve(""), "credential_missing", "a bearer token"],
  ["no JSON Web Token", () => Promise.resolve("open.sesame.please"), "credential_invalid", "no JSON Web Token"],
  [
    "algorithm none",
    () =>
      Promise.resolve(new UnsecuredJWT({ sub: "ann", iss: ISSUER, aud: AUDIENCE }).setExpirationTime("1h").encode()),
    "credential_invalid",
    "algorithm",
  ],
  [
    "algorithm confusion: the public RSA key used as a secret",
    async () => {
      const secret = new TextEncoder().encode(await exportSPKI(rsa.publicKey));
      return new SignJWT({ sub: "ann", iss: ISSUER, aud: AUDIENCE, exp: now() + 600 })
        .setProtectedHeader({ alg: "HS256", kid: "rsa" })
        .sign(secret);
    },
    "credential_invalid",
    "algorithm",
  ],
  ["another's key under a known id", () => signed(other), "credential_invalid", "signature"],
  [
    "a key that is not known",
    () => signed({ ...other, jwk: { ...other.jwk, kid: "nine" } }),
    "credential_invalid",
    "key is not known",
  ],
  ["expired", () => signed(key, { exp: now() - 60 }), "credential_expired", "expired"],
  ["not yet valid", () => signed(key, { nbf: now() + 60 }), "credential_invalid", '"nbf"'],
  ["another audience", () => signed(key, { aud: "shop" }), "credential_invalid", '"aud"'],
  ["no audience", () => signed(key, { aud: undefined }), "credential_invalid", '"aud"'],
  ["another issuer", () => signed(key, { iss: "https://evil.example" }), "credential_invalid", '"iss"'],
  ["nobody's", () => signed(key, { sub: undefined }), "credential_invalid", "names nobody"],
  ["altered claims", async () => altered(await signed(key)), "credential_invalid", "signature"],
  ["too long", () => signed(key, { jti: "x".repeat(20_000) }), "credential_invalid", "too long"],
];
function altered(jwt: string): string {
  const [head, body, signature] = jwt.split(".");
  const claims = JSON.parse(Buffer.from(body!, "base64url").toString()) as JWTPayload;
  return `${head}.${Buffer.from(JSON.stringify({ ...claims, scope: "admin" })).toString("base64url")}.${signature}`;
}

describe.each(wayNames)("by %s", (way) => {
  it("what is not a good token is refused, with a reason that holds nothing of it, and reaches no handler", async () => {
    await using it = await stage({ use: [token(options())] });
    for (const [what, make, reason, says] of wrong) {
      const shown = await make();
      if (shown.length > 16_000 && way.endsWith("door")) continue; // HTTP's own limit on headers is below that
      const error = await outcome(it.client(way, shown).peek({ text: "x" }));
      expect(reasonOf(error), what).toBe(reason);
      const { code, rawMessage } = ConnectError.from(error);
      expect(code, what).toBe(Code.Unauthenticated);
      expect(rawMessage, what).toContain(says);
      for (const part of shown.split("."))
        if (part.length > 8) expect(rawMessage, what).not.toContain(part.slice(0, 16));
    }
    expect(it.calls).toEqual([]);
    expect(it.app.sessions).toBe(0);
  });

  it("a good one is taken, and handlers know its owner, scopes and roles", async () => {
    let seen: unknown;
    await using it = await stage({
      use: [token(options())],
      handlers: {
        peek: (_, context) => {
          const { id, scopes, roles, method } = context.get(principal);
          seen = { id, scopes, roles, method };
          return {};
        },
      },
    });
    for (const each of [key, rsa]) {
      await it.client(way, await signed(each, { roles: ["admin"] })).peek({ text: "x" });
      expect(seen).toEqual({ id: "ann", scopes: ["chat", "look"], roles: ["admin"], method: "token" });
      seen = undefined;
    }
  });

  it("streams end when the token does", async () => {
    await using it = await stage({
      use: [token(options({ clockToleranceMs: 0 }))],
      handlers: {
        async *count(_, { signal }) {
          yield { value: 1 };
          await new Promise((resolve) => signal.addEventListener("abort", resolve));
        },
      },
    });
    const exp = now() + 2;
    const counting = it.client(way, await signed(key, { exp })).count({});
    const stream = counting[Symbol.asyncIterator]();
    expect((await stream.next()).value).toMatchObject({ value: 1 });
    const error = await outcome(stream.next());
    expect(String(error)).toContain("expired");
    expect(Date.now()).toBeGreaterThanOrEqual(exp * 1_000 - 20);
    expect(Date.now()).toBeLessThan(exp * 1_000 + 1_000);
  });

  it("whoever is revoked is out at once, and does not come in again with the same token", async () => {
    const tokens = token(options());
    await using it = await stage({
      use: [tokens],
      handlers: {
        async *count(_, { signal }) {
          yield { value: 1 };
          await new Promise((resolve) => signal.addEventListener("abort", resolve));
        },
      },
    });
    const [ann, bob] = [await signed(key, { iat: now() - 10 }), await signed(key, { sub: "bob", iat: now() - 10 })];
    const streams = [ann, bob].map((each) => {
      const stream = it.client(way, each).count({});
      return stream[Symbol.asyncIterator]();
    });
    for (const stream of streams) await stream.next();
    await tokens.revoke("ann");
    expect(reasonOf(await outcome(streams[0]!.next()))).toBe("credential_revoked");
    expect(reasonOf(await outcome(it.client(way, ann).peek({ text: "x" })))).toBe("credential_revoked");
    expect(await outcome(it.client(way, bob).peek({ text: "x" }))).toBe("ok");
    expect(await outcome(it.client(way, await signed(key, { iat: now() + 2 })).peek({ text: "x" }))).toBe("ok"); // signed in again
  });
});

describe("keys of an issuer", () => {
  it("are found by discovery, fetched once, and again for a key that is new: rotation in mid-session", async () => {
    await using who = await issuer();
    who.keys = [key.jwk];
    await using it = await stage({ use: [token({ issuer: who.url, audience: AUDIENCE })] });
    const claims = { iss: who.url };
    expect(await outcome(it.client("websocket", await signed(key, claims)).peek({}))).toBe("ok");
    expect(await outcome(it.client("websocket", await signed(key, claims)).peek({}))).toBe("ok");
    expect(who.asked).toEqual(["/.well-known/openid-configuration", "/jwks"]);
    const next = await newKey("two");
    who.keys = [next.jwk];
    expect(reasonOf(await outcome(it.client("websocket", await signed(next, claims)).peek({})))).toBe(
      "credential_invalid",
    ); // asked a moment ago
    expect(who.asked).toHaveLength(2);
    const live = first(it.client("websocket", await signed(key, claims)).count({ from: 1, to: 1 }));
    await live; // the old key is known still
    vi.useFakeTimers({ toFake: ["Date"], now: Date.now() + 31_000 }); // half a minute later
    try {
      expect(await outcome(it.client("websocket", await signed(next, claims)).peek({}))).toBe("ok");
      expect(who.asked).toHaveLength(3);
      expect(reasonOf(await outcome(it.client("websocket", await signed(key, claims)).peek({})))).toBe(
        "credential_invalid",
      ); // taken back
    } finally {
      vi.useRealTimers();
    }
  });

  it("a flood of tokens with made-up keys asks the issuer no more often", async () => {
    await using who = await issuer();
    who.keys = [key.jwk];
    await using it = await stage({ use: [token({ issuer: ISSUER, audience: AUDIENCE, jwksUri: `${who.url}/jwks` })] });
    const flood = await Promise.all(
      Array.from({ length: 50 }, async (_, at) => signed({ ...other, jwk: { ...other.jwk, kid: `made-up-${at}` } })),
    );
    const answers = await Promise.all(flood.map((each) => outcome(it.client("Connect door", each).peek({}))));
    expect(new Set(answers.map((answer) => reasonOf(answer)))).toEqual(new Set(["credential_invalid"]));
    expect(who.asked.length).toBeLessThanOrEqual(2);
  });

  it("an issuer that fails lets nobody in on trust, and locks nobody out whose key is known", async () => {
    await using who = await issuer();
    who.keys = [key.jwk];
    who.fails = true;
    await using it = await stage({ use: [token({ issuer: ISSUER, audience: AUDIENCE, jwksUri: `${who.url}/jwks` })] });
    const shown = await signed(key);
    const error = await outcome(it.client("Connect door", shown).peek({}));
    expect(reasonOf(error)).toBe("keys_unavailable");
    expect(ConnectError.from(error).code).toBe(Code.Unavailable);
    who.fails = false;
    await expect.poll(() => outcome(it.client("Connect door", shown).peek({})), { timeout: 5_000 }).toBe("ok");
    who.fails = true;
    expect(await outcome(it.client("Connect door", shown).peek({}))).toBe("ok");
  });
});

describe("opaque tokens", () => {
  const introspection = (url: string, more: object = {}) => ({
    introspection: { url: `${url}/introspect`, clientId: "lab", clientSecret: "s&cret", ...more },
  });

  it("are worth what their issuer says, who is asked once for many", async () => {
    await using who = await issuer();
    who.active["opaque"] = { sub: "ann", scope: "chat", exp: now() + 600 };
    await using it = await stage({ use: [token(introspection(who.url))] });
    const answers = await Promise.all(
      ["websocket", "poll", "gRPC door"].map((way) => outcome(it.client(way as "poll", "opaque").peek({}))),
    );
    expect(answers).toEqual(["ok", "ok", "ok"]);
    expect(who.asked).toEqual(["/introspect"]);
    for (let at = 0; at < 3; at++)
      expect(reasonOf(await outcome(it.client("poll", "made up").peek({})))).toBe("credential_invalid");
    expect(who.asked).toHaveLength(2);
  });

  it("that were replaced by a fresh one may end, and the session goes on", async () => {
    await using who = await issuer();
    who.active["old"] = { sub: "ann", exp: now() + 2 };
    who.active["new"] = { sub: "ann" };
    await using it = await stage({
      use: [token({ clockToleranceMs: 0, ...introspection(who.url, { recheckMs: 100, cacheMs: 50 }) })],
    });
    let shown = "old";
    await using connection = connect(it.url, { transports: [websocket()], use: [bearer(() => shown)] });
    const client = labClient(connection);
    await client.peek({});
    shown = "new";
    const asked = (name: string): number => who.tokens.filter((each) => each === name).length;
    await expect.poll(() => asked("new"), { timeout: 5_000 }).toBeGreaterThan(1); // shown when a fifth of the old one's time is left
    delete who.active["old"];
    const old = asked("old");
    const before = asked("new");
    await expect.poll(() => asked("new"), { timeout: 5_000 }).toBeGreaterThan(before + 4);
    expect(asked("old")).toBe(old);
    await client.peek({});
    expect(it.app.sessions).toBe(1);
    expect(connection.state.current.reason).toBeUndefined();
  });

  it("that are taken back end their sessions; an issuer that fails ends none", async () => {
    await using who = await issuer();
    who.active["opaque"] = { sub: "ann" };
    await using it = await stage({ use: [token(introspection(who.url, { recheckMs: 100, cacheMs: 50 }))] });
    const reading = outcome(first(it.client("websocket", "opaque").ticks({ board: "x" })));
    await expect.poll(() => who.asked.length).toBeGreaterThan(1);
    who.fails = true;
    const before = who.asked.length;
    await expect.poll(() => who.asked.length).toBeGreaterThan(before + 1);
    expect(it.app.sessions).toBe(1);
    who.fails = false;
    delete who.active["opaque"];
    expect(reasonOf(await reading)).toBe("credential_revoked");
    expect(it.app.sessions).toBe(0);
  });
});

it("a bearer shows a fresh token in time, on the same session, and one that is for another user ends it", async () => {
  const clock = virtualClock();
  const memory = memoryTransport();
  const wall = (): number => Math.floor(clock.wallNow() / 1_000);
  const taken: string[] = [];
  const revoked = ({ sub }: JWTPayload): boolean => {
    taken.push(sub!);
    return false;
  };
  await using app = raceway({ transports: [memory.server], clock, use: [token(options({ revoked }))] });
  app.serve(labService, handlers([], clock));
  await app.listen({ port: 0, host: "127.0.0.1" });
  const kinds: string[] = [];
  let sub = "ann";
  await using connection = connect("http://lab", {
    transports: [memory.client],
    clock,
    probeMs: 0,
    use: [
      bearer((kind) => {
        kinds.push(kind);
        return signed(key, { sub, iat: wall(), exp: wall() + 60 });
      }),
    ],
  });
  const echo = outcome(labClient(connection).echo({ text: "x" }));
  // Signatures are made and checked by other threads, which know nothing of this test's time.
  const checked = async (times: number): Promise<void> => {
    await expect.poll(() => clock.settle().then(() => taken.length)).toBe(times);
    await clock.settle();
  };
  await checked(1);
  expect(await echo).toBe("ok");
  for (let round = 2; round <= 5; round++) {
    await clock.advance(54_000); // it lasts 65 seconds, tolerance included
    await checked(round);
  }
  expect(kinds).toEqual(["open", "refresh", "refresh", "refresh", "refresh"]);
  expect(app.sessions).toBe(1);
  let reason: string | undefined;
  connection.state.subscribe((state) => (reason ??= reasonOf(state.reason)));
  sub = "bob";
  await clock.advance(54_000);
  await checked(6);
  expect(reason).toBe("principal_changed");
  const closing = app.close(0);
  await clock.advance(100);
  await closing;
});

it("a secret may be text, as it comes from the environment", async () => {
  const secret = "0123456789 abcdef 0123456789 abcdéf";
  await using it = await stage({
    use: [token({ issuer: ISSUER, audience: AUDIENCE, secret })],
    handlers: { peek: (_, context) => ({ text: context.get(principal).id }) },
  });
  const shown = new SignJWT({ sub: "ann", iss: ISSUER, aud: AUDIENCE, exp: now() + 600 })
    .setProtectedHeader({ alg: "HS256" })
    .sign(new TextEncoder().encode(secret));
  expect(await it.client("memory", await shown).peek({})).toMatchObject({ text: "ann" });
});

describe("options that cannot work are refused where they are written", () => {
  it.each<[string, TokenOptions, string]>([
    ["nothing that says which tokens are good", {}, "issuer"],
    ["no audience", { issuer: ISSUER }, "audience"],
    ["a short secret", { audience: "a", secret: new Uint8Array(8) }, "secret"],
    ["a short secret of text", { audience: "a", secret: "hunter2" }, "secret"],
    ["a secret that is neither", { audience: "a", secret: 5 as unknown as string }, "secret"],
    ["an issuer without keys that is no URL", { issuer: "me", audience: "a" }, "issuer"],
    ["a symmetric algorithm with public keys", { issuer: ISSUER, audience: "a", algorithms: ["HS256"] }, "algorithms"],
    [
      "an asymmetric algorithm with a secret",
      { audience: "a", secret: new Uint8Array(32), algorithms: ["RS256"] },
      "algorithms",
    ],
    ["none", { issuer: ISSUER, audience: "a", algorithms: ["none"] }, "algorithms"],
    ["keys and a secret", { audience: "a", secret: new Uint8Array(32), keys: { keys: [] } }, "keys"],
    ["several issuers without keys", { issuer: ["a", "b"], audience: "a" }, "jwksUri"],
    [
      "introspection as nobody",
      { introspection: { url: "https://issuer.example/introspect", clientId: "lab" } },
      "introspection.clientSecret",
    ],
    ["a tolerance of an hour", { issuer: ISSUER, audience: "a", clockToleranceMs: 3_600_000 }, "clockToleranceMs"],
    ["a typing error", { isuer: ISSUER } as TokenOptions, "isuer"],
  ])("%s", (_, given, option) => {
    let error: unknown;
    try {
      token(given);
    } catch (cause) {
      error = cause;
    }
    expect(["option_invalid", "option_unknown"]).toContain(reasonOf(error));
    expect(String(error)).toContain(option);
  });
});
