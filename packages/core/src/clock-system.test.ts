// The clock of clients, in Node.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { describe, expect, test } from "vitest";
import { systemClock } from "./clock-system.ts";

describe("system clock", () => {
  test("runs the end of a turn before the end of the loop", async () => {
    const clock = systemClock();
    const order: string[] = [];
    await new Promise<void>((resolve) => {
      clock.loopEnd(() => {
        order.push("loop");
        resolve();
      });
      clock.turnEnd(() => order.push("turn"));
    });
    expect(order).toEqual(["turn", "loop"]);
  });

  test("does not keep a process alive in which nothing is due", async () => {
    const module = new URL("clock-system.ts", import.meta.url).href;
    const code = `
      const { systemClock } = await import(${JSON.stringify(module)});
      const clock = systemClock();
      clock.after(600_000, () => console.log("a timer that was called off"))[Symbol.dispose]();
      clock.loopEnd(() => console.log("end"));`;
    const child = spawn(process.execPath, ["--input-type=module", "-e", code], { timeout: 60_000 }); // a process that stays is killed: its status is null
    let said = "";
    child.stdout.on("data", (text) => (said += String(text)));
    const [status] = (await once(child, "close")) as [number | null];
    expect({ status, said }).toEqual({ status: 0, said: "end\n" });
  }, 90_000);
});
