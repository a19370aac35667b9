// The compliance kit of middleware, tested: it is content with a plugin that does nothing, and each plugin that is broken on purpose is
// caught by the case that is meant for it. Long because every way to break a plugin stands here, in one table.
import { Code, ConnectError, type Interceptor, type StreamResponse } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { connect } from "@raceway/client";
import { type Host, type Opening, type Plugin, type Stations, definePlugin, fail, principal } from "@raceway/core";
import { raceway } from "@raceway/server";
import {
  type KitChannel,
  type PluginRefusal,
  type PluginSubject,
  kitChannels,
  pluginCases,
  runCases,
} from "@raceway/testkit";
import { describePlugin } from "@raceway/testkit/vitest";
import { grpc } from "@raceway/transport-grpc/server";
import { websocket as websocketLink } from "@raceway/transport-websocket/client";
import { websocket } from "@raceway/transport-websocket/server";
import { describe, expect, it } from "vitest";

const hosts = { raceway, connect };

const idle: Stations = { call: () => (next) => next, topic: () => ({ subscribe: () => undefined }) };
describePlugin({
  ...hosts,
  name: "idle",
  server: () => [definePlugin({ name: "idle", start: () => idle })],
  client: () => [definePlugin({ name: "idle", start: () => idle })],
});

/** Lets those in who know the word. */
const password = (word: string, id: string): Plugin =>
  definePlugin({
    name: "password",
    provides: [principal],
    start: () => ({
      session(opening) {
        const shown = opening.credential?.replace(/^Bearer /, "");
        if (shown === undefined) throw fail("credential_missing", { scheme: "the word" });
        if (shown !== word) throw fail("credential_invalid", { detail: "it is another word" });
        opening.context.set(principal, { id });
        opening.expiresIn(3_600_000);
      },
    }),
  });
// With all that a subject can say, and by ways over the network.
describePlugin({
  ...hosts,
  name: "password",
  server: () => [password("sesame", "ann")],
  visitor: { credential: "sesame" },
  absentFrom: kitChannels,
  refusals: [
    {
      what: "a stranger",
      of: kitChannels,
      code: Code.Unauthenticated,
      reason: "credential_invalid",
      visitor: { credential: "swordfish" },
    },
    { what: "nobody", of: kitChannels, code: Code.Unauthenticated, reason: "credential_missing", visitor: {} },
  ],
  ways: [
    { name: "websocket", server: websocket, client: () => websocketLink() },
    {
      name: "gRPC door",
      server: grpc,
      door: (baseUrl, headers, interceptors) => {
        const headed: Interceptor = (next) => (request) => {
          for (const [name, value] of Object.entries(headers)) request.header.set(name, value);
          return next(request);
        };
        return createGrpcTransport({ baseUrl, interceptors: [headed, ...interceptors] });
      },
    },
  ],
});

interface Fault {
  /** What such a plugin does wrong. */
  readonly fault: string;
  readonly caughtBy: string;
  readonly saying: RegExp;
  /** Where it does. */
  readonly side?: Host["side"];
  start(host: Host): Stations;
  /** It is meant to refuse these, and does what is wrong meanwhile. */
  readonly refuses?: Omit<PluginRefusal, "what">;
  /** It is said to leave these alone. */
  readonly absentFrom?: readonly KitChannel[];
}

/** Changes the messages of streams that come back. */
const streams =
  (change: (messages: AsyncIterable<unknown>) => AsyncIterable<unknown>): NonNullable<Stations["call"]> =>
  () =>
  (next) =>
  async (request) => {
    const response = await next(request);
    return response.stream ? ({ ...response, message: change(response.message) } as StreamResponse) : response;
  };
const calls =
  (interceptor: Interceptor): NonNullable<Stations["call"]> =>
  () =>
    interceptor;

const SHAPES = "answers calls of every shape as they would be without it";
const ORDER = "keeps streams whole and in order, among plugins that take their time";
const AT_ONCE = "passes each message on when it comes, not when the stream ends";
const FAILURES = "passes on what a handler fails with: its code, message and metadata, after the messages before";
const LEAVES = "lets a reader who leaves end the stream at the server";
const GIVEN_UP = "lets go of a call that its client gave up";
const REFUSES = "refuses a stranger";
const denied = (...of: PluginRefusal["of"]): Omit<PluginRefusal, "what"> => ({ of, code: Code.PermissionDenied });
const ENDS = "ends in time with calls under way, and leaves no timer";

