// Signing in in a real browser, with a real OpenID provider and a server that checks its tokens: whole pages that go and come back, reloads, several tabs.
import { once } from "node:events";
import { type Server, createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { fileURLToPath } from "node:url";
import { oauth } from "@raceway/auth-oauth/server";
import { type Raceway, raceway } from "@raceway/server";
import { virtualClock } from "@raceway/testkit";
import { websocket } from "@raceway/transport-websocket/server";
import { type Browser, type BrowserContext, type Page, chromium as driver } from "playwright";
import { build } from "rolldown";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { missingMessage, needService } from "../../tools/services.mjs";
import { handlers } from "../app/lab.ts";
import { labService } from "../gen/lab/v1/lab.server.ts";
import type { SignInPage } from "./page.ts";
import { AUDIENCE, type TestProvider, testProvider } from "./provider.ts";

const chromium = needService("chromium"); // throws if RACEWAY_REQUIRE asks for it and it is missing
const leftOut = chromium === undefined ? ` (${missingMessage("chromium")})` : "";
const args = "--no-sandbox --disable-gpu --no-first-run --disable-background-networking --disable-component-update";
const PATIENCE_MS = 30_000;
const HOUR_MS = 3_600_000;

/** In the page. */
type Global = typeof globalThis & { readonly signInPage: SignInPage };

describe.skipIf(chromium === undefined)(`a user in a browser${leftOut}`, { timeout: 4 * PATIENCE_MS }, () => {
  let browser: Browser;
  let pages: Server;
  let origin: string;
  let there: TestProvider;
  let app: Raceway;
  let server: string;
  let context: BrowserContext;
  /** Addresses that pages were asked for. */
  let visited: string[];

  beforeAll(async () => {
    const { output } = await build({
      input: fileURLToPath(new URL("page.ts", import.meta.url)),
      write: false,
      platform: "browser",
      resolve: { conditionNames: ["@raceway/source", "browser", "import", "default"] },
      output: { format: "esm", codeSplitting: false },
    });
    const page = `<!doctype html><title>Sign in</title><script type="module">${output[0].code.replaceAll("</script", "<\\/script")}</script>`;
    pages = createServer((request, response) => {
      visited.push(request.url!);
      response.setHeader("content-type", "text/html; charset=utf-8").end(page);
    });
    pages.listen(0, "localhost");
    [browser] = await Promise.all([
      driver.launch({ executablePath: chromium!, args: args.split(" ") }),
      once(pages, "listening"),
    ]);
    origin = `http://localhost:${(pages.address() as AddressInfo).port}`;
  }, PATIENCE_MS);
  afterAll(async () => {
    await browser?.close();
    pages?.close();
  }, PATIENCE_MS);

  beforeEach(async () => {
    visited = [];
    there = await testProvider({ redirectUris: [`${origin}/back`], origins: [origin] });
    app = raceway({
      transports: [websocket()],
      allowedOrigins: [origin],
      use: [oauth({ issuer: there.issuer, audience: AUDIENCE })],
    });
    app.serve(labService, handlers([], virtualClock()));
    server = (await app.listen({ port: 0, host: "127.0.0.1" })).url;
    context = await browser.newContext();
  });
  afterEach(async () => {
    await context.close();
    await app.close(0);
    await there[Symbol.asyncDispose]();
  });

  async function open(keepIn: "memory" | "indexedDB", silent = false): Promise<Page> {
    const page = await context.newPage();
    const settings = JSON.stringify({ issuer: there.issuer, server, keepIn, silent });
    await page.goto(`${origin}/room?tea#${encodeURIComponent(settings)}`);
    await settled(page);
    return page;
  }
  /** The page is there, and done with what it does when it is loaded. */
  const settled = async (page: Page): Promise<void> => {
    await page.waitForFunction(() => "signInPage" in globalThis, undefined, { timeout: PATIENCE_MS });
  };
  const read = <K extends "completed" | "user" | "status" | "storages">(page: Page, what: K): Promise<SignInPage[K]> =>
    page.evaluate((name) => (globalThis as Global).signInPage[name], what) as Promise<SignInPage[K]>;
  const echo = (page: Page): Promise<string> =>
    page.evaluate(() => (globalThis as Global).signInPage.echo("hello").catch((error: unknown) => String(error)));
  const token = (page: Page): Promise<string> =>
    page.evaluate(() => (globalThis as Global).signInPage.token().catch((error: unknown) => String(error)));
  const later = (page: Page, ms: number): Promise<void> =>
    page.evaluate((passed) => (globalThis as Global).signInPage.later(passed), ms);
  /** Leaves the page, and waits for it to be back. */
  async function leave(page: Page, how: "begin" | "signOut"): Promise<void> {
    visited.length = 0;
    const back = page.waitForURL((url) => url.origin === origin && visited.some((each) => each.startsWith("/back")), {
      timeout: PATIENCE_MS,
    });
    await page.evaluate((name) => void (globalThis as Global).signInPage[name](), how);
    await back;
    await settled(page);
  }

  it("goes to the issuer and comes back to where he was, and his calls are his", async () => {
    const page = await open("memory");
    expect(await read(page, "completed")).toBe("nothing");
    expect(await echo(page)).toContain("Nobody is signed in");
    await leave(page, "begin");
    expect(await read(page, "completed")).toBe("in");
    expect(page.url()).toBe(`${origin}/room?tea`);
    expect(await read(page, "user")).toBe("ann");
    expect(await echo(page)).toBe("hello");
    expect(await read(page, "status")).toBe("open -");
    expect(app.sessions).toBe(1);
    // Nobody who can choose where he goes afterwards sends him to another site.
    const elsewhere = await page.evaluate(() =>
      (globalThis as Global).signInPage.begin("//evil.example/").catch((error: unknown) => String(error)),
    );
    expect(elsewhere).toContain("an address of this origin");
    // What came back is spent, and nothing of it is left to be found.
    const code = new URL(
      visited.find((each) => each.startsWith("/back"))!,
      origin,
    ).searchParams.get("code")!;
    const kept = await read(page, "storages");
    expect(kept).not.toContain(code);
    expect(kept).not.toContain(await token(page));
    expect(kept).not.toContain("verifier");
    await page.goto(`${origin}${visited.find((each) => each.startsWith("/back"))!}`);
    await settled(page);
    expect(await read(page, "completed")).toBe("sign_in_invalid");
    expect(page.url()).toBe(`${origin}/back`);
  });

  it("is in again after a reload without being asked, by the issuer's own cookie", async () => {
    const page = await open("memory", true);
    expect(await read(page, "completed")).toBe("out"); // it has asked silently, once
    await leave(page, "begin");
    expect(await echo(page)).toBe("hello");
    const asked = there.asked.filter((each) => each.includes("/sign-in/")).length;
    visited.length = 0;
    await page.reload();
    await page.waitForURL(() => visited.some((each) => each.startsWith("/back")), { timeout: PATIENCE_MS });
    await settled(page);
    expect(await read(page, "completed")).toBe("in");
    expect(page.url()).toBe(`${origin}/room?tea`);
    expect(await echo(page)).toBe("hello");
    expect(there.asked.filter((each) => each.includes("/sign-in/"))).toHaveLength(asked);
  });

  it("stays in over reloads with indexedDB, with no request to the issuer", async () => {
    const page = await open("indexedDB");
    await leave(page, "begin");
    const first = await token(page);
    expect(await echo(page)).toBe("hello"); // the server has the issuer's keys
    there.asked.length = 0;
    await page.reload();
    await settled(page);
    expect(await read(page, "completed")).toBe("nothing");
    expect(await read(page, "user")).toBe("ann");
    expect(await echo(page)).toBe("hello");
    expect(await token(page)).toBe(first);
    // Whoever sends him here with an answer that he did not ask for does not sign him out, either.
    await page.goto(`${origin}/back?code=made-up&state=made-up`);
    await settled(page);
    expect(await read(page, "completed")).toBe("sign_in_invalid");
    expect(await read(page, "user")).toBe("ann");
    expect(await echo(page)).toBe("hello");
    expect(there.asked).toEqual([]);
  });

  it("may have many tabs: they renew his tokens one at a time, and no refresh token is used twice", async () => {
    const page = await open("indexedDB");
    await leave(page, "begin");
    const tabs = [page, ...(await Promise.all([1, 2, 3].map(() => open("indexedDB"))))];
    expect(await Promise.all(tabs.map(echo))).toEqual(["hello", "hello", "hello", "hello"]); // with the page's time from now on
    for (let round = 1; round <= 3; round++) {
      await Promise.all(tabs.map((tab) => later(tab, HOUR_MS)));
      const tokens = await Promise.all(tabs.flatMap((tab) => [token(tab), token(tab)]));
      expect(new Set(tokens).size).toBe(1);
      expect(tokens[0]).toMatch(/^[\w-]+\.[\w-]+\.[\w-]+$/);
      expect(there.grants).toBe(1 + round);
    }
    // The provider ends all of a sign-in whose refresh token comes a second time.
    expect(await echo(tabs[3]!)).toBe("hello");
  });

  it("signs out in one tab, and is out in all, and at the issuer", async () => {
    const page = await open("indexedDB");
    await leave(page, "begin");
    const other = await open("indexedDB");
    expect(await read(other, "user")).toBe("ann");
    await leave(page, "signOut");
    expect(page.url()).toBe(`${origin}/back`);
    expect(there.asked).toContain("POST /session/end/confirm");
    for (const tab of [page, other]) {
      expect(await token(tab)).toContain("Nobody is signed in");
      expect(await read(tab, "user")).toBeUndefined();
    }
    const asked = there.asked.filter((each) => each.includes("/sign-in/")).length;
    await leave(page, "begin");
    expect(there.asked.filter((each) => each.includes("/sign-in/")).length).toBeGreaterThan(asked); // he was asked who he is
  });

  it("who says no comes back as nobody, with the issuer's reason", async () => {
    there.user = undefined;
    const page = await open("memory");
    await leave(page, "begin");
    expect(await read(page, "completed")).toBe("issuer_refused");
    expect(page.url()).toBe(`${origin}/room?tea`);
    expect(await read(page, "user")).toBeUndefined();
  });
});
