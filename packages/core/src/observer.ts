// What a plugin may be told of a server: links, sessions, refusals, publications, fan-outs. It is told and never asked, so it changes nothing.
import type { ConnectError, ContextValues } from "@connectrpc/connect";
import type { Position } from "./backplane.ts";
import type { ChannelInfo } from "./plugin.ts";

/** All faces are optional; what no plugin has costs nothing. What one throws goes to the log, and stops nothing. */
export interface Observer {
  /** A transport opened a link, or it is over: also one that never came to a session. */
  link?(event: LinkEvent): void;
  /** A session began, came back, moved or ended. */
  session?(event: SessionEvent): void;
  /** A batch went over a link. Once per batch, so it must be quick. */
  batch?(transport: string, direction: "in" | "out", bytes: number): void;
  /**
   * Somebody was refused before any `call` interceptor was asked: at the handshake, by a limit, or since what came could not be read; or by the gate of a
   * topic, whenever it was asked.
   */
  refused?(event: RefusalEvent): void;
  /** Something is about to be published. What is returned is told what became of it: where it stands, or why not. */
  publishing?(event: PublicationEvent): ((outcome: Position | ConnectError) => void) | undefined;
  /** A topic handed what was published since the last turn of the loop to its subscribers on this node. Not called if there are none. */
  fanOut?(event: FanOutEvent): void;
}

export interface LinkEvent {
  readonly kind: "opened" | "closed";
  /** Name of the transport. */
  readonly transport: string;
  /** Public name of the session; "" as long as the link belongs to none. */
  readonly session: string;
  /** Closed: it was open for so long, in milliseconds. */
  readonly livedMs: number;
  /** Closed: why; undefined: in good order. */
  readonly error: ConnectError | undefined;
}

export interface SessionEvent {
  /**
   * - `opened`: admitted and welcomed.
   * - `resumed`: it had no link, and has one again.
   * - `switched`: another link took the place of the present one.
   * - `ended`: it is gone.
   */
  readonly kind: "opened" | "resumed" | "switched" | "ended";
  /** Its public name, not its secret. */
  readonly session: string;
  /** Of the link that it goes over; ended: of the last one. */
  readonly transport: string;
  /** Switched: the transport before; else "". */
  readonly from: string;
  /** Since it was opened, in milliseconds. */
  readonly livedMs: number;
  /** Ended: why. */
  readonly error: ConnectError | undefined;
}

export interface RefusalEvent {
  readonly what: "handshake" | "call" | "subscription";
  /** Name of the transport. */
  readonly transport: string;
  /** "/package.Service/Method" of a channel that is served; "" if it is not, or not known. */
  readonly channel: string;
  readonly error: ConnectError;
}

export interface PublicationEvent {
  readonly channel: ChannelInfo;
  /** Of the topic. */
  readonly address: string;
  /** Of the call that publishes, if its handler gave it; undefined: the server itself. */
  readonly context: ContextValues | undefined;
}

export interface FanOutEvent {
  readonly channel: ChannelInfo;
  readonly address: string;
  /** The events went from the first of these positions to the last, both included. */
  readonly epoch: string;
  readonly first: number;
  readonly last: number;
  /** How many there are. */
  readonly events: number;
  /** Who got them at once; those who are behind read them from the log. */
  readonly subscribers: number;
  /** Over all subscribers, framed. */
  readonly bytes: number;
}
