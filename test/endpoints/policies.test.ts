// The order in which servers are tried: round robin, least latency, rendezvous hashing, and health.
import { type Endpoints, healthChecked, leastLatency, rendezvous, roundRobin } from "@raceway/client";
import { describe, expect, it } from "vitest";
import { clientHost, seeded } from "./host.ts";

const server = (nth: number): string => `https://${nth}.example`;
const servers = (count: number): string[] => Array.from({ length: count }, (_, at) => server(at));
const listOf = (endpoints: Endpoints, seed = 1): readonly string[] =>
  endpoints.start(clientHost(seed)).list() as readonly string[];

describe("round robin", () => {
  it("begins with the next server each time, and goes on with all others", () => {
    const started = roundRobin(servers(3)).start(clientHost());
    const lists = Array.from({ length: 6 }, () => started.list() as readonly string[]);
    const first = lists.map(([url]) => url);
    expect(first.slice(0, 3)).toEqual(first.slice(3));
    expect(new Set(first)).toEqual(new Set(servers(3)));
    for (const list of lists) expect([...list].sort()).toEqual(servers(3));
  });
  it("spreads many clients over the servers", () => {
    const counts = new Map<string, number>();
    for (let client = 1; client <= 900; client++) {
      const [first] = listOf(roundRobin(servers(3)), client * 7_919);
      counts.set(first!, (counts.get(first!) ?? 0) + 1);
    }
    for (const count of counts.values()) expect(count).toBeGreaterThan(225);
  });
  it("of no servers is none", () => expect(listOf(roundRobin([]))).toEqual([]));
});

describe("least latency", () => {
  it("tries what it never measured, then goes where round trips were shortest", () => {
    const started = leastLatency(servers(3), { explore: 0 }).start(clientHost());
    started.roundTrip?.(server(0), 50);
    expect(started.list()).toEqual([server(1), server(2), server(0)]);
    started.roundTrip?.(server(1), 20);
    started.roundTrip?.(server(2), 90);
    expect(started.list()).toEqual([server(1), server(0), server(2)]);
  });
  it("the newest round trips count most", () => {
    const started = leastLatency(servers(2), { explore: 0 }).start(clientHost());
    started.roundTrip?.(server(0), 10);
    started.roundTrip?.(server(1), 40);
    for (let nth = 0; nth < 2; nth++) started.roundTrip?.(server(0), 100);
    expect((started.list() as string[])[0]).toBe(server(1));
    for (let nth = 0; nth < 10; nth++) started.roundTrip?.(server(0), 10);
    expect((started.list() as string[])[0]).toBe(server(0));
  });
  it("tries others now and then", () => {
    const started = leastLatency(servers(3)).start(clientHost());
    for (let nth = 0; nth < 3; nth++) started.roundTrip?.(server(nth), 10 + nth);
    const others = Array.from({ length: 2_000 }, () => started.list() as string[]).filter(([url]) => url !== server(0));
    expect(others.length).toBeGreaterThan(20);
    expect(others.length).toBeLessThan(160);
  });
});

describe("rendezvous hashing", () => {
  const random = seeded(4_711);
  const word = (): string => Math.floor(random.next() * 1e9).toString(36);

  it("the same key has the same order, whatever the order of the list", () => {
    for (let run = 0; run < 200; run++) {
      const urls = servers(2 + Math.floor(random.next() * 12));
      const key = word();
      expect(listOf(rendezvous(urls.toReversed(), { key }))).toEqual(listOf(rendezvous(urls, { key })));
    }
  });
  it("when a server goes, the order of the others stays: only its own keys move", () => {
    for (let run = 0; run < 500; run++) {
      const urls = servers(2 + Math.floor(random.next() * 12));
      const key = word();
      const before = listOf(rendezvous(urls, { key }));
      const gone = urls[Math.floor(random.next() * urls.length)]!;
      const after = listOf(
        rendezvous(
          urls.filter((url) => url !== gone),
          { key },
        ),
      );
      expect(after).toEqual(before.filter((url) => url !== gone));
    }
  });
  it("keys spread evenly, also over servers whose names differ by a digit", () => {
    const counts = new Map<string, number>();
    for (let run = 0; run < 5_000; run++) {
      const [first] = listOf(rendezvous(servers(5), { key: `room-${run}` }));
      counts.set(first!, (counts.get(first!) ?? 0) + 1);
    }
    for (const count of counts.values()) expect(Math.abs(count - 1_000)).toBeLessThan(150);
    expect(counts.size).toBe(5);
  });
});

describe("health checks", () => {
  it("put a server that is not well last, until it is", async () => {
    const host = clientHost();
    const ill = new Set([server(0)]);
    const asked: string[] = [];
    const started = healthChecked(servers(3), {
      everyMs: 1_000,
      fetch: async (url) => {
        asked.push(url);
        return { ok: !ill.has(url.replace("/raceway/health", "")) };
      },
    }).start(host);
    await host.clock.settle();
    expect(asked).toEqual(servers(3).map((url) => `${url}/raceway/health`));
    expect(started.list()).toEqual([server(1), server(2), server(0)]);
    ill.clear();
    ill.add(server(1));
    await host.clock.advance(1_200);
    expect(started.list()).toEqual([server(0), server(2), server(1)]);
    started[Symbol.dispose]?.();
    const before = asked.length;
    await host.clock.advance(10_000);
    expect(asked).toHaveLength(before);
  });
  it("no answer in time is not well, nor is a failure", async () => {
    const host = clientHost();
    const signals: AbortSignal[] = [];
    const started = healthChecked(servers(3), {
      timeoutMs: 500,
      fetch: (url, { signal }) => {
        if (url.startsWith(server(0))) {
          signals.push(signal);
          return new Promise(() => {});
        }
        return url.startsWith(server(1)) ? Promise.reject(new Error("refused")) : Promise.resolve({ ok: true });
      },
    }).start(host);
    await host.clock.advance(600);
    expect(started.list()).toEqual([server(2), server(0), server(1)]);
    expect(signals[0]?.aborted).toBe(true);
    started[Symbol.dispose]?.();
  });
});
