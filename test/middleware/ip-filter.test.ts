// Where clients come from: lists of networks, and what proxies say of it, if they are to be believed.
import { ConnectError, createContextValues } from "@connectrpc/connect";
import {
  type Opening,
  type Peer,
  clientAddress,
  reasonOf,
  silentLogger,
  systemClock,
  systemRandom,
} from "@raceway/core";
import { type IpFilterOptions, ipFilter } from "@raceway/middleware/ip-filter";
import { rateLimit } from "@raceway/middleware/rate-limit";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { names, outcome, stage, wayNames } from "./stage.ts";

/** What the filter makes of a client: its address, or the reason against it. */
async function seen(
  options: IpFilterOptions,
  address: string,
  headers: Readonly<Record<string, string>> = {},
): Promise<string> {
  const never = () => Promise.reject(new Error("the filter needs no store"));
  const stations = await ipFilter(options).start({
    side: "server",
    clock: systemClock(),
    random: systemRandom,
    log: silentLogger,
    store: { get: never, put: never, delete: never, take: never },
    draining: new AbortController().signal,
  });
  const context = createContextValues();
  const peer: Peer = { address, secure: false, header: (name) => headers[name] };
  try {
    await stations.session!({ kind: "open", peer, context } as unknown as Opening);
    return context.get(clientAddress);
  } catch (error) {
    return reasonOf(error) ?? String(error);
  }
}

const proxies = { trustedProxies: ["10.0.0.0/8", "fd00::/8"] };

