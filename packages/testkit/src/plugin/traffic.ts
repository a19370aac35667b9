// What calls and streams may rely on, whatever plugins they pass, by one way in.
import { Code, ConnectError } from "@connectrpc/connect";
import { require } from "../case.ts";
import { KIT_FAILURE } from "./service.ts";
import { slow } from "./slow.ts";
import type { Stage, StageOptions } from "./stage.ts";
import { kitChannels } from "./subject.ts";
import { Listener, Talk, each, fresh, requireRun, useChannel } from "./uses.ts";

export interface TrafficCase {
  readonly name: string;
  readonly options?: Pick<StageOptions, "before" | "after">;
  run(stage: Stage): Promise<void>;
}

const failed = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    () => undefined,
    (error: unknown) => error,
  );

export const traffic: readonly TrafficCase[] = [
  {
    name: "answers calls of every shape as they would be without it",
    async run(stage) {
      const client = await stage.client();
      for (const channel of kitChannels) await stage.within(useChannel(channel, client, stage), channel);
    },
  },
  {
    name: "keeps streams whole and in order, among plugins that take their time",
    options: { before: () => [slow("kit-slow")], after: () => [slow("kit-slow-too")] },
    async run(stage) {
      const client = await stage.client();
      const down: number[] = [];
      await stage.within(
        (async () => {
          for await (const { number } of client.count({ text: fresh(), to: 200 })) down.push(number);
        })(),
        "a feed of 200 messages",
      );
      requireRun(down, 200, "a feed");
      const talk = new Talk(client, stage);
      await talk.go(200, "a conversation");
      await talk.end();
      const numbers = Array.from({ length: 200 }, (_, at) => ({ number: at + 1 }));
      const { sum } = await stage.within(client.sum(each(numbers)), "an upload of 200 messages");
      require(sum === 20_100, `the sum of an upload is ${sum} in place of 20100`);
      const room = fresh();
      const listener = new Listener(client, stage, room);
      await listener.live();
      const published = numbers.map(({ number }) => stage.publish(room, number));
      await stage.within(Promise.all(published), "200 publications at once");
      await stage.until(() => listener.numbers.length >= 200 || listener.over, "200 news of a room");
      requireRun(listener.numbers, 200, "news of a room");
      await listener.leave();
    },
  },
  {
    name: "gives 20 calls at once each its own answer",
    async run(stage) {
      const client = await stage.client();
      for (const channel of ["echo", "look", "save"] as const)
        await stage.within(useChannel(channel, client, stage), channel);
      const texts = Array.from({ length: 20 }, fresh);
      const calls = texts.flatMap((text) => [client.echo({ text }), client.look({ text }), client.save({ text })]);
      const answers = await stage.within(Promise.all(calls), "60 calls at once");
      for (const [at, { text }] of answers.entries()) {
        const wanted = texts[Math.floor(at / 3)]!;
        require(text === wanted, `of calls at once, ${text} came in place of ${wanted}`);
      }
    },
  },
  {
    name: "passes each message on when it comes, not when the stream ends",
    async run(stage) {
      const talk = new Talk(await stage.client(), stage);
      for (let at = 0; at < 5; at++) await talk.go(1, "an answer to a message before the next");
      await talk.end();
    },
  },
  {
    name: "passes on what a handler fails with: its code, message and metadata, after the messages before",
    async run(stage) {
      const client = await stage.client();
      requireFailure(await stage.within(failed(client.echo({ text: fresh(), fails: true })), "a call"), "a call");
      const numbers: number[] = [];
      const read = async (): Promise<void> => {
        for await (const { number } of client.count({ text: fresh(), to: 3, fails: true })) numbers.push(number);
      };
      requireFailure(await stage.within(failed(read()), "a stream"), "a stream");
      requireRun(numbers, 3, "a stream that fails after its third message");
    },
  },
  {
    name: "lets a reader who leaves end the stream at the server",
    async run(stage) {
      const client = await stage.client();
      const text = fresh();
      const leave = new AbortController();
      const read = async (): Promise<void> => {
        const numbers = client.count({ text, to: 3, endless: true }, { signal: leave.signal });
        for await (const { number } of numbers) if (number === 3) leave.abort();
      };
      const error = await stage.within(failed(read()), "the end of a stream whose reader has left");
      requireCode(error, Code.Canceled, "a stream whose reader has left");
      await stage.until(() => stage.notes.has(`over ${text}`), "the server hearing that a reader has left");
    },
  },
  {
    name: "lets go of a call that its client gave up",
    async run(stage) {
      const client = await stage.client();
      const text = fresh();
      const given = new AbortController();
      const call = failed(client.echo({ text, held: true }, { signal: given.signal }));
      await stage.until(() => stage.notes.has(`echo ${text}`), "a call coming to its handler");
      given.abort();
      const error = await stage.within(call, "the end of a call that was given up");
      requireCode(error, Code.Canceled, "a call that was given up");
      await stage.until(() => stage.notes.has(`over ${text}`), "the handler of a call that was given up hearing of it");
      const begun = stage.notes.count(`echo ${text}`);
      require(begun === 1, `a call that was given up was made ${begun} times`);
    },
  },
  {
    name: "ends a call at its deadline, with a code that says so",
    async run(stage) {
      const client = await stage.client();
      await stage.within(client.echo({ text: fresh() }), "a call"); // connected, so that the deadline is the call's
      const error = await stage.within(
        failed(client.echo({ text: fresh(), held: true }, { timeoutMs: 100 })),
        "the end of a call at its deadline",
      );
      requireCode(error, Code.DeadlineExceeded, "a call at its deadline");
    },
  },
];

export const codeName = (code: Code | undefined): string => (code === undefined ? "no error" : Code[code]);

function requireCode(error: unknown, wanted: Code, what: string): void {
  const code = error === undefined ? undefined : ConnectError.from(error).code;
  require(code === wanted, `${what} ended with ${codeName(code)} in place of ${Code[wanted]}`);
}

function requireFailure(error: unknown, what: string): void {
  require(error !== undefined, `${what} came to a good end, and its handler failed`);
  const { code, rawMessage, metadata } = ConnectError.from(error);
  require(code === KIT_FAILURE.code, `${what} failed with code ${codeName(code)} in place of OutOfRange`);
  require(rawMessage ===
    KIT_FAILURE.message, `${what} failed with ${JSON.stringify(rawMessage)}, another message than its handler's`);
  require(metadata.get(KIT_FAILURE.header) ===
    KIT_FAILURE.value, `${what} failed without the metadata that its handler gave`);
}
