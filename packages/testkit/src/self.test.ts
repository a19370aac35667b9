// The kit tested on links that are broken on purpose: each fault must be caught by the case that is meant for it. Long because every way
// to break a link stands here, in one table.
import { fail, type Link, type LinkOpened, type LinkReceiver } from "@raceway/core";
import { describe, expect, test } from "vitest";
import { RuleBroken } from "./case.ts";
import type { Format } from "./format.ts";
import { linkCases } from "./link-cases.ts";
import { memorySubject } from "./memory-subject.ts";
import { runCases } from "./run-cases.ts";
import type { LinkSubject } from "./subject.ts";

interface Fault {
  /** What such a link does wrong. */
  readonly fault: string;
  readonly caughtBy: string;
  readonly saying: RegExp;
  readonly format?: Format;
  /** What goes wrong in methods of the link. */
  link?(link: Link, receiver: () => LinkReceiver): Partial<Link>;
  /** What goes wrong in calls of the receiver. */
  receiver?(receiver: LinkReceiver, link: Link): Partial<LinkReceiver>;
  /** What goes wrong around both. */
  connect?(inner: LinkSubject, client: LinkOpened, server: LinkOpened, signal?: AbortSignal): Promise<AsyncDisposable>;
  /** What goes wrong when it is cut. */
  cut?(inner: LinkSubject): void;
}

const later = (run: () => void): void => void setTimeout(run, 1);
const join = (parts: readonly Uint8Array[]): Uint8Array => new Uint8Array(Buffer.concat(parts));
/** Every so many calls, counted per link end. */
const every = (count: number): (() => boolean) => {
  let calls = 0;
  return () => ++calls % count === 0;
};

const ORDER = "keeps 1,000 batches in order, none lost, none twice";
const BYTES = "carries every byte in every place";
const ONCE = "hands each end over once, with its name, traits and peer";
const INSIDE = "calls no receiver from inside a method of the link";
const PARTS = "joins the parts of a batch, however many and small";
const SHARED = "leaves parts that many links share as they were";
const STOP = "makes the sender stop while the peer is paused, and go on after";
const CLOSE = "delivers what was sent before close, and then closes both ends in good order";
const AFTER = "calls nothing after closed, although the peer goes on sending";
const DEATH = "delivers no part of a batch when it dies in the middle of one";

