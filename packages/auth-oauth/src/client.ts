// The client's side: tokens by the client's own credentials.
export type { ClientAuthOptions, PrivateJwk } from "./client-auth.ts";
export { type ClientCredentialsOptions, clientCredentials } from "./client-credentials.ts";
export type { IssuerOptions } from "./issuer.ts";
export type { TokenSource } from "./token-source.ts";
