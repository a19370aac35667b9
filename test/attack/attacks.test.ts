// The attacks of `pnpm attack`, one test each.
import { describe, expect, it } from "vitest";
import { attacks } from "./attacks.ts";

describe("an attacker who tries", { timeout: 30_000 }, () => {
  it.each(attacks.map((attack) => [attack.name, attack] as const))("%s", async (_, attack) => {
    expect(await attack.run()).toMatch(/refused|limited|invalid|expired/);
  });
});
