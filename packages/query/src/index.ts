// Public names of @raceway/query: what the generator's target `query` calls, and the types of what comes out.
export {
  type CallMutations,
  type CallQueries,
  type RequestOptions,
  callMutations,
  callQueries,
} from "./call-queries.ts";
export {
  type FeedQueries,
  type ListOptions,
  type LiveOptions,
  type LiveQueries,
  type PositionOptions,
  type ReduceOptions,
  type TopicQueries,
  feedQueries,
  topicQueries,
} from "./live-queries.ts";
export type { ChannelKey } from "./channel-key.ts";
export type { ChannelMutation, ChannelQuery, ErrorTeller } from "./channel-options.ts";
