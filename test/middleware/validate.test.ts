// Rules of the schema: kept on every way in, for every kind of message, and told to whoever broke them.
import { fileURLToPath } from "node:url";
import { clone, create, createFileRegistry, setExtension } from "@bufbuild/protobuf";
import { FileDescriptorProtoSchema } from "@bufbuild/protobuf/wkt";
import {
  MessageRulesSchema,
  ViolationsSchema,
  message as messageRules,
} from "@bufbuild/protovalidate/gen/buf/validate/validate_pb.js";
import { Code, ConnectError } from "@connectrpc/connect";
import { reasonOf } from "@raceway/core";
import { nodeClock } from "@raceway/core/node";
import { raceway } from "@raceway/server";
import { validate as validateClient } from "@raceway/validate/client";
import { validate } from "@raceway/validate/server";
import { build } from "rolldown";
import { describe, expect, it } from "vitest";
import { from, handlers, take } from "../app/lab.ts";
import { labService } from "../gen/lab/v1/lab.server.ts";
import { first, outcome, stage, wayNames } from "./stage.ts";

const detailsOf = (error: unknown): Uint8Array[] =>
  ConnectError.from(error).details.map((detail) => (detail as { readonly value: Uint8Array }).value);
const violationsOf = (error: unknown): string[] =>
  ConnectError.from(error)
    .findDetails(ViolationsSchema)
    .flatMap(({ violations }) => violations)
    .map(({ field, ruleId }) => `${field?.elements.map(({ fieldName }) => fieldName).join(".")} ${ruleId}`);

describe.each(wayNames)("by %s,", (way) => {
  it("a request that breaks a rule is refused, with what is wrong, and no handler sees it", async () => {
    await using it = await stage({ use: [validate()] });
    const client = it.client(way);
    const error = await outcome(client.echo({ text: "x", email: "nobody" }));
    expect(reasonOf(error)).toBe("message_invalid");
    expect((error as ConnectError).code).toBe(Code.InvalidArgument);
    expect((error as ConnectError).rawMessage).toBe(
      "lab.v1.EchoRequest breaks rules of its schema: email: must be a valid email address [string.email]. Correct the message.",
    );
    expect(violationsOf(error)).toEqual(["email string.email"]);
    expect(await outcome(client.echo({ text: "y", email: "ann@example.com" }))).toBe("ok");
    expect(it.calls.filter((call) => call.startsWith("echo"))).toEqual(["echo y"]);
  });

  it("so is a rule over several fields, on a call that may be sent again, and the request of a feed", async () => {
    await using it = await stage({ use: [validate()] });
    const client = it.client(way);
    expect(String(await outcome(client.add({ a: 13, b: 13 })))).toContain("a and b are not both 13 [add.superstition]");
    expect(await outcome(client.add({ a: 13, b: 1 }))).toBe("ok");
    expect(reasonOf(await outcome(first(client.count({ from: 4_000_000_000, to: 4_000_000_001 }))))).toBe(
      "message_invalid",
    );
    expect(await take(client.count({ from: 1, to: 2 }), 2)).toHaveLength(2);
    expect(it.calls).toEqual(["add 13 1", "counted 1"]);
  });

  it("each message of a stream is looked at, and those before it have arrived", async () => {
    await using it = await stage({ use: [validate()] });
    const client = it.client(way);
    const sum = await outcome(client.sum(from([{ value: 1 }, { value: 13 }, { value: 2 }])));
    expect(violationsOf(sum)).toEqual(["value int32.not_in"]);
    if (way === "gRPC-web door" || way === "Connect door") return; // full duplex needs HTTP/2 semantics that these clients do not use
    const heard: string[] = [];
    const chat = async (): Promise<void> => {
      for await (const { text } of client.chat(from([{ text: "a" }, { text: "<b>" }, { text: "c" }]))) heard.push(text);
    };
    expect(reasonOf(await outcome(chat()))).toBe("message_invalid");
    expect(heard).toEqual(["a!"]);
    expect(it.calls).toEqual([]);
  });

  it("a subscription is refused by its request, and a publication that breaks a rule reaches nobody", async () => {
    await using it = await stage({ use: [validate()] });
    const client = it.client(way);
    expect(violationsOf(await outcome(first(client.ticks({ board: "*" }))))).toEqual(["board string.not_contains"]);
    await it.topics.ticks.publish({ board: "x" }, { price: 1 });
    const bad = await outcome(it.topics.ticks.publish({ board: "x" }, { price: -1 }));
    expect(reasonOf(bad)).toBe("message_invalid");
    expect(String(bad)).toContain("lab.v1.Tick");
    await it.topics.ticks.publish({ board: "x" }, { price: 2 });
    const headers = new Headers({ "raceway-after": "start" });
    if (way.includes("door")) {
      const seen = await take(client.ticks({ board: "x" }, { headers }), 2);
      expect(seen.map(({ price }) => price)).toEqual([1, 2]);
    } else expect((await it.topics.ticks.publish({ board: "x" }, { price: 3 })).offset).toBe(3);
  });
});

