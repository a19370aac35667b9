// Calls as queries and mutations, by query-core alone: keys, cancellation, typed errors, and who retries.
import { create } from "@bufbuild/protobuf";
import type { DescMethodUnary } from "@bufbuild/protobuf";
import { AnySchema, anyPack, StringValueSchema } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError, createRouterTransport } from "@connectrpc/connect";
import { callQueries } from "@raceway/query";
import { testApp } from "@raceway/testing";
import { hashKey, MutationObserver, QueryClient } from "@tanstack/query-core";
import { expect, expectTypeOf, it } from "vitest";
import type { ClubJoinError } from "../gen/club/v1/club.client.ts";
import { clubQueries } from "../gen/club/v1/club.query.ts";
import { clubService } from "../gen/club/v1/club.server.ts";
import { type EchoResponse, EchoRequestSchema, LabService, type PeekResponseSchema } from "../gen/lab/v1/lab_pb.ts";
import { stage, watch } from "./stage.ts";

it("answers, and keeps the answer by what was asked", async () => {
  await using it = await stage();
  const { peek } = it.queries;
  using one = watch(it.cache, peek.query({ text: "a" }));
  using same = watch(it.cache, { ...peek.query({ text: "a" }), staleTime: 60_000 });
  using other = watch(it.cache, peek.query({ text: "b" }));
  await it.clock.settle();
  expect([one, same, other].map(({ result }) => result.data?.text)).toEqual(["a", "a", "b"]);
  expect(it.calls).toEqual(["peek a", "peek b"]);
  void it.cache.invalidateQueries({ queryKey: peek.key({ text: "b" }) });
  await it.clock.settle();
  void it.cache.invalidateQueries({ queryKey: peek.key() });
  await it.clock.settle();
  expect(it.calls.toSorted()).toEqual(["peek a", "peek a", "peek b", "peek b", "peek b"]);
});

it("has keys of plain JSON, which are the same for what says the same, and for nothing else", async () => {
  await using it = await stage();
  const key = (request: Parameters<typeof it.queries.echo.query>[0]): string =>
    hashKey(it.queries.echo.query(request).queryKey);
  const plain = it.queries.echo.query({ text: "a", data: Uint8Array.of(1, 255), tags: { b: "2", a: "1" } }).queryKey;
  expect(JSON.parse(JSON.stringify(plain))).toEqual(plain);
  expect(plain).toEqual([
    "/lab.v1.LabService/Echo",
    { text: "a", data: "Af8=", delayMs: 0, secret: "", email: "", tags: { b: "2", a: "1" } },
  ]);
  const ways = [
    key({ text: "a", data: Uint8Array.of(1, 255), tags: { a: "1", b: "2" } }),
    key({ tags: { b: "2", a: "1" }, data: Uint8Array.of(1, 255), text: "a", delayMs: 0 }),
    key(create(EchoRequestSchema, { text: "a", data: Uint8Array.of(1, 255), tags: { a: "1", b: "2" } })),
  ];
  expect(new Set(ways).size).toBe(1);
  const others = [
    {},
    { text: "a" },
    { data: Uint8Array.of(1) },
    { data: Uint8Array.of(2) },
    { text: "0" },
    { delayMs: 1 },
  ];
  expect(new Set(others.map(key)).size).toBe(others.length);
});

it("has a key for a request that has no JSON form", () => {
  const method = { ...LabService.method.peek, input: AnySchema } as unknown as DescMethodUnary<
    typeof AnySchema,
    typeof PeekResponseSchema
  >;
  const connection = createRouterTransport(() => {});
  const { query } = callQueries(connection, method, { kind: "call" });
  const key = (value: string): string =>
    hashKey(query(anyPack(StringValueSchema, create(StringValueSchema, { value }))).queryKey);
  expect(key("a")).toBe(key("a"));
  expect(key("a")).not.toBe(key("b"));
});

it("aborts the call when nobody waits for it any more", async () => {
  await using it = await stage();
  const waiting = watch(it.cache, it.queries.echo.query({ text: "slow", delayMs: 10_000 }));
  await it.clock.settle();
  expect(it.calls).toEqual(["echo slow"]);
  waiting[Symbol.dispose]();
  await it.clock.settle();
  expect(it.calls).toEqual(["echo slow", "over slow"]);
});

