// Interceptors and gates of plugins as one: order, and what is absent.
import {
  type ContextValues,
  type Interceptor,
  type UnaryRequest,
  type UnaryResponse,
  createContextValues,
} from "@connectrpc/connect";
import { describe, expect, it } from "vitest";
import { composeGates, composeInterceptors } from "./plugin-compose.ts";
import type { ChannelInfo, Stations, TopicGate, TopicPublication, TopicSubscription } from "./plugin.ts";

const channel = (path: string): ChannelInfo => ({ path }) as ChannelInfo;
const here = channel("/demo.v1.Demo/Here");
const context: ContextValues = createContextValues();
const asked = (address: string): TopicSubscription => ({
  kind: "subscribe",
  address,
  request: {},
  context,
  header: new Headers(),
  ended: new AbortController().signal,
});
const said = (message: string): TopicPublication => ({ address: "x", key: {}, message, context: undefined });

/** Tells the order in which interceptors see a call. */
const noting =
  (name: string, seen: string[]): Interceptor =>
  (next) =>
  async (request) => {
    seen.push(`${name} in`);
    const response = await next(request);
    seen.push(`${name} out`);
    return response;
  };

describe("interceptors", () => {
  it("are composed with the first plugin outermost", async () => {
    const seen: string[] = [];
    const composed = composeInterceptors(
      [
        { call: () => noting("a", seen) },
        {},
        { call: () => undefined },
        { call: () => noting("b", seen) },
        { call: () => noting("c", seen) },
      ],
      here,
    )!;
    const call = composed(() => {
      seen.push("handler");
      return Promise.resolve({} as UnaryResponse);
    });
    await call({} as UnaryRequest);
    expect(seen).toEqual(["a in", "b in", "c in", "handler", "c out", "b out", "a out"]);
  });

  it("are asked once per channel, and are absent where none applies", () => {
    const asked: string[] = [];
    const stations: Stations[] = [
      {
        call: ({ path }) => {
          asked.push(path);
          return path === here.path ? noting("a", []) : undefined;
        },
      },
    ];
    expect(composeInterceptors(stations, here)).toBeTypeOf("function");
    expect(composeInterceptors(stations, channel("/other"))).toBeUndefined();
    expect(asked).toEqual([here.path, "/other"]);
    expect(composeInterceptors([], here)).toBeUndefined();
  });

  it("cost nothing when there is one: it is passed on as it is", () => {
    const only = noting("a", []);
    expect(composeInterceptors([{ call: () => only }, {}], here)).toBe(only);
  });
});

describe("gates", () => {
  const gates = (...list: (TopicGate | undefined)[]): TopicGate | undefined =>
    composeGates(
      list.map((gate): Stations => ({ topic: () => gate })),
      here,
    );

  it("are asked in order, and keep what they are called on", () => {
    const seen: string[] = [];
    class Gate implements TopicGate {
      readonly name: string;
      constructor(name: string) {
        this.name = name;
      }
      subscribe({ address }: TopicSubscription): void {
        seen.push(`${this.name} ${address}`);
      }
    }
    expect(gates(new Gate("a"), undefined, {}, new Gate("b"))?.subscribe?.(asked("rooms/tea"))).toBeUndefined(); // no promise where none is needed
    expect(seen).toEqual(["a rooms/tea", "b rooms/tea"]);
  });

  it("wait for each other, and stop at the first that refuses", async () => {
    const seen: string[] = [];
    const slow = (name: string, refuse?: string): TopicGate => ({
      publish: async ({ message }) => {
        await Promise.resolve();
        seen.push(`${name} ${String(message)}`);
        if (refuse) throw new Error(refuse);
      },
    });
    const fast: TopicGate = { publish: () => void seen.push("fast") };
    await gates(fast, slow("a"), fast, slow("b"))?.publish?.(said("hello"));
    expect(seen).toEqual(["fast", "a hello", "fast", "b hello"]);
    seen.length = 0;
    await expect(gates(slow("a", "no"), fast)?.publish?.(said("hello"))).rejects.toThrow("no");
    expect(seen).toEqual(["a hello"]);
    const refusing: TopicGate = {
      subscribe: () => {
        throw new Error("no");
      },
    };
    expect(() => gates(refusing, { subscribe: () => expect.unreachable() })?.subscribe?.(asked("x"))).toThrow("no");
  });

  it("have only the faces that some plugin has", () => {
    expect(gates()).toBeUndefined();
    expect(gates(undefined, {})).toBeUndefined();
    const composed = gates({ subscribe: () => undefined }, {});
    expect(Object.keys(composed!)).toEqual(["subscribe"]);
  });
});
