// The client's side: shows a token when a session opens, resumes, or wants a fresh one.
import { type Introduction, type Plugin, definePlugin } from "@raceway/core";

/** Gives the token to show now; "" or undefined for none. Asked for each link, and again before the token ends, so it should keep one that is still good. */
export type GetToken = (kind: Introduction["kind"]) => string | undefined | Promise<string | undefined>;

/** Shows bearer tokens. What the function throws is the reason why the connection does not open. */
export function bearer(getToken: string | GetToken): Plugin {
  return definePlugin({
    name: "bearer",
    start: () => ({
      async introduce(introduction) {
        introduction.credential = (typeof getToken === "string" ? getToken : await getToken(introduction.kind)) ?? "";
      },
    }),
  });
}
