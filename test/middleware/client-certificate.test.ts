// Client certificates: who is admitted by every way in over TLS, and behind proxies that end it; until when; what is renewed, and what is taken back.
import { X509Certificate } from "node:crypto";
import { once } from "node:events";
import { createSecureServer as createHttp2 } from "node:http2";
import { createServer as createHttps } from "node:https";
import { type SecureVersion, type TlsOptions, connect as connectTls } from "node:tls";
import { definePlugin, principal, reasonOf } from "@raceway/core";
import {
  type CertificateRule,
  type ClientCertificateOptions,
  certificateRenewal,
  clientCertificate,
} from "@raceway/middleware/client-certificate";
import { grpc } from "@raceway/transport-grpc/client";
import { describe, expect, it } from "vitest";
import { labClient } from "../gen/lab/v1/lab.client.ts";
import { type Certificate, type CertificateInit, SERVER_AUTH, authority } from "./certificates.ts";
import { linkNames, mutualTls, tlsWays } from "./mutual-tls.ts";
import { type LabClient, outcome, stage, wayNames } from "./stage.ts";

const ANN = { names: ["URI:spiffe://example.org/people/ann"] };
const BOB = { names: ["URI:spiffe://example.org/people/bob"] };
const allow: readonly CertificateRule[] = [
  "URI:spiffe://example.org/people/*",
  "DNS:*.svc.example",
  "email:*@example.org",
];
const HOUR = 3_600_000;

async function said(client: Pick<LabClient, "peek">): Promise<string> {
  const answer = await outcome(client.peek({}));
  return answer === "ok" ? "ok" : (reasonOf(answer) ?? String(answer));
}
async function begun(client: LabClient): Promise<AsyncIterator<unknown>> {
  const stream = client.count({})[Symbol.asyncIterator]();
  await stream.next();
  return stream;
}

describe.each(tlsWays)("by %s", { timeout: 30_000 }, (way) => {
  it("who shows a certificate with a name that is allowed comes in, under that name", async () => {
    await using it = await mutualTls([clientCertificate({ allow })]);
    const shown: readonly [CertificateInit, string][] = [
      [ANN, "spiffe://example.org/people/ann"],
      [{ names: ["URI:https://elsewhere.example/", "DNS:Web.SVC.example"] }, "web.svc.example"],
      [{ names: ["email:Ann@Example.org"] }, "Ann@example.org"],
    ];
    for (const [init] of shown) expect(await said(it.client(way, it.issuer.issue(init)))).toBe("ok");
    expect(it.seen).toEqual(shown.map(([, id]) => id));
  });

  it("who does not is refused, and is told why", async () => {
    await using it = await mutualTls([clientCertificate({ allow })]);
    const { issuer } = it;
    const now = Date.now();
    const middle = issuer.issue({ name: "middle", ...ANN }); // signs, and may not
    const cases: readonly [string, Certificate | undefined, string, string][] = [
      ["none", undefined, "credential_missing", "a client certificate"],
      ["another issuer of the same name", authority("the clients'").issue(ANN), "credential_invalid", "not trusted"],
      ["signed by itself", authority("ann"), "credential_invalid", "not trusted"],
      ["signed by one that may not sign", middle.issue(ANN), "credential_invalid", "not trusted"],
      ["expired", issuer.issue({ ...ANN, to: now - 2_000 }), "credential_expired", "expired"],
      ["not valid yet", issuer.issue({ ...ANN, from: now + HOUR }), "credential_invalid", "CERT_NOT_YET_VALID"],
      ["for servers only", issuer.issue({ ...ANN, purposes: [SERVER_AUTH] }), "credential_invalid", "for clients"],
      ["another name", issuer.issue({ names: ["DNS:svc.example"] }), "credential_invalid", "no name that is allowed"],
      ["the name as the common name only", issuer.issue({ name: "a.svc.example" }), "credential_invalid", "no name"],
    ];
    for (const [what, certificate, reason, says] of cases) {
      const error = await outcome(it.client(way, certificate).peek({}));
      expect(reasonOf(error), `${what}: ${String(error)}`).toBe(reason);
      expect(String(error), what).toContain(says);
    }
    expect(it.seen).toEqual([]);
    expect(it.app.sessions).toBe(0);
  });

  it("one that is taken back is out at once, and does not come in again; others of the same owner do", async () => {
    const certificates = clientCertificate({ allow });
    await using it = await mutualTls([certificates]);
    const [lost, kept] = [it.issuer.issue(ANN), it.issuer.issue(ANN)];
    const stream = await begun(it.client(way, lost));
    const fingerprint = new X509Certificate(lost.der).fingerprint256;
    await certificates.revoke(way === "poll" ? fingerprint : fingerprint.replaceAll(":", "").toLowerCase());
    expect(reasonOf(await outcome(stream.next()))).toBe("credential_revoked");
    expect(await said(it.client(way, lost))).toBe("credential_revoked");
    expect(await said(it.client(way, kept))).toBe("ok");
  });

  it("where the TLS handshake is strict, those whose certificate is not good do not get as far", async () => {
    await using it = await mutualTls([clientCertificate({ allow })], true);
    expect(await said(it.client(way, it.issuer.issue(ANN)))).toBe("ok");
    for (const bad of [undefined, authority("ann").issue(ANN), it.issuer.issue({ ...ANN, to: Date.now() - 2_000 })]) {
      if (linkNames.includes(way)) {
        const { state } = it.connect(way, bad);
        await expect
          .poll(() => reasonOf(state.current.reason) ?? "", { timeout: 15_000 })
          .toMatch(/no_transport|link_closed|session_lost/);
      } else expect(await said(it.client(way, bad))).toMatch(/\[(?:unavailable|canceled|aborted|internal|unknown)\]/);
    }
    expect(it.seen).toEqual(["spiffe://example.org/people/ann"]);
  });
});

