import { hostTransport } from "@raceway/server/node";
import { transportSubject, sessionCases } from "@raceway/testkit";
import { behindProxy } from "@raceway/testkit/node";
import { sse as client } from "./client.ts";
import { sse as server } from "./server.ts";
import { test } from "vitest";
test("dbg", { timeout: 60000 }, async () => {
  let n = 0;
  const subject = transportSubject({ client: client({ retryMs: 10, fetch: (async (u: any, i: any) => { const k = n++; const t = performance.now(); try { const r = await fetch(u, i); console.log(k, "ok", r.status, i.headers["raceway-up"], performance.now() - t); return r; } catch (e: any) { console.log(k, "err", e.cause?.message ?? e.message, i.headers["raceway-up"], performance.now() - t); throw e; } }) as any }), serve: async (opened) => behindProxy(await hostTransport(server(), opened)) });
  const all = sessionCases(subject, { codec: "proto" } as any);
  await all.find((c: any) => c.name.includes("resumes after"))!.run();
});
