// One line per call, subscription and session, with fields for machines: nothing secret in it, and nothing that could forge another line.
import { Code, ConnectError, type ContextValues, type UnaryRequest } from "@connectrpc/connect";
import {
  type ChannelInfo,
  type Clock,
  type Logger,
  type OptionsOf,
  type Plugin,
  REDACTED,
  clientAddress,
  definePlugin,
  fail,
  isSecretHeader,
  peer,
  principal,
  printable,
  reasonOf,
  redactMessage,
  resolveOptions,
  sessionId,
  transportName,
  watchCall,
} from "@raceway/core";
import { checkChannelNames, isNamed } from "./channel-settings.ts";
import { codeName } from "./codes.ts";
import { type Level, Lines } from "./log-lines.ts";

export const loggingOptions = {
  /** Share of the calls that go well and are logged. Those that fail, or are slow, always are. */
  sample: { kind: "number", default: 1, min: 0, max: 1, unit: "ratio" },
  /** A call that takes longer is slow; 0 for none. */
  slowMs: { kind: "number", default: 1_000, min: 0, max: 3_600_000, unit: "ms" },
  /** More lines than so are left out, and counted instead: whoever is attacked still has room on his disk. 0 for no limit. */
  linesPerSecond: { kind: "number", default: 1_000, min: 0, max: 1_000_000, unit: "count" },
  /** Requests and responses of unary calls, too, without what the schema marks as sensitive. */
  messages: { kind: "boolean", default: false },
  /** Names of request headers whose values are logged. Of those that carry credentials only that they were there. */
  headers: { kind: "list", default: [] },
  /** Texts of errors, beside code and reason. Those of your handlers may say what a user has sent. */
  errorTexts: { kind: "boolean", default: false },
  /** Who calls: the principal's id, and the address. */
  callers: { kind: "boolean", default: true },
  /** Sessions: opened, resumed, switched, ended; and refusals. */
  sessions: { kind: "boolean", default: true },
  /** Publications that went well; those that failed always are. */
  publications: { kind: "boolean", default: false },
  /** Channels of which nothing is logged: "package.Service/Method" or "package.Service/*". */
  quiet: { kind: "list", default: [] },
} as const;

