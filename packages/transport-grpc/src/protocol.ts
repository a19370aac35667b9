// What both ends of a gRPC link agree on, beside the schema in link.proto.
import { Code, ConnectError } from "@connectrpc/connect";
import { fail, type LinkTraits, reasonOf } from "@raceway/core";

export const TRANSPORT = "grpc";

/** Header with the id of a link that consists of Down and Up: of Down's response, and of each Up's request. */
export const LINK_HEADER = "raceway-link";

/** High-water mark of an end, in bytes. */
export const HIGH_WATER_BYTES = 65_536;

/** How long an end in good order may take, in milliseconds, before the connection is cut. What was sent before has to arrive in it. */
export const CLOSE_MS = 5_000;

/** Batches go into one call of Up while they are smaller than this in all; a larger one goes alone. */
export const UP_BYTES = 32_768;

export const linkTraits = (maxBatchBytes: number): LinkTraits => ({
  binary: true,
  duplex: true,
  push: true,
  maxBatchBytes,
});

/** One batch of its parts. The parts may be on their way to other links, so a single one is taken as it is and only read. */
export function joinParts(parts: readonly Uint8Array[], bytes: number): Uint8Array {
  if (parts.length === 1) return parts[0]!;
  const batch = new Uint8Array(bytes);
  let at = 0;
  for (const part of parts) {
    batch.set(part, at);
    at += part.length;
  }
  return batch;
}

/** What the other end is told of the error that a link was closed with: code and reason of the catalogue, nothing that might be secret. */
export function toldError(error: ConnectError): ConnectError {
  return new ConnectError(reasonOf(error) ?? "", error.code);
}

/** What the failure of a stream means to this end of the link. Messages of the other end are repeated only if they look like a reason of the catalogue. */
export function lostError(cause: unknown): ConnectError {
  if (cause === undefined) return fail("link_closed", { transport: TRANSPORT, detail: "the connection was lost" });
  const { code, rawMessage } = ConnectError.from(cause);
  const reason = /^[a-z_]{1,60}$/.test(rawMessage) ? ` ${rawMessage}` : "";
  return fail("link_closed", { transport: TRANSPORT, detail: `the stream failed with ${Code[code] ?? code}${reason}` });
}