const faults: readonly Fault[] = [
  {
    fault: "swaps two batches now and then",
    caughtBy: ORDER,
    saying: /batch 11 of 1000 came to the server in place of batch 10/,
    receiver: (receiver) => {
      const now = every(10);
      let held: Uint8Array | undefined;
      return {
        batch(bytes) {
          if (now()) held = bytes;
          else {
            receiver.batch(bytes);
            if (held !== undefined) receiver.batch(held);
            held = undefined;
          }
        },
      };
    },
  },
  {
    fault: "delivers a batch twice now and then",
    caughtBy: ORDER,
    saying: /batch 7 of 1000 came to the server in place of batch 8/,
    receiver: (receiver) => {
      const now = every(7);
      return {
        batch(bytes) {
          if (now()) receiver.batch(bytes.slice());
          receiver.batch(bytes);
        },
      };
    },
  },
  {
    fault: "loses a batch now and then",
    caughtBy: ORDER,
    saying: /batch 51 of 1000 came to the server in place of batch 50/,
    receiver: (receiver) => {
      const now = every(50);
      return {
        batch(bytes) {
          if (!now()) receiver.batch(bytes);
        },
      };
    },
  },
  {
    fault: "splits batches",
    caughtBy: PARTS,
    saying: /batch 1 of 3 at the server differs: 100 bytes in place of 200/,
    receiver: (receiver) => ({
      batch(bytes) {
        const middle = bytes.length >> 1;
        for (const piece of [bytes.slice(0, middle), bytes.slice(middle)]) receiver.batch(piece);
      },
    }),
  },
  {
    fault: "merges the batches of a turn",
    caughtBy: "keeps the border between two batches that were sent in one turn",
    saying: /batch 1 of 5 at the server differs: 757 bytes in place of 64/,
    receiver: (receiver) => {
      let held: Uint8Array[] = [];
      return {
        batch(bytes) {
          if (held.push(bytes) > 1) return;
          later(() => {
            receiver.batch(join(held));
            held = [];
          });
        },
        closed: (error) => later(() => later(() => receiver.closed(error))),
      };
    },
  },
  {
    fault: "delivers inside send",
    caughtBy: INSIDE,
    saying: /batch was called on the (client|server) from inside send/,
    connect: async (inner, client, server) => {
      const connection = await inner.connect(...synchronous(client, server));
      return connection;
    },
  },
  {
    fault: "calls drain inside send",
    caughtBy: STOP,
    saying: /drain was called on the client from inside send/,
    link: (link, receiver) => ({
      send(parts) {
        const room = link.send(parts);
        if (!room) receiver().drain();
        return room;
      },
    }),
  },
  {
    fault: "calls closed inside close",
    caughtBy: CLOSE,
    saying: /closed was called on the client from inside close/,
    link: (link, receiver) => ({
      close(error) {
        link.close(error);
        receiver().closed(error);
      },
    }),
  },
  {
    fault: "hands a link over twice",
    caughtBy: ONCE,
    saying: /opened was called 2 times on the client/,
    connect: (inner, client, server) => inner.connect((link) => (client(link), client(link)), server),
  },
  {
    fault: "does not deliver what was sent inside opened",
    caughtBy: "delivers what was sent inside opened, before all else",
    saying: /batch 4 of 6 came to the server in place of batch 1/,
    link(link) {
      let opening = true;
      queueMicrotask(() => (opening = false));
      return { send: (parts) => opening || link.send(parts) };
    },
  },
  {
    fault: "goes on when it is called off",
    caughtBy: "leaves nothing open when it is called off before opened",
    saying: /although the signal was aborted before/,
    connect: (inner, client, server) => inner.connect(client, server),
  },
  {
    fault: "leaves the server's end open when it is called off",
    caughtBy: "leaves nothing open when it is called off before opened",
    saying: /the server waited \d+ ms in vain for closed/,
    async connect(inner, client, server, signal) {
      if (signal?.aborted !== true) return inner.connect(client, server);
      await inner.connect(() => ({ batch() {}, drain() {}, closed() {} }), server);
      throw new Error("called off");
    },
  },
  {
    fault: "forgets closed at the end that closes",
    caughtBy: CLOSE,
    saying: /waited \d+ ms in vain for closed/,
    link: (link, receiver) => ({
      close(error) {
        receiver().closed = () => {};
        link.close(error);
      },
    }),
    receiver: (receiver) => ({ closed: (error) => receiver.closed(error) }),
  },
  {
    fault: "calls closed twice",
    caughtBy: CLOSE,
    saying: /closed was called on the (client|server) after closed/,
    receiver: (receiver) => ({
      closed(error) {
        receiver.closed(error);
        receiver.closed(error);
      },
    }),
  },
  {
    fault: "delivers after closed",
    caughtBy: AFTER,
    saying: /batch was called on the client after closed/,
    receiver: (receiver) => ({
      closed(error) {
        receiver.closed(error);
        later(() => receiver.batch(Uint8Array.of(1)));
      },
    }),
  },
  {
    fault: "loses what was sent just before close",
    caughtBy: CLOSE,
    saying: /batches came to the server in place of 60/,
    link(link) {
      let last: readonly Uint8Array[] | undefined;
      return {
        send(parts) {
          if (last !== undefined) link.send(last);
          last = parts;
          return true;
        },
      };
    },
  },
  {
    fault: "calls it good order when the peer closed with an error",
    caughtBy: "closes both ends with an error when one of them closes with one",
    saying: /the server was closed without an error/,
    receiver: (receiver) => ({
      closed: (error) => receiver.closed(error?.message.includes("other end") === true ? undefined : error),
    }),
  },
  {
    fault: "throws when it is used after close",
    caughtBy: "takes nothing after close, and does not mind being asked",
    saying: /send on the client threw/,
    link(link) {
      let over = false;
      return {
        close(error) {
          over = true;
          link.close(error);
        },
        send(parts) {
          if (over) throw new Error("closed");
          return link.send(parts);
        },
      };
    },
  },
  {
    fault: "does not let a paused end close",
    caughtBy: "lets a paused end close",
    saying: /in vain for closed/,
    link(link) {
      let paused = false;
      return {
        pause: () => void (paused = true),
        close: (error) => {
          if (!paused) link.close(error);
        },
      };
    },
  },
  {
    fault: "changes parts (masks them in place)",
    caughtBy: SHARED,
    saying: /the shared batch at the server 1 differs|a part that was sent on many links.*differs/,
    link: (link) => ({
      send(parts) {
        const copy = parts.map((part) => part.slice());
        for (const part of parts) part.forEach((byte, at) => (part[at] = byte ^ 0x5a));
        return link.send(copy);
      },
    }),
  },
  {
    fault: "delivers the sender's own buffer",
    caughtBy: SHARED,
    saying: /differs/,
    connect: (inner, client, server) => inner.connect(...byReference(client, server)),
  },
  {
    fault: "sends the buffer under a part",
    caughtBy: PARTS,
    saying: /differs|batch_too_large|was over before/,
    link: (link) => ({ send: (parts) => link.send(parts.map((part) => new Uint8Array(part.buffer))) }),
  },
  {
    fault: "receives into the same buffer again and again",
    caughtBy: ORDER,
    saying: /batch 1 of 1000 at the server differs/,
    receiver(receiver) {
      const buffer = new Uint8Array(4096);
      return {
        batch(bytes) {
          buffer.set(bytes);
          receiver.batch(buffer.subarray(0, bytes.length));
        },
      };
    },
  },
  {
    fault: "takes bytes for text",
    caughtBy: BYTES,
    saying: /batch 1 of \d+ at the server differs: \d+ bytes in place of 256, from byte 128 on/,
    receiver: (receiver) => ({
      batch: (bytes) => receiver.batch(new TextEncoder().encode(new TextDecoder().decode(bytes))),
    }),
  },
  {
    fault: "takes text for Latin-1",
    format: "json",
    caughtBy: "carries every character of JSON",
    saying: /batch 2 of \d+ at the server differs/,
    receiver: (receiver) => ({
      batch: (bytes) => receiver.batch(new Uint8Array(Buffer.from(Buffer.from(bytes).toString("latin1"), "utf8"))),
    }),
  },
  {
    fault: "drops the line end",
    format: "json",
    caughtBy: "carries every character of JSON",
    saying: /batch 1 of \d+ at the server differs: 2 bytes in place of 3/,
    receiver: (receiver) => ({ batch: (bytes) => receiver.batch(bytes.slice(0, -1)) }),
  },
  {
    fault: "cuts off what is above 64 KiB",
    caughtBy: "carries batches of every size up to maxBatchBytes",
    saying: /differs: 65536 bytes in place of 65537/,
    receiver: (receiver) => ({ batch: (bytes) => receiver.batch(bytes.slice(0, 65_536)) }),
  },
  {
    fault: "knows no largest batch",
    caughtBy: "closes with batch_too_large above maxBatchBytes, and delivers nothing of it",
    saying: /in vain for closed/,
    link: (link) => ({
      send: (parts) =>
        parts.reduce((sum, part) => sum + part.length, 0) > link.traits.maxBatchBytes || link.send(parts),
    }),
  },
  {
    fault: "dies of an empty batch",
    caughtBy: "comes to no harm from an empty batch",
    saying: /was over before the two batches/,
    link: (link) => ({
      send(parts) {
        if (parts.length === 0) link.close(fail("frame_malformed", { detail: "empty" }));
        return link.send(parts);
      },
    }),
  },
  {
    fault: "delivers to another link",
    caughtBy: "carries many links at once, with no cross-talk",
    saying: /differs|batches came|in vain/,
    connect: (inner, client, server) => inner.connect(client, misdirected(server)),
  },
  {
    fault: "never drains",
    caughtBy: STOP,
    saying: /in vain for drain/,
    receiver: () => ({ drain: () => {} }),
  },
  {
    fault: "never says stop",
    caughtBy: STOP,
    saying: /without a stop/,
    link: (link) => ({ send: (parts) => (link.send(parts), true) }),
  },
  {
    fault: "ignores pause",
    caughtBy: STOP,
    saying: /bytes were delivered to the server after pause|without a stop/,
    link: () => ({ pause: () => {} }),
  },
  {
    fault: "loses what comes while it is paused",
    caughtBy: "delivers nothing while paused, and all of it after",
    saying: /in vain for batch number/,
    link(link) {
      lossy.set(link, false);
      return { pause: () => void lossy.set(link, true), resume: () => void lossy.set(link, false) };
    },
    receiver: (receiver, link) => ({
      batch(bytes) {
        if (lossy.get(link) !== true) receiver.batch(bytes);
      },
    }),
  },
  {
    fault: "forgets to count down what is buffered",
    caughtBy: "asks for a pause at most as long as it is full: buffered returns to 0",
    saying: /in vain for buffered to return to 0/,
    link(link) {
      let sent = 0;
      return {
        send(parts) {
          sent += parts.reduce((sum, part) => sum + part.length, 0);
          return link.send(parts);
        },
        get buffered() {
          return sent;
        },
      };
    },
  },
  {
    fault: "delivers what came of a batch when the connection dies",
    caughtBy: DEATH,
    saying: /differs: 100 bytes in place of 200000/,
    receiver: (receiver) => ({
      closed(error) {
        if (error !== undefined) receiver.batch(new Uint8Array(100));
        receiver.closed(error);
      },
    }),
  },
  {
    fault: "takes the death of the connection for a good end",
    caughtBy: DEATH,
    saying: /was closed without an error/,
    receiver: (receiver) => ({ closed: () => receiver.closed(undefined) }),
  },
  {
    fault: "does not notice that the connection died",
    caughtBy: "tells both ends when it is cut while idle, and while both send",
    saying: /in vain for/,
    receiver: () => ({ closed: () => {} }),
  },
];

