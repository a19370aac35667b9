// `raceway inspect`: what it says of a real server and connection, and of what would not start.
import { runCli } from "@raceway/cli";
import { expect, it } from "vitest";

async function inspect(...args: string[]): Promise<{ code: number; out: string; err: string }> {
  let out = "";
  let err = "";
  const context = {
    cwd: import.meta.dirname,
    out: (text: string) => (out += text),
    err: (text: string) => (err += text),
  };
  const code = await runCli(["inspect", ...args], context);
  return { code, out, err };
}

it("tells the order of a server's plugins and why, and who takes part in each channel", async () => {
  const { code, out, err } = await inspect("./inspected.ts", "--export", "app");
  expect(err).toBe("");
  expect(code).toBe(0);
  expect(out).toMatchInlineSnapshot(`
    "app, server
      order
        1 compression: as listed
        2 batching: as listed
        3 names: before rbac, which requires "principal"
        4 rbac: after names, which provides "principal"
        5 picky: as listed
        6 ip-filter: before limits, which asks to run after it
        7 limits: after ip-filter, as it asks itself
      who comes in
        session   names → rbac → ip-filter
      /lab.v1.LabService/Echo (call)
        call      rbac → picky → limits
        coder     compression (zstd, deflate, br, gzip) per link: what is sent over a link is coded for it
        not here  batching (window)
      /lab.v1.LabService/Add (call)
        call      rbac → picky
        coder     compression (zstd, deflate, br, gzip) per link: what is sent over a link is coded for it
        not here  batching (window), limits (call)
      /lab.v1.LabService/Peek (call)
        call      rbac → picky
        coder     compression (zstd, deflate, br, gzip) per link: what is sent over a link is coded for it
        not here  batching (window), limits (call)
      /lab.v1.LabService/Count (feed)
        call      rbac
        coder     compression (zstd, deflate, br, gzip) per link: what is sent over a link is coded for it
        window    batching: 5 ms, or until 1,000 messages or 32,768 bytes wait
        not here  picky (call), limits (call)
      /lab.v1.LabService/Sum (call)
        call      rbac → picky
        coder     compression (zstd, deflate, br, gzip) per link: what is sent over a link is coded for it
        window    batching: 5 ms, or until 1,000 messages or 32,768 bytes wait
        not here  limits (call)
      /lab.v1.LabService/Chat (duplex)
        call      rbac
        coder     compression (zstd, deflate, br, gzip) per link: what is sent over a link is coded for it
        window    batching: 5 ms, or until 1,000 messages or 32,768 bytes wait
        not here  picky (call), limits (call)
      /lab.v1.LabService/Ticks (topic)
        subscribe rbac → limits
        coder     compression (zstd, deflate, br, gzip) per topic: it is the first coder, and codes once for all subscribers
        window    batching: 5 ms, or until 1,000 messages or 32,768 bytes wait
        not here  rbac (call), picky (call), limits (call)
      /lab.v1.LabService/Cursor (signal)
        call      rbac
        coder     compression (zstd, deflate, br, gzip) per link: what is sent over a link is coded for it
        window    batching: 5 ms, or until 1,000 messages or 32,768 bytes wait
        not here  picky (call), limits (call)
        warning: picky: Cursor is not looked at; make it a call
    "
  `);
});

it("tells the same of a client", async () => {
  const { code, out } = await inspect("./inspected.ts", "--export", "connection");
  expect(code).toBe(0);
  expect(out).toMatchInlineSnapshot(`
    "connection, client
      order
        1 shows: as listed
        2 retry: as listed
      who we are
        introduce shows
      /lab.v1.LabService/Echo (call)
        nobody takes part
        not here  retry (call)
      /lab.v1.LabService/Add (call)
        call      retry
      /lab.v1.LabService/Peek (call)
        call      retry
      /lab.v1.LabService/Count (feed)
        nobody takes part
        not here  retry (call)
      /lab.v1.LabService/Sum (call)
        nobody takes part
        not here  retry (call)
      /lab.v1.LabService/Chat (duplex)
        nobody takes part
        not here  retry (call)
      /lab.v1.LabService/Ticks (topic)
        nobody takes part
        not here  retry (call)
      /lab.v1.LabService/Cursor (signal)
        nobody takes part
        not here  retry (call)
    "
  `);
});

it("ends with 1 when the server would not start, and says why", async () => {
  const { code, out } = await inspect("./inspected.ts", "--export", "careless");
  expect(code).toBe(1);
  expect(out.split("\n").filter((line) => line.includes("error"))).toMatchInlineSnapshot(`
    [
      "  error: [failed_precondition] The schema's policy says audit for /lab.v1.LabService/Add, and no plugin enforces it. Add a plugin that enforces audit to use, or take the policy out of the schema.",
    ]
  `);
});

it("looks at all exports, as JSON lines for programs", async () => {
  const { code, out } = await inspect("./inspected.ts", "--json");
  expect(code).toBe(1);
  const lines = out
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as { readonly export: string; readonly side: string; readonly order: unknown });
  expect(lines.map((line) => [line.export, line.side])).toEqual([
    ["app", "server"],
    ["careless", "server"],
    ["connection", "client"],
  ]);
  expect(lines[2]!.order).toEqual([
    { plugin: "shows", why: ["as listed"] },
    { plugin: "retry", why: ["as listed"] },
  ]);
});

it("a function that makes a server is called, by the name of server or by --export, and no other", async () => {
  const made = await inspect("./inspected-makers.ts");
  expect(made).toMatchObject({ code: 0, err: "" });
  expect(made.out).toMatch(/^server, server\n/);
  expect(made.out).toContain("/lab.v1.LabService/Echo");
  expect(await inspect("./inspected-makers.ts", "--export", "other")).toMatchObject({
    code: 3,
    err: expect.stringContaining("other() of ./inspected-makers.ts failed: called by inspect") as string,
  });
});

it("says what a module without a server exports, and that a file is not there", async () => {
  expect(await inspect("./stage.ts")).toMatchObject({
    code: 2,
    err: expect.stringMatching(/exports no server of raceway\(\).*it exports .*names/) as string,
  });
  expect(await inspect("./nowhere.ts")).toMatchObject({
    code: 2,
    err: expect.stringContaining("There is no file or package ./nowhere.ts") as string,
  });
});
