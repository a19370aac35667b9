// Clients: a message that the server would refuse is not sent. The library is loaded with the first channel whose messages have rules.
import { create, isMessage } from "@bufbuild/protobuf";
import type { DescMessage } from "@bufbuild/protobuf";
import {
  type Logger,
  type OptionsOf,
  type Plugin,
  definePlugin,
  learn,
  middlewareReasons,
  resolveOptions,
} from "@raceway/core";
import { checkSkipped, isSkipped } from "./channels.ts";
import { hasRules } from "./has-rules.ts";
import type { BrokenRules } from "./violation-error.ts";
import { type Look, watched } from "./watched.ts";

learn(middlewareReasons);

export const validateClientOptions = {
  /** What the server answers, too: a message that breaks a rule ends the call with `response_invalid`. */
  responses: { kind: "boolean", default: false },
  /** Channels that are left alone: "package.Service/Method" or "package.Service/*". */
  skip: { kind: "list", default: [] },
} as const;

/** Fails calls at once, with the error that the server would give (`message_invalid`), where a message breaks a rule of its schema (`buf.validate`). */
export function validate(given: OptionsOf<typeof validateClientOptions> = {}): Plugin {
  const options = resolveOptions("validate", validateClientOptions, given);
  checkSkipped(options.skip);
  return definePlugin({
    name: "validate",
    after: ["logging", "telemetry"],
    before: ["timeout", "retry", "hedging", "circuit-breaker", "attempt-timeout", "encryption", "signer"],
    start: ({ log }) => ({
      call(channel) {
        if (isSkipped(channel, options.skip)) return undefined;
        const { input, output } = channel.desc;
        const requests = lookAt(input, "message_invalid", log);
        const responses = options.responses ? lookAt(output, "response_invalid", log) : undefined;
        if (requests === undefined && responses === undefined) return undefined;
        return (next) =>
          function validate(request) {
            return watched(next, request, requests, responses);
          };
      },
    }),
  });
}

type Rules = typeof import("./rules.ts");
let rules: Rules | undefined;
let loading: Promise<Rules> | undefined;

function load(): Promise<Rules> {
  loading ??= import("./rules.ts").then(
    (loaded) => (rules = loaded),
    (error: unknown) => {
      loading = undefined; // the next message tries again
      throw error;
    },
  );
  return loading;
}

/** Undefined: such messages have no rules. What cannot be looked at is passed on: the server has the last word. */
function lookAt(desc: DescMessage, reason: BrokenRules, log: Logger): Look | undefined {
  if (!hasRules(desc)) return undefined;
  const look = ({ broken }: Rules, given: unknown): void => {
    const message = isMessage(given, desc) ? given : create(desc, given as never);
    let error: Error | undefined;
    try {
      error = broken(desc, message, reason);
    } catch (failure) {
      log.warn("a rule could not be applied; the message is passed on", {
        type: desc.typeName,
        error: String((failure as Error).cause ?? failure),
      });
    }
    if (error !== undefined) throw error;
  };
  load().catch(() => {}); // begun now; whoever needs it hears of it
  return (message) => {
    if (rules !== undefined) return look(rules, message);
    return load().then(
      (loaded) => look(loaded, message),
      (error: unknown) => log.warn("the rules could not be loaded; the message is passed on", { error: String(error) }),
    );
  };
}
