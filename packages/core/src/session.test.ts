// The session by itself, over links that only remember what was sent, with time by hand. Long because all cases share this stage.
import type { ConnectError } from "@connectrpc/connect";
import { describe, expect, it } from "vitest";
import { joinParts, readBatch } from "./batch.ts";
import type { CallReceiver } from "./calls.ts";
import type { Clock } from "./clock.ts";
import { protoCodec } from "./codec-proto.ts";
import { reasonOf } from "./errors.ts";
import { FlushQueue } from "./flush-queue.ts";
import { encodeFrame } from "./frame-binary.ts";
import type { Frame } from "./frame.ts";
import { type LimitOptions, resolveLimits } from "./limits.ts";
import type { Link } from "./link.ts";
import { SessionLink } from "./session-link.ts";
import { Session } from "./session.ts";

/** Time and turns by hand: what is due at the end of a turn runs in `turn()`. */
function handClock(): Clock & { turn(): void; pass(ms: number): void } {
  let now = 0;
  let turns: (() => void)[] = [];
  let loops: (() => void)[] = [];
  const timers = new Set<{ due: number; run: () => void }>();
  const turn = (): void => {
    while (turns.length + loops.length > 0) {
      const due = [...turns, ...loops];
      turns = [];
      loops = [];
      for (const run of due) run();
    }
  };
  return {
    now: () => now,
    wallNow: () => now,
    after(ms, run) {
      const timer = { due: now + ms, run };
      timers.add(timer);
      return { [Symbol.dispose]: () => void timers.delete(timer) };
    },
    turnEnd: (run) => void turns.push(run),
    loopEnd: (run) => void loops.push(run),
    turn,
    pass(ms) {
      const until = now + ms;
      for (;;) {
        const next = [...timers].filter(({ due }) => due <= until).sort((a, b) => a.due - b.due)[0];
        if (next === undefined) break;
        timers.delete(next);
        now = next.due;
        next.run();
        turn();
      }
      now = until;
    },
  };
}

/** A link that keeps what is sent, batch by batch. */
class FakeLink implements Link {
  readonly transport = "fake";
  readonly traits = { binary: true, duplex: true, push: true, maxBatchBytes: 1_000_000 };
  readonly peer = { address: "", secure: false, header: () => undefined };
  readonly buffered = 0;
  readonly batches: Frame[][] = [];
  full = false;
  paused = 0;
  closed = false;
  send(parts: readonly Uint8Array[]): boolean {
    const frames: Frame[] = [];
    readBatch(joinParts(parts), { jsonDepth: 64 }, (frame) => frames.push(frame));
    this.batches.push(frames);
    return !this.full;
  }
  pause(): void {
    this.paused++;
  }
  resume(): void {
    this.paused = 0;
  }
  close(): void {
    this.closed = true;
  }
  get kinds(): string[][] {
    return this.batches.map((batch) => batch.map(({ kind }) => kind));
  }
}

const deaf: CallReceiver = { data() {}, end() {}, cancelled() {}, writable() {}, lost() {} };

function setup(side: "client" | "server", limits: LimitOptions = {}) {
  const clock = handClock();
  const lost: (ConnectError | undefined)[] = [];
  const ended: ConnectError[] = [];
  const opened: string[] = [];
  const session = new Session({
    side,
    limits: resolveLimits(limits),
    clock,
    queue: new FlushQueue(clock),
    owner: {
      opened(call, frame) {
        call.receiver = deaf;
        opened.push(frame.method);
      },
      linkLost: (error) => void lost.push(error),
      waits() {},
      auth() {},
      goaway() {},
      pong() {},
      ended: (error) => void ended.push(error),
    },
    codec: protoCodec(),
  });
  const attach = (peerReceived = 0): { link: FakeLink; end: SessionLink } => {
    const link = new FakeLink();
    const end = new SessionLink(link, { batch() {}, closed() {} }, false);
    session.attach(end, peerReceived);
    return { link, end };
  };
  return { clock, session, attach, lost, ended, opened };
}

