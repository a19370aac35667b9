// How sessions are sent to another server: one after the other, told again until they have gone, and served meanwhile.
import type { Clock, Random } from "@raceway/core";
import type { ServerSession, Sessions } from "./sessions.ts";

const LOOK_MS = 50;
/** A client that was told and is still here is told again: what was said may have been lost with a link. */
const AGAIN_MS = 1_000;

export interface Draining {
  readonly drainMs?: number;
  readonly spreadMs?: number;
  readonly endpoints?: readonly string[];
}

/** Resolves when the last session has gone, or after `drainMs`. */
export async function drained(
  sessions: Sessions,
  { clock, random }: { readonly clock: Clock; readonly random: Random },
  { drainMs = 30_000, spreadMs = drainMs / 2, endpoints = [] }: Draining,
): Promise<void> {
  const began = clock.now();
  const turns = new Map<ServerSession, number>();
  for (const session of sessions) turns.set(session, began + random.next() * spreadMs);
  for (;;) {
    const now = clock.now();
    if (sessions.size === 0 || now - began >= drainMs) return;
    for (const session of sessions) {
      if ((turns.get(session) ?? 0) > now) continue;
      goAway(session, endpoints);
      turns.set(session, now + AGAIN_MS);
    }
    await new Promise<void>((resolve) => clock.after(LOOK_MS, resolve));
  }
}

/** Nothing is wrong, and what is in flight may end; new calls are better made elsewhere. */
export function goAway(session: ServerSession, endpoints: readonly string[]): void {
  session.core.control({ kind: "goaway", status: undefined, retryAfterMs: 0, endpoints, final: false });
}