const lossy = new WeakMap<Link, boolean>();

/** Both ends, joined past the link: what one sends, the other gets inside `send`. */
function synchronous(client: LinkOpened, server: LinkOpened): [LinkOpened, LinkOpened] {
  const receivers: (LinkReceiver | undefined)[] = [];
  const end =
    (opened: LinkOpened, mine: 0 | 1): LinkOpened =>
    (link) => {
      const receiver = opened(altered(link, { send: (parts) => (receivers[1 - mine]?.batch(join(parts)), true) }));
      receivers[mine] = receiver;
      return receiver;
    };
  return [end(client, 0), end(server, 1)];
}

/** Batches of one part arrive as the very array that was sent. */
function byReference(client: LinkOpened, server: LinkOpened): [LinkOpened, LinkOpened] {
  const receivers: (LinkReceiver | undefined)[] = [];
  const end =
    (opened: LinkOpened, mine: 0 | 1): LinkOpened =>
    (link) => {
      const receiver = opened(
        altered(link, {
          send: (parts) => (later(() => receivers[1 - mine]?.batch(parts[0] ?? new Uint8Array(0))), true),
        }),
      );
      receivers[mine] = receiver;
      return receiver;
    };
  return [end(client, 0), end(server, 1)];
}

/** What comes to one end goes to the end that was opened before. */
let neighbour: LinkReceiver | undefined;
function misdirected(opened: LinkOpened): LinkOpened {
  return (link) => {
    const receiver = opened(link);
    const before = neighbour;
    neighbour = receiver;
    return { ...receiver, batch: (bytes) => (before ?? receiver).batch(bytes) };
  };
}

