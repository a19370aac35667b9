// The client's side, for pages: sends the CSRF token, and has the session go on with a fresh cookie before the old one ends.
import type { Interceptor } from "@connectrpc/connect";
import { type Plugin, definePlugin } from "@raceway/core";
import { CSRF_COOKIE, CSRF_HEADER, cookieValues } from "./cookie-names.ts";

export interface CsrfOptions {
  /** The token, or what gives it; undefined for none. Default: the value of `cookie`, read anew each time. */
  readonly token?: string | (() => string | undefined | Promise<string | undefined>);
  /** Name of the cookie with the token, as the server's `csrfName`. Default "__Host-csrf". */
  readonly cookie?: string;
  /** As the server's `header`. Default "x-csrf-token". */
  readonly header?: string;
  /**
   * Gets a fresh cookie; called when a fifth of the life of the present one is left (at most a minute). What it rejects with is logged, and it is called again 5
   * seconds later. Default: nothing is asked, as when other requests of the page renew the cookie.
   */
  readonly renew?: () => unknown;
}

/** Sends the CSRF token with each opening of a session. When the cookie is about to end, has it renewed, and goes on over a new link, which brings it along. */
export function csrf(options: CsrfOptions = {}): Plugin {
  const { header = CSRF_HEADER, renew } = options;
  return definePlugin({
    name: "csrf",
    start: () => ({
      async introduce(introduction) {
        if (introduction.kind === "refresh") {
          await renew?.();
          introduction.overNewLink = true;
          return;
        }
        const token = await tokenOf(options);
        if (token) introduction.headers.set(header, token);
      },
    }),
  });
}

/** The same for Connect's own clients at the native doors: sends the CSRF token with each call. */
export function csrfInterceptor(options: Omit<CsrfOptions, "renew"> = {}): Interceptor {
  const { header = CSRF_HEADER } = options;
  return (next) => async (request) => {
    const token = await tokenOf(options);
    if (token) request.header.set(header, token);
    return next(request);
  };
}

async function tokenOf({ token, cookie = CSRF_COOKIE }: CsrfOptions): Promise<string | undefined> {
  if (typeof token === "function") return token();
  // Not in Node, nor in a worker: there a token has to be given.
  return token ?? cookieValues((globalThis as { document?: { cookie: string } }).document?.cookie, cookie)[0];
}
