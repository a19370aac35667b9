// Calls for the session cases: an echo, a stream down, a stream up, and one both ways, each sent under flow control and read at once.
import type { Call, CallReceiver } from "@raceway/core/internal";
import { require } from "../case.ts";
import type { CodecName, Conversation, Serve } from "./conversation.ts";

const encoder = new TextEncoder();
const decoder = new TextDecoder();

const awkward = `é🏁"\n\u2028`;

/** The message with a number, `size` bytes long (64 at least in JSON), as the codec would write it. */
export function message(codec: CodecName, number: number, size = 64): Uint8Array {
  if (codec === "json") {
    const bare = encoder.encode(JSON.stringify({ number, text: awkward })).length;
    return encoder.encode(JSON.stringify({ number, text: awkward + "x".repeat(Math.max(0, size - bare)) }));
  }
  const bytes = new Uint8Array(Math.max(8, size));
  new DataView(bytes.buffer).setUint32(0, number);
  for (let at = 4; at < bytes.length; at++) bytes[at] = (number + at * 7) & 0xff;
  return bytes;
}

/** Its number again. */
export function numberOf(codec: CodecName, payload: Uint8Array): number {
  if (codec === "json") return (JSON.parse(decoder.decode(payload)) as { number: number }).number;
  return new DataView(payload.buffer, payload.byteOffset, payload.length).getUint32(0);
}

/** What one side has received of a call. */
export class Inbox {
  readonly numbers: number[] = [];
  bytes = 0;
  ended = false;
  lost: unknown;

  add(codec: CodecName, payload: Uint8Array): void {
    this.numbers.push(numberOf(codec, payload));
    this.bytes += payload.length;
  }

  /** Fails unless the numbers are from..to-1, each once, in order. */
  requireRun(from: number, to: number, who: string): void {
    for (const [at, number] of this.numbers.entries()) {
      require(number === from + at, () =>
        `${who} got message ${number} in place of ${from + at}, ${number < from + at ? "a second time or too late" : "so one is missing"}`);
    }
    require(this.numbers.length === to - from, `${who} got ${this.numbers.length} messages in place of ${to - from}`);
  }
}

/** Whether readers deal with what they got: while it is shut, they give no credit back. */
export class Gate {
  #waiting: (() => void)[] | undefined;

  shut(): void {
    this.#waiting ??= [];
  }
  open(): void {
    const waiting = this.#waiting ?? [];
    this.#waiting = undefined;
    for (const run of waiting) run();
  }
  pass(run: () => void): void {
    if (this.#waiting === undefined) run();
    else this.#waiting.push(run);
  }
}

/** Sends messages from..to-1 as fast as the session lets it, then calls `done`. Gives the function that goes on when there is room. */
function sender(
  codec: CodecName,
  from: number,
  to: number,
  size: number,
  done: (call: Call) => void,
): (call: Call) => void {
  let next = from;
  let over = false;
  return (call) => {
    while (next < to) {
      if (!call.writable) return;
      call.send(message(codec, next++, size));
    }
    if (over) return;
    over = true;
    done(call);
  };
}

function receiver(
  codec: CodecName,
  inbox: Inbox,
  call: () => Call | undefined,
  go: (call: Call) => void,
  ended?: () => void,
  gate?: Gate,
): CallReceiver {
  return {
    data(payload) {
      inbox.add(codec, payload);
      const { length } = payload;
      if (gate === undefined) call()?.consumed(length);
      else gate.pass(() => call()?.consumed(length));
    },
    end(frame) {
      if (frame.payload !== undefined) inbox.add(codec, frame.payload);
      inbox.ended = true;
      ended?.();
    },
    cancelled() {
      inbox.lost = "cancelled";
    },
    writable() {
      const open = call();
      if (open !== undefined) go(open);
    },
    lost(error) {
      inbox.lost = error;
    },
  };
}

const still = (): void => {};

/** Method names carry what the server is to do: "/kit/Echo", "/kit/Stream/<messages>/<bytes each>". */
export const streamMethod = (messages: number, size: number): string => `/kit/Stream/${messages}/${size}`;

/** The server of all cases. `inboxes` gets what streams brought up, by call. */
export function serveKit(codec: CodecName, inboxes: Map<number, Inbox>, gate?: Gate): Serve {
  return (call, method, payload) => {
    if (method === "/kit/Echo") {
      call.receiver = receiver(codec, new Inbox(), () => call, still);
      call.finish(undefined, undefined, undefined, payload ?? new Uint8Array(0));
      return;
    }
    const [, , , messages, size] = method.split("/");
    const inbox = new Inbox();
    inboxes.set(call.id, inbox);
    let downDone = false;
    const finish = (): void => {
      if (downDone && inbox.ended) call.finish(undefined);
    };
    const go = sender(codec, 0, Number(messages), Number(size), () => {
      downDone = true;
      finish();
    });
    call.receiver = receiver(codec, inbox, () => call, go, finish, gate);
    go(call);
  };
}

/** One unary call. Its inbox gets one message. */
export function echo(conversation: Conversation, codec: CodecName, number: number, size?: number): Inbox {
  const inbox = new Inbox();
  conversation.client.open(
    receiver(codec, inbox, () => undefined, still),
    "/kit/Echo",
    { payload: message(codec, number, size) },
  );
  return inbox;
}

/** One call that streams both ways. */
export function stream(
  conversation: Conversation,
  codec: CodecName,
  up: number,
  down: number,
  size: number,
  gate?: Gate,
): { readonly call: Call; readonly inbox: Inbox } {
  const inbox = new Inbox();
  const go = sender(codec, 0, up, size, (open) => open.halfClose());
  const call: Call = conversation.client.open(
    receiver(codec, inbox, () => call, go, undefined, gate),
    streamMethod(down, size),
    {},
  );
  go(call);
  return { call, inbox };
}
