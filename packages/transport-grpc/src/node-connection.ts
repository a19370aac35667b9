// One HTTP/2 connection for one link: never pooled, never opened again, and gone when the link is.
import {
  type ClientHttp2Session,
  type ClientHttp2Stream,
  type ClientSessionRequestOptions,
  connect,
  constants,
  type OutgoingHttpHeaders,
  type SecureClientSessionOptions,
} from "node:http2";
import { Code, ConnectError } from "@connectrpc/connect";

/** A session manager as Connect's transports take it. */
export class Connection {
  readonly authority: string;
  readonly #session: ClientHttp2Session;
  #error: Error | undefined;

  constructor(url: string, tls: SecureClientSessionOptions | undefined) {
    this.authority = new URL(url).origin;
    this.#session = connect(this.authority, tls);
    // For ever: a session that was destroyed may still have something to say, and what nobody hears ends the process.
    this.#session.on("error", (error: Error) => (this.#error ??= error));
  }

  async request(
    method: string,
    path: string,
    headers: OutgoingHttpHeaders,
    options: Omit<ClientSessionRequestOptions, "signal">,
  ): Promise<ClientHttp2Stream> {
    const session = this.#session;
    if (session.connecting) {
      await new Promise<void>((resolve) => {
        session.once("connect", () => resolve());
        session.once("close", () => resolve());
      });
    }
    if (session.destroyed || session.closed)
      throw this.#error ?? new ConnectError("the connection was closed", Code.Canceled);
    return session.request({ ...headers, ":method": method, ":path": path }, options);
  }

  /** Asked for by Connect; whether the connection lives is the session's affair, which has a heartbeat. */
  notifyResponseByteRead(_stream: ClientHttp2Stream): void {}

  /** Cuts it, with all that is still on its way. */
  cut(): void {
    if (!this.#session.destroyed) this.#session.destroy(undefined, constants.NGHTTP2_CANCEL);
  }
}
