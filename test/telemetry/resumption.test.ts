// A trace outlives the link of its call: over each transport, through a proxy that cuts it in mid-call.
import { definePlugin } from "@raceway/core";
import { telemetry as clientTelemetry } from "@raceway/telemetry/client";
import { telemetry } from "@raceway/telemetry/server";
import { expect, it } from "vitest";
import { names, stage } from "../middleware/stage.ts";
import { sight } from "./sight.ts";

const CHAT = "lab.v1.LabService/Chat";
const ECHO = "lab.v1.LabService/Echo";

it.each(["websocket", "sse", "poll", "grpc"] as const)("over %s", { timeout: 30_000 }, async (way) => {
  const seen = sight();
  const links: string[] = [];
  const watched = definePlugin({
    name: "watched",
    start: () => ({ observe: { session: ({ kind }) => void links.push(kind) } }),
  });
  const begun = Promise.withResolvers<void>();
  const goOn = Promise.withResolvers<void>();
  await using it = await stage({
    use: [telemetry(seen.options), names, watched],
    clientUse: [clientTelemetry(seen.options)],
    handlers: {
      async echo({ text }) {
        begun.resolve();
        await goOn.promise;
        return { text };
      },
      async *chat() {
        yield { text: "before" };
        await goOn.promise;
        yield { text: "after" };
      },
    },
  });
  const { client, cut } = await it.behind(way, "ann");
  const echo = client.echo({ text: "tea" });
  const chat = client.chat((async function* () {})())[Symbol.asyncIterator]();
  expect((await chat.next()).value?.text).toBe("before");
  await begun.promise;
  cut();
  // Polling loses a request, and no link; the others come back by another link of the same session.
  const kind = way === "poll" ? "opened" : "resumed";
  await expect.poll(() => links.at(-1), { timeout: 20_000 }).toBe(kind);
  goOn.resolve();
  expect((await echo).text).toBe("tea");
  expect((await chat.next()).value?.text).toBe("after");
  expect((await chat.next()).done).toBe(true);
  await expect.poll(() => seen.spans, { timeout: 15_000 }).toHaveLength(4);
  for (const name of [ECHO, CHAT]) {
    const asked = seen.span("CLIENT", name);
    const served = seen.span("SERVER", name); // one, though it was carried by two links
    expect(served.spanContext().traceId).toBe(asked.spanContext().traceId);
    expect(served.parentSpanContext?.spanId).toBe(asked.spanContext().spanId);
    expect(asked.attributes["rpc.status_code"]).toBe("ok");
    expect(served.attributes["rpc.status_code"]).toBe("ok");
    expect(served.events.map((event) => [event.name, event.attributes?.["raceway.transport"]])).toEqual(
      kind === "resumed" ? [["raceway.session.resumed", way]] : [],
    );
  }
  expect(seen.span("SERVER", ECHO).spanContext().traceId).not.toBe(seen.span("SERVER", CHAT).spanContext().traceId);
});