/** What pino has, and what else takes fields before the text. */
export interface PinoLike {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

export type LoggingOptions = OptionsOf<typeof loggingOptions> & {
  /** Where lines go: a pino logger, or one like it. Default: the `log` of the server or connection. */
  readonly log?: PinoLike;
};

/** A pino logger as the `log` of a server or connection. */
export function pinoLogger(pino: PinoLike): Logger {
  const write =
    (level: Level) =>
    (message: string, fields: Readonly<Record<string, unknown>> = {}): void =>
      pino[level](fields, message);
  return { debug: write("debug"), info: write("info"), warn: write("warn"), error: write("error") };
}

/** Server or client. */
export function logging(given: LoggingOptions = {}): Plugin {
  const { log: pino, ...rest } = given;
  const options = resolveOptions("logging", loggingOptions, rest);
  checkChannelNames("logging", "quiet", options.quiet);
  for (const name of options.headers)
    if (!/^[\w!#$%&'*+.^`|~-]+$/.test(name))
      throw fail("option_invalid", {
        part: "logging",
        option: "headers",
        value: JSON.stringify(name),
        expected: "names of headers",
      });
  return definePlugin({
    name: "logging",
    after: ["telemetry"],
    before: ["rbac", "rate-limit", "limits", "timeout", "retry", "hedging", "circuit-breaker", "attempt-timeout"],
    start: ({ clock, random, log, side }) => {
      const lines = new Lines(pino === undefined ? log : pinoLogger(pino), clock, options.linesPerSecond);
      const isWorth = (level: Level, ms: number): boolean =>
        level !== "info" || (options.slowMs > 0 && ms >= options.slowMs) || random.next() < options.sample;
      const world: World = { options, clock, lines, isWorth };
      return {
        call(channel) {
          if (channel.gated || isNamed(channel, options.quiet)) return undefined;
          return (next) =>
            function logging(request) {
              const begun = clock.now();
              let response: unknown;
              const watched: typeof next = (passed) => {
                if (!options.messages || request.stream) return next(passed);
                return next(passed).then((answer) => {
                  response = answer.message;
                  return answer;
                });
              };
              return watchCall(watched, request, {
                ended(error, requests, responses) {
                  const ms = clock.now() - begun;
                  const level = levelOf(error);
                  if (!isWorth(level, ms)) return;
                  lines.write(level, "call", {
                    channel: channel.path,
                    ...outcomeOf(error, options.errorTexts),
                    ms: rounded(ms),
                    ...(side === "server" && callerOf(request.contextValues, options.callers)),
                    ...(requests > 0 && { requests }),
                    ...(responses > 0 && { responses }),
                    ...headersOf(request.header, options.headers),
                    ...(options.messages && !request.stream && shown(channel, request, response)),
                  });
                },
              });
            };
        },
        topic(channel) {
          if (isNamed(channel, options.quiet)) return undefined;
          return { subscribe: (asked) => subscribed(channel, asked, world) };
        },
        observe: {
          ...(options.sessions && {
            session({ kind, session, transport, from, livedMs, error }) {
              lines.write("info", `session ${kind}`, {
                session,
                transport,
                ...(from !== "" && { from }),
                ...(kind === "ended" && { ...outcomeOf(error, options.errorTexts), ms: rounded(livedMs) }),
              });
            },
            refused({ what, transport, channel, error }) {
              lines.write("warn", `${what} refused`, {
                transport,
                ...(channel !== "" && { channel }),
                ...outcomeOf(error, options.errorTexts),
              });
            },
          }),
          publishing({ channel, address }) {
            if (isNamed(channel, options.quiet)) return undefined;
            const begun = clock.now();
            return (outcome) => {
              const error = outcome instanceof ConnectError ? outcome : undefined;
              if (error === undefined && !options.publications) return;
              lines.write(levelOf(error), "publication", {
                channel: channel.path,
                topic: printable(address),
                ...outcomeOf(error, options.errorTexts),
                ms: rounded(clock.now() - begun),
                ...("offset" in outcome && { offset: outcome.offset }),
              });
            };
          },
        },
        [Symbol.asyncDispose]: async () => lines[Symbol.dispose](),
      };
    },
  });
}

interface World {
  readonly options: { readonly callers: boolean };
  readonly clock: Clock;
  readonly lines: Lines;
  isWorth(level: Level, ms: number): boolean;
}

function subscribed(
  channel: ChannelInfo,
  asked: {
    readonly kind: string;
    readonly address: string;
    readonly context: ContextValues;
    readonly ended: AbortSignal;
  },
  { options, clock, lines, isWorth }: World,
): void {
  if (asked.kind !== "subscribe" || asked.ended.aborted) return;
  const begun = clock.now();
  const fields = { channel: channel.path, topic: printable(asked.address) };
  const ended = (): void => {
    const ms = clock.now() - begun;
    if (isWorth("info", 0))
      lines.write("info", "subscription", { ...fields, ms: rounded(ms), ...callerOf(asked.context, options.callers) });
  };
  asked.ended.addEventListener("abort", ended, { once: true });
}

/** Faults of this side are errors, what may pass is a warning, and what the caller did wrong is his own business. */
function levelOf(error: ConnectError | undefined): Level {
  switch (error?.code) {
    case Code.Internal:
    case Code.Unknown:
    case Code.DataLoss:
      return "error";
    case Code.Unavailable:
    case Code.DeadlineExceeded:
    case Code.ResourceExhausted:
    case Code.Unimplemented:
      return "warn";
    default:
      return "info";
  }
}

function outcomeOf(error: ConnectError | undefined, withText: boolean): Readonly<Record<string, unknown>> {
  if (error === undefined) return { code: "ok" };
  const reason = reasonOf(error);
  return {
    code: codeName(error.code),
    ...(reason !== undefined && { reason: printable(reason, 64) }),
    ...(withText && { error: printable(error.rawMessage, 512) }),
  };
}

function callerOf(context: ContextValues, withCaller: boolean): Readonly<Record<string, unknown>> {
  const session = context.get(sessionId);
  const fields = { transport: context.get(transportName), ...(session !== "" && { session }) };
  if (!withCaller) return fields;
  const { id } = context.get(principal);
  const address = context.get(clientAddress) || context.get(peer).address;
  return {
    ...fields,
    ...(id !== "" && { principal: printable(id, 256) }),
    ...(address !== "" && { address: printable(address, 64) }),
  };
}

function headersOf(headers: Headers, names: readonly string[]): Readonly<Record<string, unknown>> {
  if (names.length === 0) return {};
  const shown: Record<string, string> = {};
  for (const name of names) {
    const value = headers.get(name);
    if (value !== null) shown[name.toLowerCase()] = isSecretHeader(name) ? REDACTED : printable(value, 256);
  }
  return { headers: shown };
}

function shown({ desc }: ChannelInfo, request: UnaryRequest, response: unknown): Readonly<Record<string, unknown>> {
  return {
    request: redactMessage(desc.input, request.message),
    ...(response !== undefined && { response: redactMessage(desc.output, response as never) }),
  };
}

/** To the microsecond. */
function rounded(ms: number): number {
  return Math.round(ms * 1_000) / 1_000;
}
