// What a peer brings to the benchmark: a server of the bench schema, and the load that calls it.
import type { Arrivals } from "./arrivals.ts";
import type { BenchEvent } from "./event.ts";

/** In the server's process. */
export interface PeerServer {
  /** On 127.0.0.1. */
  readonly port: number;
  /** What a client has to show; absent: nothing. */
  readonly credential?: string;
  /** Subscribers of the topic that are ready to get events. */
  subscribers(): number;
  /** Publishes these events to all subscribers of the topic, in this very turn of the event loop. */
  publish(events: readonly BenchEvent[]): void;
}

/** In the load's process. */
export interface PeerLoad {
  /** One connection, made and driven by the peer's own client library. */
  connect(): Promise<PeerClient>;
  /** One raw connection that subscribes to the topic; resolves when the subscription was sent. Absent: this peer has no topic. */
  subscribe?(arrivals: Arrivals): Promise<RawConnection>;
  /** One raw connection that is established and says nothing. Absent: an idle connection means nothing for this peer. */
  idle?(): Promise<RawConnection>;
}

export interface RawConnection {
  close(): void;
}

export interface Echo {
  readonly text: string;
  readonly number: number;
}

export interface Counted {
  readonly count: number;
  /** Sequence number of the last event. */
  readonly last: number;
}

export interface PeerClient {
  echo(text: string, number: number): Promise<Echo>;
  /** Server stream of `count` events; each is given to `take` in order. */
  down(count: number, take: (seq: number) => void): Promise<void>;
  /** Client stream of `count` events. */
  up(count: number): Promise<Counted>;
  /** Opens a bidirectional stream on which each event is answered by itself. */
  converse(): Promise<Conversation>;
  close(): Promise<void> | void;
}

export interface Conversation {
  /** One event there and back. Never called before the last one resolved. */
  say(event: BenchEvent): Promise<number>;
  end(): Promise<void> | void;
}

/** Modules in `peers/` export these two. */
export interface PeerServerModule {
  startServer(transport: string): Promise<PeerServer>;
}
export interface PeerLoadModule {
  openLoad(port: number, transport: string, credential: string): PeerLoad;
}
