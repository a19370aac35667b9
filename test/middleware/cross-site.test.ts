// Session cookies in a real browser: pages of another site, and of another origin of the same site, get nothing done with a visitor's cookie; the server's own do.
import { once } from "node:events";
import { type Server, createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { fileURLToPath } from "node:url";
import { type SessionCookiePlugin, sessionCookie } from "@raceway/auth-session/server";
import { type Principal, definePlugin, principal, reasonOf } from "@raceway/core";
import { type Raceway, raceway } from "@raceway/server";
import { virtualClock } from "@raceway/testkit";
import { grpc } from "@raceway/transport-grpc/server";
import { poll } from "@raceway/transport-poll/server";
import { sse } from "@raceway/transport-sse/server";
import { websocket } from "@raceway/transport-websocket/server";
import { type Browser, type Page, chromium as driver } from "playwright";
import { build } from "rolldown";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { missingMessage, needService } from "../../tools/services.mjs";
import { handlers } from "../app/lab.ts";
import { labService } from "../gen/lab/v1/lab.server.ts";
import type { CrossSitePage } from "./cross-site-page.ts";

const chromium = needService("chromium"); // throws if RACEWAY_REQUIRE asks for it and it is missing
const leftOut = chromium === undefined ? ` (${missingMessage("chromium")})` : "";
const args = "--no-sandbox --disable-gpu --no-first-run --disable-background-networking --disable-component-update";
const PATIENCE_MS = 60_000;
const KEYS = ["a secret of at least thirty-two bytes, for this test"];

/** In the page. */
type Global = typeof globalThis & { readonly crossSite: CrossSitePage };

/** A server with a sign-in of its own, and its page at every other path. */
interface House {
  /** At "localhost". */
  readonly url: string;
  readonly close: () => Promise<void>;
  /** Who looked at what: "ann: text". */
  readonly seen: string[];
  /** What became of requests to "/renew". */
  readonly renewals: string[];
  /** Sessions that were ever opened. */
  opened(): number;
}

describe.skipIf(chromium === undefined)(`in a browser${leftOut}`, { timeout: PATIENCE_MS }, () => {
  let browser: Browser;
  let html: string;
  /** Somebody else's pages. At "localhost" they are of the same site as the server, at "127.0.0.1" of another. */
  let others: Server;
  let neighbour: string;
  let stranger: string;
  const house: House[] = [];

  beforeAll(async () => {
    const { output } = await build({
      input: fileURLToPath(new URL("cross-site-page.ts", import.meta.url)),
      write: false,
      platform: "browser",
      resolve: { conditionNames: ["@raceway/source", "browser", "import", "default"] },
      output: { format: "esm", codeSplitting: false },
    });
    html = `<!doctype html><title>Page</title><script type="module">${output[0].code.replaceAll("</script", "<\\/script")}</script>`;
    others = createServer((_, response) => response.setHeader("content-type", "text/html; charset=utf-8").end(html));
    others.listen(0);
    [browser] = await Promise.all([
      driver.launch({ executablePath: chromium!, args: args.split(" ") }),
      once(others, "listening"),
    ]);
    const { port } = others.address() as AddressInfo;
    neighbour = `http://localhost:${port}`;
    stranger = `http://127.0.0.1:${port}`;
  }, PATIENCE_MS);
  afterAll(async () => {
    await browser?.close();
    others?.close();
    for (const each of house) await each.close();
  }, PATIENCE_MS);
  beforeEach(async () => {
    for (const each of house.splice(0)) await each.close();
  });

  /** Its transports let pages of all these origins talk to it, with cookies: all that keeps them out is the plugin. */
  async function serve(sessions: SessionCookiePlugin<Principal>): Promise<House> {
    const seen: string[] = [];
    const renewals: string[] = [];
    let opened = 0;
    const counts = definePlugin({
      name: "counts",
      start: () => ({ observe: { session: ({ kind }) => void (kind === "opened" && opened++) } }),
    });
    const credentials = true;
    const app: Raceway = raceway({
      transports: [websocket(), sse({ credentials }), poll({ credentials }), grpc({ credentials })],
      use: [sessions, counts],
      allowedOrigins: [neighbour, stranger],
    });
    app.serve(labService, {
      ...handlers([], virtualClock()),
      peek({ text }, context) {
        seen.push(`${context.get(principal).id}: ${text}`);
        return {};
      },
    });
    const server = createServer((request, response) => {
      response.setHeader("content-type", "text/html; charset=utf-8");
      const { pathname, searchParams } = new URL(request.url!, "http://house");
      const issued =
        pathname === "/sign-in"
          ? sessions.issue({ id: "ann" }, Number(searchParams.get("ms") ?? 3_600_000))
          : pathname === "/renew"
            ? sessions.renew(request)
            : Promise.resolve(undefined);
      issued.then(
        (fresh) => {
          if (pathname === "/renew") renewals.push("ok");
          response.setHeader("set-cookie", fresh?.cookies ?? []).end(html);
        },
        (error: unknown) => {
          renewals.push(reasonOf(error) ?? String(error));
          response.writeHead(403).end();
        },
      );
    });
    await app.attach(server);
    server.listen(0);
    await once(server, "listening");
    const made: House = {
      url: `http://localhost:${(server.address() as AddressInfo).port}`,
      seen,
      renewals,
      opened: () => opened,
      async close() {
        await app.close(0);
        server.closeAllConnections();
        server.close();
      },
    };
    house.push(made);
    return made;
  }
  /** All that the page tries, and what came of it. */
  async function tries(page: Page, url: string): Promise<Readonly<Record<string, string>>> {
    return page.evaluate(async (to) => {
      const { crossSite } = globalThis as Global;
      const all: Record<string, string> = {};
      for (const name of crossSite.links) all[name] = await crossSite.link(name, to, name);
      for (const name of crossSite.doors) all[name] = await crossSite.door(name, to, name);
      return all;
    }, url);
  }

  /** A page of somebody who has signed in. */
  async function visit(house: House, from: string): Promise<Page> {
    const page = await browser.newPage(); // with cookies of its own
    await page.goto(`${house.url}/sign-in`);
    await page.goto(from);
    return page;
  }

  it.each(["strict", "lax", "none"] as const)(
    "a page of the server itself gets in by every way: SameSite=%s",
    async (sameSite) => {
      const house = await serve(sessionCookie({ keys: KEYS, sameSite }));
      const page = await visit(house, house.url);
      const all = await tries(page, house.url);
      const { "POST of a form": form, ...rest } = all;
      expect(new Set(Object.values(rest)), JSON.stringify(all)).toEqual(new Set(["ok"]));
      expect(form).toMatch(/^415/); // no door speaks what forms send
      expect(house.seen).toEqual(Object.keys(rest).map((name) => `ann: ${name}`));
      await page.close();
    },
  );

  const links = ["websocket", "sse", "eventsource", "poll", "gRPC-web", "Connect"];

  it("a page of another origin of the same site, to which browsers send the cookie, gets in by none", async () => {
    const house = await serve(sessionCookie({ keys: KEYS, sameSite: "lax" }));
    const page = await visit(house, neighbour);
    const all = await tries(page, house.url);
    for (const name of links) expect(all[name], name).toBe("cross_site_refused"); // the cookie came, and was not taken
    for (const name of ["Connect door", "Connect GET"])
      expect(all[name], name).toContain(`a page of \\"${neighbour}\\" sent`);
    expect(house.seen).toEqual([]);
    await page.close();
  });

  it("a page of another site gets in by none, not even if the cookie is for all sites", async () => {
    const house = await serve(sessionCookie({ keys: KEYS, sameSite: "none" }));
    const page = await visit(house, stranger);
    const all = await tries(page, house.url);
    // Today's Chromium keeps such a cookie back by itself.
    for (const name of links) expect(all[name], name).toMatch(/^(?:cross_site_refused|credential_missing)$/);
    for (const name of ["Connect door", "Connect GET"]) expect(all[name], name).toMatch(/^40[13]/);
    expect(house.seen).toEqual([]);
    await page.close();
  });

  it("a page of the server itself stays in one session while its cookies are renewed; no other page renews them", async () => {
    const house = await serve(sessionCookie({ keys: KEYS }));
    const page = await browser.newPage();
    await page.goto(`${house.url}/sign-in?ms=6000`);
    const untilMs = Date.now() + 6_500;
    const stays = await page.evaluate(
      async ({ names, url, until }) => {
        const { crossSite } = globalThis as Global;
        return Promise.all(names.map((name) => crossSite.stay(name, url, name, until)));
      },
      { names: ["websocket", "sse", "gRPC-web"], url: house.url, until: untilMs }, // a browser opens six connections at most
    );
    expect(stays).toEqual(["ok", "ok", "ok"]);
    expect(house.opened()).toBe(3);
    await page.goto(neighbour);
    const forged = await page.evaluate(async (url) => {
      const init = { method: "POST", credentials: "include", mode: "no-cors" } as const;
      const answer = await fetch(`${url}/renew`, init);
      return answer.type;
    }, house.url);
    expect(forged).toBe("opaque");
    expect(house.renewals).toEqual(["ok", "ok", "ok", "cross_site_refused"]);
    await page.close();
  });

  it("a page of an origin that is listed gets in by every way that says where it comes from", async () => {
    const house = await serve(sessionCookie({ keys: KEYS, origins: [neighbour] }));
    const page = await visit(house, neighbour);
    const all = await tries(page, house.url);
    const open = [...links, "Connect door", "Connect GET"];
    expect(house.seen, JSON.stringify(all)).toEqual(open.map((name) => `ann: ${name}`));
    await page.close();
  });
});
