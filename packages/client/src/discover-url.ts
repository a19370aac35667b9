// Discovery by URL: a JSON list of servers, asked for from time to time.
import { type Endpoints, namedUrls } from "./endpoints.ts";
import { refreshing } from "./refreshing.ts";

export interface DiscoverUrlOptions {
  /** Default 60,000. */
  readonly everyMs?: number;
  /** Default: the platform's. */
  readonly fetch?: (
    url: string,
    init: { readonly signal: AbortSignal; readonly headers: Record<string, string> },
  ) => Promise<Response>;
}

/** A longer answer is refused: 64 URLs fit well. */
const MAX_BYTES = 65_536;

/**
 * Servers as `["https://a.example", …]` or `{ "endpoints": [...] }` says, best first; at most 64. While the list cannot be had, the last one
 * stays. From an `https:` list, `http:` servers are not taken.
 */
export function discoverUrl(url: string | URL, options: DiscoverUrlOptions = {}): Endpoints {
  const source = String(url);
  const ask = options.fetch ?? ((...given) => fetch(...given));
  return {
    start(host) {
      const found = refreshing(host, source, options.everyMs ?? 60_000, async (signal) => {
        const response = await ask(source, { signal, headers: { accept: "application/json" } });
        if (!response.ok) throw new Error(`the answer has status ${response.status}`);
        const answer = JSON.parse(await textOf(response)) as unknown;
        const list: unknown = Array.isArray(answer) ? answer : (answer as { endpoints?: unknown } | null)?.endpoints;
        const urls = Array.isArray(list) ? namedUrls(list, source.startsWith("https:")) : [];
        if (urls.length === 0) throw new Error("the answer has no list of URLs");
        return urls;
      });
      return { list: () => found.known, [Symbol.dispose]: () => found[Symbol.dispose]() };
    },
  };
}

async function textOf(response: Response): Promise<string> {
  const reader = (response.body as ReadableStream<Uint8Array> | null)?.getReader();
  const decoder = new TextDecoder();
  let text = "";
  for (let bytes = 0; reader !== undefined;) {
    const { done, value } = await reader.read();
    if (done) break;
    bytes += value.length;
    if (bytes > MAX_BYTES) {
      void reader.cancel().catch(() => {});
      throw new Error(`the answer exceeds ${MAX_BYTES} bytes`);
    }
    text += decoder.decode(value, { stream: true });
  }
  return text + decoder.decode();
}
