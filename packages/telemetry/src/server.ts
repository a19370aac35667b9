// The server's side: spans for calls, subscriptions, publications and fan-outs, which go on where the client's or another server's left off; and measurements.
import {
  Code,
  ConnectError,
  type ContextKey,
  type StreamRequest,
  type UnaryRequest,
  createContextKey,
} from "@connectrpc/connect";
import { type Context, type Span, SpanKind, context as otel, trace } from "@opentelemetry/api";
import {
  type ChannelInfo,
  type Observer,
  type Plugin,
  type SessionEvent,
  type TopicSubscription,
  catalogue,
  definePlugin,
  reasonOf,
  sessionId,
  transportName,
} from "@raceway/core";
import { callSpan, markEnd } from "./call-span.ts";
import {
  RPC_METHOD,
  RPC_STATUS,
  RPC_SYSTEM,
  SESSION,
  SpanTimes,
  TRANSPORT,
  isFault,
  messagingOf,
  methodOf,
  statusOf,
  templateOf,
} from "./conventions.ts";
import { type TelemetryOptions, checkOptions, instrumentsOf } from "./options.ts";
import { Publications } from "./publications.ts";
import { ServerMetrics, isLimit } from "./server-metrics.ts";

export type { TelemetryOptions } from "./options.ts";

/**
 * OpenTelemetry's context of a call, with its span: for handlers that begin spans of their own where no context manager is registered (`context.active()` is the same
 * where one is). Undefined without the plugin.
 */
export const traceContext: ContextKey<Context | undefined> = createContextKey<Context | undefined>(undefined, {
  description: "trace context",
});

/** To see all of a call, it runs around these where they are there. */
const INNER = ["logging", "ip-filter", "rbac", "rate-limit", "limits", "validate", "cache"];

