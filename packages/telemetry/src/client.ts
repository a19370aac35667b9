// The client's side: spans for calls and subscriptions, passed on to the server in their headers; what becomes of the connection; and measurements.
import { type Histogram, type Meter, SpanKind, context as otel } from "@opentelemetry/api";
import { type Clock, type Plugin, definePlugin, systemClock } from "@raceway/core";
import { callSpan } from "./call-span.ts";
import { ConnectionWatch, type WatchedConnection } from "./connection-watch.ts";
import { RPC_METHOD, RPC_SYSTEM, SECONDS, messagingOf, methodOf, templateOf } from "./conventions.ts";
import { type TelemetryOptions, checkOptions, instrumentsOf } from "./options.ts";

export type { WatchedConnection } from "./connection-watch.ts";
export type { TelemetryOptions } from "./options.ts";

export interface ClientTelemetry extends Plugin {
  /** Traces and measures how a connection fares, too: until it is open, each loss until it is open again, each switch, round trips. Until disposed. */
  watch(connection: WatchedConnection): Disposable;
}

/** To see all of a call, retries and waits included, it runs around these where they are there. */
const INNER = ["logging", "timeout", "retry", "hedging", "circuit-breaker", "attempt-timeout"];

/** Traces and measures the calls of a client. */
export function telemetry(given: TelemetryOptions = {}): ClientTelemetry {
  checkOptions(given);
  let clock: Clock | undefined;
  const plugin = definePlugin({
    name: "telemetry",
    before: INNER,
    start: (host) => {
      clock = host.clock;
      const { tracer, meter, propagation } = instrumentsOf(given);
      const duration = meter && durationOf(meter);
      const active = meter?.createUpDownCounter("raceway.client.calls.active", {
        description: "Calls, streams and subscriptions that run now.",
        unit: "{call}",
      });
      return {
        call(channel) {
          const isTopic = channel.contract.kind === "topic";
          const attributes = { [RPC_SYSTEM]: "raceway", [RPC_METHOD]: methodOf(channel) };
          return (next) =>
            function telemetry(request) {
              return callSpan(next, request, {
                clock: host.clock,
                tracer,
                name: isTopic ? `subscribe ${templateOf(channel)}` : methodOf(channel),
                kind: isTopic ? SpanKind.CONSUMER : SpanKind.CLIENT,
                attributes,
                details: { ...serverOf(request.url), ...(isTopic && messagingOf(channel, "receive", "subscribe")) },
                parent: otel.active(),
                duration,
                active,
                isError: () => true,
                begun(context) {
                  if (tracer !== undefined) propagation.inject(context, request.header);
                },
              });
            };
        },
      };
    },
  });
  return {
    ...plugin,
    watch(connection) {
      const { tracer, meter } = instrumentsOf(given);
      return new ConnectionWatch(connection, { tracer, meter, clock: clock ?? systemClock() });
    },
  };
}

function durationOf(meter: Meter): Histogram {
  return meter.createHistogram("rpc.client.call.duration", {
    description: "Calls, from their begin to their very end, with all attempts.",
    unit: "s",
    advice: { explicitBucketBoundaries: SECONDS },
  });
}

/** Of spans only: a client may talk to many servers. */
function serverOf(url: string): Readonly<Record<string, string | number>> {
  const { hostname, port, protocol } = URL.parse(url) ?? { hostname: "", port: "", protocol: "" };
  if (hostname === "") return {};
  return { "server.address": hostname, "server.port": Number(port || (protocol === "https:" ? 443 : 80)) };
}
