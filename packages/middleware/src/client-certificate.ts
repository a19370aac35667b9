// Sign-in by client certificates (mutual TLS): who showed one, by the names in it, until when it is good, and whether it was taken back.
import { X509Certificate } from "node:crypto";
import {
  type OptionsOf,
  type Peer,
  type PeerCertificate,
  type Plugin,
  type Principal,
  Revocations,
  definePlugin,
  fail,
  learn,
  middlewareReasons,
  principal,
  resolveOptions,
} from "@raceway/core";
import { type CertificateName, type CertificateRule, namesOf, ruleOf } from "./certificate-names.ts";
import { forwardedCertificate } from "./forwarded-certificate.ts";
import { contains, networksOf, plainAddress } from "./networks.ts";

learn(middlewareReasons);
export type { CertificateRule } from "./certificate-names.ts";

const PART = "client-certificate";

export const clientCertificateTable = {
  /** Networks of the proxies in front of the server that end TLS, and whose word on the client's certificate is believed. Their own certificates are nobody's here. */
  trustedProxies: { kind: "list", default: [] },
  /** In which header they say it: RFC 9440, Envoy's `x-forwarded-client-cert`, or any other with URL-encoded PEM. They must verify the certificate, and let no such header of a client through. */
  header: { kind: "text", default: "client-cert" },
  /** Lets those in who show no certificate, as nobody. */
  anonymous: { kind: "boolean", default: false },
  /** How long a `revoke` is remembered: as long as certificates live at most. */
  revokedMs: { kind: "number", default: 34_560_000_000, min: 1_000, max: 315_360_000_000, unit: "ms" },
} as const;

/** A certificate whose issuer is trusted, that is good now, and has a name that is allowed. */
export interface ClientCertificate {
  /** The name by which it was let in, such as "spiffe://example.org/web". */
  readonly name: string;
  /** All names, with their kinds: "URI:spiffe://example.org/web". */
  readonly names: readonly string[];
  /** SHA-256 of the certificate: 32 bytes in hexadecimal, with colons. */
  readonly fingerprint: string;
  readonly x509: X509Certificate;
}

export interface ClientCertificateOptions extends OptionsOf<typeof clientCertificateTable> {
  /**
   * Names of which a certificate must have one: "DNS:web.example.org", "URI:spiffe://example.org/web", "email:ann@example.org", or with a `*` for a first label, for the rest
   * of a path, or for what stands before the @. The common name counts for nothing.
   */
  readonly allow: readonly CertificateRule[];
  /** What a certificate makes of its owner. Default: the name that was allowed is his id; subject, issuer, serial number, fingerprint and names are claims. */
  readonly principal?: (certificate: ClientCertificate) => Principal;
  /** Asked at each opening, whether what is still good was taken back: for your own list. */
  readonly revoked?: (certificate: ClientCertificate) => boolean | Promise<boolean>;
}

/** The plugin, and what a server does with it by hand. */
export interface ClientCertificatePlugin extends Plugin {
  /**
   * Takes back one certificate, by its fingerprint: what its owner has open ends with `credential_revoked`, here at once and on all servers with the same store about
   * a second later, and it is refused everywhere. 32 bytes in hexadecimal, with colons or without; else `option_invalid`.
   */
  revoke(fingerprint: string): Promise<void>;
}

