// Announcements: each server hears what was said after it began to listen, in order and once, and what one says wrong does not deafen it.
import { describe, expect, it } from "vitest";
import { Announcements } from "./announcements.ts";
import type { Store } from "./backplane.ts";
import type { Host } from "./part.ts";

/** One store, whose time is in the test's hands. */
function world() {
  const values = new Map<string, Uint8Array>();
  let timers: (() => void)[] = [];
  let fails = false;
  /** Holds up the next question for the head of the list, and not those that go with it. */
  let held: Promise<void> | undefined;
  const warnings: string[] = [];
  const ask = <T>(value: T): Promise<T> => (fails ? Promise.reject(new Error("it is away")) : Promise.resolve(value));
  const store: Store = {
    get(key) {
      if (held === undefined || !key.endsWith(" list")) return ask(values.get(key));
      const late = held.then(() => values.get(key));
      held = undefined;
      return late;
    },
    put(key, value, { ifAbsent }) {
      if (ifAbsent === true && values.has(key)) return ask(false);
      if (!fails) values.set(key, value);
      return ask(true);
    },
    delete: (key) => ask(void values.delete(key)),
    take: () => ask({ ok: true, retryAfterMs: 0 }),
  };
  const host = {
    store,
    clock: {
      after(_: number, run: () => void) {
        timers.push(run);
        return { [Symbol.dispose]: () => void (timers = timers.filter((each) => each !== run)) };
      },
    },
    random: { next: () => 0.5, bytes: (count: number) => new Uint8Array(count).fill(7) },
    log: { warn: (message: string) => void warnings.push(message) },
  } as unknown as Host;
  return {
    warnings,
    get timers() {
      return timers.length;
    },
    fail: (now: boolean) => void (fails = now),
    hold: (until: Promise<void>) => void (held = until),
    /** A second passes for all. */
    async tick(): Promise<void> {
      const due = timers;
      timers = [];
      for (const run of due) run();
      for (let turn = 0; turn < 200; turn++) await Promise.resolve();
    },
    server(wanted = () => true, hear?: (said: string) => void) {
      const heard: string[] = [];
      const take = hear ?? ((said) => void heard.push(said));
      return { heard, own: new Announcements(host, { name: "test", keptMs: 1_000, wanted, heard: take }) };
    },
  };
}

describe("announcements", () => {
  it("are heard by all who listen, the speaker too, in order and once; not by who came later", async () => {
    const it = world();
    const [north, south] = [it.server(), it.server()];
    await Promise.all([north.own.follow(), south.own.follow()]);
    await north.own.say("one");
    await Promise.all([north.own.say("two"), south.own.say("three")]); // at the same time: neither is lost
    const late = it.server();
    await late.own.follow();
    await it.tick();
    await north.own.say("four");
    await it.tick();
    await it.tick();
    expect(north.heard.toSorted()).toEqual(["four", "one", "three", "two"]);
    expect([north.heard[0], north.heard.at(-1)]).toEqual(["one", "four"]);
    expect(south.heard).toEqual(north.heard);
    expect(late.heard).toEqual(["four"]);
  });

  it("of which one makes no sense do not deafen: the next is heard", async () => {
    const it = world();
    const heard: string[] = [];
    const one = it.server(
      () => true,
      (said) => void heard.push(JSON.parse(said) as string),
    );
    await one.own.follow();
    for (const said of ["{", '"two"']) await one.own.say(said);
    await it.tick();
    await it.tick();
    expect(heard).toEqual(["two"]);
    expect(it.warnings).toEqual(["what other servers say is not known"]);
  });

  it("are read on from where one was when the store is back", async () => {
    const it = world();
    const [north, south] = [it.server(), it.server()];
    await south.own.follow();
    await north.own.say("one");
    it.fail(true);
    await expect(north.own.say("lost")).rejects.toThrow("it is away");
    await it.tick();
    await it.tick();
    expect([south.heard, it.warnings.length]).toEqual([[], 1]);
    it.fail(false);
    await it.tick();
    expect(south.heard).toEqual(["one"]);
  });

  it("are heard though the store answers for the head of the list later than for what was to come next", async () => {
    const it = world();
    const [north, south] = [it.server(), it.server()];
    await south.own.follow();
    await north.own.say("one");
    await it.tick();
    const { promise, resolve } = Promise.withResolvers<void>();
    it.hold(promise);
    await it.tick(); // there was nothing yet
    await north.own.say("two");
    resolve(); // and the head counts it by now
    await it.tick();
    await it.tick();
    expect(south.heard).toEqual(["one", "two"]);
  });

  it("are not read while nobody wants them", async () => {
    const it = world();
    let wanted = true;
    const one = it.server(() => wanted);
    await one.own.follow();
    expect(it.timers).toBe(1);
    wanted = false;
    await it.tick();
    expect(it.timers).toBe(0);
    wanted = true;
    await one.own.follow();
    expect(it.timers).toBe(1);
    one.own[Symbol.dispose]();
    expect(it.timers).toBe(0);
    await one.own.follow(); // somebody whose admission took longer than the server lived
    expect(it.timers).toBe(0);
  });
});
