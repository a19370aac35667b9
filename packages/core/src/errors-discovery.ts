// Reasons that only clients give which look for their servers.
import { Code } from "@connectrpc/connect";

export const discoveryReasons = {
  discovery_failed: {
    code: Code.Unavailable as Code,
    message: (v: { source: string; detail: string }): string =>
      `No servers were found by ${v.source}: ${v.detail}. Check that it answers; the connection asks again by itself.`,
  },
} as const;
