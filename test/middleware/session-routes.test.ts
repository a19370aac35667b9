// Session cookies at routes of the application, where they are read, renewed and taken back; and beside tokens.
import { sessionCookie } from "@raceway/auth-session/server";
import { token } from "@raceway/auth-token/server";
import { principal, reasonOf } from "@raceway/core";
import { SignJWT } from "jose";
import { describe, expect, it } from "vitest";
import { HOST, type Headers as Fields, KEYS, OWN, begun, gate, jar, said, waits, ways } from "./cookie-gate.ts";
import { outcome, stage } from "./stage.ts";

describe("routes of the application", () => {
  const page = (cookie: string, more: Fields = OWN): { readonly headers: Fields } => ({
    headers: { host: HOST, cookie, ...more },
  });

  it("are told whose cookie came, by the rules that hold everywhere", async () => {
    const sessions = sessionCookie({ keys: KEYS });
    await using it = await gate(sessions);
    const { cookies, csrfToken, expiresAt } = await sessions.issue({ id: "ann", roles: ["admin"] });
    const cookie = jar(cookies);
    const known = { principal: { id: "ann", roles: ["admin"] }, expiresAt };
    expect(await sessions.authenticate(page(cookie))).toMatchObject(known);
    expect(await sessions.authenticate(page(cookie, { "x-csrf-token": csrfToken }))).toMatchObject(known);
    const request = new Request(`https://${HOST}/me`, { headers: { origin: `https://${HOST}` } });
    request.headers.set("cookie", cookie); // which only the browser's own code may
    expect(await sessions.authenticate(request)).toMatchObject(known);
    expect(await sessions.authenticate(page("theme=dark"))).toBeUndefined();
    const foreign: readonly Parameters<typeof sessions.authenticate>[0][] = [
      page(cookie, {}),
      page(cookie, { "x-csrf-token": "made-up" }),
      page(cookie, { origin: "https://evil.example" }),
      { ...page(cookie), socket: { encrypted: true } }, // a page over plain HTTP
      { headers: { host: HOST, cookie: [cookie], origin: [OWN.origin, "https://evil.example"] } },
    ];
    for (const each of foreign) expect(reasonOf(await outcome(sessions.authenticate(each)))).toBe("cross_site_refused");
    expect(it.app.sessions).toBe(0);
  });

  it("renew a cookie of a session that is there, and of no other: what was taken back stays so in its next cookie", async () => {
    const sessions = sessionCookie({ keys: KEYS });
    await using it = await gate(sessions, { handlers: waits });
    const first = await sessions.issue({ id: "ann" }, 60_000);
    const second = (await sessions.renew(page(jar(first.cookies))))!;
    expect(second.expiresAt).toBeGreaterThan(first.expiresAt + 60_000);
    const live = await begun((await it.visit("websocket", { ...OWN, cookie: jar(second.cookies) })).client);
    // One session: the token of the first cookie is good with the second, and either signs out both.
    const mixed = page(jar(second.cookies), { "x-csrf-token": first.csrfToken });
    expect(await sessions.authenticate(mixed)).toMatchObject({ principal: { id: "ann" } });
    await sessions.end(jar(first.cookies));
    expect(reasonOf(await outcome(live.next()))).toBe("credential_revoked");
    for (const { cookies } of [first, second]) {
      expect(reasonOf(await outcome(sessions.renew(page(jar(cookies)))))).toBe("credential_revoked");
      const { client } = await it.visit("Connect door", { ...OWN, cookie: jar(cookies) });
      expect(await said(client)).toBe("credential_revoked");
    }
    const other = await sessions.issue({ id: "ann" });
    const before = (await sessions.renew(page(jar(other.cookies))))!;
    await sessions.revoke("ann");
    expect(reasonOf(await outcome(sessions.renew(page(jar(before.cookies)))))).toBe("credential_revoked");
    expect(await sessions.renew(page(""))).toBeUndefined();
  });
});

it("programs may come with tokens where pages come with cookies", async () => {
  const secret = new TextEncoder().encode("a secret of at least thirty-two bytes");
  const seen: string[] = [];
  const sessions = sessionCookie({ keys: KEYS, anonymous: true });
  await using it = await stage({
    use: [sessions, token({ secret, audience: "lab", anonymous: true })],
    handlers: {
      peek: (_, context) => {
        const { id, method } = context.get(principal);
        seen.push(`${id} by ${method}`);
        return {};
      },
    },
  });
  const cookie = jar((await sessions.issue({ id: "ann" })).cookies);
  const jwt = await new SignJWT({ sub: "robot", aud: "lab" }).setProtectedHeader({ alg: "HS256" }).sign(secret);
  for (const way of ways) {
    expect(await said((await it.behind(way, "", { cookie, "sec-fetch-site": "same-origin" })).client)).toBe("ok");
    expect(await said(it.client(way, jwt))).toBe("ok");
  }
  expect(seen).toEqual(ways.flatMap(() => ["ann by session-cookie", "robot by token"]));
});
