// Session cookies: who is admitted by every way in, from which pages, until when; what is renewed, and what is taken back.
import { csrf } from "@raceway/auth-session/client";
import { type CookieSession, type SessionCookiePlugin, sessionCookie } from "@raceway/auth-session/server";
import { connect } from "@raceway/client";
import { type Principal, principal, reasonOf } from "@raceway/core";
import { type Raceway, raceway } from "@raceway/server";
import { poll as pollLink } from "@raceway/transport-poll/client";
import { poll } from "@raceway/transport-poll/server";
import { EncryptJWT } from "jose";
import { describe, expect, it } from "vitest";
import { handlers } from "../app/lab.ts";
import { labClient } from "../gen/lab/v1/lab.client.ts";
import { labService } from "../gen/lab/v1/lab.server.ts";
import { HOST, type Headers as Fields, KEYS, OWN, begun, gate, jar, said, waits, ways } from "./cookie-gate.ts";
import { outcome, stage } from "./stage.ts";

describe.each(ways)("by %s", { timeout: 30_000 }, (way) => {
  it("a cookie is taken, and handlers know its owner", async () => {
    const seen: Principal[] = [];
    const sessions = sessionCookie({ keys: KEYS });
    await using it = await gate(sessions, {
      handlers: {
        peek: (_, context) => {
          seen.push(context.get(principal));
          return {};
        },
      },
    });
    const { cookies } = await sessions.issue({
      id: "ann",
      scopes: ["chat"],
      roles: ["admin"],
      claims: { plan: "pro" },
    });
    const { client } = await it.visit(way, { ...OWN, cookie: `theme=dark; ${jar(cookies)}` });
    expect(await said(client)).toBe("ok");
    expect(seen).toEqual([
      { id: "ann", scopes: ["chat"], roles: ["admin"], claims: { plan: "pro" }, method: "session-cookie" },
    ]);
  });

  it("what is no good cookie is refused, and reaches no handler", async () => {
    const sessions = sessionCookie({ keys: KEYS });
    await using it = await gate(sessions);
    const { cookies } = await sessions.issue({ id: "ann" });
    const mallory = await sessionCookie({ keys: ["mallory's own secret, of some thirty-two bytes"] }).issue({
      id: "ann",
    });
    const [good, forged] = [cookies[0]!.split(";")[0]!, mallory.cookies[0]!.split(";")[0]!];
    const other = `${good.slice(0, -4)}${good.endsWith("AAAA") ? "BBBB" : "AAAA"}`;
    const cases: readonly [string, string, string][] = [
      ["none", "theme=dark", "credential_missing"],
      ["an empty one", "__Host-session=", "credential_missing"],
      ["one of another's key", forged, "credential_invalid"],
      ["one that was altered", other, "credential_invalid"],
      ["nonsense", "__Host-session=open.sesame", "credential_invalid"],
      ["two different ones", `${good}; ${forged}`, "credential_invalid"],
      ["one that is too long", `__Host-session=${"x".repeat(5_000)}`, "credential_invalid"],
    ];
    for (const [what, cookie, reason] of cases)
      expect(await said((await it.visit(way, { ...OWN, cookie })).client), what).toBe(reason);
    expect(it.calls).toEqual([]);
    expect(it.app.sessions).toBe(0);
  });

  it("only pages of the server itself, and of the origins that are listed, come in by a visitor's cookie", async () => {
    const sessions = sessionCookie({ keys: KEYS, origins: ["https://shop.example"] });
    const options: Partial<Parameters<typeof stage>[0]> = { allowedOrigins: ["*"] };
    await using it = await gate(sessions, options);
    const { cookies, csrfToken } = await sessions.issue({ id: "ann" });
    const cookie = jar(cookies);
    const own: readonly Fields[] = [
      OWN,
      { origin: `https://${HOST}` }, // a proxy before us ends TLS
      { origin: "https://shop.example", "sec-fetch-site": "cross-site" },
      { "sec-fetch-site": "same-origin" },
    ];
    for (const headers of own)
      expect(await said((await it.visit(way, { ...headers, cookie })).client), JSON.stringify(headers)).toBe("ok");
    const foreign: readonly Fields[] = [
      { origin: "https://evil.example" },
      { origin: "null" },
      { origin: `http://evil.${HOST}` },
      { origin: `http://${HOST}.evil.example` },
      { origin: `http://${HOST}:8080` },
      { origin: "http://shop.example" },
    ];
    for (const headers of foreign) {
      // Even with the token: it may have been stolen from a page, the origin not.
      const { client } = await it.visit(way, { ...headers, cookie }, csrfToken);
      expect(await said(client), JSON.stringify(headers)).toBe("cross_site_refused");
    }
  });

  it("where no origin is named, the session's own token is wanted", async () => {
    const sessions = sessionCookie({ keys: KEYS });
    await using it = await gate(sessions);
    const [ann, bob] = [await sessions.issue({ id: "ann" }), await sessions.issue({ id: "bob" })];
    const cookie = jar(ann.cookies);
    for (const token of [ann.csrfToken, (await sessions.csrfToken(cookie))!])
      expect(await said((await it.visit(way, { cookie }, token)).client)).toBe("ok");
    const wrong = ["", bob.csrfToken, `${ann.csrfToken}.x`, ann.csrfToken.split(".")[0]!, "x".repeat(300)];
    for (const token of wrong)
      expect(await said((await it.visit(way, { cookie }, token)).client), token).toBe("cross_site_refused");
    // The double submit alone, without the signature: a cookie that a subdomain planted, and the same in the header.
    const planted = `${ann.cookies[0]!.split(";")[0]!}; __Host-csrf=planted.token`;
    expect(await said((await it.visit(way, { cookie: planted }, "planted.token")).client)).toBe("cross_site_refused");
    expect(await said((await it.visit(way, { cookie, "sec-fetch-site": "none" })).client)).toBe("cross_site_refused");
  });

  it("streams end when the cookie does", async () => {
    const sessions = sessionCookie({ keys: KEYS });
    await using it = await gate(sessions, { handlers: waits });
    const { cookies, expiresAt } = await sessions.issue({ id: "ann" }, 2_000);
    const { client } = await it.visit(way, { ...OWN, cookie: jar(cookies) });
    const stream = await begun(client);
    expect(String(await outcome(stream.next()))).toContain("expired");
    expect(Date.now()).toBeGreaterThanOrEqual(expiresAt - 20);
    expect(await said((await it.visit(way, { ...OWN, cookie: jar(cookies) })).client)).toBe("credential_expired");
  });

  it("whoever signs out is out at once, alone; a revocation ends all of a principal's", async () => {
    const sessions = sessionCookie({ keys: KEYS });
    await using it = await gate(sessions, { handlers: waits });
    const issued = [
      await sessions.issue({ id: "ann" }),
      await sessions.issue({ id: "ann" }),
      await sessions.issue({ id: "bob" }),
    ];
    const [phone, laptop, bob] = await Promise.all(
      issued.map(async ({ cookies }) => begun((await it.visit(way, { ...OWN, cookie: jar(cookies) })).client)),
    );
    const cleared = await sessions.end(jar(issued[0]!.cookies));
    expect(cleared.map((line) => line.split("; ").slice(0, 2))).toEqual([
      ["__Host-session=", "Max-Age=0"],
      ["__Host-csrf=", "Max-Age=0"],
    ]);
    expect(reasonOf(await outcome(phone!.next()))).toBe("credential_revoked");
    const again = await it.visit(way, { ...OWN, cookie: jar(issued[0]!.cookies) });
    expect(await said(again.client)).toBe("credential_revoked");
    const still = await it.visit(way, { ...OWN, cookie: jar(issued[1]!.cookies) });
    expect(await said(still.client)).toBe("ok");
    await sessions.revoke("ann");
    expect(reasonOf(await outcome(laptop!.next()))).toBe("credential_revoked");
    expect(await said((await it.visit(way, { ...OWN, cookie: jar(issued[2]!.cookies) })).client)).toBe("ok");
    await bob!.return?.();
  });
});

