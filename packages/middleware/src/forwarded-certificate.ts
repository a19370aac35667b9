// The certificate that a client showed to a proxy, as the proxy says in a header: RFC 9440, Envoy's, or PEM as nginx and load balancers write it.
import { splitOutsideQuotes } from "./quoted-list.ts";

/** Longer headers are not looked at; as much as all headers of a request may have. */
const MAX_LENGTH = 16_384;

/** The certificate in DER; undefined if the header does not say exactly one. */
export function forwardedCertificate(header: string, value: string): Uint8Array | undefined {
  if (value.length > MAX_LENGTH) return undefined;
  if (header === "client-cert") {
    // RFC 9440 section 2.1: a byte sequence of structured fields.
    const base64 = /^:([A-Za-z0-9+/]+={0,2}):$/.exec(value.trim())?.[1];
    return base64 === undefined ? undefined : Buffer.from(base64, "base64");
  }
  return header === "x-forwarded-client-cert" ? envoys(value) : pem(value);
}

/** Hash=…;Cert="…URL-encoded PEM…";Subject="…". One element: more than one says that somebody else has written, too. */
function envoys(value: string): Uint8Array | undefined {
  if (splitOutsideQuotes(value, ",").length !== 1) return undefined;
  const certificates = splitOutsideQuotes(value, ";").flatMap((pair) => {
    const match = /^\s*cert\s*=\s*"?([^"]*)"?\s*$/i.exec(pair);
    return match === null ? [] : [match[1]!];
  });
  return certificates.length === 1 ? pem(certificates[0]!) : undefined;
}

function pem(encoded: string): Uint8Array | undefined {
  let text: string;
  try {
    text = decodeURIComponent(encoded);
  } catch {
    return undefined;
  }
  const match = /^\s*-----BEGIN CERTIFICATE-----([A-Za-z0-9+/=\s]+)-----END CERTIFICATE-----\s*$/.exec(text);
  return match === null ? undefined : Buffer.from(match[1]!, "base64");
}