it("streams end when the certificate does, by every way", async () => {
  await using it = await mutualTls([clientCertificate({ allow })]);
  const to = (Math.floor(Date.now() / 1_000) + 6) * 1_000;
  const shown = it.issuer.issue({ ...ANN, to });
  const streams = await Promise.all(tlsWays.map(async (way) => [way, await begun(it.client(way, shown))] as const));
  const ends = streams.map(async ([way, stream]) => [way, String(await outcome(stream.next()))] as const);
  for (const [way, end] of await Promise.all(ends)) expect(end, way).toContain("expired");
  expect(Date.now()).toBeGreaterThanOrEqual(to - 20);
}, 30_000);

describe.each(linkNames)("a session by %s", (way) => {
  it.concurrent("goes on over a new link with the certificate that was renewed, before the old one ends", async () => {
    await using it = await mutualTls([clientCertificate({ allow })]);
    const to = (Math.floor(Date.now() / 1_000) + 5) * 1_000;
    const first = it.issuer.issue({ ...ANN, to });
    const next = it.issuer.issue(ANN);
    const kinds: string[] = [];
    const watch = definePlugin({
      name: "watch",
      start: () => ({ introduce: ({ kind }) => void kinds.push(kind) }),
    });
    const connection = it.connect(way, () => (kinds.includes("refresh") ? next : first), [certificateRenewal(), watch]);
    const client = labClient(connection) as unknown as LabClient;
    const stream = await begun(client);
    const ended = outcome(stream.next());
    await expect.poll(() => kinds, { timeout: 10_000 }).toEqual(["open", "refresh", "resume"]);
    await expect.poll(() => Date.now() > to + 500, { timeout: 10_000 }).toBe(true);
    expect(await said(client)).toBe("ok");
    expect(it.app.sessions).toBe(1);
    expect(await Promise.race([ended, Promise.resolve("under way")])).toBe("under way");
  }, 30_000);

  it("is not resumed with somebody else's certificate", async () => {
    await using it = await mutualTls([clientCertificate({ allow })]);
    const [ann, bob] = [it.issuer.issue(ANN), it.issuer.issue(BOB)];
    let thief = false;
    const connection = it.connect(way, () => (thief ? bob : ann));
    const client = labClient(connection) as unknown as LabClient;
    await client.peek({});
    thief = true;
    expect(reasonOf(await outcome(connection.switchTo(connection.state.current.transport!)))).toBe("resume_refused");
    await client.peek({});
    expect(it.seen).toEqual(["spiffe://example.org/people/ann", "spiffe://example.org/people/ann"]);
  });
});