let starts = 0;
const faults: readonly Fault[] = [
  {
    fault: "swaps two messages of a stream",
    caughtBy: ORDER,
    saying: /number 9 came in place of 8/,
    start: () => ({
      call: streams(async function* (messages) {
        let held: unknown;
        let at = 0;
        for await (const message of messages) {
          if (at++ === 7) held = message;
          else {
            yield message;
            if (held !== undefined) yield held;
            held = undefined;
          }
        }
        if (held !== undefined) yield held;
      }),
    }),
  },
  {
    fault: "loses the 100th message of a stream",
    caughtBy: ORDER,
    saying: /number 101 came in place of 100/,
    start: () => ({
      call: streams(async function* (messages) {
        let at = 0;
        for await (const message of messages) if (++at !== 100) yield message;
      }),
    }),
  },
  {
    fault: "gives a message twice",
    caughtBy: ORDER,
    saying: /number 151 came in place of 152/,
    side: "client",
    start: () => ({
      call: streams(async function* (messages) {
        let at = 0;
        for await (const message of messages) {
          yield message;
          if (at++ === 150) yield message;
        }
      }),
    }),
  },
  {
    fault: "collects a stream before it passes it on",
    caughtBy: AT_ONCE,
    saying: /an answer to a message before the next: not within/,
    start: () => ({
      call: streams(async function* (messages) {
        const all: unknown[] = [];
        for await (const message of messages) all.push(message);
        yield* all;
      }),
    }),
  },
  {
    fault: "answers one call with another's answer, which it has kept",
    caughtBy: "gives 20 calls at once each its own answer",
    saying: /of calls at once, use-\d+ came in place of use-\d+|echo gave|look gave|save gave/,
    start() {
      let kept: Awaited<ReturnType<Parameters<Interceptor>[0]>> | undefined;
      return {
        call: calls((next) => async (request) => {
          if (request.stream) return next(request);
          return (kept ??= await next(request));
        }),
      };
    },
  },
  {
    fault: "makes an error of its own of what a handler fails with",
    caughtBy: FAILURES,
    saying: /a call failed with code \w+ in place of OutOfRange/,
    start: () => ({
      call: calls((next) => async (request) => {
        try {
          return await next(request);
        } catch (error) {
          throw new Error("it went wrong", { cause: error });
        }
      }),
    }),
  },
  {
    fault: "ends a stream in good order that failed",
    caughtBy: FAILURES,
    saying: /a stream came to a good end, and its handler failed/,
    start: () => ({
      call: streams(async function* (messages) {
        try {
          yield* messages;
        } catch {
          // This is what is wrong.
        }
      }),
    }),
  },
  {
    fault: "drops the metadata of an error",
    caughtBy: FAILURES,
    saying: /without the metadata/,
    start: () => ({
      call: calls(
        (next) => (request) =>
          next(request).catch((error: unknown) => {
            const { rawMessage, code } = ConnectError.from(error);
            throw new ConnectError(rawMessage, code);
          }),
      ),
    }),
  },
  {
    fault: "goes on with a stream whose reader has left, under a signal of its own",
    caughtBy: LEAVES,
    saying: /whose reader has left|that its reader has left/,
    side: "client",
    start: () => ({
      call: calls((next) => (request) => next({ ...request, signal: new AbortController().signal })),
    }),
  },
  {
    fault: "tries a call again that its client gave up",
    caughtBy: GIVEN_UP,
    saying: /a call that was given up/,
    side: "client",
    start: () => ({
      call: calls(
        (next) => (request) =>
          next(request).catch((error: unknown) => {
            if (!request.signal.aborted) throw error;
            return next({ ...request, signal: new AbortController().signal });
          }),
      ),
    }),
  },
  {
    fault: "refuses sessions that resume",
    caughtBy: "goes on in mid-call when the link dies and the session resumes on another",
    saying: /more messages after the link died|number|resume|refused|not for you/,
    start: () => ({
      session({ kind }) {
        if (kind === "resume") throw new ConnectError("not for you", Code.PermissionDenied);
      },
    }),
  },
  {
    fault: "asks nothing of those who come by a native door",
    caughtBy: `by a native door: ${REFUSES}`,
    saying: /echo was not refused/,
    refuses: denied("echo"),
    start: () => ({
      session(opening: Opening) {
        if (opening.kind !== "native") throw fail("address_refused", { address: "anywhere" });
      },
    }),
  },
  {
    fault: "guards calls and forgets topics",
    caughtBy: `by sessions over memory links: ${REFUSES}`,
    saying: /news was not refused/,
    refuses: denied("echo", "news"),
    start: () => ({
      call: ({ gated, path }) =>
        gated
          ? undefined
          : () => () => {
              throw fail("permission_denied", { path, why: "nobody may" });
            },
    }),
  },
  {
    fault: "refuses with an error that has no code",
    caughtBy: `by a native door: ${REFUSES}`,
    saying: /tells the client nothing/,
    refuses: denied("echo"),
    start: () => ({
      call: calls(() => () => {
        throw new Error("no");
      }),
    }),
  },
  {
    fault: "refuses the first time only",
    caughtBy: `by sessions over memory links: ${REFUSES}`,
    saying: /echo was not refused/,
    refuses: denied("echo"),
    start() {
      let refused = false;
      return {
        call:
          ({ path }) =>
          (next) =>
          (request) => {
            if (refused) return next(request);
            refused = true;
            throw fail("permission_denied", { path, why: "nobody may" });
          },
      };
    },
  },
  {
    fault: "leaves a rejection that nobody handles",
    caughtBy: SHAPES,
    saying: /a rejection that nobody handles: Error: lost/,
    start: () => ({
      call: calls((next) => (request) => {
        void Promise.reject(new Error("lost"));
        return next(request);
      }),
    }),
  },
  {
    fault: "leaves a timer",
    caughtBy: ENDS,
    saying: /1 timers wait after its end/,
    start({ clock }) {
      clock.after(60_000, () => {});
      return {};
    },
  },
  {
    fault: "never ends",
    caughtBy: ENDS,
    saying: /took 6\d\d\d ms to end/,
    start: () => ({ [Symbol.asyncDispose]: () => new Promise(() => {}) }),
  },
  {
    fault: "never ends, at a client",
    caughtBy: ENDS,
    saying: /a plugin failed to end .*still at it after 5000 ms/,
    side: "client",
    start: () => ({ [Symbol.asyncDispose]: () => new Promise(() => {}) }),
  },
  {
    fault: "fails to end",
    caughtBy: ENDS,
    saying: /a plugin failed to end .*lost its file/,
    start: () => ({ [Symbol.asyncDispose]: () => Promise.reject(new Error("lost its file")) }),
  },
  {
    fault: "changes its mind about a channel",
    caughtBy: "says the same of a channel whenever it is asked, and inspect explains it",
    saying: /changes its mind about taking part in \/raceway.testkit.v1.PluginKitService\/Echo/,
    start() {
      const takesPart = starts++ % 2 === 0;
      return { call: () => (takesPart ? (next) => next : undefined) };
    },
  },
  {
    fault: "refuses with another code than it should",
    caughtBy: REFUSES,
    saying: /echo was refused with Unauthenticated in place of PermissionDenied/,
    refuses: denied("echo"),
    start: () => ({
      call: ({ path }) => (path.endsWith("/Echo") ? () => () => Promise.reject(fail("credential_revoked")) : undefined),
    }),
  },
  {
    fault: "refuses after the handler was asked",
    caughtBy: REFUSES,
    saying: /echo was refused after its handler was asked/,
    refuses: denied("echo"),
    start: () => ({
      call: ({ path }) =>
        path.endsWith("/Echo")
          ? (next) => async (request) => {
              await next(request);
              throw fail("permission_denied", { path, why: "it is too late" });
            }
          : undefined,
    }),
  },
  {
    fault: "refuses what it should admit",
    caughtBy: REFUSES,
    saying: /use 1 of save was not admitted/,
    refuses: denied("echo"),
    start: () => ({
      call:
        ({ path }) =>
        () =>
        () =>
          Promise.reject(fail("permission_denied", { path, why: "nobody may" })),
    }),
  },
  {
    fault: "repeats the credential in its error",
    caughtBy: REFUSES,
    saying: /the error of echo says the credential/,
    refuses: { ...denied("echo"), visitor: { credential: "swordfish" } },
    start: () => ({
      session({ credential = "" }) {
        throw new ConnectError(`${credential} is not the word`, Code.PermissionDenied);
      },
    }),
  },
  {
    fault: "does not say when to come again, and should",
    caughtBy: REFUSES,
    saying: /without a word of when to come again/,
    refuses: { of: ["echo"], code: Code.ResourceExhausted, saysWhen: true },
    start: () => ({
      call:
        ({ path }) =>
        () =>
        () =>
          Promise.reject(fail("rate_limited", { path, perSecond: 1, scope: "principal" })),
    }),
  },
  {
    fault: "binds a session to its first transport",
    caughtBy: "goes on in mid-call when the session moves to another transport",
    saying: /not from here|transport/,
    start: () => ({
      session({ transport }) {
        if (transport === "memory-too") throw new ConnectError("not from here", Code.PermissionDenied);
      },
    }),
  },
  {
    fault: "refuses fresh credentials",
    caughtBy: "goes on in mid-call when a fresh credential is shown",
    saying: /not again|a fresh credential|more messages/,
    start: () => ({
      session({ kind }) {
        if (kind === "refresh") throw new ConnectError("not again", Code.Unauthenticated);
      },
    }),
  },
  {
    fault: "takes part where it is said not to",
    caughtBy: "is absent from channels that it leaves alone",
    saying: /it takes part in \/raceway.testkit.v1.PluginKitService\/Talk: call/,
    absentFrom: ["talk"],
    start: () => ({ call: () => (next) => next }),
  },
];

