// Servers: what comes in, and what is published, is held to the rules of the schema; responses, too, if that is asked for.
import { type DescMessage, create, isMessage } from "@bufbuild/protobuf";
import { ConnectError } from "@connectrpc/connect";
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
import { wrongRule } from "./rule-check.ts";
import { broken } from "./rules.ts";
import type { BrokenRules } from "./violation-error.ts";
import { type Look, watched } from "./watched.ts";

learn(middlewareReasons);

export const validateServerOptions = {
  /** Responses of handlers, too: one that breaks a rule is a fault of the server, and its caller gets `response_invalid`. */
  responses: { kind: "boolean", default: false },
  /** Publications, before they are appended; by whomever. */
  publications: { kind: "boolean", default: true },
  /** Channels that are left alone: "package.Service/Method" or "package.Service/*". */
  skip: { kind: "list", default: [] },
} as const;

/**
 * Refuses requests, messages of streams, subscriptions and publications that break a rule of their schema (`buf.validate`) with `message_invalid`, which says what is
 * wrong, for people and as `buf.validate.Violations`. Where messages have no rules there is nothing of it. A rule that cannot be applied stops the start.
 */
export function validate(given: OptionsOf<typeof validateServerOptions> = {}): Plugin {
  const options = resolveOptions("validate", validateServerOptions, given);
  checkSkipped(options.skip);
  const ready = new Set<DescMessage>();
  return definePlugin({
    name: "validate",
    after: ["logging", "telemetry", "rbac", "ip-filter", "rate-limit", "limits", "verifier", "encryption"],
    check(channel) {
      if (isSkipped(channel, options.skip)) return [];
      const { input, output } = channel.desc;
      const wanted = [input, ...(options.responses || channel.contract.kind === "topic" ? [output] : [])];
      return wanted.flatMap((desc) => {
        if (!hasRules(desc) || ready.has(desc)) return [];
        const wrong = wrongRule(desc);
        if (wrong !== undefined)
          return [
            {
              severity: "error" as const,
              message: `${wrong.where} cannot be applied: ${wrong.why}`,
              mend: "correct the rule in the schema, and generate again",
            },
          ];
        broken(desc, create(desc), "message_invalid"); // so that the first message waits for nothing
        ready.add(desc);
        return [];
      });
    },
    start: ({ log }) => ({
      call(channel) {
        if (isSkipped(channel, options.skip) || channel.gated) return undefined; // its gate looks
        const { input, output } = channel.desc;
        const requests = lookAt(input, "message_invalid", log);
        const responses = options.responses ? lookAt(output, "response_invalid", log) : undefined;
        if (requests === undefined && responses === undefined) return undefined;
        return (next) =>
          function validate(request) {
            return watched(next, request, requests, responses);
          };
      },
      topic(channel) {
        if (isSkipped(channel, options.skip)) return undefined;
        const { input, output } = channel.desc;
        const requests = channel.gated ? lookAt(input, "message_invalid", log) : undefined;
        const events = options.publications ? lookAt(output, "message_invalid", log) : undefined;
        if (requests === undefined && events === undefined) return undefined;
        return {
          ...(requests && {
            subscribe: ({ kind, request }) => (kind === "subscribe" ? requests(request) : undefined),
          }),
          ...(events && {
            publish: ({ message }) => events(isMessage(message, output) ? message : create(output, message as never)),
          }),
        };
      },
    }),
  });
}

/** Undefined: such messages have no rules. */
function lookAt(desc: DescMessage, reason: BrokenRules, log: Logger): Look | undefined {
  if (!hasRules(desc)) return undefined;
  return (message) => {
    let error: ConnectError | undefined;
    try {
      error = broken(desc, message, reason);
    } catch (failure) {
      error = ConnectError.from(failure);
      log.error("a rule could not be applied", { type: desc.typeName, error: String(error.cause) });
    }
    if (error !== undefined) throw error;
  };
}