/** As RFC 9440 has it. */
const forwarded = (certificate: Certificate): string => `:${Buffer.from(certificate.der).toString("base64")}:`;
const urlEncoded = (certificate: Certificate): string => encodeURIComponent(certificate.cert);

describe("names in certificates", () => {
  /** As whom a certificate with these names comes in by a rule; undefined: not at all. */
  async function admitted(rule: CertificateRule, ...names: readonly string[]): Promise<string | undefined> {
    let id: string | undefined;
    await using it = await stage({
      use: [clientCertificate({ allow: [rule], trustedProxies: ["127.0.0.1"] })],
      handlers: { peek: (_, context) => ((id = context.get(principal).id), {}) },
    });
    const certificate = authority("issuer").issue({ name: "good.example", names });
    const answer = await said(it.client("Connect door", "", { "client-cert": forwarded(certificate) }));
    expect(answer).toBe(id === undefined ? "credential_invalid" : "ok");
    return id;
  }

  it.each<[CertificateRule, string, string]>([
    ["DNS:good.example", "DNS:good.example", "good.example"],
    ["DNS:Good.Example", "DNS:GOOD.example", "good.example"],
    ["DNS:*.good.example", "DNS:a_1.good.example", "a_1.good.example"],
    ["URI:spiffe://good.example/a", "URI:spiffe://good.example/a", "spiffe://good.example/a"],
    ["URI:spiffe://good.example/a/*", "URI:spiffe://good.example/a/b/c", "spiffe://good.example/a/b/c"],
    ["URI:urn:uuid:1-2", "URI:urn:uuid:1-2", "urn:uuid:1-2"],
    ["email:ann@good.example", "email:ann@GOOD.example", "ann@good.example"],
    ["email:*@good.example", "email:a.b+c@good.example", "a.b+c@good.example"],
  ])("%s lets in %s", async (rule, name, id) => {
    expect(await admitted(rule, name)).toBe(id);
    expect(await admitted(rule, "DNS:other.example", "IP:\x7f\x00\x00\x01", name)).toBe(id);
  });

  it.each<[CertificateRule, string]>([
    // Several names read out of one, and names that end where a NUL stands (CVE-2021-44532, CVE-2009-2408).
    ["DNS:good.example", "DNS:good.example\x00.evil.example"],
    ["DNS:good.example", "DNS:evil.example, DNS:good.example"],
    ["DNS:good.example", 'DNS:evil.example", DNS:good.example'],
    ["DNS:good.example", "DNS:x\n, DNS:good.example"],
    ["DNS:good.example", "URI:http://evil.example/, DNS:good.example"],
    ["DNS:good.example", "email:evil@evil.example, DNS:good.example, email:x@y.example"],
    ["URI:spiffe://good.example/a", "URI:spiffe://good.example/a\x00b"],
    ["URI:spiffe://good.example/a", "DNS:x, URI:spiffe://good.example/a"],
    ["email:ann@good.example", "email:ann@good.example\x00@evil.example"],
    ["email:*@good.example", 'email:"evil@evil.example"@good.example'],
    ["email:*@good.example", "email:evil@evil.example@good.example"],
    // Another kind of name, and more or fewer labels than the rule has.
    ["DNS:good.example", "URI:good.example"],
    ["DNS:good.example", "DNS:*.example"],
    ["DNS:good.example", "DNS:good.example."],
    ["DNS:good.example", "DNS:g\xf6\xf6d.example"],
    ["DNS:*.good.example", "DNS:good.example"],
    ["DNS:*.good.example", "DNS:a.b.good.example"],
    ["DNS:*.good.example", "DNS:*.good.example"],
    ["DNS:*.good.example", "DNS:.good.example"],
    ["DNS:*.good.example", "DNS:evilgood.example"],
    ["email:*@good.example", "email:ann@evil.good.example"],
    ["email:ann@good.example", "email:ANN@good.example"],
    // Paths that mean another place than they say.
    ["URI:spiffe://good.example/a/*", "URI:spiffe://good.example/a/../b"],
    ["URI:spiffe://good.example/a/*", "URI:spiffe://good.example/a/%2e%2e/b"],
    ["URI:spiffe://good.example/a/*", "URI:spiffe://good.example/a/"],
    ["URI:spiffe://good.example/a/*", "URI:spiffe://good.example/a//b"],
    ["URI:spiffe://good.example/a/*", "URI:spiffe://good.example/ab"],
    ["URI:spiffe://good.example/a/*", "URI:spiffe://good.example/a/b?c#d"],
    ["URI:spiffe://good.example/a/*", "URI:spiffe://good.example@evil.example/a/b"],
    ["URI:spiffe://good.example/a", "URI:SPIFFE://good.example/a"],
  ])("%s does not let in %j", async (rule, name) => {
    expect(await admitted(rule, name)).toBeUndefined();
  });
});

