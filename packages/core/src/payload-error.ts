// What a codec says of a payload that does not fit its type, in either direction.
import type { DescMessage } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import { fail } from "./errors.ts";

/** Longest text of a library that goes into an error: some quote what they were given. */
const MAX_DETAIL = 200;

/** Bytes that are no message of the type. */
export function payloadMalformed(desc: DescMessage, cause: unknown): ConnectError {
  return fail("payload_malformed", { type: desc.typeName, detail: detail(cause) });
}

/** A message that an application made and that cannot be written. */
export function messageUnfit(desc: DescMessage, cause: unknown): ConnectError {
  return new ConnectError(`Message does not fit ${desc.typeName}: ${detail(cause)}.`, Code.InvalidArgument);
}

/** One line, without control characters, which would forge lines in logs. */
function detail(cause: unknown): string {
  const text = (cause instanceof Error ? cause.message : String(cause)).replace(
    // oxlint-disable-next-line no-control-regex -- they are what is meant
    /[\u0000-\u001f\u007f-\u009f\u2028\u2029]+/g,
    " ",
  );
  return text.length > MAX_DETAIL ? `${text.slice(0, MAX_DETAIL)}…` : text;
}
