// An issuer of tokens: found by discovery (OpenID Connect Discovery 1.0, RFC 8414), with endpoints that nobody can listen to or change on the way.
import { Code, type ConnectError } from "@connectrpc/connect";
import { type Clock, fail } from "@raceway/core";
import {
  type AuthorizationServer,
  type HttpRequestOptions,
  allowInsecureRequests,
  customFetch,
  discoveryRequest,
  processDiscoveryResponse,
} from "oauth4webapi";
import { issuerError } from "./issuer-error.ts";
import { optionError } from "./option-error.ts";

export interface IssuerOptions {
  /** The issuer's identifier, exactly as its metadata and its tokens say it, with a slash at the end or without. `https:`, or a loopback address. */
  readonly issuer: string;
  /** Also takes an issuer, endpoints and redirect URIs over `http:` that are not on this machine: anybody on the way reads and changes what is said. For closed test networks. Default false. */
  readonly allowInsecure?: boolean;
}

/** An answer that takes longer has failed. */
const TIMEOUT_MS = 5_000;
/** After a failure nobody waits for another try before so long. */
const AGAIN_MS = 1_000;
/** Those that something is sent to, or whose answers are trusted. */
const ENDPOINTS = [
  "authorization_endpoint",
  "token_endpoint",
  "jwks_uri",
  "introspection_endpoint",
  "revocation_endpoint",
  "end_session_endpoint",
] as const;
export type Endpoint = (typeof ENDPOINTS)[number];

export class Issuer {
  readonly id: string;
  /** What oauth4webapi is told for each request. */
  // oxlint-disable-next-line typescript/no-explicit-any -- the library has another type for each method
  readonly request: HttpRequestOptions<any, any> = {
    signal: () => AbortSignal.timeout(TIMEOUT_MS),
    // oxlint-disable-next-line typescript/no-deprecated -- endpoints were checked when they were found, each by itself; the library knows only all or none
    [allowInsecureRequests]: true,
    [customFetch]: (url, options: RequestInit) => fetch(url, { ...options, credentials: "omit" }),
  };
  readonly #allowInsecure: boolean;
  #found: { readonly metadata: Promise<AuthorizationServer>; failedAt: number } | undefined;

  /** Throws `option_invalid`; `part` is who was given the options. */
  constructor(part: string, { issuer, allowInsecure = false }: IssuerOptions) {
    this.id = issuer;
    this.#allowInsecure = allowInsecure;
    const url = typeof issuer === "string" ? URL.parse(issuer) : null;
    // RFC 8414 section 2: neither query nor fragment.
    if (url === null || issuer.includes("?") || issuer.includes("#") || !/^https?:$/.test(url.protocol))
      throw optionError(part, "issuer", issuer, "the URL that the issuer calls itself");
    if (!this.isSafe(url))
      throw optionError(part, "issuer", issuer, "an https URL, a loopback address, or allowInsecure: true beside it");
  }

  /** What it says of itself: asked once, and after a failure again when somebody wants to know, at most once a second. Rejects with `issuer_failed`. */
  metadata(clock: Clock): Promise<AuthorizationServer> {
    if (this.#found === undefined || clock.now() - this.#found.failedAt >= AGAIN_MS) {
      const begun = { metadata: this.#discover(), failedAt: Infinity };
      begun.metadata.catch(() => (begun.failedAt = clock.now()));
      this.#found = begun;
    }
    return this.#found.metadata;
  }

  /** One of its endpoints. Rejects with `issuer_failed` if it has none such. */
  async endpoint(clock: Clock, name: Endpoint): Promise<URL> {
    const { [name]: url } = await this.metadata(clock);
    if (url === undefined) throw this.failed(`its metadata names no ${name}`);
    return new URL(url);
  }

  /** What went wrong with a request to it, as `issuer_failed` or `issuer_refused`. If it failed, its metadata is asked for again: it may have moved. */
  error(cause: unknown): ConnectError {
    const error = issuerError(this.id, cause);
    if (error.code === Code.Unavailable) this.#found = undefined;
    return error;
  }

  failed(detail: string): ConnectError {
    return fail("issuer_failed", { issuer: this.id, detail });
  }

  async #discover(): Promise<AuthorizationServer> {
    try {
      const url = new URL(this.id);
      let response = await discoveryRequest(url, { ...this.request, algorithm: "oidc" });
      // One that knows nothing of OpenID Connect has the same document elsewhere.
      if (response.status === 404) response = await discoveryRequest(url, { ...this.request, algorithm: "oauth2" });
      const metadata = await processDiscoveryResponse(url, response);
      // RFC 8414 section 3.3: identical, not only equal as URLs. Tokens are compared with this, too.
      if (metadata.issuer !== this.id)
        throw this.failed(`its metadata says that it is ${JSON.stringify(metadata.issuer)}`);
      for (const name of ENDPOINTS) {
        const given: unknown = metadata[name];
        const endpoint = typeof given === "string" ? URL.parse(given) : null;
        if (given !== undefined && (endpoint === null || !this.isSafe(endpoint)))
          throw this.failed(`the ${name} of its metadata is no https URL`);
      }
      return metadata;
    } catch (error) {
      throw issuerError(this.id, error);
    }
  }

  /** What is said there cannot be heard or changed on the way; or that was said to be no matter. */
  isSafe({ protocol, hostname }: URL): boolean {
    return protocol === "https:" || (protocol === "http:" && (this.#allowInsecure || isLoopback(hostname)));
  }
}

/** RFC 6761 section 6.3, RFC 8252 section 8.3: what is said there never leaves the machine. */
const isLoopback = (hostname: string): boolean =>
  /^(localhost|.+\.localhost|127\.\d+\.\d+\.\d+|\[::1\])$/.test(hostname);
