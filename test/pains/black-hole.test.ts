// Row 8: a link that is open, dead, and cannot even be closed, as sockets on iOS are after the page was away.
import { connect, type Connection } from "@raceway/client";
import { type ClientTransport, type Link, type LinkReceiver, memoryTransport } from "@raceway/core";
import { type Raceway, raceway } from "@raceway/server";
import { type VirtualClock, virtualClock } from "@raceway/testkit";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { handlers } from "../app/lab.ts";
import { type LabClient, labClient } from "../gen/lab/v1/lab.client.ts";
import { type LabPublishers, labService } from "../gen/lab/v1/lab.server.ts";

/** Links through which nothing passes any more, once they are swallowed; what was on the way can be let out later. */
class BlackHole {
  readonly transport: ClientTransport;
  opened = 0;
  #swallowed: (() => void)[] | undefined;
  /** Links that were there when the hole opened. */
  #lost = 0;

  constructor(inner: ClientTransport) {
    this.transport = {
      ...inner,
      start: (host) => {
        const started = inner.start(host);
        return {
          open: (endpoint, opened, signal) =>
            started.open(
              endpoint,
              (link) => {
                const number = ++this.opened;
                const dead = (): boolean => this.#swallowed !== undefined && number <= this.#lost;
                const receiver = opened(this.#outward(link, dead));
                return this.#inward(receiver, dead);
              },
              signal,
            ),
        };
      },
    };
  }

  swallow(): void {
    this.#swallowed = [];
    this.#lost = this.opened;
  }
  /** What the dead links still had for this side arrives after all. */
  release(): void {
    for (const late of this.#swallowed ?? []) late();
  }

  #outward(link: Link, dead: () => boolean): Link {
    return {
      transport: link.transport,
      traits: link.traits,
      peer: link.peer,
      get buffered() {
        return link.buffered;
      },
      send: (parts) => dead() || link.send(parts),
      pause: () => link.pause(),
      resume: () => link.resume(),
      close: (error) => {
        if (!dead()) link.close(error); // else it does nothing, and says nothing either
      },
    };
  }
  #inward(receiver: LinkReceiver, dead: () => boolean): LinkReceiver {
    const late = (run: () => void): void => {
      if (dead()) this.#swallowed!.push(run);
      else run();
    };
    return {
      batch: (bytes) => late(() => receiver.batch(bytes)),
      drain: () => late(() => receiver.drain()),
      closed: (error) => late(() => receiver.closed(error)),
    };
  }
}

describe("centrifuge-js PR 228, agentboard PR 97: the socket stays open, dead, and close() does nothing", () => {
  let clock: VirtualClock;
  let hole: BlackHole;
  let app: Raceway;
  let topics: LabPublishers;
  let connection: Connection;
  let client: LabClient;
  let seen: number[];
  const page = { hidden: false };
  let document: EventTarget;

  beforeEach(async () => {
    document = Object.defineProperty(new EventTarget(), "hidden", { get: () => page.hidden });
    const window = new EventTarget();
    vi.stubGlobal("document", document);
    vi.stubGlobal("addEventListener", window.addEventListener.bind(window));
    vi.stubGlobal("removeEventListener", window.removeEventListener.bind(window));
    page.hidden = false;
    clock = virtualClock();
    const memory = memoryTransport();
    hole = new BlackHole(memory.client);
    app = raceway({ transports: [memory.server], clock });
    topics = app.serve(labService, handlers([], clock));
    await app.listen({ port: 0, host: "127.0.0.1" });
    connection = connect("http://lab", { transports: [hole.transport], clock });
    client = labClient(connection);
    seen = [];
    void (async () => {
      for await (const { sequence } of client.ticks({ board: "x" })) seen.push(sequence);
    })().catch(() => {}); // closed at the end of the test
    await clock.settle();
    await topics.ticks.publish({ board: "x" }, { sequence: 1 });
    await clock.settle();
    hole.swallow();
    await topics.ticks.publish({ board: "x" }, { sequence: 2 });
    await clock.advance(1_000);
    expect(seen).toEqual([1]);
    expect(connection.state.current.status).toBe("open");
  });
  afterEach(async () => {
    await connection.close();
    await app.close(0);
    vi.unstubAllGlobals();
  });

  it("is noticed three seconds after the page is shown again, and what was lost comes over the next link", async () => {
    page.hidden = true;
    document.dispatchEvent(new Event("visibilitychange"));
    await clock.advance(10_000);
    expect(hole.opened).toBe(1); // while nobody looks there is no hurry
    page.hidden = false;
    document.dispatchEvent(new Event("visibilitychange"));
    await clock.advance(3_500);
    expect(hole.opened).toBe(2);
    expect(connection.state.current.status).toBe("open");
    expect(seen).toEqual([1, 2]);
  });

  it("is noticed by silence alone", async () => {
    const reply = client.echo({ text: "into the hole" });
    await clock.advance(40_000);
    expect(hole.opened).toBe(2);
    expect(seen).toEqual([1, 2]);
    expect((await reply).text).toBe("into the hole");
  });

  it("delivers nothing when it comes back to life", async () => {
    await clock.advance(40_000);
    await topics.ticks.publish({ board: "x" }, { sequence: 3 });
    await clock.settle();
    hole.release();
    await clock.advance(5_000);
    await topics.ticks.publish({ board: "x" }, { sequence: 4 });
    await clock.settle();
    expect(seen).toEqual([1, 2, 3, 4]);
    expect(hole.opened).toBe(2);
  });

  it("a page that comes back while its link is well keeps it", async () => {
    await clock.advance(40_000); // the second link, which is well
    for (let time = 0; time < 5; time++) {
      document.dispatchEvent(new Event("visibilitychange"));
      globalThis.dispatchEvent?.(new Event("online"));
      await clock.advance(4_000);
    }
    expect(hole.opened).toBe(2);
  });
});
