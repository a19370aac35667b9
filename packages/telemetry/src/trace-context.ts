// How trace contexts get into the headers of calls, and out of them: as the application has registered it, else by W3C Trace Context.
import { type Context, type TextMapPropagator, propagation } from "@opentelemetry/api";
import { W3CTraceContextPropagator } from "@opentelemetry/core";

const setter = { set: (headers: Headers, key: string, value: string): void => headers.set(key, value) };
const getter = {
  get: (headers: Headers, key: string): string | undefined => headers.get(key) ?? undefined,
  keys: (headers: Headers): string[] => [...headers.keys()],
};
/** `traceparent` and `tracestate` (https://www.w3.org/TR/trace-context/). */
const standard = new W3CTraceContextPropagator();

export class Propagation {
  readonly #given: TextMapPropagator | undefined;

  constructor(given: TextMapPropagator | undefined) {
    this.#given = given;
  }

  /** The application's own is looked up each time, since it may be registered later. */
  get #propagator(): Pick<TextMapPropagator, "inject" | "extract"> {
    return this.#given ?? (propagation.fields().length > 0 ? propagation : standard);
  }

  inject(context: Context, headers: Headers): void {
    this.#propagator.inject(context, headers, setter);
  }

  /** The context with the span that the headers name; as it is if they name none, or nonsense. */
  extract(context: Context, headers: Headers): Context {
    return this.#propagator.extract(context, headers, getter);
  }
}
