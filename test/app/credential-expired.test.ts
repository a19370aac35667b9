// Credentials that are not good any more when they are shown: another is asked for once, with the reason.
import { type Introduction, definePlugin, fail, reasonOf } from "@raceway/core";
import { expect, it } from "vitest";
import { type Lab, lab } from "./lab.ts";

/** A server that takes everything for ten seconds, but "old"; a client that shows what `choose` gives. */
async function guarded(choose: (introduction: Introduction) => string): Promise<{ lab: Lab; shown: string[] }> {
  const shown: string[] = [];
  const door = definePlugin({
    name: "door",
    start: () => ({
      session(opening) {
        if (opening.credential === "old") throw fail("credential_expired");
        opening.expiresIn(10_000);
      },
    }),
  });
  const shows = definePlugin({
    name: "shows",
    start: () => ({
      introduce(introduction) {
        shown.push(`${introduction.kind} ${reasonOf(introduction.refused) ?? "-"}`);
        introduction.credential = choose(introduction);
      },
    }),
  });
  return { shown, lab: await lab({ server: { use: [door] }, client: { use: [shows], probeMs: 0 } }) };
}

it("whoever shows an expired one is told why, and comes in with another at once", async () => {
  const it = await guarded(({ refused }) => (refused === undefined ? "old" : "good"));
  await using there = it.lab;
  expect((await there.client.echo({ text: "x" })).text).toBe("x");
  expect(it.shown).toEqual(["open -", "open credential_expired"]);
});

it("if that has expired, too, it was the last; the next call tries anew, and is told still", async () => {
  const it = await guarded(() => "old");
  await using there = it.lab;
  for (const attempts of [2, 3]) {
    const error: unknown = await there.client.echo({ text: "x" }).catch((cause: unknown) => cause);
    expect(reasonOf(error)).toBe("credential_expired");
    expect(it.shown).toHaveLength(attempts);
  }
  expect(it.shown).toEqual(["open -", "open credential_expired", "open credential_expired"]);
});

it("one that expired in use is told of in the next session, and forgotten once another was taken", async () => {
  const it = await guarded(({ kind }) => {
    if (kind === "refresh") throw new Error("no network");
    return "good";
  });
  await using there = it.lab;
  await there.client.echo({ text: "x" });
  await there.clock.advance(12_000);
  // Shown in time, but the fresh one did not come; then the next session; and in that all begins anew.
  expect(it.shown.slice(0, 3)).toEqual(["open -", "refresh -", "open credential_expired"]);
  expect(there.app.sessions).toBe(1);
  await there.clock.advance(10_000);
  expect(it.shown[3]).toBe("refresh -");
});
