// The target `query`: which channels have options of which kind, and which files and services have none.
import { compileSchemas, query } from "@raceway/generator";
import { expect, test } from "vitest";

const head = 'syntax = "proto3";\nimport "google/protobuf/empty.proto";\nimport "raceway/v1/options.proto";\n';
const schemas = {
  "kinds.proto": `${head}
message M { string a = 1; }
service KindsService {
  rpc Unsaid(M) returns (M);
  rpc Reads(M) returns (M) { option idempotency_level = NO_SIDE_EFFECTS; }
  rpc Writes(M) returns (M) { option idempotency_level = IDEMPOTENT; }
  rpc Feed(M) returns (stream M);
  rpc Topic(M) returns (stream M) { option (raceway.v1.channel).topic = { address: "topics/{a}" }; }
  rpc State(M) returns (stream M) { option (raceway.v1.channel).state = { address: "states/{a}" }; }
  rpc Upload(stream M) returns (M);
  rpc Duplex(stream M) returns (stream M);
  rpc Signal(stream M) returns (google.protobuf.Empty) { option (raceway.v1.channel).signal = {}; }
  rpc then(M) returns (M);
}
service SendsService { rpc Upload(stream M) returns (M); }
`,
  "sends.proto": `${head}
message N { string a = 1; }
service OnlySends { rpc Duplex(stream N) returns (stream N); }
`,
};

test("calls are queries and mutations, what streams down is live, and what streams up is not there", async () => {
  const { model, context } = await compileSchemas(schemas);
  const files = [...(await query().generate(model, context))];
  expect(files.map(({ path }) => path)).toEqual(["kinds.query.ts"]);
  const { text } = files[0]!;
  expect(
    Object.fromEntries(Array.from(text.matchAll(/^ {2}readonly (\S+): (\w+)</gm), ([, name, type]) => [name, type])),
  ).toEqual({
    unsaid: "CallQueries",
    reads: "CallQueries",
    writes: "CallMutations",
    feed: "FeedQueries",
    topic: "TopicQueries",
    state: "TopicQueries",
    then$: "CallQueries",
  });
  const made = text.slice(text.indexOf("return {"), text.indexOf("};"));
  expect(made.split("\n").map((line) => line.trim())).toEqual([
    "return {",
    "unsaid: callQueries(connection, KindsService.method.unsaid, kindsUnsaidChannel),",
    "reads: callQueries(connection, KindsService.method.reads, kindsReadsChannel),",
    "writes: callMutations(connection, KindsService.method.writes, kindsWritesChannel),",
    "feed: feedQueries(connection, KindsService.method.feed, kindsFeedChannel),",
    "topic: topicQueries(connection, KindsService.method.topic, kindsTopicChannel),",
    "state: topicQueries(connection, KindsService.method.state, kindsStateChannel),",
    "then$: callQueries(connection, KindsService.method.then, kindsThenChannel),",
    "",
  ]);
  expect(text).not.toContain("Sends");
});
