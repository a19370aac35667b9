// The plugin of encryption, on either side, and the options that Node and pages share.
import { type DescMessage, type MessageShape, create } from "@bufbuild/protobuf";
import { ConnectError, type StreamRequest, type StreamResponse } from "@connectrpc/connect";
import {
  type ChannelInfo,
  type OptionsOf,
  type Plugin,
  compileAddress,
  definePlugin,
  fail,
  learn,
  middlewareReasons,
  resolveOptions,
} from "@raceway/core";
import { checkChannelNames, isNamed } from "./channel-settings.ts";
import { firstMessage } from "./first-message.ts";
import { type Cipher, type Place, Vault, sealedField } from "./sealed-message.ts";
import { keyIdPattern } from "./signature.ts";

learn(middlewareReasons);

export const encryptionOptions = {
  /** Channels whose messages are left alone: "package.Service/Method" or "package.Service/*". */
  skip: { kind: "list", default: [] },
} as const;

export interface VaultOptions<K> {
  /** Keys by their id; all of them open. */
  readonly keys: Readonly<Record<string, K>>;
  /** Id of the key that seals; a function is asked for each message. Without it nothing is sealed here, only opened. */
  readonly seal?: string | (() => string);
}
export type EncryptionOptions<K> = VaultOptions<K> &
  OptionsOf<typeof encryptionOptions> & {
    /** A message of a stream cannot be opened: told why, and it is left out. Without this the stream ends with the error. */
    readonly onRefused?: (error: ConnectError) => void;
  };

/** Throws `option_invalid`. */
export function makeVault<K>(
  { keys, seal }: VaultOptions<K>,
  cipher: (option: string, key: K) => Cipher,
  bytes: (length: number) => Uint8Array,
): Vault {
  const ciphers = new Map<string, Cipher>();
  const wrong = (option: string, value: string, expected: string): Error =>
    fail("option_invalid", { part: "encryption", option, value, expected });
  for (const [id, key] of Object.entries(keys ?? {})) {
    if (!keyIdPattern.test(id))
      throw wrong("keys", JSON.stringify(id), "key ids of 1 to 64 letters, digits, _, . and -");
    ciphers.set(id, cipher(`keys["${id}"]`, key));
  }
  if (ciphers.size === 0) throw wrong("keys", "empty", "at least one key by its id");
  if (typeof seal === "string" && !ciphers.has(seal))
    throw wrong("seal", JSON.stringify(seal), "the id of one of the keys");
  return new Vault(ciphers, typeof seal === "string" ? () => seal : seal, bytes);
}

export function keyBytes(option: string, key: Uint8Array): Uint8Array<ArrayBuffer> {
  if (!(key instanceof Uint8Array) || key.length !== 32)
    throw fail("option_invalid", {
      part: "encryption",
      option,
      value: key instanceof Uint8Array ? `${key.length} bytes` : typeof key,
      expected: "32 random bytes",
    });
  return new Uint8Array(key);
}

type Change = (message: unknown) => unknown;

export function encryptionPlugin<K>(made: Vault, given: EncryptionOptions<K>): Plugin {
  const { keys: _, seal: __, onRefused, ...rest } = given;
  const { skip } = resolveOptions("encryption", encryptionOptions, rest);
  checkChannelNames("encryption", "skip", skip);
  return definePlugin({
    name: "encryption",
    before: ["rbac", "limits"],
    after: [
      "logging",
      "telemetry",
      "ip-filter",
      "rate-limit",
      "timeout",
      "retry",
      "hedging",
      "circuit-breaker",
      "attempt-timeout",
    ],
    start: ({ side, random }) => {
      const vault = made.withRandom((length) => random.bytes(length));
      return {
        call(channel) {
          if (isNamed(channel, skip) || channel.gated) return undefined; // its events are sealed when they are published
          const { path, desc, contract } = channel;
          const place = placeOf(channel);
          const seal =
            (type: DescMessage, where: Place): Change =>
            (message) =>
              vault.seal(type, message as object, where);
          const open =
            (type: DescMessage, where: Place): Change =>
            (message) =>
              vault.open(type, message as MessageShape<DescMessage>, where);
          const isServer = side === "server";
          // Whoever opens has to; whoever seals, if it can. What names a topic is for the server to read.
          const hasRequests =
            contract.kind !== "topic" && sealedField(desc.input) !== undefined && (isServer || vault.seals);
          const hasResponses = sealedField(desc.output) !== undefined && (!isServer || vault.seals);
          if (!hasRequests && !hasResponses) return undefined;
          return changing({
            requests: hasRequests ? (isServer ? open : seal)(desc.input, { request: path }) : undefined,
            responses: hasResponses ? (request) => (isServer ? seal : open)(desc.output, place(request)) : undefined,
            onRefused,
          });
        },
        topic(channel) {
          const { output } = channel.desc;
          if (!vault.seals || sealedField(output) === undefined || isNamed(channel, skip)) return undefined;
          return {
            replace({ address, message }) {
              return vault.seal(output, message as object, { topic: address });
            },
          };
        },
      };
    },
  });
}

/** What responses of a channel, or the events of a topic, are sealed for. */
function placeOf({ path, contract }: ChannelInfo): (request: unknown) => Place {
  if (contract.kind !== "topic") return () => ({ response: path });
  const addressOf = compileAddress(path, contract, { addressBytes: 65_536 });
  return (request) => ({ topic: addressOf(request as Readonly<Record<string, unknown>>) });
}

/** A call whose messages become others on their way. */
function changing({
  requests,
  responses,
  onRefused,
}: {
  readonly requests: Change | undefined;
  /** Asked once per call, with its first request. */
  readonly responses: ((request: unknown) => Change) | undefined;
  readonly onRefused: ((error: ConnectError) => void) | undefined;
}): NonNullable<ReturnType<NonNullable<Awaited<ReturnType<Plugin["start"]>>["call"]>>> {
  return (next) =>
    async function encryption(request) {
      if (!request.stream) {
        const change = responses?.(request.message);
        const message = requests === undefined ? request.message : await requests(request.message);
        const response = await next({ ...request, message } as typeof request);
        if (change === undefined || response.stream) return response;
        return { ...response, message: (await change(response.message)) as typeof response.message };
      }
      let passed: StreamRequest = request;
      let first: unknown;
      if (request.method.methodKind === "server_streaming") {
        const looked = await firstMessage(request.message);
        first = looked.first ?? create(request.method.input);
        passed = { ...request, message: looked.rest };
      }
      const change = responses?.(first);
      if (requests !== undefined) passed = { ...passed, message: each(passed.message, requests, undefined) as never };
      const response = await next(passed);
      if (change === undefined) return response;
      if (response.stream) return { ...response, message: each(response.message, change, onRefused) } as StreamResponse;
      return response;
    };
}

async function* each(
  messages: AsyncIterable<unknown>,
  change: Change,
  onRefused: ((error: ConnectError) => void) | undefined,
): AsyncGenerator<unknown> {
  for await (const message of messages) {
    let changed: unknown;
    try {
      changed = await change(message);
    } catch (cause) {
      if (onRefused === undefined) throw cause;
      onRefused(ConnectError.from(cause));
      continue;
    }
    yield changed;
  }
}