function altered(link: Link, change: Partial<Link>): Link {
  return {
    transport: link.transport,
    traits: link.traits,
    peer: link.peer,
    get buffered() {
      return change.buffered ?? link.buffered;
    },
    send: change.send ?? ((parts) => link.send(parts)),
    pause: change.pause ?? (() => link.pause()),
    resume: change.resume ?? (() => link.resume()),
    close: change.close ?? ((error) => link.close(error)),
  };
}

function brokenSubject(fault: Fault): LinkSubject {
  const inner = memorySubject();
  const wrap =
    (opened: LinkOpened): LinkOpened =>
    (link) => {
      let receiver: LinkReceiver;
      const given = opened(altered(link, fault.link?.(link, () => receiver) ?? {}));
      receiver = {
        batch: (bytes) => given.batch(bytes),
        drain: () => given.drain(),
        closed: (error) => given.closed(error),
      };
      Object.assign(receiver, fault.receiver?.(given, link));
      return receiver;
    };
  return {
    name: inner.name,
    traits: inner.traits,
    patienceMs: 200,
    connect: (client, server, signal) =>
      fault.connect === undefined
        ? inner.connect(wrap(client), wrap(server), signal)
        : fault.connect(inner, client, server, signal),
    cut: () => inner.cut?.(),
  };
}

describe("a link which", () => {
  test.each(faults)("$fault is caught", async (fault) => {
    const cases = linkCases(brokenSubject(fault), { format: fault.format ?? "binary" });
    const one = cases.find(({ name }) => name === fault.caughtBy);
    expect(one, `there is no case "${fault.caughtBy}"`).toBeDefined();
    const outcome = await one?.run().then(
      () => "passed",
      (error: unknown) => error,
    );
    expect(outcome).toBeInstanceOf(RuleBroken);
    expect((outcome as RuleBroken).message).toMatch(fault.saying);
  });
});

describe("runCases", () => {
  test("prints a line for each case, counts, and leaves out what does not apply", async () => {
    const lines: string[] = [];
    const totals = await runCases(
      [
        { name: "holds", run: async () => {} },
        { name: "breaks", run: () => Promise.reject(new RuleBroken("because")) },
        {
          name: "does not apply",
          needs: { what: "wings", met: false },
          run: () => Promise.reject(new Error("was run")),
        },
      ],
      (line) => lines.push(line.replace(/\d+ ms/, "0 ms")),
    );
    expect(totals).toMatchObject({ passed: 1, failed: 1, leftOut: 1 });
    expect(lines).toEqual([
      "✓ holds (0 ms)",
      "✗ breaks (0 ms)\n    because",
      "– does not apply: left out, needs wings",
    ]);
  });

  test("leaves binary cases out for a text link", () => {
    const cases = linkCases(memorySubject({ text: true }), { format: "binary" });
    expect(cases.every(({ needs }) => needs?.met === false)).toBe(true);
  });

  test("has no two cases of the same name", () => {
    const names = linkCases(memorySubject(), { format: "binary" }).map(({ name }) => name);
    expect(new Set(names).size).toBe(names.length);
  });
});
