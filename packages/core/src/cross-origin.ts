// Which pages may talk to a server transport: answers to preflights, and the headers that let a page read an answer.
import { fail } from "./errors.ts";
import { refuseExchange } from "./http-links.ts";
import type { HttpExchange, TransportHost } from "./transport.ts";

export interface CrossOriginOptions {
  readonly transport: string;
  /** Headers of requests and answers that pages may use, beside the ones that all may. */
  readonly requestHeaders: readonly string[];
  readonly answerHeaders: readonly string[];
  /** Pages may send cookies. */
  readonly credentials: boolean;
}

/** Browsers ask again after so long; the longest that Chromium keeps to. */
const PREFLIGHT_S = 7_200;

/** Decides for each exchange. */
export class CrossOrigin {
  readonly #host: TransportHost;
  readonly #preflight: Readonly<Record<string, string>>;
  readonly #readable: Readonly<Record<string, string>>;

  /** Throws if credentials would go to any origin. */
  constructor(host: TransportHost, options: CrossOriginOptions) {
    this.#host = host;
    const nobody = { address: "", secure: false, header: () => undefined };
    if (options.credentials && host.allowsOrigin("https://any-origin.invalid", nobody)) {
      throw fail("option_invalid", {
        part: options.transport,
        option: "credentials",
        value: "true",
        expected: "false, or a list of allowed origins instead of all",
      });
    }
    const allowed: Record<string, string> = options.credentials ? { "access-control-allow-credentials": "true" } : {};
    this.#readable = {
      ...allowed,
      ...(options.answerHeaders.length === 0
        ? {}
        : { "access-control-expose-headers": options.answerHeaders.join(", ") }),
    };
    this.#preflight = {
      ...allowed,
      "access-control-allow-methods": "GET, POST",
      "access-control-allow-headers": ["content-type", ...options.requestHeaders].join(", "),
      "access-control-max-age": String(PREFLIGHT_S),
    };
  }

  /**
   * Headers for the answer to this exchange. Undefined: it has been answered, either as a preflight or since its origin is not allowed. A
   * request of a page that names no origin, such as the `src` of an image, is not allowed either.
   */
  admit(exchange: HttpExchange): Readonly<Record<string, string>> | undefined {
    const { peer } = exchange;
    const origin = peer.header("origin");
    if (origin === undefined) {
      if (peer.header("sec-fetch-site") === "cross-site") return this.#refuse(exchange, "of another site");
      if (exchange.method === "OPTIONS") return void exchange.reply(204, { ...VARY, allow: "GET, POST, OPTIONS" });
      return VARY;
    }
    if (!this.#host.allowsOrigin(origin, peer)) return this.#refuse(exchange, `of origin ${origin.slice(0, 200)}`);
    const own = { ...VARY, "access-control-allow-origin": origin };
    if (exchange.method === "OPTIONS") return void exchange.reply(204, { ...own, ...this.#preflight });
    return { ...own, ...this.#readable };
  }

  #refuse(exchange: HttpExchange, who: string): undefined {
    refuseExchange(
      exchange,
      "permission_denied",
      `Pages ${who} may not talk to this server. Add the origin to allowedOrigins.`,
      VARY,
    );
  }
}

/** The answer depends on who asks, so caches must not mix them up. */
const VARY: Readonly<Record<string, string>> = { vary: "origin" };