describe("validation", () => {
  it("is absent where messages have no rules, and where it is told to be", async () => {
    await using it = await stage({ use: [validate({ skip: ["lab.v1.LabService/Echo"] })] });
    const { channels } = await it.app.inspect();
    const names = channels
      .filter(({ stations }) => Object.keys(stations).length > 0)
      .map(({ path }) => path.split("/")[2]);
    expect(names).toEqual(["Add", "Peek", "Count", "Sum", "Chat", "Ticks"]);
    expect(await outcome(it.client("memory").echo({ email: "nobody" }))).toBe("ok");
  });

  it("holds responses to their rules if that is asked for: their fault is the server's", async () => {
    await using it = await stage({ use: [validate({ responses: true })] });
    for (const way of ["memory", "gRPC door"] as const) {
      const error = await outcome(it.client(way).echo({ text: "broken" }));
      expect(reasonOf(error)).toBe("response_invalid");
      expect((error as ConnectError).code).toBe(Code.Internal);
    }
    await using lax = await stage({ use: [validate()] });
    expect(await outcome(lax.client("memory").echo({ text: "broken" }))).toBe("ok");
  });

  it("on a client fails the call at once, with the error that the server would give, and sends nothing", async () => {
    await using it = await stage({ use: [], clientUse: [validateClient()] });
    const client = it.client("websocket");
    const error = await outcome(client.echo({ email: "nobody" }));
    expect(reasonOf(error)).toBe("message_invalid");
    expect(violationsOf(error)).toEqual(["email string.email"]);
    expect(reasonOf(await outcome(client.sum(from([{ value: 1 }, { value: 13 }]))))).toBe("message_invalid");
    expect(reasonOf(await outcome(first(client.ticks({ board: "*" }))))).toBe("message_invalid");
    expect(it.calls).toEqual([]);
    expect(await outcome(client.echo({ text: "broken" }))).toBe("ok");
  });

  it("on a client holds what the server answers to its rules, if that is asked for", async () => {
    await using it = await stage({ use: [], clientUse: [validateClient({ responses: true })] });
    const error = await outcome(it.client("websocket").echo({ text: "broken" }));
    expect(reasonOf(error)).toBe("response_invalid");
  });

  it("on a page costs a little until a message has rules: the library is loaded apart", async () => {
    const { output } = await build({
      input: fileURLToPath(import.meta.resolve("@raceway/validate/client")),
      write: false,
      platform: "browser",
      external: [/^@raceway/, /^@bufbuild\/protobuf/, /^@connectrpc/],
      resolve: { conditionNames: ["@raceway/source", "browser", "import", "default"] },
      output: { format: "esm", minify: true },
    });
    const [entry, ...rest] = output.flatMap((chunk) => (chunk.type === "chunk" ? [chunk] : []));
    expect(entry!.code.length).toBeLessThan(6_000);
    expect(rest.some(({ code }) => code.includes("string.min_len"))).toBe(true);
  });

  it("tells of a sensitive field that it is wrong, and neither its keys nor its values", async () => {
    await using it = await stage({ use: [validate()] });
    const error = (await outcome(it.client("memory").echo({ tags: { "hidden-key": "hidden-value" } }))) as ConnectError;
    expect(error.rawMessage).toMatchInlineSnapshot(
      `"lab.v1.EchoRequest breaks rules of its schema: tags: breaks a rule [string.max_len]. Correct the message."`,
    );
    expect(
      detailsOf(error)
        .map((bytes) => Buffer.from(bytes).toString())
        .join(),
    ).not.toContain("hidden");
  });

  it("stays small and quick where a message breaks a rule twenty thousand times", async () => {
    await using it = await stage({ use: [validate()] });
    const tags = Object.fromEntries(Array.from({ length: 20_000 }, (_, at) => [`k${at}`, "longer than 8"]));
    const error = await outcome(it.client("memory").echo({ tags }));
    expect(violationsOf(error)).toHaveLength(1);
    const few = Object.fromEntries(Array.from({ length: 400 }, (_, at) => [`k${at}`, "longer than 8"]));
    const told = await outcome(it.client("gRPC door").echo({ tags: few }));
    expect((told as ConnectError).rawMessage).toContain("; and 397 more");
    expect(violationsOf(told).length).toBeGreaterThan(5);
    expect(detailsOf(told).reduce((sum, { length }) => sum + length, 0)).toBeLessThan(4_096);
  });

  it("does not let a server start whose schema has a rule that cannot be applied", async () => {
    const { file } = labService.contract.service;
    const proto = clone(FileDescriptorProtoSchema, file.proto);
    const add = proto.messageType.find(({ name }) => name === "AddRequest")!;
    setExtension(
      add.options!,
      messageRules,
      create(MessageRulesSchema, { cel: [{ id: "odd", expression: "this.c > 1" }] }),
    );
    const registry = createFileRegistry(proto, (name) => file.dependencies.find((each) => each.proto.name === name));
    const service = registry.getService("lab.v1.LabService")!;
    const app = raceway({ transports: [], use: [validate()] });
    app.serve({ ...labService, contract: { ...labService.contract, service } }, handlers([], nodeClock()));
    const error = await outcome(app.listen({ port: 0, host: "127.0.0.1" }));
    expect(reasonOf(error)).toBe("plugin_unfit");
    expect((error as ConnectError).rawMessage).toBe(
      "Plugin validate does not fit /lab.v1.LabService/Add: lab.v1.AddRequest, rule odd cannot be applied: field not found: c; correct the rule in the schema, and generate again.",
    );
  });

  it("says what is wrong with its options on the user's own line", () => {
    expect(() => validate({ skip: ["Echo"] })).toThrow('validate: option skip is "Echo", expected names such as');
    expect(() => validateClient({ publications: true } as never)).toThrow("there is no option publications");
  });
});
