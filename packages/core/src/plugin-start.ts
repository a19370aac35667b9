// Start and end of the plugins of a host, the same on both sides: in order, undone if one fails, ended in reverse, and none waited for without end.
import type { Host } from "./part.ts";
import type { Plugin, Stations } from "./plugin.ts";

/** Longest wait for one plugin to end, in milliseconds. */
const DISPOSE_MS = 5_000;

export interface StartedPlugins extends AsyncDisposable {
  /** In the order of the plugins. */
  readonly stations: readonly Stations[];
  /** Ends them in reverse order. Never rejects: what fails is told to the log, what hangs is left behind after 5 s, and the next one has its turn. */
  [Symbol.asyncDispose](): Promise<void>;
}

/** Starts them one after the other. If one fails, those before it are ended, and its error is passed on. */
export async function startPlugins(plugins: readonly Plugin[], host: Host): Promise<StartedPlugins> {
  const stations: Stations[] = [];
  const started: StartedPlugins = {
    stations,
    async [Symbol.asyncDispose]() {
      for (let at = stations.length; at-- > 0;) await end(stations[at]!, plugins[at]!.name, host);
    },
  };
  try {
    for (const plugin of plugins) stations.push(await plugin.start(host));
    return started;
  } catch (error) {
    await started[Symbol.asyncDispose]();
    throw error;
  }
}

/** Within {@link DISPOSE_MS}, or not at all. */
async function end(station: Stations, plugin: string, { clock, log }: Host): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<string | undefined>();
  const timer = clock.after(DISPOSE_MS, () => resolve(`still at it after ${DISPOSE_MS} ms`));
  (async () => station[Symbol.asyncDispose]?.())().then(
    () => resolve(undefined),
    (error: unknown) => resolve(String(error)),
  );
  const error = await promise;
  timer[Symbol.dispose]();
  if (error !== undefined) log.error("a plugin failed to end", { plugin, error });
}
