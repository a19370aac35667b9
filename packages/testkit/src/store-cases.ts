// The compliance cases of a store: all that backplane.ts promises of keys, expiry and buckets, as a list that any runner can run.
import { type Host, type Store, type StorePart, silentLogger, systemRandom } from "@raceway/core";
import { type Case, require } from "./case.ts";
import { formats, requireSame } from "./format.ts";
import { type VirtualClock, virtualClock } from "./virtual-clock.ts";

/** What is tested. */
export interface StoreSubject {
  readonly traits: StorePart["traits"];
  /** A plugin over storage that nothing has used yet. Started again after its end, or twice at once, it goes on with the same storage. */
  fresh(): StorePart | Promise<StorePart>;
}

/** One case at work: a part of its own, whose clock stands until the case moves it. */
interface Stage {
  readonly clock: VirtualClock;
  readonly store: Store;
  /** Another start of the same part. */
  open(): Promise<Store & AsyncDisposable>;
  /** Ends the first start, and starts again. */
  reopen(): Promise<Store>;
}

const encoder = new TextEncoder();
const bytesOf = (text: string): Uint8Array => encoder.encode(text);
const textOf = (bytes: Uint8Array | undefined): string | undefined => bytes && new TextDecoder().decode(bytes);
const LONG = { ttlMs: 600_000 } as const;

/** Keys that careless code takes for each other, or for syntax. */
const oddKeys: readonly string[] = [
  "",
  " ",
  "a",
  "A",
  "a ",
  "a\0",
  "a\0b",
  "a\n",
  "a%",
  "a_",
  "*",
  "a'b",
  'a"b',
  "a;drop table x",
  "__proto__",
  "constructor",
  "é",
  "e\u0301",
  "日本語",
  "🏁",
  "\ud83c",
  "\udfc1",
  "\ufffd",
  "1",
  "01",
  "1.0",
  "null",
  "undefined",
  "k".repeat(4_096),
  `${"k".repeat(4_095)}l`,
];

