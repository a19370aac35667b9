// The generated code in this repository is what the generator writes.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { runCli } from "@raceway/cli";
import { expect, test } from "vitest";

const root = join(import.meta.dirname, "../..");

test("`raceway generate --check` has nothing to say about this repository", async () => {
  let out = "";
  let err = "";
  const code = await runCli(["generate", "--check"], {
    cwd: root,
    out: (text) => (out += text),
    err: (text) => (err += text),
  });
  expect({ code, out }).toEqual({ code: 0, out: "" });
  // The reference encoding of the wire is among what was compared.
  expect(err).toContain("packages/core/src/gen: 1 unchanged\n");
}, 60_000);

test("the schema of the README, as it is there, gives the client that the tests use", async () => {
  const schema = readFileSync(join(root, "test/schemas/chat/v1/room.proto"), "utf8");
  for (const line of [
    'option (raceway.v1.service_policy) = { auth: { require: { scopes: ["chat"] } } };',
    "rpc Say(SayRequest) returns (SayResponse) { option idempotency_level = IDEMPOTENT; }",
    'option (raceway.v1.channel).topic = { address: "rooms/{room}/messages" history: { max_events: 1000 } };',
  ]) {
    expect(schema).toContain(line);
  }
  const contract = (await import("../gen/chat/v1/room.contract.ts")).roomContract;
  expect(contract.channels).toEqual({
    say: { kind: "call", idempotency: "idempotent" },
    messages: {
      kind: "topic",
      address: "rooms/{room}/messages",
      addressFields: ["room"],
      history: { maxEvents: 1000 },
    },
  });
  const { roomService } = await import("../gen/chat/v1/room.server.ts");
  const policy = { auth: { require: { scopes: ["chat"] } } };
  expect(roomService.policy).toEqual({ say: policy, messages: policy });
});
