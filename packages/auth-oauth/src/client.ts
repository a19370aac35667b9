// The client's side: tokens by the client's own credentials, and of a user who signs in.
export type { IDToken } from "oauth4webapi";
export type { AuthorizationOptions } from "./authorization-code.ts";
export type { ClientAuthOptions, PrivateJwk } from "./client-auth.ts";
export { type ClientCredentialsOptions, clientCredentials } from "./client-credentials.ts";
export type { IssuerOptions } from "./issuer.ts";
export { type BeginOptions, type Completed, type SignIn, type SignInOptions, signIn } from "./sign-in.ts";
export type { TokenSource } from "./token-source.ts";