/** State of the factory, in place of the start: a fault of its own, since the plugin object has it. */
function shared(): ReturnType<typeof definePlugin> {
  let open = true;
  return definePlugin({
    name: "shared",
    start: () => ({
      call: calls((next) => (request) => {
        if (!open) throw new ConnectError("closed", Code.Unavailable);
        return next(request);
      }),
      [Symbol.asyncDispose]: async () => void (open = false),
    }),
  });
}

/** What the cases of this name say of a plugin: undefined where they hold. */
async function outcomes(subject: PluginSubject, name: string): Promise<readonly (string | undefined)[]> {
  const cases = pluginCases(subject).filter((one) => one.name.includes(name));
  expect(cases.length, `there is no case "${name}"`).toBeGreaterThan(0);
  // Vitest makes a failure of every rejection that nobody handles; here the kit is to see it.
  const listeners = process.listeners("unhandledRejection");
  process.removeAllListeners("unhandledRejection");
  try {
    const { results } = await runCases(cases, () => {});
    return results.map(({ reason, outcome }) => (outcome === "failed" ? reason : undefined));
  } finally {
    for (const listener of listeners) process.on("unhandledRejection", listener);
  }
}

describe("the cases of middleware catch a plugin that", () => {
  it.each(faults)(
    "$fault",
    { timeout: 60_000 },
    async ({ caughtBy, saying, side = "server", start, refuses, absentFrom = [] }) => {
      const list = { [side]: () => [definePlugin({ name: "broken", start })] };
      const refusals = refuses && [{ what: "a stranger", ...refuses, ...list }];
      const subject = {
        ...hosts,
        name: "broken",
        patienceMs: 400,
        absentFrom,
        ...(refusals ? { refusals, server: () => [] } : list),
      };
      expect(await outcomes(subject, caughtBy)).toContainEqual(expect.stringMatching(saying));
    },
  );

  it("keeps in its factory what belongs to a start", { timeout: 60_000 }, async () => {
    const subject = { ...hosts, name: "shared", patienceMs: 400, server: () => [shared()] };
    const [reason] = await outcomes(subject, "keeps its state per start");
    expect(reason).toMatch(/was not admitted|failed with/);
  });
});

