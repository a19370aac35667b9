// What a server's session makes of publications, over a link that remembers what was sent, with turns by hand.
import { describe, expect, it } from "vitest";
import { joinParts, readBatch } from "./batch.ts";
import type { Clock } from "./clock.ts";
import { protoCodec } from "./codec-proto.ts";
import { FlushQueue, type Flushable } from "./flush-queue.ts";
import { encodePublication } from "./frame-binary.ts";
import type { Frame } from "./frame.ts";
import { type LimitOptions, resolveLimits } from "./limits.ts";
import type { Link } from "./link.ts";
import { PublishingSession } from "./publishing-session.ts";
import { SessionLink } from "./session-link.ts";

class FakeLink implements Link {
  readonly transport = "fake";
  readonly traits = { binary: true, duplex: true, push: true, maxBatchBytes: 1_000_000 };
  readonly peer = { address: "", secure: false, header: () => undefined };
  readonly buffered = 0;
  readonly sent: (readonly Uint8Array[])[] = [];
  full = false;
  send(parts: readonly Uint8Array[]): boolean {
    this.sent.push(parts);
    return !this.full;
  }
  pause(): void {}
  resume(): void {}
  close(): void {}
  /** What was sent since the last look, batch by batch. */
  take(): string[][] {
    return this.sent.splice(0).map((parts) => {
      const said: string[] = [];
      const tell = (frame: Frame): unknown =>
        said.push(frame.kind === "publication" ? `publication ${frame.offset}` : frame.kind);
      readBatch(joinParts(parts), { jsonDepth: 64 }, tell);
      return said;
    });
  }
}

function setup(limits: LimitOptions = {}, text = false) {
  const due: (() => void)[] = [];
  const clock: Clock = {
    now: () => 0,
    wallNow: () => 0,
    after: () => ({ [Symbol.dispose]() {} }),
    turnEnd: (run) => void due.push(run),
    loopEnd: (run) => void due.push(run),
  };
  const turn = (): void => {
    for (let run = due.shift(); run !== undefined; run = due.shift()) run();
  };
  const queue = new FlushQueue(clock);
  const session = new PublishingSession({
    side: "server",
    limits: resolveLimits(limits),
    clock,
    queue,
    owner: { opened() {}, linkLost() {}, waits() {}, auth() {}, goaway() {}, pong() {}, ended() {} },
    codec: protoCodec(),
  });
  const attach = (): { link: FakeLink; end: SessionLink } => {
    const link = new FakeLink();
    const end = new SessionLink(link, { batch() {}, closed() {} }, text);
    session.attach(end, 0);
    return { link, end };
  };
  return { session, queue, attach, turn };
}
const group = (offset: number, bytes = 0): { parts: readonly Uint8Array[] } => ({
  parts: [encodePublication(1, offset, new Uint8Array(bytes))],
});

describe("a session that publishes", () => {
  it("sends one group as the very array that all get, and several in one batch", () => {
    const { session, attach, turn } = setup();
    const { link } = attach();
    turn();
    const one = group(1);
    expect(session.publish(one)).toBe(true);
    expect(link.sent).toEqual([]);
    turn();
    expect(link.sent[0]).toBe(one.parts);
    link.take();
    for (const offset of [2, 3, 4]) session.publish(group(offset));
    turn();
    expect(link.take()).toEqual([["publication 2", "publication 3", "publication 4"]]);
  });

  it("sends them behind what it says itself, in the same batch", () => {
    const { session, attach, turn } = setup();
    const { link } = attach();
    turn();
    session.publish(group(1));
    session.ping(1);
    session.publish(group(2));
    turn();
    expect(link.take()).toEqual([["ping", "publication 1", "publication 2"]]);
  });

  it("is idle only while nothing would leave with a group", () => {
    const { session, attach, turn } = setup();
    expect(session.idle).toBeUndefined(); // no link
    const { link, end } = attach();
    turn();
    expect(session.idle).toBe(end);
    session.ping(1);
    expect(session.idle).toBeUndefined();
    turn();
    expect(session.idle).toBe(end);
    session.publish(group(1));
    expect(session.idle).toBeUndefined();
    link.full = true;
    turn();
    expect(session.idle).toBeUndefined(); // the link is full
    expect(session.publish(group(2))).toBe(false);
    link.full = false;
    end.drain();
    expect(session.idle).toBe(end);
    expect(link.take()).toEqual([["ping"], ["publication 1"]]);
    end.closed(undefined);
    expect(session.idle).toBeUndefined();
  });

  it("is never idle on a link of text, which has another form", () => {
    const { session, attach, turn } = setup({}, true);
    attach();
    turn();
    expect(session.idle).toBeUndefined();
  });

  it("drops what waits when its link is lost or another takes its place: it is read from the log again", () => {
    const { session, attach, turn } = setup();
    const first = attach();
    turn();
    session.publish(group(1));
    session.publish(group(2));
    first.end.closed(undefined);
    const second = attach();
    turn();
    expect([...first.link.take(), ...second.link.take()]).toEqual([]);
    session.publish(group(3));
    turn();
    expect(second.link.take()).toEqual([["publication 3"]]);
  });

  it("keeps what waits while its link is full, and sends it when there is room", () => {
    const { session, attach, turn } = setup();
    const { link, end } = attach();
    turn();
    session.publish(group(1));
    session.publish(group(2));
    end.blocked = true;
    turn();
    expect(link.take()).toEqual([]);
    end.drain();
    expect(link.take()).toEqual([["publication 1", "publication 2"]]);
  });

  it("cuts groups to batches that the link carries", () => {
    const { session, attach, turn } = setup({ batchBytes: 4_096, messageBytes: 2_048 });
    const { link } = attach();
    turn();
    for (const offset of [1, 2, 3]) session.publish(group(offset, 1_500));
    turn();
    expect(link.take()).toEqual([["publication 1", "publication 2"], ["publication 3"]]);
  });
});

it("a queue says which is the last that it flushes at the end of a loop turn, also of what came meanwhile", () => {
  const { queue, turn } = setup();
  const seen: string[] = [];
  const thing = (name: string, more?: Flushable): Flushable => ({
    flush() {
      seen.push(`${name} ${queue.alone}`);
      if (more !== undefined) queue.atLoopEnd(more);
    },
  });
  queue.atTurnEnd(thing("reply"));
  turn();
  queue.atLoopEnd(thing("a"));
  queue.atLoopEnd(thing("b", thing("c")));
  turn();
  expect(seen).toEqual(["reply false", "a false", "b true", "c true"]);
  expect(queue.alone).toBe(false);
});
