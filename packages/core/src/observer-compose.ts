// The observers of all plugins as one: what none of them has is absent, and what one throws stops nothing.
import type { Observer } from "./observer.ts";
import type { Stations } from "./plugin.ts";

/** Undefined if no plugin observes. */
export function composeObservers(
  stations: readonly Stations[],
  failed: (error: unknown) => void,
): Observer | undefined {
  const observers = stations.flatMap(({ observe }) => observe ?? []);
  if (observers.length === 0) return undefined;
  /** Runs one face; what it throws is told. */
  const guarded = <R>(run: () => R): R | undefined => {
    try {
      return run();
    } catch (error) {
      failed(error);
      return undefined;
    }
  };
  const having = (face: keyof Observer): readonly Observer[] => observers.filter((each) => each[face] !== undefined);
  const [links, sessions, batches, refusals, publications, fanOuts] = (
    ["link", "session", "batch", "refused", "publishing", "fanOut"] as const
  ).map(having) as [Observer[], Observer[], Observer[], Observer[], Observer[], Observer[]];
  return {
    ...(links.length > 0 && {
      link(event) {
        for (const each of links) guarded(() => each.link!(event));
      },
    }),
    ...(sessions.length > 0 && {
      session(event) {
        for (const each of sessions) guarded(() => each.session!(event));
      },
    }),
    ...(batches.length > 0 && {
      batch(transport, direction, bytes) {
        for (const each of batches) {
          try {
            each.batch!(transport, direction, bytes); // no closure: it is called per batch
          } catch (error) {
            failed(error);
          }
        }
      },
    }),
    ...(refusals.length > 0 && {
      refused(event) {
        for (const each of refusals) guarded(() => each.refused!(event));
      },
    }),
    ...(publications.length > 0 && {
      publishing(event) {
        const told = publications.flatMap((each) => guarded(() => each.publishing!(event)) ?? []);
        if (told.length === 0) return undefined;
        return (outcome) => {
          for (const each of told) guarded(() => each(outcome));
        };
      },
    }),
    ...(fanOuts.length > 0 && {
      fanOut(event) {
        for (const each of fanOuts) guarded(() => each.fanOut!(event));
      },
    }),
  };
}