describe("the address behind proxies", () => {
  it.each<[string, string, string | undefined, string]>([
    ["nobody is believed who is not trusted", "203.0.113.9", "198.51.100.1", "203.0.113.9"],
    ["a trusted proxy is", "10.0.0.1", "198.51.100.1", "198.51.100.1"],
    [
      "what stands before the last word that is trusted anybody may have written",
      "10.0.0.1",
      "1.1.1.1, 198.51.100.1",
      "198.51.100.1",
    ],
    ["several proxies", "10.0.0.1", "1.1.1.1, 198.51.100.1, 10.2.3.4, fd00::7", "198.51.100.1"],
    ["only proxies", "10.0.0.1", "10.0.0.9", "10.0.0.9"],
    ["no header", "10.0.0.1", undefined, "10.0.0.1"],
    ["an empty header", "10.0.0.1", "", "10.0.0.1"],
    ["nonsense", "10.0.0.1", "198.51.100.1, evil<script>", "10.0.0.1"],
    ["a port", "10.0.0.1", "198.51.100.1:4711", "198.51.100.1"],
    ["IPv6 with a port", "10.0.0.1", "[2001:DB8::1]:4711", "2001:db8::1"],
    ["IPv6 bare", "fd00::1", "2001:db8::1", "2001:db8::1"],
    ["IPv4 in IPv6", "::ffff:10.0.0.1", "::ffff:198.51.100.1", "198.51.100.1"],
    ["a zone", "fe80::1%eth0", "1.1.1.1", "fe80::1"],
    ["decimal tricks", "10.0.0.1", "3325256705", "10.0.0.1"],
    ["a very long chain", "10.0.0.1", `9.9.9.9, ${"10.0.0.2, ".repeat(500)}10.0.0.3`, "10.0.0.2"],
  ])("%s", async (_, address, header, client) => {
    expect(await seen(proxies, address, header === undefined ? {} : { "x-forwarded-for": header })).toBe(client);
  });

  it.each<[string, string]>([
    ["for=198.51.100.1", "198.51.100.1"],
    ['for="[2001:db8::1]:47011";proto=https', "2001:db8::1"],
    ["proto=https;For=198.51.100.1;by=10.0.0.1", "198.51.100.1"],
    ['for=1.1.1.1, for="198.51.100.1:80"', "198.51.100.1"],
    ['for="a, for=1.1.1.1"', "10.0.0.1"],
    ['for="1.1.1.1, for=198.51.100.1', "198.51.100.1"],
    ['for="1.1.1.1, for="[2001:db8::1]"', "2001:db8::1"],
    ['x="\\", for=198.51.100.1', "198.51.100.1"],
    ["for=unknown", "10.0.0.1"],
    ["for=_hidden", "10.0.0.1"],
    ["by=10.0.0.1", "10.0.0.1"],
    // A client's own word, that the proxy has added the true address to: whatever it leaves open hides nothing.
    ['for="1.1.1.1, for=198.51.100.1', "198.51.100.1"],
    ['for=", for="198.51.100.1:80"', "198.51.100.1"],
    ['for="\\, for=198.51.100.1;proto="https"', "198.51.100.1"],
    ['for=", for=198.51.100.1, for="[fd00::7]:80";by=10.0.0.1', "198.51.100.1"],
    ['for=198.51.100.1;host="a,for=1.1.1.1"', "198.51.100.1"],
    ['for=", for=198.51.100.1;host="a,for=1.1.1.1"', "198.51.100.1"],
    ['for=198.51.100.1;host="a\\",for=1.1.1.1"', "198.51.100.1"],
  ])("Forwarded: %s", async (header, client) => {
    expect(
      await seen({ ...proxies, header: "forwarded" }, "10.0.0.1", { forwarded: header, "x-forwarded-for": "6.6.6.6" }),
    ).toBe(client);
  });

  it("never takes the word of an address that is not trusted, whatever is written", async () => {
    const ip = fc.ipV4();
    const noise = fc.oneof(ip, fc.ipV6(), fc.string(), fc.constantFrom("10.0.0.1", "unknown", '"', ",", ";"));
    await fc.assert(
      fc.asyncProperty(fc.array(noise), ip, async (before, honest) => {
        fc.pre(!honest.startsWith("10."));
        const header = [...before.map((word) => word.replaceAll(",", ";")), honest].join(", ");
        expect(await seen(proxies, "10.0.0.1", { "x-forwarded-for": header })).toBe(honest);
        expect(await seen(proxies, "203.0.113.9", { "x-forwarded-for": header })).toBe("203.0.113.9");
      }),
      { numRuns: 200 },
    );
  });

  it("nor does a Forwarded header that a client began, and proxies went on with", async () => {
    const noise = fc.string({ unit: fc.constantFrom('"', "\\", ",", ";", "=", " ", "for", "1.1.1.1"), maxLength: 20 });
    const honest = fc.oneof(
      fc.ipV4().map((ip) => [`for=${ip}`, ip]),
      fc.ipV4().map((ip) => [`by="[fd00::1]";for="${ip}:80";proto=https`, ip]),
    );
    const passed = fc.constantFrom("", ", for=10.2.3.4", ', for="[fd00::7]:80";host="a\\",b"');
    await fc.assert(
      fc.asyncProperty(noise, honest, passed, async (before, [element, ip], after) => {
        fc.pre(!ip!.startsWith("10."));
        const forwarded = `${before}, ${element}${after}`;
        expect(await seen({ ...proxies, header: "forwarded" }, "10.0.0.1", { forwarded })).toBe(ip);
      }),
      { numRuns: 500 },
    );
  });
});

