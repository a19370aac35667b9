// The client's side: shows a token when a session opens, resumes, or wants a fresh one.
import { type Introduction, type Plugin, definePlugin } from "@raceway/core";

/**
 * Gives the token to show now; "" or undefined for none. Asked for each link, and again before the token ends (`"refresh"`), so it should keep one that is still good.
 * With `refused`, the token shown last had expired for the server: another is needed, whatever the clock here says.
 */
export type GetToken = (
  kind: Introduction["kind"],
  refused?: Introduction["refused"],
) => string | undefined | Promise<string | undefined>;

/** Shows bearer tokens. What the function throws is the reason why the connection does not open. */
export function bearer(getToken: string | GetToken): Plugin {
  return definePlugin({
    name: "bearer",
    start: () => ({
      async introduce(introduction) {
        const { kind, refused } = introduction;
        introduction.credential = (typeof getToken === "string" ? getToken : await getToken(kind, refused)) ?? "";
      },
    }),
  });
}