it("passes on deadlines and headers", async () => {
  await using it = await stage({
    handlers: { echo: (_, { requestHeader }) => ({ text: requestHeader.get("x-who") ?? "nobody" }) },
  });
  using asked = watch(it.cache, it.queries.echo.query({}, { headers: { "x-who": "tea" } }));
  await it.clock.settle();
  expect(asked.result.data?.text).toBe("tea");
  await using slow = await stage();
  using late = watch(slow.cache, {
    ...slow.queries.echo.query({ delayMs: 1_000 }, { timeoutMs: 500 }),
    retry: false,
  });
  await slow.clock.advance(600);
  expect(late.result.error?.code).toBe(Code.DeadlineExceeded);
});

it("leaves it to the connection to send again what the schema says can be; for the rest TanStack's defaults hold", async () => {
  await using it = await stage();
  expect(it.queries.peek.query({})).toMatchObject({ retry: false });
  expect(it.queries.add.mutation()).toMatchObject({ retry: false });
  expect(it.queries.echo.query({})).not.toHaveProperty("retry");
  expect(it.queries.echo.mutation()).not.toHaveProperty("retry");
  expect(it.queries.ticks.live({ board: "a" })).toMatchObject({ retry: false });
});

it("makes a call with effects once, though the cache is told to try three times, and knows who failed", async () => {
  let calls = 0;
  await using it = await stage({
    handlers: {
      add() {
        calls++;
        throw new ConnectError("No.", Code.Unavailable);
      },
    },
  });
  const cache = new QueryClient({ defaultOptions: { mutations: { retry: 3, retryDelay: 0 } } });
  const adding = new MutationObserver(cache, it.queries.add.mutation());
  const failed = adding.mutate({ a: 1, b: 2 }).catch((error: unknown) => error);
  await it.clock.settle();
  expect(await failed).toMatchObject({ code: Code.Unavailable });
  expect(adding.getCurrentResult().error?.code).toBe(Code.Unavailable);
  expect(calls).toBe(1);
  // @ts-expect-error -- the schema says that it has effects
  expect(it.queries.add.query).toBeUndefined();
});

it("sends a call with effects again after a lost reply, and it happens once", async () => {
  await using it = await stage();
  const adding = new MutationObserver(it.cache, it.queries.add.mutation());
  const answered = adding.mutate({ a: 1, b: 2 });
  it.memory.cut();
  await it.clock.advance(5_000);
  expect((await answered).sum).toBe(3);
  expect(it.calls).toEqual(["add 1 2"]);
});

it("has errors of the types that the schema declares", async () => {
  await using app = await testApp((server) =>
    server.serve(clubService, {
      join: (_, { fail }) => {
        throw fail.clubFull({ capacity: 2, members: ["ann"] });
      },
      joinOnce: () => ({}),
      async *watch(_, { fail }) {
        yield { name: "ann" };
        throw fail.clubFull({ capacity: 1 });
      },
      joinAll: () => ({}),
      async *talk() {},
      knock: () => {},
      leave: () => ({}),
    }),
  );
  const club = clubQueries(app.connect());
  const cache = new QueryClient();
  using joining = watch(cache, { ...club.join.query({ name: "bob" }), retry: false });
  using watching = watch(cache, club.watch.accumulated({ name: "bob" }));
  await app.clock.settle();
  const { error } = joining.result;
  expectTypeOf(error).toEqualTypeOf<ClubJoinError | null>();
  expect(error?.reason).toBe("CLUB_FULL");
  if (error?.reason === "CLUB_FULL") expect(error.detail).toMatchObject({ capacity: 2, members: ["ann"] });
  expect(watching.result.error?.reason).toBe("CLUB_FULL");
  expect(watching.result.data?.map(({ name }) => name)).toEqual(["ann"]);
  cache.clear();
});

it("types keys by their data, for what is read from the cache and written into it", async () => {
  await using it = await stage();
  const { queryKey } = it.queries.echo.query({ text: "a" });
  const cached = it.cache.getQueryData(queryKey);
  expectTypeOf(cached).toEqualTypeOf<EchoResponse | undefined>();
  expect(cached).toBeUndefined();
});
