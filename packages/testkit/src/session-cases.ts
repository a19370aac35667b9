// The compliance cases of a session over a subject's links: what calls may rely on while links come, go and die.
import { type Case, require, settle } from "./case.ts";
import { type CodecName, Conversation } from "./session/conversation.ts";
import { echo, Gate, type Inbox, serveKit, stream } from "./session/traffic.ts";
import type { LinkSubject } from "./subject.ts";

export interface SessionCaseOptions {
  /** How payloads are written. */
  readonly codec: CodecName;
  /** Frames as lines of JSON; a text link carries nothing else. False unless said, or unless the link is one. */
  readonly text?: boolean;
}

/** All cases for sessions over the links of one transport. To be run one after the other. */
export function sessionCases(subject: LinkSubject, options: SessionCaseOptions): readonly Case[] {
  const { codec } = options;
  const text = options.text ?? !subject.traits.binary;
  const cut = { what: "a way to cut the connection", met: subject.cut !== undefined };
  const twoLinks = { what: "two links at once", met: (subject.maxLinks ?? 2) >= 2 };

  const converse = async (
    act: (conversation: Conversation, inboxes: Map<number, Inbox>, gate: Gate) => Promise<void>,
  ): Promise<void> => {
    const inboxes = new Map<number, Inbox>();
    const gate = new Gate();
    await using conversation = new Conversation(subject, codec, text, serveKit(codec, inboxes, gate));
    await conversation.connect();
    await act(conversation, inboxes, gate);
    if (conversation.failed !== undefined) throw conversation.failed;
  };
  /** Starts a stream both ways; what it gives waits for the end, and holds both inboxes against what was sent. */
  const streaming = (
    conversation: Conversation,
    inboxes: Map<number, Inbox>,
    messages: number,
    size: number,
  ): { progress(): number; end(): Promise<void> } => {
    const { call, inbox } = stream(conversation, codec, messages, messages, size);
    return {
      progress: () => inbox.numbers.length,
      async end() {
        await conversation.until(
          () => inbox.ended || inbox.lost !== undefined,
          `the end of a stream of ${messages} messages each way`,
        );
        require(inbox.lost === undefined, () => `the call was lost: ${String(inbox.lost)}`);
        inbox.requireRun(0, messages, "the client");
        const up = inboxes.get(call.id);
        require(up !== undefined, "the call never came to the server");
        up.requireRun(0, messages, "the server");
      },
    };
  };

  return [
    {
      name: "answers calls in the order in which they were made",
      run: () =>
        converse(async (conversation) => {
          const order: number[] = [];
          const replies = Array.from({ length: 100 }, (_, number) =>
            echo(conversation, codec, number, 40 + number * 10),
          );
          await conversation.until(() => {
            for (const [number, reply] of replies.entries())
              if (reply.ended && !order.includes(number)) order.push(number);
            return order.length === replies.length;
          }, "100 replies");
          for (const [number, reply] of replies.entries()) reply.requireRun(number, number + 1, `call ${number}`);
          require(order.every((number, at) => number === at), "replies came in another order than calls");
        }),
    },
    {
      name: "streams both ways at once, in order",
      run: () => converse((conversation, inboxes) => streaming(conversation, inboxes, 1000, 100).end()),
    },
    {
      name: "carries the largest messages",
      run: () =>
        converse(async (conversation) => {
          // As large as fits one batch on this link, in the form it has there: base64 makes four bytes of three.
          const batch = Math.min(subject.traits.maxBatchBytes, 1_114_112);
          const largest = Math.floor(Math.min(1_048_576, (text ? batch * 0.74 : batch) - 512));
          for (const size of [largest, Math.floor(largest / 2), 70_000]) {
            const reply = echo(conversation, codec, size, size);
            await conversation.until(() => reply.ended || reply.lost !== undefined, `the echo of ${size} bytes`);
            require(reply.lost === undefined, () => `the call with ${size} bytes was lost: ${String(reply.lost)}`);
            reply.requireRun(size, size + 1, `the call with ${size} bytes`);
          }
          require(conversation.linksLost === 0, "the link died of a large message");
        }),
    },
    {
      name: "carries a backlog that is larger than one batch",
      run: () =>
        converse(async (conversation) => {
          // All at once: the first fills the link, the rest waits for its drain and then leaves together.
          const size = Math.floor(Math.min(300_000, subject.traits.maxBatchBytes / 4));
          const replies = Array.from({ length: 8 }, (_, number) => echo(conversation, codec, number, size));
          await conversation.until(() => replies.every(({ ended }) => ended), "8 large replies");
          for (const [number, reply] of replies.entries()) reply.requireRun(number, number + 1, `call ${number}`);
          require(conversation.linksLost === 0, "the link died of a batch that was too large");
        }),
    },
    {
      name: "makes the sender wait for a reader that does not read",
      run: () =>
        converse(async (conversation, inboxes) => {
          // More than windows and buffers hold, both ways at once: without flow control memory would grow, with wrong flow control nothing would end.
          await streaming(conversation, inboxes, 300, 8_000).end();
        }),
    },
    {
      name: "stops a fast stream while its reader is slow, and keeps little at either end",
      run: () =>
        converse(async (conversation, inboxes, gate) => {
          const size = 8_000;
          const messages = 400;
          const { windowMessages, windowBytes } = conversation.limits;
          gate.shut();
          const { call, inbox } = stream(conversation, codec, messages, messages, size, gate);
          const up = (): Inbox | undefined => inboxes.get(call.id);
          const full = (each: Inbox | undefined): boolean =>
            each !== undefined && (each.bytes >= windowBytes || each.numbers.length >= windowMessages);
          await conversation.until(() => full(inbox) && full(up()), "both readers to have what their credit allows");
          await settle();
          for (const [who, each] of [
            ["client", inbox],
            ["server", up()],
          ] as const)
            require((each?.bytes ?? 0) <=
              windowBytes + size, `the ${who} was sent ${each?.bytes} bytes with a window of ${windowBytes}`);
          for (const side of ["client", "server"] as const) {
            const { replay, current } = conversation[side];
            const held = replay.bytes + (current?.link.buffered ?? 0);
            // What was sent is in the replay buffer until it is acknowledged, and was sent within the window; a text link's copy is larger.
            require(held <=
              3 * (windowBytes + size), `the ${side} holds ${held} bytes for a reader that does not read`);
          }
          gate.open();
          await conversation.until(() => inbox.ended, "the end, once the readers read");
          inbox.requireRun(0, messages, "the client");
          up()?.requireRun(0, messages, "the server");
        }),
    },
    {
      name: "resumes after the connection dies in the middle of a batch, without loss or duplicates",
      needs: cut,
      run: async () => {
        for (const afterBytes of [undefined, 3_000, 150_000]) {
          await converse(async (conversation, inboxes) => {
            const calls = streaming(conversation, inboxes, 500, 1_500);
            for (let cuts = 1; cuts <= 3; cuts++) {
              await conversation.until(() => calls.progress() >= cuts * 100, `message ${cuts * 100}`);
              await subject.cut?.(afterBytes);
            }
            await calls.end();
            const reply = echo(conversation, codec, 1);
            await conversation.until(() => reply.ended, "a call after all that");
            await subject.cut?.(); // disarms a cut that was not reached
          });
        }
      },
    },
    {
      name: "switches between two links in the middle of calls, without loss or duplicates",
      needs: twoLinks,
      run: () =>
        converse(async (conversation, inboxes) => {
          const calls = streaming(conversation, inboxes, 500, 1_500);
          for (let switches = 1; switches <= 4; switches++) {
            await conversation.until(() => calls.progress() >= switches * 90, `message ${switches * 90}`);
            const before = conversation.client.current;
            await conversation.connect();
            // The old link is closed in good order by the client, once the new one is in use: what is on the way still arrives.
            if (before !== undefined && before !== conversation.client.current) conversation.client.release(before);
          }
          await calls.end();
          require(conversation.linksOpened === 5, `${conversation.linksOpened} links were opened in place of 5`);
          require(conversation.linksLost === 0, "a side was without a link in the middle of a switch");
        }),
    },
    {
      name: "keeps many sessions apart, also when all their links die",
      run: async () => {
        const count = Math.min(40, subject.maxLinks ?? 40);
        await using all = new AsyncDisposableStack();
        const sessions = Array.from({ length: count }, () => {
          const inboxes = new Map<number, Inbox>();
          return { inboxes, conversation: all.use(new Conversation(subject, codec, text, serveKit(codec, inboxes))) };
        });
        await Promise.all(sessions.map(({ conversation }) => conversation.connect()));
        const running = sessions.map(({ conversation, inboxes }, at) =>
          streaming(conversation, inboxes, 50 + at, 300 + at),
        );
        await settle();
        await subject.cut?.();
        for (const calls of running) await calls.end();
        const replies = sessions.map(({ conversation }, at) => echo(conversation, codec, 1000 + at));
        for (const [at, reply] of replies.entries()) {
          await sessions[at]?.conversation.until(() => reply.ended, `the reply in session ${at}`);
          reply.requireRun(1000 + at, 1001 + at, `session ${at}`);
        }
      },
    },
  ];
}
