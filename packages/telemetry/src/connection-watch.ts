// How a connection fares: a span for each way to an open link, and measurements of losses, switches and round trips.
import type { ConnectError } from "@connectrpc/connect";
import { type Counter, type Histogram, type Meter, type Span, SpanStatusCode, type Tracer } from "@opentelemetry/api";
import type { Clock } from "@raceway/core";
import { ERROR_TYPE, SECONDS, SpanTimes, TRANSPORT, statusOf } from "./conventions.ts";

/** What is asked of a connection: `Connection` of @raceway/client has it. */
export interface WatchedConnection {
  readonly state: {
    subscribe(listener: (snapshot: WatchedSnapshot) => void): Disposable;
  };
}
export interface WatchedSnapshot {
  readonly status: "connecting" | "open" | "resuming" | "switching" | "offline" | "closed";
  readonly transport: string | undefined;
  readonly roundTripMs: number | undefined;
  readonly reason: ConnectError | undefined;
}

type Way = "connect" | "resume" | "switch";

export class ConnectionWatch implements Disposable {
  readonly #tracer: Tracer | undefined;
  readonly #clock: Clock;
  readonly #events: Counter | undefined;
  readonly #durations: Histogram | undefined;
  readonly #roundTrips: Histogram | undefined;
  readonly #subscription: Disposable;
  /** The transport in use, or last in use. */
  #transport = "";
  #isOpen = false;
  #roundTripMs: number | undefined;
  /** On the way to an open link. */
  #way: { readonly kind: Way; readonly times: SpanTimes; readonly span: Span | undefined } | undefined;

  constructor(
    connection: WatchedConnection,
    { tracer, meter, clock }: { tracer: Tracer | undefined; meter: Meter | undefined; clock: Clock },
  ) {
    this.#tracer = tracer;
    this.#clock = clock;
    this.#events = meter?.createCounter("raceway.client.connection.events", {
      description: "Connections opened, lost, resumed, switched, closed.",
      unit: "{event}",
    });
    this.#durations = meter?.createHistogram("raceway.client.connection.way.duration", {
      description: "How long it took to connect, to resume, to switch.",
      unit: "s",
      advice: { explicitBucketBoundaries: SECONDS },
    });
    this.#roundTrips = meter?.createHistogram("raceway.client.round_trip.duration", {
      description: "Measured round trips.",
      unit: "s",
      advice: { explicitBucketBoundaries: SECONDS },
    });
    this.#subscription = connection.state.subscribe((snapshot) => this.#look(snapshot));
  }

  #look({ status, transport, roundTripMs, reason }: WatchedSnapshot): void {
    if (roundTripMs !== undefined && roundTripMs !== this.#roundTripMs)
      this.#roundTrips?.record(roundTripMs / 1_000, { [TRANSPORT]: transport ?? this.#transport });
    this.#roundTripMs = roundTripMs;
    switch (status) {
      case "open":
        this.#opened(transport ?? "");
        break;
      case "switching":
        if (this.#way === undefined) this.#begin("switch");
        break;
      case "closed":
        this.#finish(undefined);
        this.#tell("closed", this.#transport);
        this.#isOpen = false;
        break;
      default: {
        if (this.#isOpen) {
          this.#isOpen = false;
          this.#finish(reason); // a switch that was under way
          this.#tell("lost", this.#transport);
        }
        if (this.#way === undefined) this.#begin(this.#transport === "" ? "connect" : "resume");
        else if (status === "offline" && reason !== undefined)
          this.#way.span?.addEvent("raceway.attempt.failed", { [ERROR_TYPE]: statusOf(reason) }, this.#way.times.now);
      }
    }
  }

  #opened(transport: string): void {
    const way = this.#way;
    const before = this.#transport;
    if (this.#isOpen && before === transport) {
      if (way?.kind === "switch") this.#finish(undefined); // it stays where it was, or went to a link of the same transport
      return;
    }
    const isMove = this.#isOpen;
    this.#isOpen = true;
    this.#transport = transport;
    this.#tell(isMove ? "switched" : before === "" ? "opened" : "resumed", transport, isMove ? before : "");
    this.#finish(undefined, transport);
  }

  #begin(kind: Way): void {
    const times = new SpanTimes(this.#clock);
    const attributes = this.#transport === "" ? {} : { "raceway.transport.before": this.#transport };
    const span = this.#tracer?.startSpan(`raceway ${kind}`, { startTime: times.start, attributes, root: true });
    this.#way = { kind, times, span };
  }

  #finish(error: ConnectError | undefined, transport = ""): void {
    const way = this.#way;
    if (way === undefined) return;
    this.#way = undefined;
    const { kind, times, span } = way;
    if (transport !== "")
      this.#durations?.record(times.elapsedSeconds, { "raceway.way": kind, [TRANSPORT]: transport });
    if (transport !== "") span?.setAttribute(TRANSPORT, transport);
    if (error !== undefined) {
      span?.setAttribute(ERROR_TYPE, statusOf(error));
      span?.setStatus({ code: SpanStatusCode.ERROR });
    }
    span?.end(times.now);
  }

  #tell(event: string, transport: string, before = ""): void {
    this.#events?.add(1, {
      "raceway.event": event,
      [TRANSPORT]: transport,
      ...(before !== "" && { "raceway.transport.before": before }),
    });
  }

  [Symbol.dispose](): void {
    this.#subscription[Symbol.dispose]();
    this.#finish(undefined);
  }
}
