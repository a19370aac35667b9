// What needs no server: the cookies as they are written, the page's side, and options that cannot work. The rest is in test/middleware.
import { reasonOf } from "@raceway/core";
import { describe, expect, it, vi } from "vitest";
import { csrf, csrfInterceptor } from "./client.ts";
import { sessionCookie } from "./server.ts";

const KEYS = ["a secret of at least thirty-two bytes, the newest", "an older one, which is as long as it has to be"];

it("cookies are written so that browsers keep them to themselves, and pages read the token only", async () => {
  const { cookies, csrfToken, expiresAt } = await sessionCookie({ keys: KEYS }).issue({ id: "ann" }, 60_000);
  expect(cookies).toEqual([
    expect.stringMatching(/^__Host-session=[\w.-]+; Max-Age=60; Path=\/; Secure; SameSite=Lax; HttpOnly$/),
    `__Host-csrf=${csrfToken}; Max-Age=60; Path=/; Secure; SameSite=Lax`,
  ]);
  expect(Math.abs(expiresAt - Date.now() - 60_000)).toBeLessThan(60_000);
  const plain = { keys: KEYS, secure: false, name: "session", csrfName: "csrf", sameSite: "strict" } as const;
  const { cookies: lines } = await sessionCookie(plain).issue({ id: "ann" });
  expect(lines[0]).toMatch(/^session=[\w.-]+; Max-Age=28800; Path=\/; SameSite=Strict; HttpOnly$/);
});

it("no token is given where there is no session, and each one is another", async () => {
  const sessions = sessionCookie({ keys: KEYS });
  const { cookies } = await sessions.issue({ id: "ann" });
  const cookie = cookies[0]!.split(";")[0]!;
  for (const header of [undefined, "", `x${cookie}`, cookie.toLowerCase(), "__Host-session", "__Host-session=made-up"])
    expect(await sessions.csrfToken(header)).toBeUndefined();
  const given = await Promise.all([1, 2, 3].map(() => sessions.csrfToken(`a=b;${cookie}`)));
  expect(new Set(given).size).toBe(3);
});

it("nobody is signed out by a plugin that no server runs with", async () => {
  const sessions = sessionCookie({ keys: KEYS });
  expect(await sessions.revoke("ann").catch(reasonOf)).toBe("app_not_started");
  expect(await sessions.end("__Host-session=x").catch(reasonOf)).toBe("app_not_started");
  expect(await sessions.renew({ headers: {} }).catch(reasonOf)).toBe("app_not_started");
});

it("the page's plugin reads the token from the cookie that pages can read, and so does the interceptor for doors", async () => {
  vi.stubGlobal("document", { cookie: "theme=dark; __Host-csrf=abc.def; x=y" });
  try {
    const headers = new Headers();
    const introduction = { kind: "open" as const, credential: "", headers, overNewLink: false };
    const { introduce } = await csrf().start({} as never);
    await introduce!(introduction);
    expect([...headers]).toEqual([["x-csrf-token", "abc.def"]]);
    const sent = { header: new Headers() };
    await csrfInterceptor({ header: "x-token" })(async (request) => request as never)(sent as never);
    expect([...sent.header]).toEqual([["x-token", "abc.def"]]);
  } finally {
    vi.unstubAllGlobals();
  }
});

it("a session that is too large for a cookie is not begun", async () => {
  const sessions = sessionCookie({ keys: KEYS });
  const error = await sessions.issue({ id: "ann", claims: { text: "x".repeat(4_000) } }).catch(reasonOf);
  expect(error).toBe("cookie_too_large");
});

describe("options that cannot work are refused where they are written", () => {
  const keys = KEYS;
  it.each<[string, object, string]>([
    ["no keys", { keys: [] }, "keys"],
    ["a short key", { keys: ["short"] }, "keys"],
    ["a name that is none", { keys, name: "my session" }, "name"],
    ["a header that is none", { keys, header: "x:y" }, "header"],
    ["one name for both cookies", { keys, csrfName: "__Host-session" }, "csrfName"],
    ["the prefix without TLS", { keys, secure: false }, "name"],
    [
      "cookies for all sites without TLS",
      { keys, secure: false, name: "a", csrfName: "b", sameSite: "none" },
      "sameSite",
    ],
    ["all origins", { keys, origins: ["*"] }, "origins"],
    ["an origin with a path", { keys, origins: ["https://a.example/"] }, "origins"],
    ["a typing error", { keys, orgins: [] }, "orgins"],
    ["a lookup that is none", { keys, lookup: "sessions" }, "lookup"],
    ["an age of a year and more", { keys, maxAgeMs: 40_000_000_000 }, "maxAgeMs"],
  ])("%s", (_, given, option) => {
    let error: unknown;
    try {
      sessionCookie(given as never);
    } catch (cause) {
      error = cause;
    }
    expect(["option_invalid", "option_unknown"]).toContain(reasonOf(error));
    expect(String(error)).toContain(option);
    for (const key of ["short", ...KEYS]) expect(String(error)).not.toContain(key);
  });

  it("a cookie that lives longer than revocations are remembered", async () => {
    const error = await sessionCookie({ keys, maxAgeMs: 60_000 }).issue({ id: "ann" }, 60_001).catch(reasonOf);
    expect(error).toBe("option_invalid");
  });
});