it("catches a plugin whose servers spend one budget, and lets one that says so", { timeout: 60_000 }, async () => {
  const refusal: PluginRefusal = { what: "the third", of: ["echo"], code: Code.ResourceExhausted, after: 2 };
  const stingy = (): ReturnType<typeof definePlugin> => {
    let left = 2;
    const spend = (path: string): void => {
      if (left-- <= 0) throw fail("rate_limited", { path, perSecond: 1, scope: "channel", retryAfterMs: 1 });
    };
    return definePlugin({
      name: "stingy",
      start: () => ({
        call: ({ path }) =>
          path.endsWith("/Echo") ? (next) => async (request) => (spend(path), next(request)) : undefined,
      }),
    });
  };
  const subject: PluginSubject = { ...hosts, name: "stingy", refusals: [{ ...refusal, server: () => [stingy()] }] };
  const name = "keeps its counts per start";
  expect(await outcomes(subject, name)).toEqual([expect.stringMatching(/use 1 of echo was not admitted/)]);
  expect(pluginCases({ ...subject, shares: true }).find((one) => one.name.includes(name))?.needs?.met).toBe(false);
});

it("a client's plugin is not asked for what only servers have", () => {
  const absent = pluginCases({ ...hosts, name: "client", client: () => [] }).filter(
    ({ needs }) => needs?.met === false,
  );
  expect(absent.map(({ name }) => name)).toEqual(expect.arrayContaining([`by a native door: ${SHAPES}`]));
});
