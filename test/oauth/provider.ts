// A real OpenID provider on a loopback port (oidc-provider), with clients of each kind; it signs in whom the test says, and can fail.
import { once } from "node:events";
import { type IncomingMessage, type ServerResponse, createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { type CryptoKey, type JWK, exportJWK, generateKeyPair } from "jose";
import { Provider, type ClientMetadata, type Configuration } from "oidc-provider";
import { providerStore } from "./provider-store.ts";

/** What tokens for the lab have in `aud`, and what clients ask for to get them: JSON Web Tokens, or opaque ones. */
export const AUDIENCE = "https://lab.example";
export const OPAQUE = "https://lab.example/opaque";
export const SECRET = "a secret & more: 100%+'";

export interface TestProvider extends AsyncDisposable {
  readonly issuer: string;
  readonly provider: Provider;
  /** Method and path of each request. */
  readonly asked: string[];
  /** Of the client "signer", and what it registered. */
  readonly key: { readonly privateKey: CryptoKey; readonly privateJwk: JWK };
  /** How often a token was asked for. */
  readonly grants: number;
  /** Answers everything with 503. */
  fails: boolean;
  /** Answers this path itself. */
  intercept: ((path: string, response: ServerResponse) => boolean) | undefined;
  /** Who signs in at the browser's next visit; undefined: refuses (`access_denied`). */
  user: string | undefined;
  /** All that users agreed to is over: no refresh token counts any more. */
  endAll(): void;
}

/** The provider's key, and that of the client "signer": made once, since RSA takes its time. */
const [own, signer] = await Promise.all([
  generateKeyPair("RS256", { extractable: true }),
  generateKeyPair("ES256", { extractable: true }),
]);

export async function testProvider(
  options: {
    /** Seconds. */
    accessTtl?: number;
    redirectUris?: readonly string[];
    origins?: readonly string[];
    more?: Partial<Configuration>;
  } = {},
): Promise<TestProvider> {
  const { accessTtl = 600, redirectUris = ["http://localhost/unused"], origins = [], more = {} } = options;
  const server = createServer();
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  // "localhost", so that pages of the same host get its cookies.
  const issuer = `http://localhost:${(server.address() as AddressInfo).port}`;
  const program = { grant_types: ["client_credentials"], redirect_uris: [], response_types: [] };
  const clients: ClientMetadata[] = [
    { ...program, client_id: "worker", client_secret: SECRET, token_endpoint_auth_method: "client_secret_basic" },
    { ...program, client_id: "poster", client_secret: SECRET, token_endpoint_auth_method: "client_secret_post" },
    {
      ...program,
      client_id: "signer",
      token_endpoint_auth_method: "private_key_jwt",
      token_endpoint_auth_signing_alg: "ES256",
      jwks: { keys: [{ ...(await exportJWK(signer.publicKey)), kid: "s1", alg: "ES256", use: "sig" }] },
    },
    {
      client_id: "page",
      application_type: "web",
      token_endpoint_auth_method: "none",
      grant_types: ["authorization_code", "refresh_token"],
      response_types: ["code"],
      redirect_uris: [...redirectUris],
      post_logout_redirect_uris: [...redirectUris],
    },
  ];
  const store = providerStore();
  const provider = new Provider(issuer, {
    clients,
    adapter: store.adapter,
    ttl: {
      AccessToken: accessTtl,
      ClientCredentials: accessTtl,
      AuthorizationCode: 60,
      IdToken: 3_600,
      RefreshToken: 86_400,
      Interaction: 600,
      Session: 86_400,
      Grant: 86_400,
    },
    jwks: { keys: [{ ...(await exportJWK(own.privateKey)), kid: "p1", alg: "RS256", use: "sig" }] },
    cookies: { keys: ["not a secret"] },
    scopes: ["openid", "offline_access"],
    features: {
      devInteractions: { enabled: false },
      clientCredentials: { enabled: true },
      introspection: { enabled: true, allowedPolicy: () => true },
      revocation: { enabled: true, allowedPolicy: (_, client, token) => token.clientId === client.clientId },
      rpInitiatedLogout: {
        enabled: true,
        // The user says yes at once.
        logoutSource(ctx, form) {
          ctx.body = `<!doctype html>${form}<script>document.forms[0].insertAdjacentHTML("beforeend", '<input type="hidden" name="logout" value="yes">'); document.forms[0].submit()</script>`;
        },
      },
      resourceIndicators: {
        enabled: true,
        defaultResource: () => AUDIENCE,
        useGrantedResource: () => true,
        getResourceServerInfo: (_, resource) => ({
          scope: "chat look",
          audience: resource === OPAQUE ? AUDIENCE : resource,
          accessTokenTTL: accessTtl,
          accessTokenFormat: resource === OPAQUE ? "opaque" : "jwt",
          jwt: { sign: { alg: "RS256" } },
        }),
      },
    },
    issueRefreshToken: (_, client) => client.grantTypeAllowed("refresh_token"),
    rotateRefreshToken: true,
    clientBasedCORS: (_, origin) => origins.includes(origin),
    findAccount: (_, id) => ({ accountId: id, claims: () => ({ sub: id }) }),
    interactions: { url: (_, { uid }) => `/sign-in/${uid}` },
    ...more,
  });
  const it = {
    issuer,
    provider,
    key: {
      privateKey: signer.privateKey,
      privateJwk: { ...(await exportJWK(signer.privateKey)), kid: "s1", alg: "ES256" },
    },
    asked: [] as string[],
    fails: false,
    intercept: undefined as TestProvider["intercept"],
    user: "ann" as string | undefined,
    get grants() {
      return it.asked.filter((each) => each === "POST /token").length;
    },
    endAll: () => store.forget("RefreshToken"),
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
  const callback = provider.callback();
  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const { pathname } = new URL(request.url!, issuer);
    if (request.method !== "OPTIONS") it.asked.push(`${request.method} ${pathname}`);
    if (it.fails) return void response.writeHead(503, { "access-control-allow-origin": "*" }).end("no");
    if (it.intercept?.(pathname, response) === true) return;
    if (pathname.startsWith("/sign-in/")) return signIn(request, response);
    await callback(request, response);
  };
  /** What a person does there: says who he is, and that he agrees. */
  const signIn = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const { prompt, params, grantId } = await provider.interactionDetails(request, response);
    if (it.user === undefined)
      return provider.interactionFinished(request, response, {
        error: "access_denied",
        error_description: "Ann said no",
      });
    if (prompt.name === "login")
      return provider.interactionFinished(request, response, { login: { accountId: it.user } });
    const clientId = params["client_id"] as string;
    const agreed =
      (grantId === undefined ? undefined : await provider.Grant.find(grantId)) ??
      new provider.Grant({ accountId: it.user, clientId });
    agreed.addOIDCScope("openid offline_access");
    agreed.addResourceScope(AUDIENCE, "chat look");
    agreed.addResourceScope(OPAQUE, "chat look");
    await provider.interactionFinished(request, response, { consent: { grantId: await agreed.save() } });
  };
  server.on("request", (request, response) => void answer(request, response));
  return it;
}