/** Traces and measures a server. Put it first in `use`. */
export function telemetry(given: TelemetryOptions = {}): Plugin {
  checkOptions(given);
  return definePlugin({
    name: "telemetry",
    provides: [traceContext],
    before: INNER,
    start: ({ clock }) => {
      const { tracer, meter, propagation } = instrumentsOf(given);
      const metrics = meter && new ServerMetrics(meter);
      const publications = new Publications();
      const bySession = new SpansOfSessions();

      const subscribed = (channel: ChannelInfo, asked: TopicSubscription, spans: WeakMap<AbortSignal, Span>): void => {
        const { kind, ended, context } = asked;
        if (kind !== "subscribe") {
          spans.get(ended)?.addEvent(`raceway.subscription.${kind}`, { [TRANSPORT]: context.get(transportName) });
          return;
        }
        if (ended.aborted) return;
        const times = new SpanTimes(clock);
        const labels = { [RPC_METHOD]: methodOf(channel) };
        const span = tracer?.startSpan(
          `subscribe ${templateOf(channel)}`,
          {
            kind: SpanKind.CONSUMER,
            startTime: times.start,
            attributes: {
              ...messagingOf(channel, "receive", "subscribe"),
              "messaging.destination.name": asked.address,
              [TRANSPORT]: context.get(transportName),
              ...(context.get(sessionId) !== "" && { [SESSION]: context.get(sessionId) }),
            },
          },
          propagation.extract(otel.active(), asked.header),
        );
        metrics?.subscriptions.add(1, labels);
        const session = context.get(sessionId);
        if (span !== undefined) {
          spans.set(ended, span);
          bySession.add(session, span);
        }
        const over = (): void => {
          metrics?.subscriptions.add(-1, labels);
          if (span === undefined) return;
          bySession.delete(session, span);
          const why: unknown = ended.reason;
          if (why instanceof ConnectError && why.code !== Code.Canceled) markEnd(span, why, isFault);
          span.end(times.now);
        };
        ended.addEventListener("abort", over, { once: true });
      };

      const observe: Observer = {
        ...metrics?.observer,
        session(event) {
          metrics?.observer.session(event);
          bySession.tell(event);
        },
        publishing({ channel, address, context }) {
          const times = new SpanTimes(clock);
          const span = tracer?.startSpan(
            `send ${templateOf(channel)}`,
            {
              kind: SpanKind.PRODUCER,
              startTime: times.start,
              attributes: { ...messagingOf(channel, "send", "publish"), "messaging.destination.name": address },
            },
            context?.get(traceContext) ?? otel.active(),
          );
          return (outcome) => {
            const error = outcome instanceof ConnectError ? outcome : undefined;
            metrics?.publications.record(times.elapsedSeconds, {
              [RPC_METHOD]: methodOf(channel),
              [RPC_STATUS]: statusOf(error),
            });
            if (span === undefined) return;
            markEnd(span, error, () => true);
            if ("offset" in outcome) {
              span.setAttribute("messaging.message.id", `${outcome.epoch}:${outcome.offset}`);
              if (span.isRecording()) publications.add(address, outcome, span.spanContext());
            }
            span.end(times.now);
          };
        },
        fanOut(event) {
          metrics?.observer.fanOut?.(event);
          const links = publications.take(event);
          if (links.length === 0 || tracer === undefined) return;
          const times = new SpanTimes(clock);
          tracer
            .startSpan(
              `deliver ${templateOf(event.channel)}`,
              {
                kind: SpanKind.CONSUMER,
                root: true,
                links,
                startTime: times.start,
                attributes: {
                  ...messagingOf(event.channel, "process", "deliver"),
                  "messaging.destination.name": event.address,
                  "messaging.batch.message_count": event.events,
                  "raceway.subscribers": event.subscribers,
                },
              },
              otel.active(),
            )
            .end(times.now);
        },
      };

      return {
        call(channel) {
          if (channel.gated) return undefined; // its gate sees the subscription
          return (next) =>
            function telemetry(request) {
              const { contextValues: context, header } = request;
              const transport = context.get(transportName);
              const session = context.get(sessionId);
              const labels = {
                [RPC_SYSTEM]: systemOf(request, transport),
                [RPC_METHOD]: methodOf(channel),
                [TRANSPORT]: transport,
              };
              return callSpan(next, request, {
                clock,
                tracer,
                name: methodOf(channel),
                kind: SpanKind.SERVER,
                attributes: labels,
                details: session === "" ? {} : { [SESSION]: session },
                parent: tracer === undefined ? otel.active() : propagation.extract(otel.active(), header),
                duration: metrics?.calls,
                active: metrics?.active,
                isError: isFault,
                begun(own, span) {
                  context.set(traceContext, own);
                  if (span !== undefined) bySession.add(session, span);
                },
                ended(span, error, requests, responses) {
                  if (error !== undefined && isLimit(error) && isOurs(error))
                    metrics?.refused("call", transport, error);
                  if (span !== undefined) bySession.delete(session, span);
                  if (requests > 0) metrics?.messages.add(requests, { ...labels, "network.io.direction": "receive" });
                  if (responses > 0)
                    metrics?.messages.add(responses, { ...labels, "network.io.direction": "transmit" });
                },
              });
            };
        },
        topic(channel) {
          const spans = new WeakMap<AbortSignal, Span>();
          return { subscribe: (asked) => subscribed(channel, asked, spans) };
        },
        observe,
      };
    },
  });
}

/** Calls and subscriptions that run, by session: they are told what becomes of it. */
class SpansOfSessions {
  readonly #spans = new Map<string, Set<Span>>();

  add(session: string, span: Span): void {
    if (session === "" || !span.isRecording()) return;
    const spans = this.#spans.get(session);
    if (spans === undefined) this.#spans.set(session, new Set([span]));
    else spans.add(span);
  }
  delete(session: string, span: Span): void {
    const spans = this.#spans.get(session);
    if (spans?.delete(span) === true && spans.size === 0) this.#spans.delete(session);
  }
  tell({ kind, session, transport, from }: SessionEvent): void {
    if (kind === "opened" || kind === "ended") return;
    for (const span of this.#spans.get(session) ?? [])
      span.addEvent(`raceway.session.${kind}`, {
        [TRANSPORT]: transport,
        ...(from !== "" && { "raceway.transport.before": from }),
      });
  }
}

/** Whose protocol the client speaks. */
function systemOf(request: UnaryRequest | StreamRequest, transport: string): string {
  if (transport !== "native") return "raceway";
  return request.header.get("content-type")?.startsWith("application/grpc") === true ? "grpc" : "connectrpc";
}

function isOurs(error: ConnectError): boolean {
  const reason = reasonOf(error);
  return reason !== undefined && Object.hasOwn(catalogue, reason);
}

/** The span of the call, if it has one: for attributes and events of your own. */
export function spanOf(context: { get(key: ContextKey<Context | undefined>): Context | undefined }): Span | undefined {
  const own = context.get(traceContext);
  return own && trace.getSpan(own);
}
