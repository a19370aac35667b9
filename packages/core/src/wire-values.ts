// Between the wire's values and Connect's: headers, status, errors. The one place where `ConnectError.from` is applied to what applications throw.
import { create, toBinary } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import { fail } from "./errors.ts";
import type { HeaderField, WireStatus } from "./frame.ts";
import type { Limits } from "./limits.ts";
import { CLAIM_HEADER } from "./schema-version.ts";

export const noHeader: readonly HeaderField[] = [];

/** Without what the two ends say of the schema: whoever copies the headers of one call into another has no say in it. */
export function headerFields(headers: HeadersInit | undefined): readonly HeaderField[] {
  if (headers === undefined) return noHeader;
  const fields: HeaderField[] = [];
  for (const [key, value] of headers instanceof Headers ? headers : new Headers(headers))
    if (key !== CLAIM_HEADER) fields.push({ key, value });
  return fields;
}

/** Without it, too. Throws `frame_malformed` for a name or value that HTTP does not allow: no header leaves a session that could split another protocol's. */
export function headersOf(fields: readonly HeaderField[], headers: Headers = new Headers()): Headers {
  for (const { key, value } of fields) {
    if (key === CLAIM_HEADER) continue;
    try {
      headers.append(key, value);
    } catch {
      throw fail("frame_malformed", { detail: `header ${JSON.stringify(key.slice(0, 40))} is not valid in HTTP` });
    }
  }
  return headers;
}

/** Throws `headers_too_large`. */
export function checkHeader(fields: readonly HeaderField[], limits: Limits): void {
  if (fields.length === 0) return;
  let bytes = 0;
  let count = 0;
  for (const { key, value } of fields) {
    if (key === CLAIM_HEADER) continue; // ours: it takes nothing away from the caller, and servers take it out before they count
    bytes += key.length + value.length;
    count++;
  }
  if (bytes > limits.headerBytes) throw fail("headers_too_large", { bytes, limit: limits.headerBytes });
  if (count > limits.headerCount) throw fail("headers_too_many", { count, limit: limits.headerCount });
}

const TYPE_URL = "type.googleapis.com/";

export function statusOf(error: ConnectError): WireStatus {
  return {
    code: error.code,
    message: error.rawMessage,
    details: error.details.map((detail) =>
      "desc" in detail
        ? { typeUrl: TYPE_URL + detail.desc.typeName, value: toBinary(detail.desc, create(detail.desc, detail.value)) }
        : { typeUrl: TYPE_URL + detail.type, value: detail.value },
    ),
  };
}

export function errorOf(status: WireStatus, metadata?: HeadersInit): ConnectError {
  const code = status.code >= 1 && status.code <= 16 ? (status.code as Code) : Code.Unknown;
  const error = new ConnectError(status.message, code, metadata);
  for (const { typeUrl, value } of status.details)
    error.details.push({ type: typeUrl.slice(typeUrl.lastIndexOf("/") + 1), value });
  return error;
}