/** Admits by client certificate, and provides the principal. Refuses with `credential_missing`, `credential_invalid`, `credential_expired`, `credential_revoked`. */
export function clientCertificate(given: ClientCertificateOptions): ClientCertificatePlugin {
  const { allow, principal: whose = principalOf, revoked, ...rest } = given;
  const options = resolveOptions(PART, clientCertificateTable, rest);
  if (!Array.isArray(allow) || allow.length === 0)
    throw invalid("allow", "none", "a list of rules: what the issuer signs is not yet for this server");
  const rules = (allow as readonly string[]).map((text) => {
    const rule = ruleOf(text);
    if (rule === undefined)
      throw invalid(
        "allow",
        JSON.stringify(text),
        '"DNS:*.example.org", "URI:spiffe://example.org/*" or "email:*@example.org", or a name without a star',
      );
    return rule;
  });
  const trusted = networksOf(PART, "trustedProxies", options.trustedProxies);
  const header = options.header.toLowerCase();
  /** By what the connection has: one that carries many calls is looked at once. */
  const known = new WeakMap<PeerCertificate, ClientCertificate>();

  const shownBy = (peer: Peer): PeerCertificate | undefined => {
    if (!contains(trusted, plainAddress(peer.address))) return peer.certificate;
    const said = peer.header(header);
    if (said === undefined || said === "") return undefined;
    const der = forwardedCertificate(header, said);
    if (der === undefined)
      throw fail("credential_invalid", { detail: `the proxy's header ${header} does not say one certificate` });
    return { der, problem: undefined };
  };
  const read = (shown: PeerCertificate): ClientCertificate => {
    const certificate = known.get(shown) ?? opened(shown, rules);
    known.set(shown, certificate);
    return certificate;
  };

  /** Of each server that runs with this plugin: mostly one. */
  const started = new Set<Revocations>();
  return {
    ...definePlugin({
      name: PART,
      provides: [principal],
      start(host) {
        const { clock } = host;
        const revocations = new Revocations(host, { name: PART, keptMs: options.revokedMs });
        started.add(revocations);
        return {
          async session(opening) {
            const shown = shownBy(opening.peer);
            if (shown === undefined) {
              if (options.anonymous) return;
              throw fail("credential_missing", { scheme: "a client certificate" });
            }
            const certificate = read(shown);
            const { validFromDate, validToDate } = certificate.x509;
            const now = clock.wallNow();
            if (!(validFromDate.getTime() <= now)) throw fail("credential_invalid", { detail: "it is not valid yet" });
            if (!(now < validToDate.getTime())) throw fail("credential_expired");
            await revocations.admit(opening, certificate.fingerprint, 0);
            if ((await revoked?.(certificate)) === true) throw fail("credential_revoked");
            const who = whose(certificate);
            if (who.id === "") throw fail("credential_invalid", { detail: "it names nobody" });
            opening.context.set(principal, { method: PART, ...who });
            opening.expiresIn(validToDate.getTime() - clock.wallNow());
          },
          async [Symbol.asyncDispose]() {
            started.delete(revocations);
            revocations[Symbol.dispose]();
          },
        };
      },
    }),
    async revoke(given) {
      const fingerprint = fingerprintOf(given);
      if (started.size === 0) throw fail("app_not_started", { what: "clientCertificate.revoke" });
      await Promise.all([...started].map((revocations) => revocations.revoke(fingerprint)));
    },
  };
}

/** For clients: a certificate comes with a link, so that the session goes on over a new one before the present one ends. The transports have to show the renewed one by then. */
export function certificateRenewal(): Plugin {
  return definePlugin({
    name: "certificate-renewal",
    start: () => ({
      introduce(introduction) {
        if (introduction.kind === "refresh") introduction.overNewLink = true;
      },
    }),
  });
}

/** `clientAuth` (RFC 5280 section 4.2.1.12), and any purpose. */
const CLIENT_AUTH = "1.3.6.1.5.5.7.3.2";
const ANY_PURPOSE = "2.5.29.37.0";

/** Throws `credential_invalid` or `credential_expired`. */
function opened(
  { der, problem }: PeerCertificate,
  rules: readonly ((name: CertificateName) => boolean)[],
): ClientCertificate {
  if (problem === "CERT_HAS_EXPIRED") throw fail("credential_expired");
  if (problem !== undefined)
    throw fail("credential_invalid", {
      detail: `its issuer is not trusted here, or it is not for clients (${problem})`,
    });
  let x509: X509Certificate;
  try {
    x509 = new X509Certificate(der);
  } catch {
    throw fail("credential_invalid", { detail: "the certificate cannot be read" });
  }
  const purposes = x509.keyUsage as readonly string[] | undefined; // absent: for all
  if (purposes !== undefined && !purposes.includes(CLIENT_AUTH) && !purposes.includes(ANY_PURPOSE))
    throw fail("credential_invalid", { detail: "the certificate is not for clients" });
  const names = namesOf(x509.subjectAltName);
  for (const rule of rules) {
    const name = names.find(rule);
    if (name === undefined) continue;
    return {
      name: name.value,
      names: names.map(({ kind, value }) => `${kind}:${value}`),
      fingerprint: x509.fingerprint256,
      x509,
    };
  }
  throw fail("credential_invalid", { detail: "the certificate has no name that is allowed here" });
}

/** As Node writes it. */
function fingerprintOf(text: string): string {
  const bytes = text
    .toUpperCase()
    .replaceAll(":", "")
    .match(/^[0-9A-F]{64}$/)?.[0]
    .match(/../g);
  if (!bytes)
    throw invalid("fingerprint", "what was given to revoke", "the SHA-256 of a certificate: 32 bytes in hexadecimal");
  return bytes.join(":");
}

function principalOf({ name, names, fingerprint, x509 }: ClientCertificate): Principal {
  const { subject, issuer, serialNumber } = x509;
  return { id: name, claims: { subject, issuer, serialNumber, fingerprint, names } };
}

function invalid(option: string, value: string, expected: string): Error {
  return fail("option_invalid", { part: PART, option, value, expected });
}
