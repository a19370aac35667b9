// An issuer of tokens for tests: keys, discovery and introspection over HTTP.
import { type IncomingMessage, type ServerResponse, createServer } from "node:http";
import type { AddressInfo } from "node:net";
import type { JWK, JWTPayload } from "jose";

/** An issuer's server: keys, discovery and introspection, which can be changed and can fail. */
export async function issuer(): Promise<{
  readonly url: string;
  readonly asked: string[];
  /** That introspection was asked about. */
  readonly tokens: string[];
  keys: JWK[];
  active: Record<string, JWTPayload>;
  fails: boolean;
  [Symbol.asyncDispose](): Promise<void>;
}> {
  const it = {
    url: "",
    asked: [] as string[],
    tokens: [] as string[],
    keys: [] as JWK[],
    active: {} as Record<string, JWTPayload>,
    fails: false,
  };
  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    it.asked.push(request.url!);
    let body = "";
    for await (const chunk of request) body += String(chunk);
    const asked = new URLSearchParams(body).get("token") ?? "";
    if (asked !== "") it.tokens.push(asked);
    const answers: Record<string, () => unknown> = {
      "/.well-known/openid-configuration": () => ({ issuer: it.url, jwks_uri: `${it.url}/jwks` }),
      "/jwks": () => ({ keys: it.keys }),
      "/introspect": () =>
        request.headers.authorization === `Basic ${btoa("lab:s%26cret")}` && asked in it.active
          ? { active: true, ...it.active[asked] }
          : { active: false },
    };
    const found = answers[request.url!];
    if (it.fails || found === undefined) return void response.writeHead(503).end("no");
    response.setHeader("content-type", "application/json").end(JSON.stringify(found()));
  };
  const server = createServer((request, response) => void answer(request, response));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  it.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return Object.assign(it, {
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  });
}
