// A Prometheus endpoint, by OpenTelemetry's exporter: as a route of the server, or on a port of its own.
import type { MeterProvider as Meters } from "@opentelemetry/api";
import { PrometheusExporter, PrometheusSerializer } from "@opentelemetry/exporter-prometheus";
import { MeterProvider } from "@opentelemetry/sdk-metrics";
import {
  type HttpExchange,
  type Logger,
  type OptionsOf,
  type Plugin,
  definePlugin,
  fail,
  resolveOptions,
} from "@raceway/core";

export const prometheusOptions = {
  /** Where it answers. */
  path: { kind: "text", default: "/metrics" },
  /** A port of its own; 0: none, it is a route of the server. */
  port: { kind: "number", default: 0, min: 0, max: 65_535, unit: "count" },
  /** The address for that port. By default only this machine can ask. */
  host: { kind: "text", default: "localhost" },
  /** Before every name. */
  prefix: { kind: "text", default: "" },
} as const;

export type PrometheusOptions = OptionsOf<typeof prometheusOptions> & {
  /**
   * Who may ask, where it is a route of the server. Default: only this machine, by its address: what stands behind a proxy on the same machine needs a
   * rule of its own.
   */
  readonly allow?: (exchange: HttpExchange) => boolean;
};

export interface Prometheus extends Plugin {
  /** For `telemetry({ meterProvider })`, and for measurements of your own. */
  readonly meterProvider: Meters;
}

/** For one server. Throws at its start if the port is taken. */
export function prometheus(given: PrometheusOptions = {}): Prometheus {
  const { allow = isLocal, ...rest } = given;
  const options = resolveOptions("prometheus", prometheusOptions, rest);
  const { path, port, host, prefix } = options;
  if (!/^\/[\w./-]*$/.test(path))
    throw fail("option_invalid", {
      part: "prometheus",
      option: "path",
      value: JSON.stringify(path),
      expected: `a path such as "/metrics"`,
    });
  if (!/^(?:[a-zA-Z_:][\w:]*)?$/.test(prefix))
    throw fail("option_invalid", {
      part: "prometheus",
      option: "prefix",
      value: JSON.stringify(prefix),
      expected: "letters, digits and _, a letter first",
    });
  const exporter = new PrometheusExporter({
    preventServerStart: true,
    withoutTargetInfo: true, // nothing is known of this process but, by default, where its node is installed
    endpoint: path,
    prefix,
    host,
    ...(port > 0 && { port }),
  });
  const meterProvider = new MeterProvider({ readers: [exporter] });
  const serializer = new PrometheusSerializer(prefix, false, undefined, true);
  return {
    ...definePlugin({
      name: "prometheus",
      async start({ log }) {
        if (port > 0) await exporter.startServer();
        return {
          ...(port === 0 && {
            routes: {
              [path]: (exchange) => {
                if (exchange.method !== "GET" && exchange.method !== "HEAD")
                  return exchange.reply(405, { allow: "GET, HEAD" });
                if (!allow(exchange)) return exchange.reply(403, { "cache-control": "no-store" });
                void answer(exchange, exporter, serializer, log);
              },
            },
          }),
          // What was measured stays: `app.inspect()` ends plugins, too, before the server starts.
          [Symbol.asyncDispose]: async () => (port > 0 ? exporter.stopServer() : undefined),
        };
      },
    }),
    meterProvider,
  };
}

async function answer(
  exchange: HttpExchange,
  exporter: PrometheusExporter,
  serializer: PrometheusSerializer,
  log: Logger,
): Promise<void> {
  try {
    const { resourceMetrics, errors } = await exporter.collect();
    for (const error of errors) log.error("a measurement failed", { error: String(error) });
    const text = new TextEncoder().encode(serializer.serialize(resourceMetrics));
    exchange.reply(
      200,
      { "content-type": "text/plain; version=0.0.4; charset=utf-8", "cache-control": "no-store" },
      exchange.method === "HEAD" ? undefined : text,
    );
  } catch (error) {
    log.error("metrics could not be collected", { error: String(error) });
    exchange.reply(500, { "cache-control": "no-store" });
  }
}

function isLocal({ peer: { address } }: HttpExchange): boolean {
  return address === "::1" || /^(?:::ffff:)?127\./.test(address);
}
