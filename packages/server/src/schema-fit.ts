// Whether a client and this server were made of schemas that fit: what a client says of a channel, held against what the channel is, and errors that name both versions.
import type { ConnectError } from "@connectrpc/connect";
import { ERROR_DOMAIN, errorInfo, fail } from "@raceway/core";
import { CLAIM_HEADER, type HeaderField, type OpenFrame, schemaVersion } from "@raceway/core/internal";
import type { Channel } from "./channel.ts";

/** What a client takes a channel for. */
interface Claim {
  /** Of its schema. */
  readonly version: string;
  /** "": it was made without a contract. */
  readonly kind: string;
  /** Numbers of the fields in the address, in order. */
  readonly key: string;
}

/** Of sessions whose client has another version of a schema than this server: which, by the path of the channel. */
const strangers = new WeakMap<object, Map<string, string>>();
let hasStrangers = false;
/** The same of channels that are not here. No more than so many for each session: a newer client knows a few, and whoever makes paths up has as many as he likes. */
const elsewhere = new WeakMap<object, Map<string, string>>();
const MOST_ELSEWHERE = 64;
/** What an error shows of a path that is not ours, in characters. */
const MOST_SHOWN = 200;

/** Channels that cannot be served to a session as it takes them, and why; looked at only if there ever was one. */
const misfits = new WeakMap<object, Map<string, string>>();
let hasMisfits = false;

/** Takes the claim out of the frame, if there is one. Throws `schema_mismatch` if the channel cannot be served as what the client takes it for, now and whenever it asks again. */
export function fitted(session: object, frame: OpenFrame, channel: Channel | undefined): OpenFrame {
  const said = frame.header.length === 0 ? undefined : frame.header.find(({ key }) => key === CLAIM_HEADER);
  if (said !== undefined) {
    hear(session, frame.method, channel, claimIn(said.value));
    frame = { ...frame, header: frame.header.filter(({ key }) => key !== CLAIM_HEADER) };
  }
  const detail = hasMisfits ? misfits.get(session)?.get(frame.method) : undefined;
  if (detail !== undefined) throw mismatch(channel!, strangers.get(session)!.get(frame.method)!, detail);
  return frame;
}

/** The last claim counts: one program may hold code of two versions. */
function hear(session: object, path: string, channel: Channel | undefined, claim: Claim | undefined): void {
  if (claim === undefined) return;
  if (channel === undefined) {
    const others = elsewhere.get(session);
    others?.delete(path);
    if (path.length <= MOST_SHOWN && (others?.size ?? 0) < MOST_ELSEWHERE)
      remember(elsewhere, session, path, claim.version);
    return;
  }
  ({ path } = channel); // the same text for all sessions
  strangers.get(session)?.delete(path);
  misfits.get(session)?.delete(path);
  if (claim.version === schemaVersion(channel.desc)) return;
  hasStrangers = true;
  remember(strangers, session, path, claim.version);
  const detail = misfitOf(claim, channel);
  if (detail === undefined) return;
  hasMisfits = true;
  remember(misfits, session, path, detail);
}

/** The error of a channel that is not here, with what is known of both sides. `near` is any channel of the same service; `agent` what a client at a native door calls itself. */
export function unknownChannel(
  path: string,
  near: Channel | undefined,
  { session, agent }: { readonly session?: object; readonly agent?: string | undefined },
): ConnectError {
  const client = session && elsewhere.get(session)?.get(path);
  const server = near && schemaVersion(near.desc);
  return fail("channel_unknown", {
    path: path.slice(0, MOST_SHOWN),
    ...(client !== undefined && { client }),
    ...(agent !== undefined && { agent: agent.slice(0, MOST_SHOWN) }),
    ...(server !== undefined && { server }),
  });
}

/** Headers of a response, and for clients of another version the one of this server: so they can name both if they cannot read what comes. */
export function withVersion(
  header: readonly HeaderField[] | undefined,
  { path, desc }: Channel,
  session: object,
): readonly HeaderField[] | undefined {
  if (!hasStrangers || strangers.get(session)?.has(path) !== true) return header;
  return [...(header ?? []), { key: CLAIM_HEADER, value: schemaVersion(desc) }];
}

/** A request that cannot be read, or does not say where its topic is, comes of another schema if the client has one; the error says so. */
export function explained(error: ConnectError, channel: Channel, session: object): ConnectError {
  const client = strangers.get(session)?.get(channel.path);
  if (client === undefined) return error;
  const info = errorInfo(error);
  const unread = info?.reason === "payload_malformed" && info.metadata["type"] === channel.desc.input.typeName;
  if (info?.domain !== ERROR_DOMAIN || !(unread || info.reason === "address_invalid")) return error;
  return mismatch(channel, client, info.metadata["detail"] ?? info.reason);
}

function mismatch({ path, desc }: Channel, client: string, detail: string): ConnectError {
  return fail("schema_mismatch", { path, client, server: schemaVersion(desc), detail });
}

function claimIn(value: string): Claim | undefined {
  const [, version, kind = "", key = ""] =
    /^([0-9a-f]{8})(?: ([a-z]{0,20})((?: \d{1,9}){0,16}))?$/.exec(value.trim()) ?? [];
  return version === undefined ? undefined : { version, kind, key: key.trim() };
}

function remember(kept: WeakMap<object, Map<string, string>>, session: object, path: string, value: string): void {
  let known = kept.get(session);
  if (known === undefined) kept.set(session, (known = new Map<string, string>()));
  known.set(path, value);
}

/** What cannot be served as it is asked for. All else works, whatever the versions are. */
function misfitOf({ kind, key }: Claim, { contract, desc }: Channel): string | undefined {
  if (kind === "") return undefined;
  if (kind !== contract.kind) return `the client takes it for a ${kind}, and it is a ${contract.kind}`;
  const own = (contract.addressFields ?? []).map((name) => desc.input.field[name]?.number).join(" ");
  if (key === own) return undefined;
  return `its address is ${contract.address ?? "fixed"}, by ${fieldsText(own)} of ${desc.input.typeName}, and the client's by ${fieldsText(key)}`;
}

function fieldsText(numbers: string): string {
  return numbers === "" ? "no field" : `field ${numbers.replaceAll(" ", ", ")}`;
}
