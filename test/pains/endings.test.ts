// Row 13 of what went wrong elsewhere: streams that nobody reads any more and that run on, ends that come twice or never, and ended streams that restart.
import type { Frame } from "@raceway/core/internal";
import { raceway } from "@raceway/server";
import { virtualClock } from "@raceway/testkit";
import { sse } from "@raceway/transport-sse/server";
import { describe, expect, it } from "vitest";
import { handlers as labHandlers, lab } from "../app/lab.ts";
import { hello, open, rawPeer, welcomeOf } from "../app/raw-peer.ts";
import type { LabHandlers } from "../gen/lab/v1/lab.server.ts";
import { labService } from "../gen/lab/v1/lab.server.ts";
import { worlds } from "./world.ts";

/** Streams that say one thing and then wait, and calls that wait; each tells when its signal fires. */
const waiting = (calls: string[]): Partial<LabHandlers> => {
  const until = (name: string, signal: AbortSignal): Promise<void> =>
    new Promise((resolve) => {
      signal.addEventListener("abort", () => {
        calls.push(`aborted ${name}`);
        resolve();
      });
    });
  return {
    async echo({ text }, context) {
      calls.push(`echo ${text}`);
      await until("echo", context.signal);
      return { text };
    },
    async *count({ from: value }, context) {
      calls.push("count");
      try {
        yield { value };
        await until("count", context.signal);
      } finally {
        calls.push("end of count");
      }
    },
    async *chat(requests, context) {
      calls.push("chat");
      const over = until("chat", context.signal);
      try {
        for await (const { text } of requests) yield { text };
        await over;
      } finally {
        calls.push("end of chat");
      }
    },
  };
};
const ENDED = ["aborted chat", "aborted count", "aborted echo", "end of chat", "end of count"];
const endings = (calls: readonly string[]): string[] => calls.filter((call) => ENDED.includes(call)).sort();

async function* endless<T>(message: T): AsyncGenerator<T> {
  yield message;
  await new Promise<never>(() => {});
}
async function drain(messages: AsyncIterable<unknown>): Promise<void> {
  for await (const _ of messages);
}

describe.each(Object.entries(worlds))("over %s", (_, make) => {
  it("tRPC #7389: when the caller leaves, the handler's signal fires, and its generator ends", async () => {
    await using it = await make({ handlers: waiting });
    const giveUp = new AbortController();
    const call = it.client.echo({ text: "x" }, { signal: giveUp.signal }).catch(() => {});
    const feed = it.client.count({ from: 1, to: 9 })[Symbol.asyncIterator]();
    const duplex = it.client.chat(endless({ text: "a" }))[Symbol.asyncIterator]();
    await feed.next();
    await duplex.next();
    await it.until(() => it.calls.length === 3);
    expect(endings(it.calls)).toEqual([]);
    giveUp.abort();
    await feed.return?.();
    await duplex.return?.();
    await call;
    await it.until(() => endings(it.calls).length === 5);
    expect(endings(it.calls)).toEqual(ENDED);
  });

  it("tRPC #6193: when the client is gone and does not come back, the signal fires as soon as its session expires", async () => {
    await using it = await make({
      handlers: waiting,
      limits: { resumeMs: 50, heartbeatMs: 200, silenceMs: 100 },
      client: { backoff: { firstMs: 100_000, capMs: 100_000 } },
    });
    void it.client.echo({ text: "x" }).catch(() => {});
    void drain(it.client.count({ from: 1, to: 9 })).catch(() => {});
    void drain(it.client.chat(endless({ text: "a" }))).catch(() => {});
    await it.until(() => it.calls.length === 3);
    it.part();
    await it.until(() => endings(it.calls).length === 5);
    expect(endings(it.calls)).toEqual(ENDED);
    expect(it.app.sessions).toBe(0);
  });

  it("tRPC #6193: when the client closes, or the server, the signal fires", async () => {
    for (const who of ["client", "server"] as const) {
      await using it = await make({ handlers: waiting });
      void it.client.echo({ text: "x" }).catch(() => {});
      void drain(it.client.count({ from: 1, to: 9 })).catch(() => {});
      void drain(it.client.chat(endless({ text: "a" }))).catch(() => {});
      await it.until(() => it.calls.length === 3);
      if (who === "client") await it.connection.close();
      else await it.stop();
      await it.until(() => endings(it.calls).length === 5);
      expect(endings(it.calls)).toEqual(ENDED);
    }
  });

  it("tRPC #5981: a stream that has ended does not restart, whatever becomes of the link", async () => {
    await using it = await make({ limits: { resumeMs: 1 } });
    const seen: number[] = [];
    let ends = 0;
    void (async () => {
      for await (const { value } of it.client.count({ from: 1, to: 3 })) seen.push(value);
      ends++;
    })();
    await it.until(() => ends === 1);
    for (let count = 0; count < 3; count++) {
      it.kill();
      await it.until(() => it.connection.state.current.status === "open");
      await it.settle();
    }
    await it.restart("kept");
    await it.until(() => it.connection.state.current.status === "open");
    expect(seen).toEqual([1, 2, 3]);
    expect(ends).toBe(1);
    expect(it.calls.filter((call) => call === "counted 1")).toHaveLength(1);
  });
});