describe("behind a proxy that ends TLS", () => {
  const ways = wayNames.filter((way) => way !== "memory");
  const ann = authority("issuer").issue(ANN);
  const late = authority("issuer").issue({ ...ANN, to: Date.now() - 2_000 });
  const server = authority("issuer").issue({ ...ANN, purposes: [SERVER_AUTH] });

  it.each(ways)("its word is taken, by %s: the certificate that it names comes in", async (way) => {
    await using it = await stage({ use: [clientCertificate({ allow, trustedProxies: ["127.0.0.1"] })] });
    const by = async (headers: Readonly<Record<string, string>>): Promise<string> =>
      said((await it.behind(way, "", headers)).client);
    expect(await by({ "client-cert": forwarded(ann) })).toBe("ok");
    expect(await by({ "client-cert": forwarded(late) })).toBe("credential_expired");
    expect(await by({ "client-cert": forwarded(server) })).toBe("credential_invalid");
    expect(await by({ "x-forwarded-client-cert": `Cert="${urlEncoded(ann)}"` })).toBe("credential_missing"); // not the header that is read
    expect(await by({})).toBe("credential_missing");
  });

  it.each(ways)("whoever is no proxy is not believed, by %s", async (way) => {
    await using it = await stage({ use: [clientCertificate({ allow, trustedProxies: ["10.0.0.0/8"] })] });
    const { client } = await it.behind(way, "", { "client-cert": forwarded(ann) });
    expect(await said(client)).toBe("credential_missing");
  });

  it("the proxy's own certificate is not taken for a client's", async () => {
    await using it = await mutualTls([clientCertificate({ allow, trustedProxies: ["127.0.0.1"] })]);
    for (const way of tlsWays) expect(await said(it.client(way, it.issuer.issue(ANN))), way).toBe("credential_missing");
  });

  it("is understood as Envoy, nginx and load balancers write it, if it says exactly one", async () => {
    const envoy = "X-Forwarded-Client-Cert"; // names of headers have no case
    const nginx = "x-client-cert";
    const cases: readonly [string, string, string][] = [
      [envoy, `By=spiffe://house;Hash=00;Cert="${urlEncoded(ann)}";Subject="CN=a\\",b;c";URI=x`, "ok"],
      [envoy, `cert=${urlEncoded(ann)}`, "ok"],
      [envoy, `Cert="${urlEncoded(ann)}",Cert="${urlEncoded(ann)}"`, "credential_invalid"],
      [envoy, `Cert="${urlEncoded(ann)}";Cert="${urlEncoded(ann)}"`, "credential_invalid"],
      [envoy, "Hash=00;Subject=x;URI=spiffe://example.org/people/ann", "credential_invalid"],
      [envoy, `Subject="x;Cert="${urlEncoded(ann)}`, "credential_invalid"],
      [nginx, urlEncoded(ann), "ok"],
      [nginx, ann.cert.replaceAll("\n", " ").replaceAll("+", "%2B"), "ok"],
      [nginx, `${urlEncoded(ann)}, ${urlEncoded(ann)}`, "credential_invalid"],
      [nginx, `${urlEncoded(ann)}${urlEncoded(ann)}`, "credential_invalid"],
      [nginx, "%E0%A4%A", "credential_invalid"],
      [nginx, "x".repeat(12_000), "credential_invalid"],
      ["client-cert", ":AAAA:", "credential_invalid"],
      ["client-cert", Buffer.from(ann.der).toString("base64"), "credential_invalid"],
      ["client-cert", `${forwarded(ann)}, ${forwarded(ann)}`, "credential_invalid"],
    ];
    for (const [header, value, expected] of cases) {
      await using it = await stage({ use: [clientCertificate({ allow, header, trustedProxies: ["127.0.0.1"] })] });
      const answer = await said(it.client("Connect door", "", { [header.toLowerCase()]: value }));
      expect(answer, `${header}: ${value.slice(0, 60)}`).toBe(expected);
    }
  });
});

