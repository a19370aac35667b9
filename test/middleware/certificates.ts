// Certificates for tests, made as they are wanted, hostile ones too: X.509 in DER by hand (RFC 5280), signed by node:crypto.
import { type KeyObject, generateKeyPairSync, randomBytes, sign } from "node:crypto";

export interface CertificateInit {
  /** Common name of the subject. Default "test". */
  readonly name?: string;
  /** Subject alternative names, as "DNS:a.example", "URI:…" or "email:…"; bytes as Latin-1, whatever they are. */
  readonly names?: readonly string[];
  /** In milliseconds since 1970; to the second. Default: from an hour ago, for a day. */
  readonly from?: number;
  readonly to?: number;
  /** OIDs of the extended key usage. Default: for clients and servers; empty: no such extension. */
  readonly purposes?: readonly string[];
  readonly isAuthority?: boolean;
}

export interface Certificate {
  /** In PEM. */
  readonly cert: string;
  readonly key: string;
  readonly der: Uint8Array;
  /** One that this one signs. */
  issue(init: CertificateInit): Certificate;
}

export const CLIENT_AUTH = "1.3.6.1.5.5.7.3.2";
export const SERVER_AUTH = "1.3.6.1.5.5.7.3.1";

/** One that signs itself: an authority. */
export function authority(name: string): Certificate {
  return make({ name, isAuthority: true, purposes: [] }, undefined);
}

interface Issuer {
  readonly name: string;
  readonly key: KeyObject;
}

function make(init: CertificateInit, by: Issuer | undefined): Certificate {
  const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const { name = "test", names = [], isAuthority = false, purposes = [CLIENT_AUTH, SERVER_AUTH] } = init;
  const { from = Date.now() - 3_600_000, to = Date.now() + 86_400_000 } = init;
  const issuer = by ?? { name, key: privateKey };
  const extensions = [
    extension("2.5.29.19", true, sequence(...(isAuthority ? [Buffer.from("0101ff", "hex")] : []))), // basicConstraints
    ...(names.length === 0 ? [] : [extension("2.5.29.17", false, sequence(...names.map(alternative)))]),
    ...(purposes.length === 0 ? [] : [extension("2.5.29.37", false, sequence(...purposes.map(oid)))]),
  ];
  const algorithm = sequence(oid("1.2.840.10045.4.3.2")); // ecdsa-with-SHA256
  const body = sequence(
    tagged(0xa0, tagged(0x02, Buffer.from([2]))), // version 3
    tagged(0x02, Buffer.concat([Buffer.from([1]), randomBytes(15)])),
    algorithm,
    distinguished(issuer.name),
    sequence(time(from), time(to)),
    distinguished(name),
    publicKey.export({ type: "spki", format: "der" }),
    tagged(0xa3, sequence(...extensions)),
  );
  const der = sequence(
    body,
    algorithm,
    tagged(0x03, Buffer.concat([Buffer.from([0]), sign("sha256", body, issuer.key)])),
  );
  const lines = der
    .toString("base64")
    .match(/.{1,64}/g)!
    .join("\n");
  return {
    cert: `-----BEGIN CERTIFICATE-----\n${lines}\n-----END CERTIFICATE-----\n`,
    key: privateKey.export({ type: "pkcs8", format: "pem" }) as string,
    der,
    issue: (next) => make(next, { name, key: privateKey }),
  };
}

function tagged(tag: number, content: Uint8Array): Buffer {
  const { length } = content;
  const size = length < 0x80 ? [length] : length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff];
  return Buffer.concat([Buffer.from([tag, ...size]), content]);
}
const sequence = (...parts: readonly Uint8Array[]): Buffer => tagged(0x30, Buffer.concat(parts));

function oid(text: string): Buffer {
  const [first = 0, second = 0, ...rest] = text.split(".").map(Number);
  const bytes = [first * 40 + second, ...rest].flatMap((part) => {
    const groups = [part & 0x7f];
    for (let left = part >>> 7; left > 0; left >>>= 7) groups.unshift((left & 0x7f) | 0x80);
    return groups;
  });
  return tagged(0x06, Buffer.from(bytes));
}
const distinguished = (name: string): Buffer =>
  sequence(tagged(0x31, sequence(oid("2.5.4.3"), tagged(0x0c, Buffer.from(name)))));
/** GeneralizedTime, which RFC 5280 wants from 2050 on and OpenSSL takes before. */
const time = (ms: number): Buffer =>
  tagged(0x18, Buffer.from(`${new Date(ms).toISOString().slice(0, 19).replace(/\D/g, "")}Z`));
const extension = (id: string, critical: boolean, value: Uint8Array): Buffer =>
  sequence(oid(id), ...(critical ? [Buffer.from("0101ff", "hex")] : []), tagged(0x04, value));

function alternative(text: string): Buffer {
  const at = text.indexOf(":");
  const tag = { email: 0x81, DNS: 0x82, URI: 0x86, IP: 0x87 }[text.slice(0, at)];
  if (tag === undefined) throw new Error(`No such kind of name: ${text}`);
  return tagged(tag, Buffer.from(text.slice(at + 1), "latin1"));
}