const frames = (...said: readonly Frame[]): Uint8Array => joinParts(said.map(encodeFrame));
/** `from`: the number that comes next on a link. */
const ack = (received: number, from?: number): Frame => ({ kind: "ack", received, from });
const open = (call: number): Frame => ({
  kind: "open",
  call,
  method: "/m",
  header: [],
  timeoutMs: 0,
  idempotencyKey: "",
  after: undefined,
  end: false,
  payload: undefined,
});

describe("Session", () => {
  it("writes what a turn said in one batch", () => {
    const { clock, session, attach } = setup("client");
    const { link } = attach();
    for (let at = 0; at < 3; at++) session.open(deaf, "/m", { payload: Uint8Array.of(at) });
    session.ping(1);
    expect(link.batches).toEqual([]);
    clock.turn();
    expect(link.kinds).toEqual([["ping", "open", "open", "open"]]);
  });

  it("does not wait for the end of the turn once 32 KiB have come together", () => {
    const { session, attach } = setup("client");
    const { link } = attach();
    for (let at = 0; at < 40; at++) session.open(deaf, "/m", { payload: new Uint8Array(1_000) });
    expect(link.batches.length).toBeGreaterThanOrEqual(1);
    expect(link.batches[0]!.length).toBeGreaterThan(30);
  });

  it("acknowledges late while it is quiet, and at once after much", () => {
    const { clock, session, attach } = setup("server");
    const { link, end } = attach();
    session.receive(end, frames(open(1)));
    clock.turn();
    expect(link.batches).toEqual([]);
    clock.pass(500);
    expect(link.batches).toEqual([[ack(1)]]);
    session.receive(end, frames(...Array.from({ length: 128 }, (_, at) => open(at + 2))));
    clock.turn();
    expect(link.batches[1]).toEqual([ack(129)]);
  });

  it("resends from where the other side is, and drops what came already", () => {
    const { clock, session, attach, opened } = setup("server");
    const first = attach();
    session.receive(first.end, frames(open(1), open(2)));
    first.end.closed(undefined);
    const second = attach(0); // the client heard of one only, so it sends the second again
    session.receive(second.end, frames(ack(0, 1), open(2), open(3)));
    clock.turn();
    expect(opened).toEqual(["/m", "/m", "/m"]);
    expect(session.received).toBe(3);
  });

  it("does not begin a call that was given up before the link that brings it was opened", () => {
    const { session, attach, opened } = setup("server");
    const { end } = attach();
    const cancel = (call: number): Frame => ({ kind: "cancel", call });
    session.receive(end, frames(open(1), open(2), cancel(1)));
    expect(opened).toHaveLength(1);
    expect([...session.calls].map(({ id }) => id)).toEqual([2]);
    expect(session.received).toBe(3);
    session.receive(end, frames(open(3), cancel(3))); // what comes later is begun, and ended
    expect(opened).toHaveLength(2);
    expect(end.over).toBe(false);
  });

  it("takes frames from an old link after a switch, and sends on the new one only", () => {
    const { clock, session, attach, opened } = setup("server");
    const old = attach();
    session.receive(old.end, frames(open(1)));
    const fresh = attach(0);
    session.receive(old.end, frames(open(2)));
    session.receive(fresh.end, frames(ack(0, 1), open(2), open(3)));
    session.ping(9);
    clock.turn();
    expect(opened).toHaveLength(3);
    expect(fresh.link.kinds.flat()).toContain("ping");
    expect(old.link.kinds.flat()).not.toContain("ping");
  });

  it("what calls write as soon as there is room again does not overtake what is sent again on the link they got it by", () => {
    const { session, attach } = setup("server", { replayBytes: 60_000, windowBytes: 1_000_000 });
    const old = attach();
    session.receive(old.end, frames(open(1)));
    const call = [...session.calls][0]!;
    let next = 0;
    const write = (): void => {
      while (next < 10 && call.writable) call.send(new Uint8Array(20_000).fill(next++));
    };
    call.receiver = { ...deaf, writable: write };
    write();
    const written = next;
    expect(written).toBeLessThan(10);
    // The client has all but one, and says so with its Hello; then it chooses the new link.
    const fresh = attach(written - 1);
    session.receive(fresh.end, frames(ack(written - 1)));
    session.flush();
    const got = fresh.link.batches.flat().flatMap((frame) => (frame.kind === "data" ? [frame.payload[0]] : []));
    expect(got).toEqual(Array.from({ length: next - written + 1 }, (_, at) => at + written - 1));
    expect(next).toBeGreaterThan(written);
  });

  it("goes on over a link that stood by from what was acknowledged over another meanwhile", () => {
    const { session, attach } = setup("server");
    const old = attach();
    session.receive(old.end, frames(open(1)));
    const call = [...session.calls][0]!;
    for (let at = 0; at < 3; at++) call.send(Uint8Array.of(at));
    session.flush();
    const late = attach(1); // its Hello was said when one had come
    session.receive(old.end, frames(ack(2)));
    session.receive(late.end, frames(ack(3, 1), open(2)));
    call.send(Uint8Array.of(3));
    session.flush();
    expect(late.link.batches.flat()).toEqual([
      ack(1, 3),
      { kind: "data", call: 1, payload: Uint8Array.of(3), header: undefined },
    ]);
    expect(session.received).toBe(2);
  });

  it("a Hello that is under way holds up nothing: what comes meanwhile is acknowledged, and forgotten", () => {
    const { session, attach } = setup("server", { windowBytes: 1_000_000 });
    const old = attach();
    session.receive(old.end, frames(open(1)));
    const call = [...session.calls][0]!;
    const late = attach(0); // swallowed on its way back: the client never speaks on it
    for (let at = 0; at < 10; at++) {
      call.send(new Uint8Array(10_000));
      session.flush();
      session.receive(old.end, frames(ack(at + 1)));
    }
    expect(session.replay.bytes).toBe(0);
    expect(session.resumableFrom(0)).toBe(true); // whatever an old Hello says, the client has all ten
    expect(late.link.batches).toEqual([]);
  });

  it("takes no frame on a link that joins in before it was said which one it is", () => {
    const { session, attach } = setup("server");
    const first = attach();
    session.receive(first.end, frames(open(1)));
    const second = attach();
    session.receive(second.end, frames(open(2)));
    expect(second.link.kinds.at(-1)).toEqual(["goaway"]);
    expect(second.link.closed).toBe(true);
    expect(session.received).toBe(1);
  });

  it("takes no number that leaves frames out, or goes back", () => {
    for (const wrong of [3, 0]) {
      const { session, attach } = setup("server");
      const { link, end } = attach();
      session.receive(end, frames(open(1), open(2)));
      session.receive(end, frames(ack(0, 2)));
      expect(link.closed).toBe(false);
      session.receive(end, frames(ack(0, wrong)));
      expect(link.closed).toBe(true);
    }
  });

  it("falls back to a link that is still open when the current one dies", () => {
    const { clock, session, attach, lost } = setup("client");
    const first = attach();
    const second = attach();
    session.open(deaf, "/m", { payload: new Uint8Array(1) });
    clock.turn();
    expect(second.link.kinds).toEqual([["ack"], ["open"]]);
    second.end.closed(undefined);
    expect(lost).toEqual([]);
    expect(first.link.kinds).toEqual([["ack", "open"]]);
    expect(first.link.batches[0]![0]).toEqual(ack(0, 0));
    first.end.closed(undefined);
    expect(lost).toEqual([undefined]);
  });

  it("says where it goes on when it falls back to a link on which not all was sent that the other side has", () => {
    const { clock, session, attach, lost } = setup("client");
    const first = attach();
    const second = attach();
    session.open(deaf, "/m", { payload: new Uint8Array(1) });
    clock.turn();
    session.receive(second.end, frames(ack(1)));
    second.end.closed(undefined);
    session.open(deaf, "/m", { payload: new Uint8Array(1) });
    clock.turn();
    expect(first.link.batches.flat().map((frame) => (frame.kind === "ack" ? frame.from : frame.kind))).toEqual([
      1,
      "open",
    ]);
    expect(lost).toEqual([]);
  });

  it("takes a Welcome that says less than was acknowledged since, and goes on from there", () => {
    const { clock, session, attach } = setup("client");
    const { end } = attach();
    for (let at = 0; at < 3; at++) session.open(deaf, "/m", { payload: Uint8Array.of(at) });
    clock.turn();
    end.closed(undefined);
    attach(3); // the first is welcomed, by a server that has all three
    expect(session.replay.bytes).toBe(0);
    expect(session.resumableFrom(1)).toBe(true); // the second was welcomed before, and its Welcome took longer
    const { link } = attach(1);
    expect(link.batches).toEqual([[ack(0, 3)]]);
  });

  it("bears an acknowledgement that was overtaken over another link, and none that goes back on its own", () => {
    const { clock, session, attach } = setup("client");
    const first = attach();
    for (let at = 0; at < 3; at++) session.open(deaf, "/m", { payload: Uint8Array.of(at) });
    clock.turn();
    session.receive(first.end, frames(ack(3)));
    const second = attach(1); // welcomed before the server had more
    session.receive(second.end, frames(ack(2)));
    expect(second.end.over).toBe(false);
    session.receive(second.end, frames(ack(1)));
    expect(second.link.closed).toBe(true);
    expect(second.link.kinds.at(-1)).toEqual(["goaway"]);
  });

  it("says where it can go on: not before what was given up, not after what was sent", () => {
    const { clock, session, attach } = setup("client", { replayBytes: 1_000, messageBytesOut: 2_000 });
    const { end } = attach();
    for (let at = 0; at < 20; at++) {
      session.open(deaf, "/m", { payload: new Uint8Array(1_000) });
      clock.turn();
    }
    expect(session.resumableFrom(0)).toBe(true);
    end.closed(undefined);
    session.open(deaf, "/m", { payload: new Uint8Array(1_000) });
    clock.turn();
    expect(session.resumableFrom(0)).toBe(false);
    expect(session.resumableFrom(20)).toBe(true);
    expect(session.resumableFrom(21)).toBe(false);
    expect(session.replay.bytes).toBeLessThanOrEqual(6_000);
  });

  it("sends nothing on a full link until it drains", () => {
    const { clock, session, attach } = setup("client");
    const { link, end } = attach();
    link.full = true;
    session.open(deaf, "/m", { payload: new Uint8Array(1) });
    clock.turn();
    session.open(deaf, "/m", { payload: new Uint8Array(1) });
    clock.turn();
    expect(link.batches).toHaveLength(1);
    expect(session.roomy).toBe(false);
    link.full = false;
    end.drain();
    expect(link.kinds).toEqual([["open"], ["open"]]);
    expect(session.roomy).toBe(true);
  });

  it("pauses a peer that sends too much, and cuts one that goes on all the same", () => {
    const { clock, session, attach, lost } = setup("server", { framesPerSecond: 100, framesBurst: 100 });
    const { link, end } = attach();
    const flood = frames(...Array.from({ length: 150 }, (): Frame => ({ kind: "ping", id: 1 })));
    session.receive(end, flood);
    expect(link.paused).toBe(1);
    clock.pass(1_000);
    expect(link.paused).toBe(0);
    for (let round = 0; round < 6; round++) session.receive(end, flood);
    expect(reasonOf(lost[0])).toBe("too_many_frames");
    expect(link.closed).toBe(true);
  });

  it("finds a silent link in time, and takes any byte for life", () => {
    const { clock, session, attach, lost } = setup("client");
    const { end } = attach();
    session.watch(1_000, 1_400);
    for (let round = 0; round < 10; round++) {
      clock.pass(1_000);
      end.batch(frames({ kind: "pong", id: 0 }));
    }
    expect(lost).toEqual([]);
    clock.pass(1_800);
    expect(reasonOf(lost[0])).toBe("link_silent");
  });

  it("takes parts of a batch for life, too", () => {
    const { clock, session, attach, lost } = setup("client");
    const { end } = attach();
    session.watch(1_000, 1_400);
    for (let round = 0; round < 10; round++) {
      clock.pass(1_000);
      end.heard();
    }
    expect(lost).toEqual([]);
  });

  it("gives the next link more time when one brought nothing before it was given up, eight times as much at most", () => {
    const { clock, session, attach, lost } = setup("client");
    session.watch(1_000, 1_400);
    const borne: number[] = [];
    for (let link = 0; link < 6; link++) {
      const { end } = attach();
      const from = clock.now();
      for (const before = lost.length; lost.length === before;) clock.pass(100);
      borne.push(Math.round((clock.now() - from) / 1_400));
      expect(end.over).toBe(true);
    }
    expect(borne).toEqual([1, 2, 4, 8, 8, 8]);
    // Calm for long enough: back to what was agreed.
    const { end } = attach();
    for (let round = 0; round < 40; round++) {
      clock.pass(1_000);
      end.batch(frames({ kind: "pong", id: 0 }));
    }
    const before = lost.length;
    clock.pass(1_800);
    expect(lost).toHaveLength(before + 1);
  });

  it("asks a link that is doubted, and gives it up if nothing comes; what it brings later counts for nothing", () => {
    const { clock, session, attach, lost, opened } = setup("server");
    const first = attach();
    session.watch(25_000, 35_000);
    session.check(3_000);
    clock.turn();
    expect(first.link.kinds.flat()).toContain("ping");
    first.end.batch(frames({ kind: "pong", id: 0 }));
    clock.pass(3_000);
    expect(lost).toEqual([]);
    session.check(3_000);
    clock.pass(3_000);
    expect(reasonOf(lost[0])).toBe("link_silent");
    first.end.batch(frames(open(1)));
    expect(opened).toEqual([]);
  });

  it("doubts its link after this process was asleep", () => {
    const { clock, session, attach, lost } = setup("client");
    const { link } = attach();
    session.watch(1_000, 1_400);
    clock.turn();
    const { now } = clock;
    const aheadMs = 600_000;
    clock.now = () => now() + aheadMs;
    clock.pass(180);
    expect(link.kinds.flat()).toContain("ping");
    clock.pass(1_300); // less than the silence that is borne
    expect(lost).toEqual([]);
    clock.pass(5_000);
    expect(reasonOf(lost[0])).toBe("link_silent");
  });

  it("does not take its own lateness for the other's silence", () => {
    const { clock, session, attach, lost } = setup("client");
    attach();
    session.watch(1_000, 1_400);
    // The process was stalled: its timers run far too late, and what came meanwhile is not read yet.
    const { now } = clock;
    clock.now = () => now() + 600_000;
    clock.pass(180);
    expect(lost).toEqual([]);
  });

  it("tells every call when it ends, once, and is quiet after", () => {
    const { clock, session, attach, ended } = setup("client");
    const { link } = attach();
    const lost: string[] = [];
    session.open({ ...deaf, lost: (error) => void lost.push(error.message) }, "/m", { payload: new Uint8Array(1) });
    const error = new Error("end") as ConnectError;
    session.end(Object.assign(error, { code: 1, rawMessage: "end", details: [] }), true);
    session.end(error, true);
    clock.turn();
    expect(lost).toEqual(["end"]);
    expect(ended).toHaveLength(1);
    expect(link.kinds.at(-1)).toEqual(["goaway"]);
    expect(link.closed).toBe(true);
  });
});
