// Whose page made a request: the server's own, one of the origins that are listed, another's, or nobody can tell.
import { type Peer, fail } from "@raceway/core";

/**
 * True if a page of ours made the request, false if it does not say who did: then it needs the CSRF token. Throws `cross_site_refused` for pages of
 * other origins.
 *
 * Browsers name the origin in all requests of WebSockets, of POST and of pages of other origins that want to read the answer (Fetch, section 3.2), and pages cannot
 * change it, nor Sec-Fetch-Site. What is left without either comes from browsers before 2023, over plain HTTP, or from no browser.
 */
export function isOfOurPage(peer: Peer, origins: readonly string[]): boolean {
  const origin = peer.header("origin");
  if (origin !== undefined) {
    if (origins.includes(origin) || isOwn(origin, peer)) return true;
    throw fail("cross_site_refused", { detail: `a page of ${JSON.stringify(origin.slice(0, 200))} sent` });
  }
  const site = peer.header("sec-fetch-site");
  if (site === "cross-site" || site === "same-site")
    throw fail("cross_site_refused", { detail: "a page of another origin sent" });
  return site === "same-origin"; // "none": typed into the address bar, or a link in a mail
}

/** Is it the origin that was asked? Behind a proxy that ends TLS nobody can tell whether it was asked by http or https. */
function isOwn(origin: string, peer: Peer): boolean {
  const host = (peer.header("host") ?? peer.header(":authority"))?.toLowerCase();
  if (host === undefined || host === "") return false;
  return origin === `https://${host}` || (!peer.secure && origin === `http://${host}`);
}