/** All cases for one store. Each has a storage of its own, so they may run in any order. */
export function storeCases(subject: StoreSubject): readonly Case[] {
  const on = (name: string, run: (stage: Stage) => Promise<void>): Case => ({ name, run: () => staged(subject, run) });
  const durable = (name: string, run: (stage: Stage) => Promise<void>): Case => ({
    ...on(name, run),
    needs: { what: "a store that outlives its host", met: subject.traits.durability !== "memory" },
  });
  const shared = (name: string, run: (stage: Stage) => Promise<void>): Case => ({
    ...on(name, run),
    needs: { what: "a store that several nodes share", met: subject.traits.shared },
  });
  return [
    on("gives back what was put, and nothing for what was not", async ({ store }) => {
      require((await store.get("a")) === undefined, "a key that was never put has a value");
      require(await store.put("a", bytesOf("1"), LONG), "put of a new key was refused");
      await expectText(store, "a", "1");
      require(await store.put("a", bytesOf("2"), LONG), "put of a known key was refused, without ifAbsent");
      await expectText(store, "a", "2");
    }),
    on("keeps bytes exactly, whatever they are and however many", async ({ store }) => {
      const values = [new Uint8Array(0), ...formats.binary.awkward, formats.binary.make(1, 4 * 1024 * 1024)];
      await Promise.all(values.map((value, at) => store.put(`value ${at}`, value, LONG)));
      for (const [at, value] of values.entries())
        requireSame(await store.get(`value ${at}`), value, `value ${at} of ${values.length}`);
    }),
    on("takes a value as it is when put is called, though its bytes change afterwards", async ({ store }) => {
      const buffer = bytesOf("--before--");
      const put = store.put("a", buffer.subarray(2, 8), LONG);
      buffer.fill(0);
      await put;
      await expectText(store, "a", "before");
    }),
    on("knows keys of odd characters apart", async ({ store }) => {
      await Promise.all(oddKeys.map((key, at) => store.put(key, bytesOf(String(at)), LONG)));
      for (const [at, key] of oddKeys.entries()) await expectText(store, key, String(at));
      for (const key of oddKeys.filter((_, at) => at % 2 === 0)) await store.delete(key);
      for (const [at, key] of oddKeys.entries()) await expectText(store, key, at % 2 === 0 ? undefined : String(at));
    }),
    on("deletes a key, and does not mind one that is not there", async ({ store }) => {
      await store.delete("a");
      await store.put("a", bytesOf("1"), LONG);
      await store.put("b", bytesOf("2"), LONG);
      await store.delete("a");
      await expectText(store, "a", undefined);
      await expectText(store, "b", "2");
      require(await store.put("a", bytesOf("3"), { ...LONG, ifAbsent: true }), "a deleted key counts as present");
    }),
    on("does what was asked for in that order, though nobody waits in between", async ({ store }) => {
      const asked = [
        store.put("a", bytesOf("1"), LONG),
        store.get("a").then(textOf),
        store.put("a", bytesOf("2"), { ...LONG, ifAbsent: true }),
        store.get("a").then(textOf),
        store.delete("a").then(() => "deleted"),
        store.get("a").then(textOf),
        store.put("a", bytesOf("3"), { ...LONG, ifAbsent: true }),
        store.get("a").then(textOf),
      ];
      const got = JSON.stringify(await Promise.all(asked), (_, value: unknown) => value ?? "nothing");
      const wanted = JSON.stringify([true, "1", false, "1", "deleted", "nothing", true, "3"]);
      require(got === wanted, `the answers were ${got} in place of ${wanted}`);
    }),
    on("ifAbsent: refuses a key that is there, and leaves its value", async ({ store }) => {
      require(await store.put("a", bytesOf("1"), { ...LONG, ifAbsent: true }), "an absent key was refused");
      require(!(await store.put("a", bytesOf("2"), { ...LONG, ifAbsent: true })), "a present key was not refused");
      await expectText(store, "a", "1");
    }),
    on("ifAbsent: of 100 at once one wins, and its value stays", async ({ store }) => {
      await race([store], 100);
    }),
    on("forgets a key when its time is over, and not before", async ({ store, clock }) => {
      await store.put("a", bytesOf("1"), { ttlMs: 1_000 });
      await store.put("b", bytesOf("2"), { ttlMs: 5_000 });
      await clock.advance(999);
      await expectText(store, "a", "1");
      require(!(await store.put("a", bytesOf("x"), { ...LONG, ifAbsent: true })), "the key was free 1 ms too early");
      await clock.advance(1);
      await expectText(store, "a", undefined);
      await expectText(store, "b", "2");
      require(await store.put("a", bytesOf("3"), { ttlMs: 1_000, ifAbsent: true }), "the key was not free in time");
      await clock.advance(999);
      await expectText(store, "a", "3");
      await clock.advance(1);
      await expectText(store, "a", undefined);
    }),
    on("counts the time anew with each put, and not with one that was refused", async ({ store, clock }) => {
      await store.put("a", bytesOf("1"), { ttlMs: 1_000 });
      await store.put("b", bytesOf("1"), { ttlMs: 1_000 });
      await clock.advance(900);
      await store.put("a", bytesOf("2"), { ttlMs: 1_000 });
      await store.put("b", bytesOf("2"), { ttlMs: 1_000, ifAbsent: true });
      await clock.advance(500);
      await expectText(store, "a", "2");
      await expectText(store, "b", undefined);
    }),
    on("forgets thousands of keys, and keeps those whose time is not over", async ({ store, clock }) => {
      const count = 3_000;
      await Promise.all(range(count).map((at) => store.put(`brief ${at}`, bytesOf("x"), { ttlMs: 1_000 })));
      await Promise.all(range(count).map((at) => store.put(`long ${at}`, bytesOf(String(at)), LONG)));
      await clock.advance(120_000); // cleaning up has had its time
      const brief = await Promise.all(range(count).map((at) => store.get(`brief ${at}`)));
      const long = await Promise.all(range(count).map((at) => store.get(`long ${at}`)));
      require(brief.every((value) => value === undefined), "some keys outlive their time");
      require(long.every((value, at) => textOf(value) === String(at)), "some keys went before their time");
    }),
    on("take: gives the burst at once, then says when there will be more", async ({ store, clock }) => {
      const bucket = { perSecond: 2, burst: 5 };
      for (const _ of range(5)) require((await store.take("t", 1, bucket)).ok, "less than the burst was given");
      const { ok, retryAfterMs } = await store.take("t", 1, bucket);
      require(!ok, "more than the burst was given");
      require(retryAfterMs > 0 && retryAfterMs <= 500, `one token comes in 500 ms, it says in ${retryAfterMs}`);
      require(!(await store.take("t", 1, bucket)).ok, "asking again gave what was not there");
      await clock.advance(retryAfterMs);
      require((await store.take("t", 1, bucket)).ok, "there was no token at the time that was told");
      require(!(await store.take("t", 1, bucket)).ok, "there were two tokens when one was due");
    }),
    on("take: fills up to the burst and no further", async ({ store, clock }) => {
      const bucket = { perSecond: 10, burst: 3 };
      require((await store.take("t", 3, bucket)).ok, "the whole burst was refused");
      await clock.advance(3_600_000);
      require((await store.take("t", 3, bucket)).ok, "the bucket did not fill again");
      require(!(await store.take("t", 1, bucket)).ok, "the bucket grew above its burst");
    }),
    on("take: what is refused costs nothing, and half a token is kept", async ({ store, clock }) => {
      const bucket = { perSecond: 1, burst: 10 };
      require((await store.take("t", 10, bucket)).ok, "the whole burst was refused");
      for (const _ of range(3)) {
        await clock.advance(500);
        const { retryAfterMs } = await store.take("t", 2, bucket);
        await clock.advance(0);
        require(retryAfterMs > 0, "more was given than has come in");
      }
      await clock.advance(500);
      require((await store.take("t", 2, bucket)).ok, "two tokens had come in, in steps of a half, and were not given");
    }),
    on("take: of 100 at once as many win as there are tokens", async ({ store }) => {
      await rush([store], 100);
    }),
    on("take: buckets are apart from each other and from keys", async ({ store }) => {
      const bucket = { perSecond: 1, burst: 1 };
      await store.put("t", bytesOf("value"), LONG);
      require((await store.take("t", 1, bucket)).ok, "a key of the same name took the token");
      require((await store.take("T", 1, bucket)).ok, "another bucket took the token");
      await store.delete("t");
      require(!(await store.take("t", 1, bucket)).ok, "deleting a key filled the bucket of the same name");
    }),
    durable("goes on after its end with what was put, its time still running", async ({ store, clock, reopen }) => {
      await store.put("a", formats.binary.make(7, 100_000), LONG);
      await store.put("b", bytesOf("brief"), { ttlMs: 1_000 });
      await store.put("c", bytesOf("gone"), LONG);
      await store.delete("c");
      const again = await reopen();
      requireSame(await again.get("a"), formats.binary.make(7, 100_000), "the value of before");
      await expectText(again, "b", "brief");
      await expectText(again, "c", undefined);
      require(!(await again.put("a", bytesOf("x"), { ...LONG, ifAbsent: true })), "ifAbsent took a key of before");
      await clock.advance(1_000);
      await expectText(again, "b", undefined);
    }),
    durable("has written all that was asked for before its end, though nobody waited", async ({ store, reopen }) => {
      const puts = range(50).map((at) => store.put(`key ${at}`, bytesOf(String(at)), LONG));
      const again = await reopen();
      await Promise.all(puts);
      for (const at of range(50)) await expectText(again, `key ${at}`, String(at));
    }),
    durable("take: a new start fills no bucket", async ({ store, reopen }) => {
      const bucket = { perSecond: 1, burst: 2 };
      require((await store.take("t", 2, bucket)).ok, "the whole burst was refused");
      require(!(await (await reopen()).take("t", 1, bucket)).ok, "after a new start the bucket is full");
    }),
    shared("two nodes see what the other has put and deleted", async ({ store, open }) => {
      await using other = await open();
      await store.put("a", bytesOf("1"), LONG);
      await expectText(other, "a", "1");
      await other.put("a", bytesOf("2"), LONG);
      await expectText(store, "a", "2");
      await store.delete("a");
      await expectText(other, "a", undefined);
    }),
    shared("ifAbsent: of 100 at once on two nodes one wins", async ({ store, open }) => {
      await using other = await open();
      await race([store, other], 100);
    }),
    shared("take: of 100 at once on two nodes as many win as there are tokens", async ({ store, open }) => {
      await using other = await open();
      await rush([store, other], 100);
    }),
  ];
}

