// What Prometheus reads of a server: each way in has its series, and a scrape by whatever listens shows them all.
import { prometheus } from "@raceway/telemetry/prometheus";
import { telemetry } from "@raceway/telemetry/server";
import { expect, it } from "vitest";
import { first, names, stage, wayNames } from "../middleware/stage.ts";

/** Lines of a name, without what is not asked about. */
async function scraped(url: string, name: string): Promise<string[]> {
  const response = await fetch(`${url}/metrics`);
  expect(response.status).toBe(200);
  return (await response.text()).split("\n").filter((line) => line.startsWith(`${name}{`));
}
const label = (line: string, name: string): string => new RegExp(`${name}="([^"]*)"`).exec(line)?.[1] ?? "";

it("calls, streams, links, their bytes and sessions, by every way in", { timeout: 30_000 }, async () => {
  const metrics = prometheus();
  await using it = await stage({
    use: [telemetry({ meterProvider: metrics.meterProvider, tracerProvider: false }), metrics, names],
  });
  for (const way of wayNames) {
    const client = it.client(way, "ann");
    await client.peek({ text: "tea" });
    await first(client.count({ from: 1, to: 1 }));
  }
  const transports = ["memory", "websocket", "sse", "poll", "grpc"];
  await expect
    .poll(async () => (await scraped(it.url, "rpc_server_call_duration_count")).length, { timeout: 15_000 })
    .toBeGreaterThanOrEqual((transports.length + 2) * 2);
  const lines = await scraped(it.url, "rpc_server_call_duration_count");
  const counts = (method: string): Record<string, number> => {
    const found: Record<string, number> = {};
    for (const line of lines) {
      if (label(line, "rpc_method") !== `lab.v1.LabService/${method}` || label(line, "rpc_status_code") !== "ok")
        continue;
      const key = `${label(line, "rpc_system_name")} ${label(line, "raceway_transport")}`;
      found[key] = (found[key] ?? 0) + Number(line.split(" ").at(-1));
    }
    return found;
  };
  const each = {
    ...Object.fromEntries(transports.map((name) => [`raceway ${name}`, 1])),
    "grpc native": 2, // gRPC and gRPC-web
    "connectrpc native": 1,
  };
  expect(counts("Peek")).toEqual(each);
  expect(counts("Count")).toEqual(each);
  const links = await scraped(it.url, "raceway_server_links_active");
  expect(links.map((line) => label(line, "raceway_transport")).sort()).toEqual(transports.toSorted());
  const bytes = await scraped(it.url, "raceway_server_link_size_total");
  for (const name of transports)
    expect(
      bytes.filter((line) => label(line, "raceway_transport") === name),
      name,
    ).toHaveLength(2);
  const sessions = await scraped(it.url, "raceway_server_session_events_total");
  expect(
    sessions
      .filter((line) => label(line, "raceway_event") === "opened")
      .map((line) => label(line, "raceway_transport"))
      .sort(),
  ).toEqual(transports.toSorted());
});
