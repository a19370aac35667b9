// Sees all spans and measurements of a test: OpenTelemetry's own SDK, in memory.
import { SpanKind, type TextMapPropagator } from "@opentelemetry/api";
import { type DataPoint, type Histogram, MeterProvider, MetricReader } from "@opentelemetry/sdk-metrics";
import {
  AlwaysOffSampler,
  InMemorySpanExporter,
  type ReadableSpan,
  SimpleSpanProcessor,
  TracerProvider,
} from "@opentelemetry/sdk-trace";

export interface Sight {
  /** For `telemetry` of either side. */
  readonly options: {
    readonly tracerProvider: TracerProvider;
    readonly meterProvider: MeterProvider;
    readonly propagator?: TextMapPropagator;
  };
  /** Spans that are over, in the order in which they ended. */
  readonly spans: readonly ReadableSpan[];
  /** The only one of that kind and name; throws if there is none, or more. */
  span(kind: keyof typeof SpanKind, name: string): ReadableSpan;
  /** Values of a measurement as "label=value label=value" → sum, or count of a histogram. */
  metric(name: string): Promise<Readonly<Record<string, number>>>;
  /** How many series there are, over all names. */
  series(): Promise<number>;
}

class Reader extends MetricReader {
  protected override onShutdown(): Promise<void> {
    return Promise.resolve();
  }
  protected override onForceFlush(): Promise<void> {
    return Promise.resolve();
  }
}

export function sight({ sampled = true }: { sampled?: boolean } = {}): Sight {
  const exporter = new InMemorySpanExporter();
  const reader = new Reader();
  const tracerProvider = new TracerProvider({
    spanProcessors: [new SimpleSpanProcessor({ exporter })],
    ...(!sampled && { sampler: new AlwaysOffSampler() }),
  });
  const meterProvider = new MeterProvider({ readers: [reader] });
  const points = async (): Promise<(DataPoint<unknown> & { readonly name: string })[]> => {
    const { resourceMetrics } = await reader.collect();
    return resourceMetrics.scopeMetrics.flatMap(({ metrics }) =>
      metrics.flatMap(({ descriptor: { name }, dataPoints }) =>
        (dataPoints as DataPoint<unknown>[]).map((point) => ({ ...point, name })),
      ),
    );
  };
  return {
    options: { tracerProvider, meterProvider },
    get spans() {
      return exporter.getFinishedSpans();
    },
    span(kind, name) {
      const found = exporter.getFinishedSpans().filter((span) => span.kind === SpanKind[kind] && span.name === name);
      if (found.length !== 1) throw new Error(`${found.length} spans ${kind} ${name} of ${namesOf(exporter)}`);
      return found[0]!;
    },
    async metric(name) {
      return Object.fromEntries(
        (await points())
          .filter((point) => point.name === name)
          .map(({ attributes, value }) => [
            Object.entries(attributes)
              .map(([key, label]) => `${key}=${String(label)}`)
              .sort()
              .join(" "),
            typeof value === "number" ? value : (value as Histogram).count,
          ]),
      );
    },
    series: async () => (await points()).length,
  };
}

function namesOf(exporter: InMemorySpanExporter): string {
  return exporter
    .getFinishedSpans()
    .map(({ kind, name }) => `${SpanKind[kind]} ${name}`)
    .join(", ");
}
