// A server's interceptors mean the same in sessions and at native doors: what they pass on is what the handler sees, and what they answer is the answer.
import { create } from "@bufbuild/protobuf";
import { type Interceptor, type UnaryResponse, createContextKey, createContextValues } from "@connectrpc/connect";
import { definePlugin } from "@raceway/core";
import { expect, it } from "vitest";
import { from } from "../app/lab.ts";
import { PeekResponseSchema } from "../gen/lab/v1/lab_pb.ts";
import { stage, wayNames } from "./stage.ts";

const mark = createContextKey("", { description: "mark" });
const intercepting = (interceptor: Interceptor): ReturnType<typeof definePlugin> =>
  definePlugin({ name: "intercepting", start: () => ({ call: () => interceptor }) });

it.each(wayNames)("the handler sees the headers and values that were passed on: %s", async (way) => {
  const changes = intercepting((next) => (request) => {
    const header = new Headers({ "x-mark": `${request.header.get("x-mark")}!` });
    return next({ ...request, header, contextValues: createContextValues().set(mark, "set") });
  });
  const seen: (string | null)[] = [];
  await using it = await stage({
    use: [changes],
    handlers: {
      echo(_, context) {
        seen.push(context.requestHeader.get("x-mark"), context.get(mark));
        return {};
      },
      async *chat(requests, context) {
        for await (const { text } of requests)
          yield { text: `${text} ${context.requestHeader.get("x-mark")} ${context.get(mark)}` };
      },
    },
  });
  const client = it.client(way);
  const headers = { "x-mark": "m" };
  await client.echo({}, { headers });
  expect(seen).toEqual(["m!", "set"]);
  for await (const { text } of client.chat(from([{ text: "a" }]), { headers })) expect(text).toBe("a m! set");
});

it.each(wayNames)("an answer that an interceptor gives itself gets there whole: %s", async (way) => {
  const answers = intercepting((next) => async (request) => {
    if (request.stream || request.method.name !== "Peek") return next(request);
    const { method, service } = request;
    const response: UnaryResponse = {
      stream: false,
      method,
      service,
      header: new Headers({ "x-by": "plugin" }),
      trailer: new Headers({ "x-done": "yes" }),
      message: create(PeekResponseSchema, { text: "from the plugin" }),
    };
    return response;
  });
  await using it = await stage({ use: [answers] });
  const seen: (string | null)[] = [];
  const { text } = await it.client(way).peek(
    { text: "tea" },
    {
      onHeader: (header) => void seen.push(header.get("x-by")),
      onTrailer: (trailer) => void seen.push(trailer.get("x-done")),
    },
  );
  expect([text, ...seen]).toEqual(["from the plugin", "plugin", "yes"]);
  expect(it.calls).toEqual([]);
});