it("visitors without a certificate come in as nobody where that is said; with a wrong one they do not", async () => {
  await using it = await mutualTls([clientCertificate({ allow, anonymous: true })]);
  for (const way of tlsWays) {
    expect(await said(it.client(way)), way).toBe("ok");
    expect(await said(it.client(way, authority("other").issue(ANN))), way).toBe("credential_invalid");
  }
  expect(new Set(it.seen)).toEqual(new Set([""]));
});

it.each([
  ["https", (tls: TlsOptions) => createHttps(tls), ["websocket", "poll", "Connect door over HTTP/1.1"]],
  ["http2", (tls: TlsOptions) => createHttp2({ ...tls, allowHTTP1: true }), tlsWays],
] as const)(
  "in a server of %s to which the app is attached it is the same",
  async (_, host, ways) => {
    await using it = await mutualTls([clientCertificate({ allow })], false, host);
    for (const way of ways) {
      expect(await said(it.client(way, it.issuer.issue(ANN))), way).toBe("ok");
      expect(await said(it.client(way)), way).toBe("credential_missing");
      expect(await said(it.client(way, authority("other").issue(ANN))), way).toBe("credential_invalid");
    }
  },
  30_000,
);

it("a TLS session that is taken up again brings the certificate along, and what is wrong with it", async () => {
  await using it = await mutualTls([clientCertificate({ allow })]);
  const { port } = new URL(it.url);
  /** Asks over a connection of its own; gives the answer and the ticket for the next. */
  async function ask(shown: Certificate | undefined, maxVersion: SecureVersion, session?: Buffer) {
    const identity = shown === undefined ? {} : { cert: shown.cert, key: shown.key };
    const options = { port: Number(port), host: "127.0.0.1", ca: it.house.cert, maxVersion, ...identity };
    const socket = connectTls({ ...options, ...(session && { session }), ALPNProtocols: ["http/1.1"] });
    let ticket: Buffer | undefined;
    socket.on("session", (came: Buffer) => (ticket = came));
    await once(socket, "secureConnect");
    const reused = socket.isSessionReused();
    const body = '{"text":"x"}';
    const head = `POST /lab.v1.LabService/Peek HTTP/1.1\r\nhost: a\r\nconnection: close\r\ncontent-type: application/json\r\n`;
    socket.write(`${head}content-length: ${body.length}\r\n\r\n${body}`);
    let answer = "";
    for await (const chunk of socket) answer += String(chunk);
    return { status: answer.slice(9, 12), ticket: ticket!, reused };
  }
  const cases = [
    ["200", it.issuer.issue(ANN)],
    ["401", authority("other").issue(ANN)],
    ["401", undefined],
  ] as const;
  for (const version of ["TLSv1.2", "TLSv1.3"] as const) {
    for (const [status, certificate] of cases) {
      const first = await ask(certificate, version);
      expect([first.status, first.reused]).toEqual([status, false]);
      const again = await ask(certificate, version, first.ticket);
      expect([again.status, again.reused], `${version} ${status}`).toEqual([status, true]);
    }
  }
});

