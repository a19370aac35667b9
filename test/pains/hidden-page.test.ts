// Row 7, hidden pages: their timers run once in a minute, and neither side may take that for the death of the link.
import { connect } from "@raceway/client";
import { type Clock, memoryTransport } from "@raceway/core";
import { raceway } from "@raceway/server";
import { virtualClock } from "@raceway/testkit";
import { poll } from "@raceway/transport-poll/client";
import { poll as pollServer } from "@raceway/transport-poll/server";
import { afterEach, describe, expect, it, vi } from "vitest";
import { handlers } from "../app/lab.ts";
import { labClient } from "../gen/lab/v1/lab.client.ts";
import { labService } from "../gen/lab/v1/lab.server.ts";

const MINUTE_MS = 60_000;

/** Chrome's intensive throttling: timers of a page that has been hidden for five minutes run at the beginning of a minute, and only then. */
function throttled(clock: Clock, hidden: () => boolean): Clock {
  return {
    ...clock,
    after: (ms, run) => {
      const due = clock.now() + ms;
      return clock.after(hidden() ? Math.ceil(due / MINUTE_MS) * MINUTE_MS - clock.now() : ms, run);
    },
  };
}

afterEach(() => vi.unstubAllGlobals());

describe("Socket.IO #4040, #5357, Phoenix PR 4309: throttled timers of a hidden tab give false disconnects", () => {
  it("six hidden minutes cost no link, and what comes meanwhile comes at once", async () => {
    const clock = virtualClock();
    let hidden = false;
    const memory = memoryTransport();
    let links = 0;
    await using app = raceway({
      transports: [
        {
          ...memory.server,
          start: (host) => memory.server.start({ ...host, opened: (link) => (links++, host.opened(link)) }),
        },
      ],
      clock,
    });
    const topics = app.serve(labService, handlers([], clock));
    await app.listen({ port: 0, host: "127.0.0.1" });
    await using connection = connect("http://lab", {
      transports: [memory.client],
      clock: throttled(clock, () => hidden),
    });
    const seen: number[] = [];
    void (async () => {
      for await (const { sequence } of labClient(connection).ticks({ board: "x" })) seen.push(sequence);
    })().catch(() => {}); // the connection is closed at the end of the test
    await clock.settle();
    const states: string[] = [];
    connection.state.subscribe(({ status }) => states.push(status));
    hidden = true;
    for (let minute = 1; minute <= 6; minute++) {
      await clock.advance(MINUTE_MS - 1);
      await topics.ticks.publish({ board: "x" }, { sequence: minute });
      await clock.advance(1);
      expect(seen.at(-1)).toBe(minute);
    }
    hidden = false;
    await clock.advance(MINUTE_MS);
    expect(new Set(states)).toEqual(new Set(["open"]));
    expect(links).toBe(1);
    expect(seen).toEqual([1, 2, 3, 4, 5, 6]);
  });

  it("short polling holds its requests while the page is hidden, since a poll a minute looks like death", async () => {
    const clock = virtualClock();
    const page = { hidden: false };
    vi.stubGlobal("document", Object.defineProperty(new EventTarget(), "hidden", { get: () => page.hidden }));
    let links = 0;
    const server = pollServer();
    await using app = raceway({
      transports: [
        { ...server, start: (host) => server.start({ ...host, opened: (link) => (links++, host.opened(link)) }) },
      ],
      clock,
    });
    app.serve(labService, handlers([], clock));
    await using connection = connect("http://lab", {
      transports: [poll({ mode: "short", fetch: (input, init) => app.fetch(new Request(input, init)) })],
      clock: throttled(clock, () => page.hidden),
    });
    const client = labClient(connection);
    const first = client.echo({ text: "shown" });
    await clock.advance(1_000);
    expect((await first).text).toBe("shown");
    const states: string[] = [];
    connection.state.subscribe(({ status }) => states.push(status));
    page.hidden = true;
    await clock.advance(6 * MINUTE_MS);
    page.hidden = false;
    await clock.advance(MINUTE_MS);
    expect(new Set(states)).toEqual(new Set(["open"]));
    expect(links).toBe(1);
    const last = client.echo({ text: "shown again" });
    await clock.advance(10_000);
    expect((await last).text).toBe("shown again");
  });
});
