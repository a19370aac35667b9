// The outbox under faults by seed: links that die, vanish and stay away, sessions that expire, callers that give up, pages that are reloaded.
import { reasonOf } from "@raceway/core";
import { describe, expect, it } from "vitest";
import { AddRequestSchema } from "../gen/lab/v1/lab_pb.ts";
import { type Page, street } from "./street.ts";

const seeds = Array.from({ length: Number(process.env["RACEWAY_SEEDS"] ?? 20) }, (_, at) => at + 1);

/** A small repeatable generator (mulberry32). */
function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 0x1_0000_0000;
  };
}

describe.each(seeds)("with faults from seed %i", (seed) => {
  it("each call settles, none runs twice, none that failed unsent runs at all, and what is kept is never lost", async () => {
    const chance = seeded(seed);
    const upTo = (count: number): number => Math.floor(chance() * count);
    const whenFull = (["reject", "drop-oldest", "wait"] as const)[seed % 3]!;
    await using it = await street(seed % 2 === 0 ? 300 : 0);
    const pages: Page[] = [];
    /** Times that the page's connection has been open so far. */
    let opens = 0;
    const open = async (): Promise<Page> => {
      const page = await it.page(chance() < 0.5, {
        limits: { outboxMessages: 12, dedupMs: 300_000 },
        backoff: { firstMs: 50, capMs: 2_000 },
        random: { next: chance, bytes: (length) => Uint8Array.from({ length }, () => upTo(256)) },
        outbox: { whenFull },
      });
      page.connection.state.subscribe(({ status }) => void (status === "open" && opens++));
      pages.push(page);
      return page;
    };
    /** What became of each call: undefined while it is open, its reason, or "" if it was answered. */
    const ended = new Map<number, string>();
    /** Calls that failed while their page never had a link since they were made. */
    const unsent = new Set<number>();
    const abandoned = new Set<number>();
    let next = 0;
    const call = ({ client, connection }: Page): void => {
      const a = ++next;
      const before = opens;
      const offline = connection.state.current.status !== "open";
      const timeoutMs = upTo(3) === 0 ? 1 + upTo(10_000) : undefined;
      client.add({ a, b: 0 }, { ...(timeoutMs !== undefined && { timeoutMs }) }).then(
        () => ended.set(a, ""),
        (error: unknown) => {
          if (abandoned.has(a)) return;
          ended.set(a, String(reasonOf(error)));
          if (offline && before === opens) unsent.add(a);
        },
      );
    };
    let page = await open();
    for (let step = 0; step < 120; step++) {
      switch (upTo(12)) {
        case 0:
          page.gate.shut = !page.gate.shut;
          break;
        case 1:
          page.cut();
          break;
        case 2:
          if (page.gate.deaf) page.cut(); // a link that lost something never works again
          page.gate.deaf = !page.gate.deaf;
          break;
        case 3:
          if (page.gate.mute) page.cut();
          page.gate.mute = !page.gate.mute;
          break;
        case 4:
          await it.clock.advance(upTo(20_000));
          break;
        case 5:
          if (upTo(4) > 0) break;
          await it.clock.settle(); // else what was just told may not be written down, and is told again
          page.die();
          for (let a = 1; a <= next; a++) if (!ended.has(a)) abandoned.add(a);
          page = await open();
          break;
        default:
          call(page);
          if (upTo(3) === 0) await it.clock.advance(upTo(1_000));
      }
    }
    page.cut();
    page.gate.shut = page.gate.deaf = page.gate.mute = false;
    await it.clock.advance(240_000);
    const ran = it.calls.map((call) => Number(call.split(" ")[1]));
    expect(new Set(ran).size, "a call ran twice").toBe(ran.length);
    for (const [a, reason] of ended) {
      if (reason === "") expect(ran, `call ${a} was answered`).toContain(a);
      if (unsent.has(a)) expect(ran, `call ${a} failed unsent: ${reason}`).not.toContain(a);
      expect(["", "call_deadline", "outbox_full", "outbox_dropped", "outcome_unknown"]).toContain(reason);
    }
    for (let a = 1; a <= next; a++) expect(ended.has(a) || abandoned.has(a), `call ${a} has not settled`).toBe(true);
    const told = pages.flatMap(({ restored }) => restored).map((call) => call.request(AddRequestSchema).a);
    expect(new Set(told).size, "a call was told of twice").toBe(told.length);
    expect(it.disk.entries.size, "something is kept for ever").toBe(0);
    expect(page.connection.outbox.current).toEqual({ count: 0, bytes: 0 });
  });
});
