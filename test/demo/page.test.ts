// The demo page in a real browser, on a desktop and on a phone: what one sees, and what the buttons do.
import { type Browser, chromium as driver, type Locator, type Page } from "playwright";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { missingMessage, needService } from "../../tools/services.mjs";
import { type RunningDemo, startDemo } from "./demo.ts";

const chromium = needService("chromium"); // throws if RACEWAY_REQUIRE asks for it and it is missing
const leftOut = chromium === undefined ? ` (${missingMessage("chromium")})` : "";
const args =
  "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking --disable-component-update --disable-sync";

const transports = ["poll", "sse", "websocket", "grpc"] as const;
type Transport = (typeof transports)[number];
const sizes = [
  { name: "desktop", viewport: { width: 1280, height: 900 }, colorScheme: "light", ground: "rgb(245, 246, 248)" },
  { name: "phone", viewport: { width: 390, height: 844 }, colorScheme: "dark", ground: "rgb(13, 16, 21)" },
] as const;

/** For what takes a race, a probe or a restart on a busy machine. */
const PATIENCE_MS = 30_000;

let demo: RunningDemo;
let browser: Browser;

describe.skipIf(chromium === undefined)(`the demo page${leftOut}`, { timeout: 4 * PATIENCE_MS }, () => {
  beforeAll(async () => {
    [demo, browser] = await Promise.all([
      startDemo(),
      driver.launch({ executablePath: chromium!, args: args.split(" ") }),
    ]);
  }, PATIENCE_MS);
  afterAll(async () => {
    await browser?.close();
    const ended = await demo?.end();
    expect(ended).toMatchObject({ status: 0 });
    expect(ended?.output.split("\n").filter(Boolean)).toHaveLength(1); // where the page is, and nothing else
  }, PATIENCE_MS);

  describe.each(sizes)("on a $name", ({ viewport, colorScheme, ground }) => {
    let page: Page;
    /** What went wrong in the page, whatever is done to it. */
    const errors: string[] = [];
    /** What the browser itself says of connections that do not come about: only to be expected once something is broken on purpose. */
    const network: string[] = [];

    beforeAll(async () => {
      page = await browser.newPage({ viewport, colorScheme, deviceScaleFactor: 2 });
      page.setDefaultTimeout(PATIENCE_MS);
      page.on("pageerror", (error) => errors.push(String(error)));
      page.on("console", (message) => {
        if (message.type() !== "error") return;
        const text = message.text();
        (/^(WebSocket connection to|Failed to load resource)/.test(text) ? network : errors).push(text);
      });
      await page.goto(demo.url);
    }, PATIENCE_MS);
    afterAll(() => page?.close());

    const panel = (transport: Transport): Locator => page.locator(`[data-panel=${transport}]`);
    const press = (transport: Transport, name: string): Promise<void> =>
      panel(transport).getByRole("button", { name, exact: true }).click();
    const figure = async (of: Locator): Promise<number> => Number((await of.textContent())?.replaceAll(",", ""));
    const received = (transport: Transport): Promise<number> =>
      figure(panel(transport).locator("[data-field=received]"));
    const links = (transport: Transport): Promise<number> => figure(panel(transport).locator("[data-field=links]"));
    const over = (transport: Transport): Promise<string | null> =>
      panel(transport).locator(".status[data-tone=live]").getAttribute("data-transport");
    const eventually = (what: () => Promise<unknown>) => expect.poll(what, { timeout: PATIENCE_MS, interval: 50 });

    async function checkGoesOn(transport: Transport): Promise<void> {
      const before = await received(transport);
      await eventually(() => received(transport)).toBeGreaterThan(before);
    }
    async function checkDrawn(transport: Transport): Promise<void> {
      await eventually(() => inkOf(panel(transport).locator("canvas"), transport)).toBeGreaterThan(500);
    }
    async function checkNothingLost(): Promise<void> {
      for (const field of ["missing", "duplicates"]) {
        expect(await page.locator(`[data-field=${field}], #total-${field}`).allTextContents()).toEqual([
          "0",
          "0",
          "0",
          "0",
          "0",
        ]);
      }
    }

    test("four panels are live, each over the transport that it prefers", async () => {
      for (const transport of transports) {
        await eventually(() => over(transport)).toBe(transport);
        await checkGoesOn(transport);
        expect(await panel(transport).locator("[data-field=roundTrip]").textContent()).toMatch(/^[\d.]+ ms$/);
      }
      await checkNothingLost();
      expect([...errors, ...network]).toEqual([]);
    });

    test("all plots are drawn, in the colour of the transport", async () => {
      for (const transport of transports) {
        await checkDrawn(transport);
      }
    });

    test("it has the colours that the system asks for, fits its width, and names what it shows", async () => {
      expect(await page.evaluate(() => getComputedStyle(document.body).backgroundColor)).toBe(ground);
      expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBe(viewport.width);
      expect(
        await page
          .getByRole("article")
          .evaluateAll((all) => all.map((each) => (each as HTMLElement).getAttribute("aria-labelledby"))),
      ).toEqual(transports.map((transport) => `title-${transport}`));
      expect(await page.getByRole("log", { name: "What happened to the sessions" }).getAttribute("aria-live")).toBe(
        "polite",
      );
      const small = await page
        .locator("button:visible")
        .evaluateAll((all) => all.filter((each) => each.getBoundingClientRect().height < 30).length);
      expect(small).toBe(0);
    });

    test("a link that is cut is replaced, and the session goes on", async () => {
      for (const transport of transports) {
        const before = await links(transport);
        await press(transport, "Cut");
        await eventually(() => links(transport)).toBeGreaterThan(before);
        await checkGoesOn(transport);
      }
      await checkNothingLost();
    });

    test.each([
      ["websocket", "Block"],
      ["poll", "Swallow"],
    ] as const)("while %s does not work (%s), another transport takes over", async (transport, button) => {
      await eventually(() => over(transport)).toBe(transport);
      await press(transport, button);
      await panel(transport).getByRole("button", { name: "Unblock" }).waitFor();
      await eventually(() => over(transport)).not.toBe(transport);
      await checkGoesOn(transport);
      expect(transports).toContain(await over(transport));
      await press(transport, "Unblock");
      await eventually(() => over(transport)).toBe(transport);
      await checkGoesOn(transport);
      await checkNothingLost();
    });

    test("a session is switched to another transport in mid-stream", async () => {
      await eventually(() => over("sse")).toBe("sse");
      await press("sse", "gRPC");
      await eventually(async () =>
        (await page.locator("#log").textContent())?.includes("Switched from SSE to gRPC, in mid-stream."),
      ).toBe(true);
      await checkGoesOn("sse");
      await checkNothingLost();
    });

    test("after a restart of the server, new sessions go on where the old ones were", async () => {
      await page.getByRole("button", { name: "Restart the server" }).click();
      await page
        .getByRole("log")
        .getByText(/^Back after \d+ ms\.$/)
        .waitFor();
      for (const transport of transports) await checkGoesOn(transport);
      await eventually(() =>
        page.getByRole("log").getByText("The server opened a new session").count(),
      ).toBeGreaterThanOrEqual(4);
      await checkNothingLost();
      for (const transport of transports) await eventually(() => over(transport)).toBe(transport);
      expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBe(viewport.width);
    });

    test("nothing went wrong in the page meanwhile", () => {
      expect(errors).toEqual([]);
    });
  });
});

/** How many pixels of the plot are of the transport's colour, or nearly. */
function inkOf(canvas: Locator, transport: Transport): Promise<number> {
  return canvas.evaluate((element, name) => {
    const { width, height } = element as HTMLCanvasElement;
    const { data } = (element as HTMLCanvasElement).getContext("2d")!.getImageData(0, 0, width, height);
    const colour = getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
    const wanted = [1, 3, 5].map((at) => Number.parseInt(colour.slice(at, at + 2), 16));
    let count = 0;
    for (let at = 0; at < data.length; at += 4) {
      if (data[at + 3]! > 200 && wanted.every((value, channel) => Math.abs(data[at + channel]! - value) < 24)) count++;
    }
    return count;
  }, transport);
}
