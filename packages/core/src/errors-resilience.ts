// Reasons that clients give which do not trust their servers blindly.
import { Code } from "@connectrpc/connect";

export const resilienceReasons = {
  circuit_open: {
    code: Code.Unavailable as Code,
    message: (v: { circuit: string; retryAfterMs?: number }): string =>
      `${v.circuit} failed too often of late, so the call was not sent. Wait as long as the error says, or change the options of circuit-breaker.`,
  },
} as const;