it("the application says who somebody is, and has a list of its own of what was taken back", async () => {
  const lost = new Set<string>();
  const asked: string[] = [];
  const plugin = clientCertificate({
    allow,
    principal: ({ name, names, x509 }) => ({ id: `${name.split("/").at(-1)}`, roles: [x509.subject, ...names] }),
    revoked: async ({ fingerprint }) => {
      asked.push(fingerprint);
      return lost.has(fingerprint);
    },
  });
  await using it = await mutualTls([plugin]);
  const certificate = it.issuer.issue({ name: "Ann", ...ANN });
  const client = it.client("Connect door", certificate);
  expect(await said(client)).toBe("ok");
  expect(it.seen).toEqual(["ann"]);
  lost.add(new X509Certificate(certificate.der).fingerprint256);
  expect(await said(client)).toBe("credential_revoked");
  expect(new Set(asked)).toEqual(lost);
});

it("a client whose key and certificate do not fit is told so on its own line, or when they are asked for", async () => {
  const [one, two] = [authority("one"), authority("two")];
  const wrong = { cert: one.cert, key: two.key };
  expect(() => grpc({ tls: wrong })).toThrow("option tls");
  expect(() => grpc({ tls: { cert: "no PEM" } })).toThrow("option tls");
  await using it = await mutualTls([clientCertificate({ allow })]);
  const connection = it.connect("grpc", () => ({ ...one, key: two.key }));
  await expect.poll(() => String(connection.state.current.reason)).toContain("its tls cannot be used");
  expect(String(connection.state.current.reason)).not.toContain("PRIVATE KEY");
});

describe("rules that are none, and options that cannot work, are refused where they are written", () => {
  it("and so is a fingerprint that is none", async () => {
    const certificates = clientCertificate({ allow });
    for (const given of ["", "AB:CD", "x".repeat(64)])
      expect(reasonOf(await outcome(certificates.revoke(given)))).toBe("option_invalid");
    expect(reasonOf(await outcome(certificates.revoke("ab".repeat(32))))).toBe("app_not_started");
  });

  it.each<[string, object, string]>([
    ["no rules", { allow: [] }, "allow"],
    ["a rule without a kind", { allow: ["web.example"] }, "allow"],
    ["a rule about the common name", { allow: ["CN:web"] }, "allow"],
    ["a star for all hosts", { allow: ["DNS:*"] }, "allow"],
    ["a star within a label", { allow: ["DNS:web-*.example"] }, "allow"],
    ["a star that is not first", { allow: ["DNS:web.*.example"] }, "allow"],
    ["a star for the host of a URI", { allow: ["URI:spiffe://*"] }, "allow"],
    ["a star within a path", { allow: ["URI:spiffe://example.org/*/web"] }, "allow"],
    ["a star for the domain of an address", { allow: ["email:ann@*"] }, "allow"],
    ["a proxy that is no network", { allow, trustedProxies: ["proxy"] }, "trustedProxies"],
    ["a typing error", { allow, anonymus: true }, "anonymus"],
  ])("%s", (_, given, option) => {
    let error: unknown;
    try {
      clientCertificate(given as ClientCertificateOptions);
    } catch (cause) {
      error = cause;
    }
    expect(["option_invalid", "option_unknown"]).toContain(reasonOf(error));
    expect(String(error)).toContain(option);
  });
});