describe("sessions in a store of the application", () => {
  const ID = "3f8a2c-a-random-id-of-a-session";
  const shelf = (sessions: Map<string, CookieSession>): SessionCookiePlugin<string> =>
    sessionCookie({ keys: KEYS, lookup: (id) => sessions.get(id) });

  it("are found by the id in the cookie, and are worth what the store says", async () => {
    const now = Date.now();
    const stored = new Map<string, CookieSession>([
      [ID, { principal: { id: "ann" }, createdAt: new Date(now), expiresAt: new Date(now + 60_000) }],
    ]);
    const sessions = shelf(stored);
    await using it = await gate(sessions);
    const { cookies } = await sessions.issue(ID);
    expect(cookies[0]).toMatch(
      new RegExp(`^__Host-session=${ID}; Max-Age=28800; Path=/; Secure; SameSite=Lax; HttpOnly$`),
    );
    const visit = async (cookie: string): Promise<string> =>
      said((await it.visit("Connect door", { ...OWN, cookie })).client);
    expect(await visit(jar(cookies))).toBe("ok");
    expect(await visit("__Host-session=another-id-of-no-session")).toBe("credential_invalid");
    expect(await visit("__Host-session=short")).toBe("credential_invalid");
    stored.set(ID, { ...stored.get(ID)!, expiresAt: new Date(now - 1) });
    expect(await visit(jar(cookies))).toBe("credential_expired");
    stored.set(ID, { principal: { id: "ann" } } as CookieSession); // it would never end
    expect(await visit(jar(cookies))).toBe("credential_invalid");
    stored.delete(ID);
    expect(await visit(jar(cookies))).toBe("credential_invalid");
    await expect(sessions.issue("short")).rejects.toThrow("a random id");
  });

  it("a store that fails lets nobody in, and says so: clients try again", async () => {
    let fails = true;
    const now = Date.now();
    const sessions = sessionCookie({
      keys: KEYS,
      lookup: () => {
        if (fails) throw new Error("connection refused by 10.0.0.7");
        return { principal: { id: "ann" }, createdAt: now, expiresAt: now + 60_000 };
      },
    });
    await using it = await gate(sessions);
    const { cookies } = await sessions.issue(ID);
    const { client } = await it.visit("Connect door", { ...OWN, cookie: jar(cookies) });
    const error = await outcome(client.peek({}));
    expect(reasonOf(error)).toBe("keys_unavailable");
    expect(String(error)).not.toContain("10.0.0.7");
    fails = false;
    expect(await said(client)).toBe("ok");
  });
});

