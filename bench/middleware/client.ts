// What the client of a server with middleware has to have, too.
import type { Plugin } from "@raceway/core";
import { type MiddlewareName, SEALING, SIGNING_KEY, UNSIGNED, WINDOW_MS } from "./names.ts";

/** Only what is named is loaded. */
export async function installClient(names: readonly MiddlewareName[], credential: string): Promise<readonly Plugin[]> {
  const use: Plugin[] = [];
  if (credential !== "") use.push((await import("@raceway/auth-token/client")).bearer(credential));
  if (names.includes("compression")) use.push((await import("@raceway/middleware/compression")).compression());
  if (names.includes("batching"))
    use.push((await import("@raceway/middleware/batching")).batching({ windowMs: WINDOW_MS }));
  if (names.includes("signing"))
    use.push((await import("@raceway/middleware/signing")).signer({ key: SIGNING_KEY, unsigned: UNSIGNED }));
  if (names.includes("encryption")) use.push((await import("@raceway/middleware/encryption")).encryption(SEALING));
  return use;
}

/** Names of the coders that a raw client takes. */
export function codersOf(names: readonly MiddlewareName[]): readonly string[] {
  return names.includes("compression") ? ["zstd"] : [];
}
