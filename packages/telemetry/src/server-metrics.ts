// What is measured of a server. Labels have few values: channels of the schema, codes, transports, reasons of the catalogue; never who, from where, or which key.
import type { ConnectError } from "@connectrpc/connect";
import type { Counter, Histogram, Meter, UpDownCounter } from "@opentelemetry/api";
import { type Observer, catalogue, reasonOf } from "@raceway/core";
import { LIFETIMES, REASON, RPC_METHOD, RPC_STATUS, SECONDS, TRANSPORT, methodOf, statusOf } from "./conventions.ts";

export class ServerMetrics {
  readonly calls: Histogram;
  readonly active: UpDownCounter;
  readonly messages: Counter;
  readonly subscriptions: UpDownCounter;
  readonly publications: Histogram;
  readonly #events: Counter;
  readonly #deliveries: Counter;
  readonly #fanOutBytes: Counter;
  readonly #sessions: UpDownCounter;
  readonly #sessionEvents: Counter;
  readonly #sessionLives: Histogram;
  readonly #links: UpDownCounter;
  readonly #linkLives: Histogram;
  readonly #bytes: Counter;
  readonly #batches: Counter;
  readonly #refusals: Counter;

  constructor(meter: Meter) {
    const seconds = (name: string, description: string, explicitBucketBoundaries: number[]): Histogram =>
      meter.createHistogram(name, { description, unit: "s", advice: { explicitBucketBoundaries } });
    const count = (name: string, description: string, unit: string): Counter =>
      meter.createCounter(name, { description, unit });
    const now = (name: string, description: string, unit: string): UpDownCounter =>
      meter.createUpDownCounter(name, { description, unit });
    this.calls = seconds("rpc.server.call.duration", "Calls, from their begin to their very end.", SECONDS);
    this.active = now("raceway.server.calls.active", "Calls and streams that run now.", "{call}");
    this.messages = count("raceway.server.messages", "Messages of streams.", "{message}");
    this.subscriptions = now("raceway.server.subscriptions.active", "Subscriptions to topics now.", "{subscription}");
    this.publications = seconds(
      "raceway.server.publication.duration",
      "Publications, until the backplane has them.",
      SECONDS,
    );
    this.#events = count("raceway.server.fan_out.events", "Events that topics handed to subscribers.", "{event}");
    this.#deliveries = count("raceway.server.fan_out.deliveries", "The same, times subscribers.", "{event}");
    this.#fanOutBytes = count("raceway.server.fan_out.size", "Bytes of these deliveries.", "By");
    this.#sessions = now("raceway.server.sessions.active", "Sessions now, with or without a link.", "{session}");
    this.#sessionEvents = count(
      "raceway.server.session.events",
      "Sessions opened, resumed, switched, ended.",
      "{event}",
    );
    this.#sessionLives = seconds("raceway.server.session.duration", "How long sessions lived.", LIFETIMES);
    this.#links = now("raceway.server.links.active", "Links now.", "{link}");
    this.#linkLives = seconds("raceway.server.link.duration", "How long links lived.", LIFETIMES);
    this.#bytes = count("raceway.server.link.size", "Bytes that went over links.", "By");
    this.#batches = count("raceway.server.link.batches", "Batches that went over links.", "{batch}");
    this.#refusals = count("raceway.server.refusals", "What was refused, by limits and at the handshake.", "{refusal}");
  }

  readonly observer: Required<Pick<Observer, "link" | "session" | "batch" | "refused">> & Pick<Observer, "fanOut"> = {
    link: ({ kind, transport, livedMs, error }) => {
      this.#links.add(kind === "opened" ? 1 : -1, { [TRANSPORT]: transport });
      if (kind === "opened") return;
      this.#linkLives.record(livedMs / 1_000, { [TRANSPORT]: transport, [RPC_STATUS]: statusOf(error) });
      if (error !== undefined && isLimit(error)) this.refused("link", transport, error);
    },
    session: ({ kind, transport, from, livedMs, error }) => {
      this.#sessionEvents.add(1, {
        "raceway.event": kind,
        [TRANSPORT]: transport,
        ...(from !== "" && { "raceway.transport.before": from }),
      });
      if (kind === "opened") this.#sessions.add(1);
      if (kind !== "ended") return;
      this.#sessions.add(-1);
      this.#sessionLives.record(livedMs / 1_000, { [RPC_STATUS]: statusOf(error) });
    },
    batch: (transport, direction, bytes) => {
      const labels = { [TRANSPORT]: transport, "network.io.direction": direction === "in" ? "receive" : "transmit" };
      this.#bytes.add(bytes, labels);
      this.#batches.add(1, labels);
    },
    refused: ({ what, transport, error }) => this.refused(what, transport, error),
    fanOut: ({ channel, events, subscribers, bytes }) => {
      const labels = { [RPC_METHOD]: methodOf(channel) };
      this.#events.add(events, labels);
      this.#deliveries.add(events * subscribers, labels);
      this.#fanOutBytes.add(bytes, labels);
    },
  };

  /** A limit was hit, or somebody was not let in. */
  refused(what: string, transport: string, error: ConnectError): void {
    this.#refusals.add(1, {
      "raceway.refused": what,
      [TRANSPORT]: transport,
      [RPC_STATUS]: statusOf(error),
      [REASON]: knownReason(error),
    });
  }
}

/** Reasons come from the other side, too, which may write anything. */
function knownReason(error: ConnectError): string {
  const reason = reasonOf(error);
  return reason !== undefined && Object.hasOwn(catalogue, reason) ? reason : "other";
}

export function isLimit(error: ConnectError): boolean {
  return statusOf(error) === "resource_exhausted";
}