it("keys rotate: what the older one sealed and signed is good as long as it is listed", async () => {
  const [next, old] = KEYS as [string, string];
  const before = await sessionCookie({ keys: [old] }).issue({ id: "ann" });
  const visit = async (keys: readonly string[], token?: string): Promise<string> => {
    await using it = await gate(sessionCookie({ keys }));
    const origin: Fields = token === undefined ? OWN : {};
    const { client } = await it.visit("Connect door", { ...origin, cookie: jar(before.cookies) }, token);
    return await said(client);
  };
  expect(await visit([next, old])).toBe("ok");
  expect(await visit([next, old], before.csrfToken)).toBe("ok");
  expect(await visit([next])).toBe("credential_invalid");
});

it("a sealed cookie shows nothing of what is in it, and takes no other algorithm", async () => {
  const { cookies } = await sessionCookie({ keys: KEYS }).issue({ id: "ann@example.com", claims: { plan: "pro" } });
  const value = cookies[0]!.split(";")[0]!.slice("__Host-session=".length);
  const parts = value.split(".").map((part) => Buffer.from(part, "base64url").toString("latin1"));
  expect(JSON.parse(parts[0]!)).toMatchObject({ alg: "dir", enc: "A256GCM" });
  expect(parts.join("")).not.toMatch(/ann|pro/);
  const { kid } = JSON.parse(parts[0]!) as { kid: string };
  const now = Date.now() / 1_000;
  const claims = { who: { id: "root" }, jti: "x", iat: now, exp: now + 600 };
  await using it = await gate(sessionCookie({ keys: KEYS }));
  for (const make of [
    () => new EncryptJWT(claims).setProtectedHeader({ alg: "dir", enc: "A128GCM", kid }).encrypt(new Uint8Array(16)),
    () => new EncryptJWT(claims).setProtectedHeader({ alg: "A256KW", enc: "A256GCM", kid }).encrypt(new Uint8Array(32)),
    () => new EncryptJWT(claims).setProtectedHeader({ alg: "dir", enc: "A256GCM", kid }).encrypt(new Uint8Array(32)),
    () => new EncryptJWT(claims).setProtectedHeader({ alg: "dir", enc: "A256GCM" }).encrypt(new Uint8Array(32)),
  ]) {
    const { client } = await it.visit("Connect door", { ...OWN, cookie: `__Host-session=${await make()}` });
    expect(await said(client)).toBe("credential_invalid");
  }
});

