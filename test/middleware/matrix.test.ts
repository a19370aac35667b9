// Every shipped plugin by every way in: its effect, its refusal, or that this way has nothing of it and why; docs/plugins/matrix.md is the table.
import { reasonOf } from "@raceway/core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Row, rows } from "./matrix-rows.ts";
import { shippedPlugins } from "./shipped.ts";
import { type WayName, otherWayNames, wayNames } from "./stage.ts";

/** In the order of the table: sessions, then doors. */
const ways: readonly WayName[] = [
  "memory",
  "websocket",
  "sse",
  "poll",
  "poll short",
  "grpc",
  "gRPC door",
  "gRPC-web door",
  "Connect door",
  "Connect door by GET",
];
const titles: Partial<Record<WayName, string>> = {
  poll: "long poll",
  "poll short": "short poll",
  "gRPC door": "gRPC",
  "gRPC-web door": "gRPC-web",
  "Connect door": "Connect",
  "Connect door by GET": "Connect GET",
};

it("every shipped plugin has a row, and every way a column", async () => {
  expect(Object.keys(rows)).toEqual(await shippedPlugins());
  expect(new Set(ways)).toEqual(new Set([...wayNames, ...otherWayNames]));
});

type Scene = Awaited<ReturnType<Row["open"]>>;
interface Cell {
  readonly says: string;
  readonly run: (scene: Scene) => Promise<unknown>;
  readonly comesTo: unknown;
}

function cellsOf({ effect, refuses, notBy }: Row): readonly Cell[] {
  return ways.flatMap((way): Cell[] => {
    if (notBy?.(way) !== undefined)
      return [{ says: `by ${way} there is nothing of it`, run: (scene) => scene.absent!(way), comesTo: undefined }];
    const shows: Cell = { says: `by ${way}: ${effect}`, run: (scene) => scene.shows(way), comesTo: undefined };
    if (refuses === undefined) return [shows];
    const run = async (scene: Scene): Promise<unknown> => reasonOf(await scene.refused!(way));
    return [shows, { says: `by ${way} it refuses with ${refuses}`, run, comesTo: refuses }];
  });
}

describe.each(Object.entries(rows))("%s", { timeout: 30_000 }, (_, row) => {
  let scene: Scene;
  beforeAll(async () => void (scene = await row.open()));
  afterAll(() => scene[Symbol.asyncDispose]());

  it.each(cellsOf(row).map((cell) => [cell.says, cell] as const))("%s", async (_says, { run, comesTo }) => {
    expect(await run(scene)).toBe(comesTo);
  });
});

it("the table says what was tried", async () => {
  await expect(table()).toMatchFileSnapshot("../../docs/plugins/matrix.md");
});

function table(): string {
  const notes: string[] = [];
  const cellOf = (row: Row, way: WayName): string => {
    const why = row.notBy?.(way);
    if (why === undefined) return row.refuses === undefined ? "✓" : "✓✓";
    if (!notes.includes(why)) notes.push(why);
    return `— [${notes.indexOf(why) + 1}]`;
  };
  const lines = Object.entries(rows).map(([id, row]) => {
    const [entry = "", factory = ""] = id.split("#");
    return [
      `\`${factory}\``,
      `\`${entry}\``,
      row.effect,
      row.refuses === undefined ? "" : `\`${row.refuses}\``,
      ...ways.map((way) => cellOf(row, way)),
    ];
  });
  const head = [
    "plugin",
    "of @raceway/…",
    "✓: its effect",
    "✓✓: and its refusal",
    ...ways.map((way) => titles[way] ?? way),
  ];
  const widths = head.map((title, at) => Math.max(title.length, ...lines.map((line) => line[at]!.length)));
  const written = (cells: readonly string[]): string =>
    `| ${cells.map((cell, at) => cell.padEnd(widths[at]!)).join(" | ")} |`;
  return [
    "# Plugins by way in",
    "",
    "Every plugin that ships, tried by every way in: sessions over each transport, then the native doors for clients that know nothing of Raceway. Each cell is a test that runs by that way ([matrix.test.ts](../../test/middleware/matrix.test.ts)); this page is written by it (`npx vitest run -u test/middleware/matrix.test.ts`) and held against it.",
    "",
    written(head),
    `| ${widths.map((width) => "-".repeat(width)).join(" | ")} |`,
    ...lines.map(written),
    "",
    "At the doors a client of Connect does what it has to: `csrfInterceptor`, `signatures` and `verifiedReplies` are its faces of `csrf`, `signer` and `replyVerifier`, and it seals with `vault` by hand. Where a way has nothing of a plugin, a test shows that, too:",
    "",
    ...notes.map((why, at) => `${at + 1}. ${why}`),
    "",
  ].join("\n");
}
