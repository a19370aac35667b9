// `npm run demo -- --once`: the scenario without a page.
import { describe, expect, test } from "vitest";
import { runDemo } from "./demo.ts";

/** What the demo promises to need at most; the clock begins when its modules are loaded. */
const SECONDS = 20;

describe("demo --once", () => {
  test("cuts, blocks, switches and restarts, and loses and repeats nothing", { timeout: 60_000 }, async () => {
    const { status, output } = await runDemo("--once");
    expect(output).not.toContain("FAILED");
    const rows = output.split("\n").map((line) => line.trim().split(/\s{2,}/));
    expect(rows).toContainEqual([
      "transport",
      "sent",
      "received",
      "lost",
      "duplicated",
      "switched",
      "resumed",
      "over at the end",
    ]);
    for (const transport of ["poll", "sse", "websocket", "grpc"]) {
      const [, sent, received, lost, duplicated, switched, resumed, over] =
        rows.find(([name]) => name === transport) ?? [];
      expect({ transport, received, lost, duplicated, over }).toEqual({
        transport,
        received: sent,
        lost: "0",
        duplicated: "0",
        over: transport,
      });
      expect(Number(sent?.replaceAll(",", ""))).toBeGreaterThanOrEqual(2_000);
      expect(Number(switched)).toBeGreaterThanOrEqual(2); // to another transport and back
      expect(Number(resumed)).toBeGreaterThanOrEqual(2); // after the cut, after the restart
    }
    expect(output).toMatch(/ 0 lost, 0 duplicated; 4 cuts, 2 blocks, 2 fallbacks, 2 returns, 8 switches, 1 restart; /);
    expect(Number(/([\d.]+) s\n*$/.exec(output)?.[1])).toBeLessThan(SECONDS);
    expect(status).toBe(0);
  });

  test("says how it is called when it is called in another way", { timeout: 20_000 }, async () => {
    const { status, output } = await runDemo("--twice");
    expect(output).toContain("Usage: npm run demo");
    expect(status).toBe(2);
  });
});
