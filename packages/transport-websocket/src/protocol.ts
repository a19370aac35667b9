// What both ends of a WebSocket link agree on: names, traits, and what close codes mean.
import { Code, type ConnectError } from "@connectrpc/connect";
import { fail, type LinkTraits, reasonOf } from "@raceway/core";

export const TRANSPORT = "websocket";

/** Asked for by the client and confirmed by the server; the number is that of the wire, see wire.proto. */
export const SUBPROTOCOL = "raceway.v1";

/** High-water mark of an end, in bytes; a server's sockets have Node's own mark, which is the same. */
export const HIGH_WATER_BYTES = 65_536;

/** How long a closing handshake may take, in milliseconds, before the socket is cut. What was sent before has to arrive in it. */
export const CLOSE_MS = 5_000;

export const linkTraits = (maxBatchBytes: number): LinkTraits => ({
  binary: true,
  duplex: true,
  push: true,
  maxBatchBytes,
});

/** Close codes of RFC 6455, section 7.4.1. */
export const CLOSE_NORMAL = 1000;
export const CLOSE_GOING_AWAY = 1001;
export const CLOSE_PROTOCOL_ERROR = 1002;
export const CLOSE_NO_STATUS = 1005;
export const CLOSE_ABNORMAL = 1006;
export const CLOSE_INVALID_TEXT = 1007;
export const CLOSE_POLICY = 1008;
export const CLOSE_TOO_LARGE = 1009;
export const CLOSE_INTERNAL = 1011;
/** A client's code for "with an error": browsers let pages send no others than 1000 and 3000 to 4999. */
export const CLOSE_CLIENT_ERROR = 4000;

/** The close code with which a server tells that it closes because of an error. */
export function closeCode(error: ConnectError): number {
  if (reasonOf(error) === "batch_too_large") return CLOSE_TOO_LARGE;
  switch (error.code) {
    case Code.InvalidArgument:
    case Code.FailedPrecondition:
      return CLOSE_PROTOCOL_ERROR;
    case Code.PermissionDenied:
    case Code.Unauthenticated:
    case Code.ResourceExhausted:
      return CLOSE_POLICY;
    default:
      return CLOSE_INTERNAL;
  }
}

/** The text of a close frame; at most 123 bytes fit. A reason of the catalogue, so that it is short, ASCII, and holds nothing secret. */
export function closeReason(error: ConnectError): string {
  return reasonOf(error) ?? "";
}

/** What the other end's close code means to this end: undefined is good order. */
export function closedError(code: number, reason: string): ConnectError | undefined {
  if (code === CLOSE_NORMAL || code === CLOSE_GOING_AWAY || code === CLOSE_NO_STATUS) return undefined;
  if (code === CLOSE_ABNORMAL) return fail("link_closed", { transport: TRANSPORT, detail: "the connection was lost" });
  // Only what a catalogue's reason looks like is repeated: the text is the other end's, and may hold anything.
  const known = /^[a-z_]{1,60}$/.test(reason) ? ` ${reason}` : "";
  return fail("link_closed", { transport: TRANSPORT, detail: `the other end closed it with code ${code}${known}` });
}
