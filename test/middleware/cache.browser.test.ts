// What a page knows already: by its own cache over a session, and by the browser's in front of the Connect door.
import { connect } from "@raceway/client";
import { clientCache } from "@raceway/middleware/cache";
import { poll } from "@raceway/transport-poll/client";
import { websocket } from "@raceway/transport-websocket/client";
import { expect, inject, it } from "vitest";
import { labClient } from "../gen/lab/v1/lab.client.ts";

it.each([
  ["websocket", websocket],
  ["poll", poll],
] as const)("a page does not ask again over %s, but for what it wants fresh", async (way, transport) => {
  const cache = clientCache();
  await using connection = connect(inject("labUrl"), { transports: [transport()], use: [cache] });
  const client = labClient(connection);
  const [first, shared] = await Promise.all([client.peek({ text: way }), client.peek({ text: way })]);
  const again = await client.peek({ text: way });
  expect(first.text).toMatch(new RegExp(`^${way} \\d+$`));
  expect([shared.text, again.text]).toEqual([first.text, first.text]);
  const fresh = await client.peek({ text: way }, { headers: { "cache-control": "no-cache" } });
  expect(fresh.text).not.toBe(first.text);
  expect((await client.peek({ text: way })).text).toBe(fresh.text);
  expect(cache.stats).toMatchObject({ hits: 2, shared: 1, misses: 2, entries: 1 });
});

it("a browser keeps what it got by GET, and asks again when it is told to", async () => {
  const message = encodeURIComponent(JSON.stringify({ text: `page ${Math.random()}` }));
  const url = `${inject("labUrl")}/lab.v1.LabService/Peek?connect=v1&encoding=json&message=${message}`;
  const ask = async (cache: RequestCache): Promise<string> => {
    const answer = await fetch(url, { cache });
    expect(answer.headers.get("etag")).toMatch(/^"[\w-]{22}"$/);
    return ((await answer.json()) as { readonly text: string }).text;
  };
  const first = await ask("default");
  expect(await ask("default")).toBe(first);
  const fresh = await ask("no-cache");
  expect(fresh).not.toBe(first);
  expect(await ask("default")).toBe(fresh);
});
