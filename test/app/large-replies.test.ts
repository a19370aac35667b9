// Replies and errors that are larger than a link, or a call, may carry: the call ends with what is wrong, its session and its server go on.
import { create, toBinary } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import { connect } from "@raceway/client";
import { errorInfo, memoryTransport, reasonOf } from "@raceway/core";
import { raceway } from "@raceway/server";
import { virtualClock } from "@raceway/testkit";
import { describe, expect, it } from "vitest";
import { labClient } from "../gen/lab/v1/lab.client.ts";
import { type LabHandlers, labService } from "../gen/lab/v1/lab.server.ts";
import { EchoResponseSchema } from "../gen/lab/v1/lab_pb.ts";
import { stage, wayNames } from "../middleware/stage.ts";
import { gate } from "./gate.ts";
import { handlers, take } from "./lab.ts";

const sessions = wayNames.filter((way) => !way.includes("door"));
const MIB = 1_048_576;

/** A text that makes an EchoResponse of so many bytes. */
function textOf(bytes: number): string {
  const frame = toBinary(EchoResponseSchema, create(EchoResponseSchema, { text: "x".repeat(bytes) })).length - bytes;
  return "x".repeat(bytes - frame);
}
const caught = (error: unknown): ConnectError => ConnectError.from(error);

describe.each(sessions)("by %s", (way) => {
  const echoing = (echo: LabHandlers["echo"]): ReturnType<typeof stage> => stage({ use: [], handlers: { echo } });

  it("a reply of 1 MiB comes, and what the link does not carry is refused", async () => {
    await using it = await echoing(({ delayMs: bytes }) => ({ text: textOf(bytes) }));
    const client = it.client(way);
    const most = ["websocket", "grpc"].includes(way) ? 4 * MIB : MIB;
    expect((await client.echo({ delayMs: MIB })).text).toHaveLength(textOf(MIB).length);
    if (most > MIB) expect((await client.echo({ delayMs: most })).text).toHaveLength(textOf(most).length);
    const error = await client.echo({ delayMs: most + 1 }).catch(caught);
    expect(errorInfo(error as ConnectError)).toMatchObject({
      reason: "message_too_large",
      metadata: { bytes: String(most + 1), limit: String(most) },
    });
    expect((await client.add({ a: 1, b: 2 })).sum).toBe(3);
  });

  it("an error with more text, metadata or headers than may be sent ends the call with what is wrong", async () => {
    const long = "x".repeat(20_000);
    const given: Record<string, () => Error> = {
      text: () => new ConnectError("y".repeat(5 * MIB), Code.Aborted),
      metadata: () => new ConnectError("no", Code.Aborted, { long }),
    };
    await using it = await echoing(async ({ text }, context) => {
      if (text === "header") context.responseHeader.set("long", long);
      else if (text === "trailer") context.responseTrailer.set("long", long);
      else throw given[text]!();
      return { text };
    });
    const client = it.client(way);
    for (const [text, reason] of [
      ["text", "message_too_large"],
      ["metadata", "headers_too_large"],
      ["header", "headers_too_large"],
      ["trailer", "headers_too_large"],
    ] as const)
      expect([text, reasonOf(await client.echo({ text }).catch(caught))]).toEqual([text, reason]);
    expect((await client.add({ a: 1, b: 2 })).sum).toBe(3);
  });
});

it("an error at the end of a stream, too, after what came before", async () => {
  await using it = await stage({
    use: [],
    handlers: {
      async *count() {
        yield { value: 1 };
        throw new ConnectError("no", Code.Aborted, { long: "x".repeat(20_000) });
      },
    },
  });
  const got: number[] = [];
  const reading = (async () => {
    for await (const { value } of it.client("websocket").count({})) got.push(value);
  })();
  expect(reasonOf(await reading.catch(caught))).toBe("headers_too_large");
  expect(got).toEqual([1]);
});

it("an error whose details are no messages is told without what it was, which the log has", async () => {
  const logged: [string, unknown][] = [];
  const error = (message: string, fields: unknown): void => void logged.push([message, fields]);
  const odd = new ConnectError("no", Code.Aborted, undefined, [{ desc: EchoResponseSchema, value: { data: 5 } }]);
  await using it = await stage({
    use: [],
    log: { debug() {}, info() {}, warn() {}, error },
    handlers: {
      async echo() {
        throw odd;
      },
    },
  });
  const client = it.client("memory");
  expect(reasonOf(await client.echo({}).catch(caught))).toBe("handler_failed");
  expect(logged[0]).toEqual(["an error cannot be sent", { channel: "/lab.v1.LabService/Echo", error: "no" }]);
  expect(await take(client.count({ from: 1, to: 2 }), 2)).toHaveLength(2);
});

describe("a reply that was written for another link, or for none, and that is too large for the next", () => {
  /** A client over a link of 16 MiB and one of 1 MiB. A reply of 3 MiB is written while neither is there; then one of them is. */
  async function away(then: "wide" | "narrow") {
    const clock = virtualClock();
    const wide = memoryTransport({ transport: "wide", maxBatchBytes: 16 * MIB });
    const narrow = memoryTransport({ transport: "narrow" });
    const app = raceway({ transports: [wide.server, narrow.server], clock, limits: { batchBytes: 16 * MIB } });
    const calls: string[] = [];
    app.serve(labService, {
      ...handlers(calls, clock),
      async echo() {
        await new Promise<void>((resolve) => clock.after(1_000, resolve));
        calls.push("echo");
        return { text: textOf(3 * MIB) };
      },
    });
    await app.listen({ port: 0, host: "127.0.0.1" });
    const to = { wide: gate(wide.client), narrow: gate(narrow.client) };
    const transports = [to.wide.transport, to.narrow.transport];
    const connection = connect("http://lab", { transports, clock, probeMs: 0 });
    const client = labClient(connection);
    const large = client.echo({}).then(
      ({ text }) => text.length,
      (error: unknown) => reasonOf(error),
    );
    await clock.advance(500);
    to.wide.shut = to.narrow.shut = true;
    wide.cut();
    narrow.cut();
    await clock.advance(1_000);
    expect(calls).toEqual(["echo"]);
    to[then].shut = false;
    await clock.advance(10_000);
    expect(connection.state.current).toMatchObject({ status: "open", transport: then });
    const sum = client.add({ a: 1, b: 2 });
    await clock.settle();
    expect((await sum).sum).toBe(3);
    await connection.close();
    await app.close(0);
    return large;
  }

  it("does not end that one again and again: the session is lost, and its client goes on in a new one", async () => {
    expect(await away("narrow")).toBe("session_lost");
  });
  it("comes if that one has room", async () => {
    expect(await away("wide")).toBe(textOf(3 * MIB).length);
  });
});
