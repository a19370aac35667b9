// The kit's service: its contract, and handlers that do as requests say and note what they did.
import type { MessageInitShape } from "@bufbuild/protobuf";
import { Code, ConnectError, type HandlerContext } from "@connectrpc/connect";
import type { ServiceContract } from "@raceway/core";
import {
  type CountRequest,
  type CountResponseSchema,
  type EchoRequest,
  type LookRequest,
  type NewsResponseSchema,
  PluginKitService,
  type PostRequest,
  type SaveRequest,
  type SumRequest,
  type TalkRequest,
} from "../gen/raceway/testkit/v1/plugin_kit_pb.ts";

export { PluginKitService };

export const kitContract: ServiceContract<typeof PluginKitService> = {
  service: PluginKitService,
  channels: {
    echo: { kind: "call" },
    save: { kind: "call", idempotency: "idempotent" },
    look: { kind: "call", idempotency: "no-side-effects" },
    count: { kind: "feed" },
    sum: { kind: "call" },
    talk: { kind: "duplex" },
    news: { kind: "topic", address: "rooms/{room}/news", addressFields: ["room"], history: { maxEvents: 1000 } },
    post: { kind: "call" },
  },
};

/** What a handler is given: Connect's context. */
type Context = HandlerContext;
export interface NewsPublisher {
  publish(
    key: { readonly room: string },
    message: MessageInitShape<typeof NewsResponseSchema>,
    by?: { readonly values: Context["values"] },
  ): Promise<unknown>;
}
/** `object` of `app.serve`: what it returns to publish with. */
export interface KitPublishers {
  readonly news: NewsPublisher;
}

/** What failing handlers fail with. */
export const KIT_FAILURE: {
  readonly code: Code;
  readonly message: string;
  readonly header: string;
  readonly value: string;
} = { code: Code.OutOfRange, message: "seven is too many", header: "x-kit", value: "7" };
function failure(): ConnectError {
  return new ConnectError(KIT_FAILURE.message, KIT_FAILURE.code, { [KIT_FAILURE.header]: KIT_FAILURE.value });
}

export interface KitHandlers {
  echo(request: EchoRequest, context: Context): Promise<{ text: string }>;
  save(request: SaveRequest): { text: string };
  look(request: LookRequest): { text: string };
  count(request: CountRequest, context: Context): AsyncIterable<MessageInitShape<typeof CountResponseSchema>>;
  sum(requests: AsyncIterable<SumRequest>): Promise<{ sum: number }>;
  talk(requests: AsyncIterable<TalkRequest>): AsyncIterable<{ number: number }>;
  post(request: PostRequest, context: Context): Promise<Record<string, never>>;
}

/** What handlers did, as lines such as "echo hello", and the gate at which held calls wait. */
export class Notes {
  readonly lines: string[] = [];
  readonly #held = new Set<() => void>();

  note(line: string): void {
    this.lines.push(line);
  }
  has(line: string): boolean {
    return this.lines.includes(line);
  }
  count(line: string): number {
    return this.lines.filter((each) => each === line).length;
  }
  hold(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      this.#held.add(resolve);
      signal.addEventListener("abort", () => resolve());
      if (signal.aborted) resolve();
    });
  }
  /** Lets all held calls go on. */
  release(): void {
    for (const resolve of this.#held) resolve();
    this.#held.clear();
  }
}

export function kitHandlers(notes: Notes, publisher: () => NewsPublisher): KitHandlers {
  return {
    async echo({ text, fails, held }, { signal }) {
      notes.note(`echo ${text}`);
      signal.addEventListener("abort", () => notes.note(`over ${text}`));
      if (fails) throw failure();
      if (held) await notes.hold(signal);
      return { text };
    },
    save({ text }) {
      notes.note(`save ${text}`);
      return { text };
    },
    look({ text }) {
      notes.note(`look ${text}`);
      return { text };
    },
    async *count({ text, to, fails, endless }, { signal }) {
      notes.note(`count ${text}`);
      signal.addEventListener("abort", () => notes.note(`over ${text}`));
      try {
        for (let number = 1; number <= to; number++) yield { number };
        if (fails) throw failure();
        if (endless) await notes.hold(signal);
      } finally {
        notes.note(`counted ${text}`);
      }
    },
    async sum(requests) {
      notes.note("sum");
      let sum = 0;
      for await (const { number } of requests) sum += number;
      return { sum };
    },
    async *talk(requests) {
      notes.note("talk");
      for await (const { number } of requests) yield { number };
    },
    async post({ room, number }, { values }) {
      notes.note(`post ${room}`);
      await publisher().publish({ room }, { number }, { values });
      return {};
    },
  };
}
