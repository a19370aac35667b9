// Reasons about codecs, which servers give, and clients that keep calls in a store.
import { Code } from "@connectrpc/connect";

export const codecReasons = {
  codec_unsupported: {
    code: Code.FailedPrecondition as Code,
    message: (v: { codecs: string }): string =>
      `None of the codecs "${v.codecs}" is known here. Configure a common codec on both ends.`,
  },
} as const;
