// The questions, answered by keys.
import { PassThrough } from "node:stream";
import { expect, test, vi } from "vitest";
import { type Asked, ask, type Wanted } from "./ask.ts";

/** Types each answer when its question is there. */
async function answered(
  wanted: Partial<Wanted>,
  answers: readonly (readonly [string, string])[],
): Promise<{ asked: Asked | undefined; shown: string }> {
  const input = new PassThrough();
  const output = new PassThrough();
  let shown = "";
  output.on("data", (data: Buffer) => (shown += data.toString()));
  const asking = ask({ folder: undefined, template: undefined, ...wanted }, { input, output });
  const asked = (question: string): void => expect(shown).toContain(question);
  for (const [question, keys] of answers) {
    await vi.waitFor(asked.bind(undefined, question), 10_000);
    input.write(keys);
  }
  return { asked: await asking, shown };
}
const DOWN = "\u001b[B";

test("asks where to and what, and takes the first of each for Enter alone", async () => {
  const { asked } = await answered({}, [
    ["Where to?", "\r"],
    ["What is it to be?", "\r"],
  ]);
  expect(asked).toEqual({ folder: "raceway-app", template: "both" });
});

test("takes what is typed and chosen", async () => {
  const { asked, shown } = await answered({}, [
    ["Where to?", "chat\r"],
    ["What is it to be?", `${DOWN}\r`],
  ]);
  expect(asked).toEqual({ folder: "chat", template: "server" });
  expect(shown).toContain("A page, for a server that is elsewhere");
});

test("does not ask for what was said", async () => {
  const { asked, shown } = await answered({ folder: "here" }, [["What is it to be?", "\r"]]);
  expect(asked).toEqual({ folder: "here", template: "both" });
  expect(shown).not.toContain("Where to?");
});

test("Ctrl-C calls it off", async () => {
  const { asked, shown } = await answered({}, [["Where to?", "\u0003"]]);
  expect(asked).toBeUndefined();
  expect(shown).toContain("Nothing was written.");
});