describe("lists", () => {
  it.each<[IpFilterOptions, string, boolean]>([
    [{ allow: ["192.0.2.0/24"] }, "192.0.2.77", true],
    [{ allow: ["192.0.2.0/24"] }, "192.0.3.1", false],
    [{ allow: ["192.0.2.0/24"], deny: ["192.0.2.66"] }, "192.0.2.66", false],
    [{ deny: ["2001:db8::/32"] }, "2001:db8:1::1", false],
    [{ deny: ["192.0.2.0/24"] }, "::ffff:192.0.2.1", false],
    [{ allow: ["0.0.0.0/0"] }, "2001:db8::1", false],
    [{ allow: [] }, "192.0.2.1", false],
    [{ allow: ["192.0.2.0/24"] }, "", false],
    [{}, "", true],
  ])("%j, %s: %s", async (options, address, admitted) => {
    expect((await seen(options, address)) !== "address_refused").toBe(admitted);
  });

  it.each(["10.0.0.0/33", "10.0.0.0/", "10.0.0/8", "::/129", "10.0.0.0/8/8", "host.example", "10.0.0.0/ 8", ""])(
    "%j is no network: said where it is written",
    (network) => {
      for (const option of ["allow", "deny", "trustedProxies"] as const)
        expect(() => ipFilter({ [option]: [network] })).toThrow(option);
    },
  );
  it("unknown options, and headers that nobody writes", () => {
    expect(() => ipFilter({ block: [] } as never)).toThrow("block");
    expect(() => ipFilter({ header: "x-real-ip" as never })).toThrow("x-forwarded-for, forwarded");
  });
});

describe.each(wayNames.filter((way) => way !== "memory"))("by %s", (way) => {
  it("whoever is on the list is refused before any handler, and a forged header helps nobody", async () => {
    await using it = await stage({ use: [names, ipFilter({ deny: ["127.0.0.0/8"] })] });
    for (const headers of [{}, { "x-forwarded-for": "198.51.100.1" }]) {
      const { client } = await it.behind(way, "ann", headers);
      const answer = await outcome(client.peek({ text: "x" }));
      expect(reasonOf(answer)).toBe("address_refused");
      expect(ConnectError.from(answer).rawMessage).toContain("127.0.0.1");
    }
    expect(it.calls).toEqual([]);
  });

  it("a proxy that is trusted is believed: the same header keeps out whom it names, and lets others in", async () => {
    await using it = await stage({
      use: [names, ipFilter({ trustedProxies: ["127.0.0.1"], deny: ["198.51.100.0/24"] })],
    });
    const from = async (address: string): Promise<unknown> => {
      const { client } = await it.behind(way, "ann", { "x-forwarded-for": address });
      return outcome(client.peek({ text: "x" }));
    };
    expect(reasonOf(await from("198.51.100.1"))).toBe("address_refused");
    expect(await from("203.0.113.1")).toBe("ok");
  });
});

it("rates are counted by the address behind the proxy, and not by what a client writes before it", async () => {
  await using it = await stage({
    use: [rateLimit({ perSecond: 0.001, burst: 2, scope: "address" }), ipFilter({ trustedProxies: ["127.0.0.1"] })],
  });
  const from = (header: string): Promise<unknown> =>
    outcome(it.client("Connect door", "", { "x-forwarded-for": header }).peek({ text: "x" }));
  const answers = [
    await from("198.51.100.1"),
    await from("6.6.6.6, 198.51.100.1"),
    await from("7.7.7.7, 198.51.100.1"),
    await from("198.51.100.2"),
  ];
  expect(answers.map((answer) => reasonOf(answer) ?? answer)).toEqual(["ok", "ok", "rate_limited", "ok"]);
});

it("sessions are counted by the address behind the proxy", async () => {
  await using it = await stage({
    use: [names, ipFilter({ trustedProxies: ["127.0.0.1"] })],
    limits: { sessionsPerAddress: 1 },
  });
  const from = async (address: string): Promise<unknown> => {
    const { client } = await it.behind("websocket", "ann", { "x-forwarded-for": address });
    return outcome(client.peek({ text: "x" }, { timeoutMs: 1_000 }));
  };
  expect(await from("198.51.100.1")).toBe("ok");
  expect(await from("198.51.100.2")).toBe("ok");
  expect(it.app.sessions).toBe(2);
  expect(await from("198.51.100.2")).not.toBe("ok"); // it waits for room, as whoever is told to come again does
  expect(it.app.sessions).toBe(2);
});