it("tRPC #5981: the end comes once, and once more only to who says that he has not got it", async () => {
  await using it = await lab();
  const peer = await rawPeer(it.memory, it.clock);
  peer.say(hello());
  await it.clock.settle();
  const { session, secret } = welcomeOf(peer);
  peer.say(
    open(1, "/lab.v1.LabService/Add"),
    open(2, "/lab.v1.LabService/Count"),
    open(3, "/lab.v1.LabService/Chat", { end: false, payload: undefined }),
  );
  await it.clock.settle();
  peer.say({ kind: "cancel", call: 3 }, { kind: "cancel", call: 2 }, { kind: "cancel", call: 1 });
  await it.clock.settle();
  const ends = (frames: readonly Frame[], call: number): number =>
    frames.filter((frame) => frame.kind === "end" && frame.call === call).length;
  expect([1, 2, 3].map((call) => ends(peer.frames, call))).toEqual([1, 1, 0]);
  const counted = peer.frames.filter(({ kind }) => kind === "data" || kind === "end").length;
  for (const [received, again] of [
    [0, 1],
    [counted, 0],
  ] as const) {
    peer.link.close();
    const next = await rawPeer(it.memory, it.clock);
    next.say(hello({ session, secret, received }));
    await it.clock.settle();
    next.say({ kind: "ping", id: 1 });
    await it.clock.settle();
    expect([1, 2].map((call) => ends(next.frames, call))).toEqual([again, again]);
  }
});

it("tRPC #5981: an EventSource that nobody closed is told to stop, and does not open link after link", async () => {
  const clock = virtualClock();
  await using app = raceway({ transports: [sse()], limits: { helloMs: 50 } });
  app.serve(labService, labHandlers([], clock));
  const { url } = await app.listen({ port: 0, host: "127.0.0.1" });
  // As browsers do it: the id of the last event comes back with the next request (HTML, "server-sent events").
  const ask = (lastEventId?: string): Promise<Response> =>
    fetch(`${url}/raceway/sse`, {
      headers: { accept: "text/event-stream", ...(lastEventId !== undefined && { "last-event-id": lastEventId }) },
    });
  const first = await ask();
  expect(first.status).toBe(200);
  const text = await first.text(); // it never says Hello, so the stream ends
  expect(text).toContain("No Hello, or no Welcome, within 50 ms");
  const id = /^id:(.*)$/m.exec(text)?.[1];
  expect(id).toBeTruthy();
  const second = await ask(id);
  expect(second.status).toBe(204);
  expect(await second.text()).toBe("");
});