async function staged(subject: StoreSubject, run: (stage: Stage) => Promise<void>): Promise<void> {
  const part = await subject.fresh();
  const clock = virtualClock();
  const host: Omit<Host, "store"> = {
    side: "server",
    clock,
    random: systemRandom,
    log: silentLogger,
    draining: new AbortController().signal,
  };
  let current = await part.start(host);
  try {
    await run({
      clock,
      store: current,
      open: () => part.start(host),
      async reopen() {
        await current[Symbol.asyncDispose]();
        return (current = await part.start(host));
      },
    });
  } finally {
    await current[Symbol.asyncDispose]();
  }
}

async function expectText(store: Store, key: string, wanted: string | undefined): Promise<void> {
  const got = textOf(await store.get(key));
  require(got === wanted, () =>
    `key ${JSON.stringify(key.slice(0, 40))} has ${JSON.stringify(got) ?? "nothing"} in place of ${JSON.stringify(wanted) ?? "nothing"}`);
}

async function race(stores: readonly Store[], count: number): Promise<void> {
  const won = await Promise.all(
    range(count).map((at) => stores[at % stores.length]!.put("race", bytesOf(String(at)), { ...LONG, ifAbsent: true })),
  );
  const winners = won.flatMap((each, at) => (each ? [at] : []));
  require(winners.length === 1, `${winners.length} of ${count} puts won in place of one`);
  for (const store of stores) await expectText(store, "race", String(winners[0]));
}

async function rush(stores: readonly Store[], count: number): Promise<void> {
  const bucket = { perSecond: 1, burst: 10 };
  const taken = await Promise.all(range(count).map((at) => stores[at % stores.length]!.take("rush", 1, bucket)));
  const won = taken.filter(({ ok }) => ok).length;
  require(won === 10, `${won} of ${count} got a token, where there were 10`);
}

const range = (count: number): number[] => Array.from({ length: count }, (_, at) => at);