it("visitors without a cookie come in as nobody where that is said, from any page; with a wrong one they do not", async () => {
  const sessions = sessionCookie({ keys: KEYS, anonymous: true });
  await using it = await gate(sessions, { allowedOrigins: ["*"] });
  for (const way of ways) {
    expect(await said((await it.visit(way, { origin: "https://any.example" })).client), way).toBe("ok");
    const wrong = await it.visit(way, { ...OWN, cookie: "__Host-session=made-up" });
    expect(await said(wrong.client), way).toBe("credential_invalid");
  }
});

it("over TLS a page of the same host over plain HTTP is another's", async () => {
  const sessions = sessionCookie({ keys: KEYS });
  await using app: Raceway = raceway({ transports: [poll()], use: [sessions], allowedOrigins: ["*"] });
  app.serve(labService, handlers([], { after: () => ({ [Symbol.dispose]() {} }) }));
  const { cookies } = await sessions.issue({ id: "ann" });
  const visit = async (origin: string): Promise<string> => {
    await using connection = connect(`https://${HOST}`, {
      transports: [
        pollLink({
          fetch: (input, init) => {
            const request = new Request(input, init);
            request.headers.set("origin", origin);
            request.headers.set("cookie", jar(cookies));
            return app.fetch(request);
          },
        }),
      ],
    });
    const answer = await outcome(labClient(connection).peek({}));
    return reasonOf(answer) ?? String(answer);
  };
  expect(await visit(`https://${HOST}`)).toBe("ok");
  expect(await visit(`http://${HOST}`)).toBe("cross_site_refused");
});

describe("a cookie that is renewed", { timeout: 30_000 }, () => {
  it.concurrent.each(["websocket", "sse", "poll", "grpc"] as const)(
    "is brought along by a new link, by %s: the session and its streams go on",
    async (way) => {
      const sessions = sessionCookie({ keys: KEYS });
      const renewed: string[] = [];
      const headers: Record<string, string> = { ...OWN };
      const renew = async (): Promise<void> => {
        const { cookies } = (await sessions.renew({ headers: { ...headers, host: HOST } }, 60_000))!;
        headers["cookie"] = jar(cookies);
        renewed.push("renewed");
      };
      await using it = await stage({ use: [sessions], clientUse: [csrf({ token: "x", renew })], handlers: waits });
      const first = await sessions.issue({ id: "ann" }, 4_000);
      headers["cookie"] = jar(first.cookies);
      headers[way === "grpc" ? ":authority" : "host"] = HOST;
      const { client } = await it.behind(way, "", headers);
      const stream = await begun(client);
      const ended = outcome(stream.next());
      await expect.poll(() => renewed.length, { timeout: 15_000 }).toBe(1);
      await expect.poll(() => Date.now() > first.expiresAt + 500, { timeout: 5_000 }).toBe(true);
      expect(await said(client)).toBe("ok");
      expect(it.app.sessions).toBe(1);
      expect(renewed).toHaveLength(1);
      expect(await Promise.race([ended, Promise.resolve("under way")])).toBe("under way");
    },
    30_000,
  );

  it("for another principal ends nothing of the present session, and is not taken", async () => {
    const sessions = sessionCookie({ keys: KEYS });
    const headers: Record<string, string> = { ...OWN, host: HOST };
    const kinds: string[] = [];
    const renew = async (): Promise<void> => {
      kinds.push("renewed");
      headers["cookie"] = jar((await sessions.issue({ id: "bob" })).cookies);
    };
    let at: string | undefined;
    await using it = await stage({
      use: [sessions],
      clientUse: [csrf({ token: () => undefined, renew })],
      handlers: { ...waits, peek: (_, context) => ((at = context.get(principal).id), {}) },
    });
    headers["cookie"] = jar((await sessions.issue({ id: "ann" }, 2_500)).cookies);
    const { client } = await it.behind("websocket", "", headers);
    const stream = await begun(client);
    await expect.poll(() => kinds.length, { timeout: 5_000 }).toBe(1);
    await client.peek({});
    expect(at).toBe("ann");
    expect(String(await outcome(stream.next()))).toContain("expired");
    await expect.poll(() => said(client), { timeout: 5_000 }).toBe("ok");
    expect(at).toBe("bob"); // in a session of his own
  });
});
