// What a refused request is told: a status and a sentence, in the form in which clients of Connect read errors.

/** Connect's names of codes for statuses; the others of 4xx are "invalid_argument". */
const CODES: ReadonlyMap<number, string> = new Map([
  [401, "unauthenticated"],
  [403, "permission_denied"],
  [404, "not_found"],
  [405, "unimplemented"],
  [408, "deadline_exceeded"],
  [409, "aborted"],
  [413, "resource_exhausted"],
  [414, "resource_exhausted"],
  [426, "unimplemented"],
  [429, "resource_exhausted"],
  [431, "resource_exhausted"],
  [503, "unavailable"],
]);
/** Phrases for those who write the status line themselves. */
const PHRASES: ReadonlyMap<number, string> = new Map([
  [400, "Bad Request"],
  [401, "Unauthorized"],
  [403, "Forbidden"],
  [404, "Not Found"],
  [405, "Method Not Allowed"],
  [408, "Request Timeout"],
  [414, "URI Too Long"],
  [426, "Upgrade Required"],
  [429, "Too Many Requests"],
  [431, "Request Header Fields Too Large"],
  [503, "Service Unavailable"],
]);

/** The body, `application/json`. */
export function refusal(status: number, message: string): Uint8Array {
  const code = CODES.get(status) ?? (status < 500 ? "invalid_argument" : "internal");
  return new TextEncoder().encode(`${JSON.stringify({ code, message })}\n`);
}

/** The whole answer as HTTP/1.1 text, for sockets that have no response object. The connection ends with it. */
export function rawRefusal(status: number, message: string): string {
  const body = new TextDecoder().decode(refusal(status, message));
  const upgrade = status === 426 ? "upgrade: websocket\r\n" : "";
  return `HTTP/1.1 ${status} ${PHRASES.get(status) ?? "Refused"}\r\nconnection: close\r\n${upgrade}content-type: application/json\r\ncontent-length: ${new TextEncoder().encode(body).byteLength}\r\n\r\n${body}`;
}
