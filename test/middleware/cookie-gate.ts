// A server that admits by session cookies, and visitors as a browser would send them: with cookies, and headers that say which page they are of.
import { type Plugin, definePlugin, reasonOf } from "@raceway/core";
import { type LabClient, type Stage, type WayName, outcome, stage, wayNames } from "./stage.ts";

export const KEYS = [
  "a secret of at least thirty-two bytes, the newest",
  "an older one, which is as long as it has to be",
];
export const HOST = "app.example";
export const OWN = { origin: `http://${HOST}` };
export type Headers = Readonly<Record<string, string>>;

/** All ways over HTTP: cookies come by no other. */
export const ways = wayNames.filter((way) => way !== "memory");

export interface Gate extends Stage {
  /** A client whose requests have these headers, as a browser would write them, and that shows a CSRF token or none. */
  visit(way: WayName, headers: Headers, token?: string): Promise<{ readonly client: LabClient; cut(): void }>;
}

export async function gate(plugin: Plugin, options: Partial<Parameters<typeof stage>[0]> = {}): Promise<Gate> {
  let token = "";
  const shows = definePlugin({
    name: "shows-token",
    start: () => {
      const mine = token;
      return { introduce: ({ headers }) => void (mine !== "" && headers.set("x-csrf-token", mine)) };
    },
  });
  const it = await stage({ use: [plugin], clientUse: [shows], ...options });
  return Object.assign(it, {
    async visit(way: WayName, headers: Headers, shown = "") {
      token = shown;
      const http2 = way === "grpc" || way.endsWith("door");
      const host: Headers = http2 ? { ":authority": HOST } : { host: HOST };
      const door: Headers = way.endsWith("door") && shown !== "" ? { "x-csrf-token": shown } : {};
      const behind = await it.behind(way, "", { ...headers, ...host, ...door });
      return behind;
    },
  });
}
/** The `Cookie` header of a browser that got these lines. */
export const jar = (lines: readonly string[]): string => lines.map((line) => line.split(";")[0]!).join("; ");
export const waits: NonNullable<Parameters<typeof stage>[0]["handlers"]> = {
  async *count(_, { signal }) {
    yield { value: 1 };
    await new Promise((resolve) => signal.addEventListener("abort", resolve));
  },
};
/** A stream that has begun. */
export async function begun(client: LabClient): Promise<AsyncIterator<unknown>> {
  const stream = client.count({})[Symbol.asyncIterator]();
  await stream.next();
  return stream;
}
export async function said(client: LabClient): Promise<string> {
  const answer = await outcome(client.peek({ text: "x" }));
  return answer === "ok" ? "ok" : (reasonOf(answer) ?? String(answer));
}
