// What queries and mutations of all channels have in common: the types of their options, their errors, and who retries.
import { ConnectError } from "@connectrpc/connect";
import type { DataTag, MutationOptions, QueryFunction, QueryObserverOptions } from "@tanstack/query-core";
import type { ChannelKey } from "./channel-key.ts";

/** For `useQuery`, `useSuspenseQuery`, `useQueries`, `queryClient.query` and their like, of any framework. Spread it to say more: `{ ...options, select }`. */
export interface ChannelQuery<D, E extends Error> extends Pick<
  QueryObserverOptions<D, E, D, D, ChannelKey>,
  "networkMode" | "refetchOnMount" | "retry" | "staleTime" | "structuralSharing" | "throwOnError"
> {
  readonly queryKey: DataTag<ChannelKey, D, E>;
  readonly queryFn: QueryFunction<D, ChannelKey>;
}

/** For `useMutation` and its like. */
export interface ChannelMutation<D, E extends Error, V> extends Pick<
  MutationOptions<D, E, V>,
  "networkMode" | "onError" | "retry"
> {
  readonly mutationKey: ChannelKey;
  readonly mutationFn: (request: V) => Promise<D>;
}

/**
 * For what the connection waits with by itself until there is a way: live queries go on, and mutations are in its outbox, which may be kept over reloads. TanStack would pause them when the browser says
 * that it is offline, which is not always so.
 */
export const ALWAYS = "always" as const;

/** Tells what a channel failed with: of a channel that declares errors, a function of its generated client, such as `clubJoinError`. */
export type ErrorTeller<E extends ConnectError> = (cause: unknown) => E;

/** Of a channel that declares none. */
export function undeclaredError(cause: unknown): ConnectError {
  return ConnectError.from(cause);
}
