// What both sides may be given: where spans and measurements go, and how contexts travel.
import {
  type Meter,
  type MeterProvider,
  type TextMapPropagator,
  type Tracer,
  type TracerProvider,
  metrics,
  trace,
} from "@opentelemetry/api";
import { checkOptionNames } from "@raceway/core";
import { SCOPE, VERSION } from "./conventions.ts";
import { Propagation } from "./trace-context.ts";

export interface TelemetryOptions {
  /** Where spans go. Default: what the application has registered globally; false: no spans, and contexts are not passed on. */
  readonly tracerProvider?: TracerProvider | false;
  /** Where measurements go. Default: what the application has registered globally; false: none. */
  readonly meterProvider?: MeterProvider | false;
  /** How contexts travel in headers. Default: what the application has registered globally, else W3C Trace Context. */
  readonly propagator?: TextMapPropagator;
}

export interface Instruments {
  readonly tracer: Tracer | undefined;
  readonly meter: Meter | undefined;
  readonly propagation: Propagation;
}

/** Throws `option_unknown`. */
export function checkOptions(given: TelemetryOptions): void {
  checkOptionNames("telemetry", given, ["tracerProvider", "meterProvider", "propagator"]);
}

export function instrumentsOf(given: TelemetryOptions): Instruments {
  const { tracerProvider = trace.getTracerProvider(), meterProvider = metrics.getMeterProvider() } = given;
  return {
    tracer: tracerProvider === false ? undefined : tracerProvider.getTracer(SCOPE, VERSION),
    meter: meterProvider === false ? undefined : meterProvider.getMeter(SCOPE, VERSION),
    propagation: new Propagation(given.propagator),
  };
}
