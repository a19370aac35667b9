// One call as a span and a measurement, on either side: begun, followed to its end, and told of exactly once.
import type { ConnectError, StreamRequest, StreamResponse, UnaryRequest, UnaryResponse } from "@connectrpc/connect";
import {
  type Attributes,
  type Context,
  type Histogram,
  type Span,
  type SpanKind,
  SpanStatusCode,
  type Tracer,
  type UpDownCounter,
  context as otel,
  trace,
} from "@opentelemetry/api";
import { type Clock, reasonOf, watchCall } from "@raceway/core";
import { ERROR_TYPE, REASON, REQUESTS, RESPONSES, RPC_STATUS, SpanTimes, statusOf } from "./conventions.ts";

export interface CallKind {
  readonly clock: Clock;
  readonly tracer: Tracer | undefined;
  readonly name: string;
  readonly kind: SpanKind;
  /** Of span and measurements: few values. */
  readonly attributes: Attributes;
  /** Of the span alone. */
  readonly details: Attributes;
  readonly parent: Context;
  readonly duration: Histogram | undefined;
  readonly active: UpDownCounter | undefined;
  isError(error: ConnectError): boolean;
  /** The call has begun; the context has its span. */
  begun?(context: Context, span: Span | undefined): void;
  ended?(span: Span | undefined, error: ConnectError | undefined, requests: number, responses: number): void;
}

type Request = UnaryRequest | StreamRequest;
type Response = UnaryResponse | StreamResponse;

/** Passes a call on, within its span: whatever it does, its handler's generator too, sees the span as the active one. */
export function callSpan(
  next: (request: Request) => Promise<Response>,
  request: Request,
  call: CallKind,
): Promise<Response> {
  const { attributes, tracer, parent } = call;
  const times = new SpanTimes(call.clock);
  const span = tracer?.startSpan(
    call.name,
    { kind: call.kind, startTime: times.start, attributes: { ...attributes, ...call.details } },
    parent,
  );
  const context = span === undefined ? parent : trace.setSpan(parent, span);
  call.active?.add(1, attributes);
  call.begun?.(context, span);
  return watchCall(next, request, {
    ended(error, requests, responses) {
      call.active?.add(-1, attributes);
      call.duration?.record(times.elapsedSeconds, { ...attributes, [RPC_STATUS]: statusOf(error) });
      if (span?.isRecording() === true) {
        if (requests > 0) span.setAttribute(REQUESTS, requests);
        if (responses > 0) span.setAttribute(RESPONSES, responses);
        markEnd(span, error, call.isError);
      }
      call.ended?.(span, error, requests, responses);
      span?.end(times.now);
    },
    ...(span !== undefined && { run: (piece) => otel.with(context, piece) }),
  });
}

/** Code and reason; never the text, which may say what somebody has sent. */
export function markEnd(span: Span, error: ConnectError | undefined, isError: (error: ConnectError) => boolean): void {
  span.setAttribute(RPC_STATUS, statusOf(error));
  if (error === undefined) return;
  const reason = reasonOf(error);
  if (reason !== undefined) span.setAttribute(REASON, reason.slice(0, 64));
  if (!isError(error)) return;
  span.setAttribute(ERROR_TYPE, statusOf(error));
  span.setStatus({ code: SpanStatusCode.ERROR });
}
