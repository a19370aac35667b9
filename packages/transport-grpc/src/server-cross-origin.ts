// Which pages may use the doors: answers to preflights, and the headers that let a page read an answer.
import { cors } from "@connectrpc/connect";
import { fail, type HttpExchange, type TransportHost } from "@raceway/core";
import { LINK_HEADER, TRANSPORT } from "./protocol.ts";

/** Browsers ask again after so long, in seconds; the longest that Chromium keeps to. */
const PREFLIGHT_S = 7_200;
/** Names of headers, in a list. */
const headerList = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+(?:, ?[!#$%&'*+.^_`|~0-9A-Za-z-]+)*$/;
/** The answer depends on who asks, so caches must not mix them up. */
const VARY: Readonly<Record<string, string>> = { vary: "origin" };

export class CrossOrigin {
  readonly #host: TransportHost;
  readonly #credentials: Readonly<Record<string, string>>;
  readonly #exposed: string;

  /** Throws if credentials would go to any origin. */
  constructor(host: TransportHost, credentials: boolean) {
    const nobody = { address: "", secure: false, header: () => undefined };
    if (credentials && host.allowsOrigin("https://any-origin.invalid", nobody)) {
      throw fail("option_invalid", {
        part: TRANSPORT,
        option: "credentials",
        value: "true",
        expected: "false, or a list of allowed origins instead of all",
      });
    }
    this.#host = host;
    this.#credentials = credentials ? { "access-control-allow-credentials": "true" } : {};
    // Any header that an application sets; with credentials the star is no wildcard, and only those by name can be read.
    this.#exposed = [LINK_HEADER, "raceway-position", ...cors.exposedHeaders, "*"].join(", ");
  }

  /** Headers for the answer to this exchange. Undefined: it has been answered, as a preflight or because its origin is not allowed. */
  admit(exchange: HttpExchange, methods: readonly string[]): Readonly<Record<string, string>> | undefined {
    const { peer } = exchange;
    const origin = peer.header("origin");
    if (origin === undefined) {
      // A page's image or link can ask with GET and without naming its origin, but not without this.
      if (peer.header("sec-fetch-site") === "cross-site") return this.#refuse(exchange, "of another site");
      if (exchange.method === "OPTIONS") return void exchange.reply(204, { ...VARY, allow: methods.join(", ") });
      return VARY;
    }
    if (!this.#host.allowsOrigin(origin, peer)) return this.#refuse(exchange, `of origin ${origin.slice(0, 200)}`);
    const own = { ...VARY, ...this.#credentials, "access-control-allow-origin": origin };
    if (exchange.method !== "OPTIONS") return { ...own, "access-control-expose-headers": this.#exposed };
    const asked = peer.header("access-control-request-headers") ?? "";
    return void exchange.reply(204, {
      vary: "origin, access-control-request-headers",
      ...this.#credentials,
      "access-control-allow-origin": origin,
      "access-control-allow-methods": methods.join(", "),
      // What an allowed page asks for: which metadata calls take is the application's affair.
      "access-control-allow-headers": headerList.test(asked) ? asked : cors.allowedHeaders.join(", "),
      "access-control-max-age": String(PREFLIGHT_S),
    });
  }

  #refuse(exchange: HttpExchange, who: string): undefined {
    const message = `Pages ${who} may not talk to this server. Add the origin to allowedOrigins.`;
    exchange.reply(
      403,
      { ...VARY, "content-type": "application/json", "cache-control": "no-store" },
      new TextEncoder().encode(`${JSON.stringify({ code: "permission_denied", message })}\n`),
    );
  }
}
