// What browsers and proxies may keep of unary Connect calls (RFC 9110 and 9111): an answer that says for how long it is good gets a name, and who has it already gets 304.
import { createHash } from "node:crypto";
import type { UniversalHandler, UniversalServerRequest, UniversalServerResponse } from "@connectrpc/connect/protocol";

/** Asks a handler, which knows nothing of HEAD, of conditions and of caches. `vary` is what answers of this door depend on anyway. */
export async function cacheable(
  handler: UniversalHandler,
  request: UniversalServerRequest,
  vary: string | undefined,
): Promise<UniversalServerResponse> {
  const isHead = request.method === "HEAD";
  const isGet = request.method === "GET" || isHead;
  const response = await handler(
    isHead && handler.allowedMethods.includes("GET") ? { ...request, method: "GET" } : request,
  );
  const header = response.header instanceof Headers ? response.header : new Headers(response.header);
  if (header.has("vary")) header.set("vary", varyOn(vary, header.get("vary")));
  const said = header.get("cache-control");
  if (!isGet) {
    // What was asked is not in the URL: a proxy that keeps it for all by that would give anybody anything.
    if (said !== null) header.set("cache-control", said.replaceAll(/\bpublic\b/gi, "private"));
    return { ...response, header };
  }
  // What says nothing may be kept all the same, by guess, an error, too (RFC 9111, 4.2.2).
  if (said === null) header.set("cache-control", "no-store");
  const body = await bytesOf(response);
  const isKept = response.status === 200 && said !== null && !/\bno-store\b/i.test(said);
  if (isKept) {
    const etag = tagOf(header.get("content-type") ?? "", body);
    header.set("etag", etag);
    if (isNamed(etag, request.header.get("if-none-match"))) {
      for (const name of ["content-type", "content-length", "content-encoding"]) header.delete(name);
      return { status: 304, header };
    }
  }
  return isHead ? { status: response.status, header } : { ...response, header, body: once(body) };
}

/** The names of several lists, each once. */
function varyOn(...lists: readonly (string | null | undefined)[]): string {
  const names = lists.flatMap((list) => (list ?? "").split(",").map((name) => name.trim().toLowerCase()));
  return [...new Set(names.filter((name) => name !== ""))].join(", ");
}

/** Strong: made of the very bytes, and of what they are to be read as. 128 bits: nobody finds two answers with one name. */
function tagOf(contentType: string, body: Uint8Array): string {
  const digest = createHash("sha256").update(`${contentType}\n`).update(body).digest();
  return `"${digest.subarray(0, 16).toString("base64url")}"`;
}

/** By If-None-Match, which compares weakly (RFC 9110, 13.1.2). What is no list of tags ends it, and names nothing more. */
function isNamed(etag: string, list: string | null): boolean {
  if (list === null) return false;
  if (list.trim() === "*") return true;
  const tag = /[\s,]*(?:W\/)?("[\u0021\u0023-\u007e\u0080-\u00ff]*")(?=\s*(?:,|$))/y;
  for (let match = tag.exec(list); match !== null; match = tag.exec(list)) if (match[1] === etag) return true;
  return false;
}

async function bytesOf({ body }: UniversalServerResponse): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  for await (const part of body ?? []) parts.push(part);
  return parts.length === 1 ? parts[0]! : Buffer.concat(parts);
}

async function* once(body: Uint8Array): AsyncGenerator<Uint8Array> {
  yield body;
}
