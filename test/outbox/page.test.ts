// An outbox in IndexedDB, in a real browser: pages that are reloaded, closed and crash; each call runs once.
import { once } from "node:events";
import { type Server, createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { fileURLToPath } from "node:url";
import { type Raceway, raceway } from "@raceway/server";
import { virtualClock } from "@raceway/testkit";
import { websocket } from "@raceway/transport-websocket/server";
import { type Browser, type BrowserContext, type Page, chromium as driver } from "playwright";
import { build } from "rolldown";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { missingMessage, needService } from "../../tools/services.mjs";
import { handlers } from "../app/lab.ts";
import { labService } from "../gen/lab/v1/lab.server.ts";
import type { OutboxPage } from "./page.ts";

const chromium = needService("chromium"); // throws if RACEWAY_REQUIRE asks for it and it is missing
const leftOut = chromium === undefined ? ` (${missingMessage("chromium")})` : "";
const args = "--no-sandbox --disable-gpu --no-first-run --disable-background-networking --disable-component-update";
const PATIENCE_MS = 30_000;

/** In the page. */
type Global = typeof globalThis & { readonly outboxPage: OutboxPage };

async function freePort(): Promise<number> {
  const probe = createServer().listen(0, "127.0.0.1");
  await once(probe, "listening");
  const { port } = probe.address() as AddressInfo;
  probe.close();
  return port;
}

describe.skipIf(chromium === undefined)(`an outbox in a page${leftOut}`, { timeout: 4 * PATIENCE_MS }, () => {
  let browser: Browser;
  let pages: Server;
  let origin: string;
  let context: BrowserContext;
  let port: number;
  let app: Raceway | undefined;
  /** What the server was asked, as "a b". */
  let asked: string[];

  beforeAll(async () => {
    const { output } = await build({
      input: fileURLToPath(new URL("page.ts", import.meta.url)),
      write: false,
      platform: "browser",
      resolve: { conditionNames: ["@raceway/source", "browser", "import", "default"] },
      output: { format: "esm", codeSplitting: false },
    });
    const page = `<!doctype html><title>Outbox</title><script type="module">${output[0].code.replaceAll("</script", "<\\/script")}</script>`;
    pages = createServer((_, response) => response.setHeader("content-type", "text/html; charset=utf-8").end(page));
    pages.listen(0, "127.0.0.1");
    [browser] = await Promise.all([
      driver.launch({ executablePath: chromium!, args: args.split(" ") }),
      once(pages, "listening"),
    ]);
    origin = `http://127.0.0.1:${(pages.address() as AddressInfo).port}`;
  }, PATIENCE_MS);
  afterAll(async () => {
    await browser?.close();
    pages?.close();
  }, PATIENCE_MS);

  beforeEach(async () => {
    port = await freePort();
    context = await browser.newContext(); // with an IndexedDB of its own
    asked = [];
  });
  afterEach(async () => {
    await context.close();
    await app?.close(0);
    app = undefined;
  });

  async function serve(addMs = 0): Promise<void> {
    app = raceway({ transports: [websocket()], allowedOrigins: [origin] });
    app.serve(labService, {
      ...handlers([], virtualClock()),
      async add({ a, b }) {
        asked.push(`${a} ${b}`);
        await new Promise((resolve) => setTimeout(resolve, addMs));
        return { sum: a + b };
      },
    });
    await app.listen({ port, host: "127.0.0.1" });
  }
  async function open(): Promise<Page> {
    const page = await context.newPage();
    await page.goto(`${origin}/#${encodeURI(`http://127.0.0.1:${port}`)} lab`.replace(" ", "%20"));
    return page;
  }
  const add = (page: Page, ...pairs: readonly (readonly [number, number])[]): Promise<void> =>
    page.evaluate((all) => {
      for (const [a, b] of all) (globalThis as Global).outboxPage.add(a, b);
    }, pairs);
  const read = (page: Page, what: "restored" | "warnings" | "answered"): Promise<readonly unknown[]> =>
    page.evaluate((name) => (globalThis as Global).outboxPage[name], what);
  const countKept = (page: Page): Promise<number> =>
    page.evaluate(
      () =>
        new Promise<number>((resolve, reject) => {
          const opening = indexedDB.open("raceway-outbox-lab");
          let absent = false;
          opening.onupgradeneeded = () => {
            absent = true; // the page has not made it yet, and would find ours, with nothing in it
            opening.transaction!.abort();
          };
          opening.onerror = () => (absent ? resolve(0) : reject(opening.error!));
          opening.onsuccess = () => {
            const count = opening.result.transaction("calls").objectStore("calls").count();
            count.onsuccess = () => {
              opening.result.close();
              resolve(count.result);
            };
          };
        }),
    );
  const eventually = (what: () => Promise<unknown>) => expect.poll(what, { timeout: PATIENCE_MS, interval: 50 });

  it("what was unsent when the page was reloaded is sent by the page that came, once, and in order", async () => {
    const page = await open();
    await add(page, [1, 10], [2, 10], [3, 10]);
    await eventually(() => countKept(page)).toBe(3);
    await page.reload();
    await page.reload();
    await serve();
    await eventually(() => read(page, "restored")).toEqual(["1 10: 11", "2 10: 12", "3 10: 13"]);
    expect(asked).toEqual(["1 10", "2 10", "3 10"]);
    await eventually(() => countKept(page)).toBe(0);
    expect(await read(page, "warnings")).toEqual([]);
    await page.reload();
    await add(page, [4, 10]);
    await eventually(() => read(page, "answered")).toEqual([14]);
    expect(await read(page, "restored")).toEqual([]);
  });

  it("a call that was running when the page was reloaded is answered to the page that came, and ran once", async () => {
    await serve(1_000);
    const page = await open();
    await add(page, [1, 2]);
    await expect.poll(() => asked, { timeout: PATIENCE_MS }).toEqual(["1 2"]);
    await page.reload();
    await eventually(() => read(page, "restored")).toEqual(["1 2: 3"]);
    expect(asked).toEqual(["1 2"]);
    expect(await read(page, "warnings")).toEqual([]);
  });

  it("a second tab works without the store, says so, and takes it over when the first is closed", async () => {
    const first = await open();
    await add(first, [1, 1]);
    await eventually(() => countKept(first)).toBe(1);
    const second = await open();
    await eventually(() => read(second, "warnings")).toEqual(["the outbox is not kept: another tab or process has it"]);
    await add(second, [2, 2]);
    await first.close();
    await eventually(() => countKept(second)).toBe(2);
    await serve();
    await eventually(() => read(second, "restored")).toEqual(["1 1: 2"]);
    await eventually(() => read(second, "answered")).toEqual([4]);
    expect(asked).toEqual(["1 1", "2 2"]);
  });

  it("a page that crashes leaves its calls to the next", async () => {
    const page = await open();
    await add(page, [1, 2]);
    await eventually(() => countKept(page)).toBe(1);
    const crashed = page.waitForEvent("crash");
    page.goto("chrome://crash").catch(() => {}); // the page is gone before it could answer
    await crashed;
    await serve();
    const next = await open();
    await eventually(() => read(next, "restored")).toEqual(["1 2: 3"]);
    expect(asked).toEqual(["1 2"]);
  });
});
