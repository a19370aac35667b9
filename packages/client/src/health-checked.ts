// Active health checks: servers that say they are well go before those that do not.
import type { Host, Timer } from "@raceway/core";
import { arranged } from "./endpoint-policies.ts";
import { type EndpointSource, type Endpoints, endpointsOf } from "./endpoints.ts";

export interface HealthCheckOptions {
  /** Each server is asked so often; default 10,000. */
  readonly everyMs?: number;
  /** Path below the server's URL; default "/raceway/health". */
  readonly path?: string;
  /** An answer that takes longer counts as none; default 2,000. */
  readonly timeoutMs?: number;
  /** Default: the platform's. */
  readonly fetch?: (url: string, init: { readonly signal: AbortSignal }) => Promise<{ readonly ok: boolean }>;
}

/**
 * Asks all servers how they are, while the connection is there. Only new sessions heed it: a session that works stays where it is. Without it,
 * servers that failed are put last, too, but each client has to find out by itself.
 */
export function healthChecked(source: EndpointSource, options: HealthCheckOptions = {}): Endpoints {
  const { everyMs = 10_000, path = "/raceway/health", timeoutMs = 2_000 } = options;
  const ask = options.fetch ?? ((...given) => fetch(...given));
  return {
    start(host) {
      const ill = new Set<string>();
      const inner = endpointsOf(source).start(host);
      const look = async (url: string): Promise<void> => {
        const well = await answers(host, timeoutMs, (signal) => ask(url + path, { signal }));
        if (well) ill.delete(url);
        else ill.add(url);
      };
      let over = false;
      let timer: Timer | undefined;
      const round = async (): Promise<void> => {
        const urls = await Promise.resolve(inner.list()).catch((): readonly string[] => []);
        await Promise.all(urls.map(look));
        for (const url of ill) if (!urls.includes(url)) ill.delete(url);
        if (!over) timer = host.clock.after(everyMs * (0.9 + 0.2 * host.random.next()), () => void round());
      };
      void round();
      return {
        ...arranged(inner, (urls) => urls.toSorted((a, b) => Number(ill.has(a)) - Number(ill.has(b)))),
        [Symbol.dispose]() {
          over = true;
          timer?.[Symbol.dispose]();
          inner[Symbol.dispose]?.();
        },
      };
    },
  };
}

function answers(
  { clock }: Host,
  timeoutMs: number,
  ask: (signal: AbortSignal) => Promise<{ readonly ok: boolean }>,
): Promise<boolean> {
  return new Promise((resolve) => {
    const giveUp = new AbortController();
    const end = (well: boolean): void => {
      late[Symbol.dispose]();
      resolve(well);
    };
    const late = clock.after(timeoutMs, () => {
      giveUp.abort();
      resolve(false);
    });
    ask(giveUp.signal).then(
      ({ ok }) => end(ok),
      () => end(false),
    );
  });
}
