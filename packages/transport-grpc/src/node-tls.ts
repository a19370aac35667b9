// What a client in Node shows and trusts in the TLS handshake.
import type { SecureClientSessionOptions } from "node:http2";
import { createSecureContext } from "node:tls";
import { fail, fetchFailure } from "@raceway/core";
import { TRANSPORT } from "./protocol.ts";

/** Who the client is, and whom it trusts; in PEM, as Node's `tls.connect` takes it. */
export type GrpcTls = Pick<
  SecureClientSessionOptions,
  "ca" | "cert" | "checkServerIdentity" | "key" | "passphrase" | "pfx" | "rejectUnauthorized" | "servername"
>;

/** Certificates and keys that cannot be read, or do not fit, are found on the user's own line. Shows nothing of them. */
export function checkTls(tls: GrpcTls): void {
  try {
    createSecureContext(tls);
  } catch (error) {
    const value = `what cannot be used (${fetchFailure(error)})`;
    const expected = "PEM that Node's tls.connect takes";
    throw fail("option_invalid", { part: TRANSPORT, option: "tls", value, expected });
  }
}
