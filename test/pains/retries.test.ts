// Row 3 of what went wrong elsewhere: retries that run a handler again, and calls that are sent after they have failed.
import { Code, ConnectError } from "@connectrpc/connect";
import { reasonOf } from "@raceway/core";
import { describe, expect, it } from "vitest";
import { worlds } from "./world.ts";

describe.each(Object.entries(worlds))("over %s", (_, make) => {
  it("Socket.IO #5334: a client whose replies are lost again and again does not run the handler four times", async () => {
    let answer = (): void => {};
    await using it = await make({
      limits: { resumeMs: 1 }, // each cut costs the session, so each time the client has to ask again
      handlers: (calls) => ({
        async add({ a, b }) {
          calls.push(`add ${a} ${b}`);
          await new Promise<void>((resolve) => (answer = resolve));
          return { sum: a + b };
        },
      }),
    });
    const sum = it.client.add({ a: 1, b: 2 });
    for (let cut = 0; cut < 4; cut++) {
      await it.until(() => it.calls.length === 1 && it.connection.state.current.status === "open");
      it.kill();
      await it.settle();
    }
    await it.until(() => it.connection.state.current.status === "open");
    answer();
    let reply: number | undefined;
    void sum.then((message) => (reply = message.sum));
    await it.until(() => reply !== undefined);
    expect(reply).toBe(3);
    expect(it.calls).toEqual(["add 1 2"]);
  });

  it("Socket.IO #5334: a call without a key is never repeated: it runs once, or fails", async () => {
    await using it = await make({ limits: { resumeMs: 1 } });
    const never = it.client.echo({ text: "x", delayMs: 100_000 });
    let error: unknown;
    never.catch((cause: unknown) => (error = cause));
    await it.until(() => it.calls.length === 1);
    await it.restart("kept");
    await it.until(() => error !== undefined);
    expect(reasonOf(error)).toBe("session_lost");
    expect((await settled(it, it.client.echo({ text: "next" }))).text).toBe("next");
    expect(it.calls.filter((call) => call === "echo x")).toHaveLength(1);
  });

  it("Socket.IO #4318: a call that failed while there was no link is not sent when there is one", async () => {
    await using it = await make();
    await settled(it, it.client.echo({ text: "first" }));
    it.part();
    await it.until(() => it.connection.state.current.transport === undefined); // a poll link repeats its requests for a while
    const late = it.client
      .echo({ text: "late" }, { timeoutMs: 100 })
      .catch((error: unknown) => ConnectError.from(error));
    const given = new AbortController();
    const up = it.client
      .echo({ text: "given up" }, { signal: given.signal })
      .catch((error: unknown) => ConnectError.from(error));
    const waits = it.client.echo({ text: "waits" });
    expect(await settled(it, late)).toMatchObject({ code: Code.DeadlineExceeded });
    given.abort();
    expect(await up).toMatchObject({ code: Code.Canceled });
    it.meet();
    expect((await settled(it, waits)).text).toBe("waits");
    expect(it.calls.filter((call) => call.startsWith("echo"))).toEqual(["echo first", "echo waits"]);
    expect(it.app.sessions).toBe(1);
  });

  it("Socket.IO #4318: nor is one that fails because the connection is closed in the same turn", async () => {
    await using it = await make();
    await settled(it, it.client.echo({ text: "first" }));
    const call = it.client.echo({ text: "too late" }).catch((error: unknown) => reasonOf(error));
    const closing = it.connection.close();
    expect(await call).toBe("connection_closed");
    await closing;
    await it.until(() => it.app.sessions === 0);
    expect(it.calls.filter((text) => text.startsWith("echo"))).toEqual(["echo first"]);
  });
});

// A poll link does not die of a lost request: it repeats it, and what it carried is still on its way.
describe.each(Object.entries(worlds).filter(([name]) => name !== "poll"))("over %s", (_, make) => {
  it("Socket.IO #4318: nor is one that was on its way when the link died, if it failed before the next link", async () => {
    await using it = await make();
    await settled(it, it.client.echo({ text: "first" }));
    const given = new AbortController();
    const lost = it.client
      .echo({ text: "lost" }, { signal: given.signal })
      .catch((error: unknown) => ConnectError.from(error));
    await Promise.resolve(); // written, and not yet delivered
    it.part();
    given.abort();
    expect(await lost).toMatchObject({ code: Code.Canceled });
    it.meet();
    expect((await settled(it, it.client.echo({ text: "next" }))).text).toBe("next");
    expect(it.calls.filter((call) => call.startsWith("echo"))).toEqual(["echo first", "echo next"]);
  });
});

/** Lets time pass until a call has its reply. */
async function settled<T>(it: { until(holds: () => boolean): Promise<void> }, call: Promise<T>): Promise<T> {
  let over = false;
  call.then(
    () => (over = true),
    () => (over = true),
  );
  await it.until(() => over);
  return call;
}
