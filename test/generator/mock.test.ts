// The target `mock`: what it writes compiles as users compile, refuses what does not fit, and runs on both sides.
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { generate } from "@raceway/generator";
import { build } from "rolldown";
import { expect, test } from "vitest";
import { CodeFolder } from "./type-check.ts";

const usage = `import { collect, testApp } from "@raceway/testing";
import { type LabClient, labClient } from "./lab/v1/lab.client.ts";
import { mockLabClient, mockLabHandlers } from "./lab/v1/lab.mock.ts";
import { type LabHandlers, labService } from "./lab/v1/lab.server.ts";
import { mockRoomHandlers } from "./chat/v1/room.mock.ts";

const client: LabClient = mockLabClient({ add: async (request) => ({ $typeName: "lab.v1.AddResponse", sum: Number(request.a) * 10 }) });
const handlers: LabHandlers = mockLabHandlers({ add: ({ a, b }, context) => (context.signal.throwIfAborted(), { sum: a * b }) });
export const rooms: readonly string[] = Object.keys(mockRoomHandlers());

export async function run(): Promise<readonly unknown[]> {
  await using app = await testApp((server) => server.serve(labService, handlers));
  const served = labClient(app.connect());
  const counted = collect(served.count({ from: 7 }));
  await app.clock.settle();
  return [
    (await client.add({ a: 4, b: 5 })).sum,
    (await client.echo({ text: "x" })).text,
    (await served.add({ a: 4, b: 5 })).sum,
    (await served.echo({ text: "x" })).text,
    counted.items.map(({ value }) => value),
  ];
}

// @ts-expect-error -- the response has no such field
mockLabHandlers({ add: () => ({ total: 1 }) });
// @ts-expect-error -- there is no such channel
mockLabClient({ subtract: () => undefined });
// @ts-expect-error -- a client gives promises
mockLabClient({ add: () => 1 });
`;

test("mocks are typed by the schema, and answer without and behind a server", { timeout: 60_000 }, async () => {
  using folder = new CodeFolder();
  const schemas = join(import.meta.dirname, "../schemas");
  const { diagnostics, changes } = await generate({
    inputs: [join(schemas, "lab"), join(schemas, "chat")],
    protoPath: [schemas],
    out: folder.path,
    importExtension: "ts",
    targets: ["es", "ts", "mock"],
  });
  expect(diagnostics).toEqual([]);
  folder.write("usage.ts", usage);
  expect(folder.typeErrors()).toEqual([]);
  const used = (await import(pathToFileURL(join(folder.path, "usage.ts")).href)) as {
    readonly rooms: readonly string[];
    run(): Promise<readonly unknown[]>;
  };
  expect(used.rooms).toEqual(["say"]); // its topic needs no handler
  expect(await used.run()).toEqual([40, "text-1", 20, "text-1", [1, 2, 3]]);

  const { output } = await build({
    input: join(folder.path, "chat/v1/room.mock.ts"),
    write: false,
    platform: "browser",
    resolve: { conditionNames: ["@raceway/source", "browser", "import", "default"] },
  });
  expect(output[0].code).toContain("mockRoomClient");
  expect(output[0].code).not.toMatch(/from "node:|require\(|scopes/); // it runs in a page, and has no policy

  const { after } = changes.find(({ path }) => path === "chat/v1/room.mock.ts")!;
  expect(after.slice(after.indexOf("\n") + 1)).toBe(`import { mockClient, mockService } from "@raceway/testing/mock";
import { roomClient } from "./room.client.ts";
import type { RoomClient } from "./room.client.ts";
import { roomContract } from "./room.contract.ts";
import type { RoomHandlers } from "./room.server.ts";

/** Handlers of RoomService that answer with samples, for \`app.serve\`; what \`answers\` has wins. */
export function mockRoomHandlers(answers?: Partial<RoomHandlers>): RoomHandlers {
  return mockService<RoomHandlers, object>({ contract: roomContract }, answers).handlers;
}

/** A client of RoomService that needs no server and answers with samples; what \`answers\` has wins. */
export function mockRoomClient(answers?: Partial<RoomClient>): RoomClient {
  return mockClient(roomClient, roomContract, answers);
}
`);
});
