// The names in a certificate (subject alternative names, RFC 5280 section 4.2.1.6), and rules about them.

/** "DNS:web.example", "URI:spiffe://example.org/web" or "email:ann@example.org"; with a `*` where {@link ruleOf} allows one. */
export type CertificateRule = `DNS:${string}` | `URI:${string}` | `email:${string}`;

export interface CertificateName {
  readonly kind: "DNS" | "URI" | "email";
  /** As it is compared: host names in lower case. */
  readonly value: string;
}

/** One entry of Node's list: what has a separator, a quote or anything but printable ASCII in it is a JSON string. */
const ENTRY = /([A-Za-z][A-Za-z0-9 ]*):("(?:[^"\\]|\\.)*"|[^",]*)(?:, |$)/y;

/**
 * The names of Node's `subjectAltName`. A value that was quoted has something in it that no honest name has (a NUL, a comma, another alphabet): it is
 * left out (CVE-2021-44532 and its kin read several names out of one). A list that is not as expected has no names at all.
 */
export function namesOf(subjectAltName: string | undefined): readonly CertificateName[] {
  const list = subjectAltName ?? "";
  const names: CertificateName[] = [];
  for (let at = 0; at < list.length; at = ENTRY.lastIndex) {
    ENTRY.lastIndex = at;
    const [, kind, value = ""] = ENTRY.exec(list) ?? [];
    if (kind === undefined) return [];
    if ((kind === "DNS" || kind === "URI" || kind === "email") && isPlain[kind].test(value))
      names.push({ kind, value: lowered(kind, value) });
  }
  return names;
}

const HOST = "[A-Za-z0-9_](?:[A-Za-z0-9_-]*[A-Za-z0-9_])?(?:\\.[A-Za-z0-9_](?:[A-Za-z0-9_-]*[A-Za-z0-9_])?)*";
const LOCAL = "[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]+";
/** What names are made of. A wildcard is none here: a certificate says who somebody is, not who he might be. */
const isPlain = {
  DNS: new RegExp(`^${HOST}$`),
  URI: /^[A-Za-z][A-Za-z0-9+.-]*:[A-Za-z0-9._~:/?#[\]@!$&'()+;=%-]+$/,
  email: new RegExp(`^${LOCAL}@${HOST}$`),
} as const;
const isPattern = {
  DNS: new RegExp(`^\\*\\.${HOST}$`),
  /** Not of the host: it says who vouches for the name. */
  URI: /^[A-Za-z][A-Za-z0-9+.-]*:\/\/[A-Za-z0-9._~:@-]+\/(?:[A-Za-z0-9._~!$&'()+;=:@-]+\/)*\*$/,
  email: new RegExp(`^\\*@${HOST}$`),
} as const;
/** What may stand in place of the `*`: one label of a host name, one or more segments of a path that mean what they say. */
const LABEL = /^[a-z0-9_-]+$/;
const SEGMENT = /^(?!\.{1,2}$)[A-Za-z0-9._~!$&'()+;=:@-]+$/;

/**
 * What a rule is about: a name, or with a `*` the names that have anything in its place: a first label ("DNS:*.example.org"), the rest of a path
 * ("URI:spiffe://example.org/web/*"), what stands before the @ ("email:*@example.org"). Undefined if it is no rule.
 */
export function ruleOf(text: string): ((name: CertificateName) => boolean) | undefined {
  const [, kind, given = ""] = /^(DNS|URI|email):(.*)$/.exec(text) ?? [];
  if (kind !== "DNS" && kind !== "URI" && kind !== "email") return undefined;
  const value = lowered(kind, given);
  if (isPattern[kind].test(value)) {
    const fixed = value.replace("*", "");
    switch (kind) {
      case "DNS":
        return (name) =>
          name.kind === kind && name.value.endsWith(fixed) && LABEL.test(name.value.slice(0, -fixed.length));
      case "URI":
        return (name) =>
          name.kind === kind &&
          name.value.startsWith(fixed) &&
          name.value
            .slice(fixed.length)
            .split("/")
            .every((each) => SEGMENT.test(each));
      case "email":
        return (name) => name.kind === kind && name.value.endsWith(fixed);
    }
  }
  return isPlain[kind].test(value) && !value.includes("*")
    ? (name) => name.kind === kind && name.value === value
    : undefined;
}

/** Host names have no case; what stands before the @ may (RFC 5321, section 2.4), and URIs are compared as they are. */
function lowered(kind: CertificateName["kind"], value: string): string {
  if (kind === "URI") return value;
  const at = value.lastIndexOf("@") + 1;
  return value.slice(0, at) + value.slice(at).toLowerCase();
}
