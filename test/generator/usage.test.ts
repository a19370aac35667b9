// Generated code as it is used: what fits compiles, what does not fit does not, and a bundle has only what is used.
import { cpSync } from "node:fs";
import { join } from "node:path";
import { rolldown } from "rolldown";
import { expect, test } from "vitest";
import { CodeFolder } from "./type-check.ts";

const gen = join(import.meta.dirname, "../gen");

const usage = `import type { Transport } from "@connectrpc/connect";
import type { Raceway } from "@raceway/server";
import { type LabClient, labClient, labCursor, labSum } from "./lab/v1/lab.client.ts";
import { type LabHandlers, labService } from "./lab/v1/lab.server.ts";

declare const connection: Transport;
declare const app: Raceway;

const handlers: LabHandlers = {
  echo: ({ text }) => ({ text }),
  peek: ({ text }) => ({ text }),
  async add({ a, b }, context) {
    context.signal.throwIfAborted();
    return { sum: a + b };
  },
  async *count({ from, to }) {
    for (let value = from; value <= to; value++) yield { value };
  },
  async sum(requests) {
    let sum = 0;
    for await (const { value } of requests) sum += value;
    return { sum };
  },
  async *chat(requests) {
    for await (const { text } of requests) yield { text };
  },
  async cursor(messages) {
    for await (const { userId } of messages) void userId;
  },
};
const lab = app.serve(labService, handlers);
const { offset, epoch } = await lab.ticks.publish({ board: "a" }, { symbol: "X", price: 1 });
export const position: readonly [number, string] = [offset, epoch];

const client: LabClient = labClient(connection);
async function* numbers(): AsyncGenerator<{ value: number }> {
  yield { value: 1 };
}
export const sum: number = (await labSum(connection, numbers())).sum;
for await (const { value } of client.count({ from: 1, to: 3 })) void value;
for await (const { price } of client.ticks({ board: "a" })) void price;
labCursor(connection).send({ userId: "me", x: 1 });

// @ts-expect-error -- a handler is missing
app.serve(labService, { echo: () => ({}) });
app.serve(labService, {
  ...handlers,
  // @ts-expect-error -- the response has no such field
  add: () => ({ total: 1 }),
});
// @ts-expect-error -- the address needs its field
await lab.ticks.publish({}, { symbol: "X" });
// @ts-expect-error -- the message has no such field
await lab.ticks.publish({ board: "a" }, { sym: "X" });
// @ts-expect-error -- a call has no publisher
void lab.echo;
// @ts-expect-error -- a field of another type
void client.add({ a: "1" });
`;

test("what fits compiles, and what does not fit does not", () => {
  using folder = new CodeFolder();
  cpSync(gen, folder.path, { recursive: true });
  folder.write("usage.ts", usage);
  expect(folder.typeErrors()).toEqual([]);
}, 120_000);

test("a bundle has the channels that are used, and no policy", async () => {
  const code = await bundled("lab/v1/lab.client.ts", "labEcho");
  expect(code).toContain("labEchoChannel");
  for (const other of ["labAddChannel", "labTicksChannel", "boards/{board}/ticks", "labClient", "subscribeTopic("])
    expect(code).not.toContain(other);
});

test("a bundle has the declared errors that are asked for, and none that are not", async () => {
  const call = await bundled("club/v1/club.client.ts", "clubJoin");
  expect(call).toContain("clubJoinChannel");
  for (const other of ["clubJoinErrors", "CLUB_FULL", "BANNED", "declaredError("]) expect(call).not.toContain(other);
  const told = await bundled("club/v1/club.client.ts", "clubWatchError");
  expect(told).toContain('reason: "CLUB_FULL"');
  expect(told).not.toContain("BANNED");
  expect(told).not.toContain("callFeed(");
});

/** A page's code that uses one export of a generated file, without the packages. */
async function bundled(file: string, name: string): Promise<string> {
  const entry = "\0entry";
  const bundle = await rolldown({
    input: entry,
    external: /^@/,
    plugins: [
      {
        name: "entry",
        resolveId: (id) => (id === entry ? id : undefined),
        load: (id) =>
          id === entry
            ? `import { ${name} } from ${JSON.stringify(join(gen, file))}; globalThis.used = ${name};`
            : undefined,
      },
    ],
  });
  const { output } = await bundle.generate({ format: "esm" });
  return output[0].code;
}
