// Names that server and page have to agree on, unless both are told otherwise.

/** The cookie that pages can read, with the CSRF token. `__Host-`: no other host, a subdomain's neither, can set it (RFC 6265bis, section 4.1.3). */
export const CSRF_COOKIE = "__Host-csrf";
/** In which header the token is sent. */
export const CSRF_HEADER = "x-csrf-token";

/** The values that a `Cookie` header has for a name: mostly one. */
export function cookieValues(header: string | undefined, name: string): readonly string[] {
  return (header ?? "").split(";").flatMap((pair) => {
    const at = pair.indexOf("=");
    return at > 0 && pair.slice(0, at).trim() === name ? [pair.slice(at + 1).trim()] : [];
  });
}
