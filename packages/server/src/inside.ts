// The inside of an app, for services that come with the server: what nobody but the server itself may see or do.
import type { ContextValues } from "@connectrpc/connect";
import { type Clock, type Host, type Limits, type Logger, type Position, type Stations, fail } from "@raceway/core";
import type { Channel } from "./channel.ts";
import type { NativeCall } from "./native.ts";
import type { ServerSession } from "./sessions.ts";
import type { Topics } from "./topics.ts";

export interface Inside {
  readonly limits: Limits;
  readonly log: Logger;
  readonly clock: Clock;
  readonly channels: ReadonlyMap<string, Channel>;
  /** Of this node, with and without a link. */
  readonly sessions: Iterable<ServerSession>;
  /** Calls at native doors while they run. Asked for before the start, or none is noted. */
  readonly nativeCalls: Iterable<NativeCall>;
  /** There once the app has started. */
  readonly topics: Topics;
  /** Other nodes have the same store. */
  readonly sharesStore: boolean;
  /** As the publishers do that `serve` gives. */
  publish(
    channel: Channel,
    key: Record<string, unknown>,
    message: unknown,
    by: { readonly values: ContextValues },
  ): Promise<Position>;
  /** What is known of an event in protobuf's binary form. Throws `payload_malformed`. */
  readEvent(channel: Channel, payload: Uint8Array): unknown;
  /** Takes part when the app starts: its session station is asked after those of all plugins. */
  join(start: (host: Host) => Stations): void;
}

export const inside: unique symbol = Symbol("inside of an app");

/** Throws `option_invalid` for what `raceway()` of this package has not made. */
export function insideOf(part: string, app: object): Inside {
  const has = app as { readonly [inside]?: Inside };
  if (has[inside] === undefined)
    throw fail("option_invalid", { part, option: "app", value: typeof app, expected: "a server made by raceway()" });
  return has[inside];
}
