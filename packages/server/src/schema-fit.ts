// Whether a client and this server were made of schemas that fit: what a client says of a channel, held against what the channel is, and errors that name both versions.
import type { DescMethod } from "@bufbuild/protobuf";
import type { ConnectError } from "@connectrpc/connect";
import { type ChannelContract, ERROR_DOMAIN, errorInfo, fail } from "@raceway/core";
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

/** Who asks for a channel with another version of its schema than this server's, or takes it for something else: options, which say what it is, are not in the version. */
export interface Stranger {
  readonly version: string;
  /** Why the channel cannot be served as it is taken; undefined: it can. */
  readonly misfit: string | undefined;
}

/** Paths that are not here of which a session's claims are remembered: a newer client knows a few, and whoever makes paths up has as many as he likes. */
const MOST_ELSEWHERE = 64;
/** What an error shows of a path that is not ours, in characters. */
const MOST_SHOWN = 200;
/** Longer than any claim, in characters. */
const MOST_CLAIMED = 240;

/** What the client of a session has said of its schemas, where that is not what this server has: by path, of a channel or of what is none here. */
export class Claims {
  readonly #strangers = new Map<string, Stranger>();
  #elsewhere: Map<string, string> | undefined;
  #bytes = 0;

  /** What they take, roughly: a session without a link is counted with it. */
  get bytes(): number {
    return this.#bytes;
  }

  strangerOf(path: string): Stranger | undefined {
    return this.#strangers.get(path);
  }
  /** The version of a client that asks for what is not here. */
  versionElsewhere(path: string): string | undefined {
    return this.#elsewhere?.get(path);
  }

  /** The last claim counts: one program may hold code of two versions. */
  hear(path: string, stranger: Stranger | undefined): void {
    const before = this.#strangers.get(path);
    if (before !== undefined) this.#bytes -= sizeOf(before.misfit);
    if (stranger === undefined) this.#strangers.delete(path);
    else {
      this.#strangers.set(path, stranger);
      this.#bytes += sizeOf(stranger.misfit);
    }
  }
  hearElsewhere(path: string, version: string): void {
    const others = (this.#elsewhere ??= new Map<string, string>());
    if (others.delete(path)) this.#bytes -= sizeOf(path);
    if (path.length > MOST_SHOWN || others.size >= MOST_ELSEWHERE) return;
    others.set(path, version);
    this.#bytes += sizeOf(path);
  }
}

/** Of an entry and the text that it alone has. Measured on Node 24: 126 bytes without. */
function sizeOf(text = ""): number {
  return 130 + text.length;
}

/** Who keeps what was claimed: a session. */
export interface Claimed {
  /** Undefined: its client has claimed nothing yet that is not as it is here. */
  claims: Claims | undefined;
}

/** Takes the claim out of the frame, if there is one, and remembers it. */
export function withoutClaim(session: Claimed, frame: OpenFrame, channel: Channel | undefined): OpenFrame {
  const said = frame.header.length === 0 ? undefined : frame.header.find(({ key }) => key === CLAIM_HEADER);
  if (said === undefined) return frame;
  const claim = claimIn(said.value);
  if (claim !== undefined && channel === undefined)
    (session.claims ??= new Claims()).hearElsewhere(frame.method, claim.version);
  else if (claim !== undefined) {
    const stranger = strangerIn(claim, channel!);
    if (stranger !== undefined) session.claims ??= new Claims();
    session.claims?.hear(channel!.path, stranger); // most are none, and leave nothing behind
  }
  return { ...frame, header: frame.header.filter(({ key }) => key !== CLAIM_HEADER) };
}

/** The error of a channel that is not here, with what is known of both sides. `near` is any channel of the same service; `agent` what a client at a native door calls itself. */
export function unknownChannel(
  path: string,
  near: Channel | undefined,
  { client, agent }: { readonly client?: string | undefined; readonly agent?: string | undefined },
): ConnectError {
  const server = near && schemaVersion(near.desc);
  return fail("channel_unknown", {
    path: path.slice(0, MOST_SHOWN),
    ...(client !== undefined && { client }),
    ...(agent !== undefined && { agent: agent.slice(0, MOST_SHOWN) }),
    ...(server !== undefined && { server }),
  });
}

/** Headers of a response, and for a client of another version the one of this server: so that it can name both if it cannot read what comes. */
export function withVersion(
  header: readonly HeaderField[] | undefined,
  { desc }: Channel,
  stranger: Stranger | undefined,
): readonly HeaderField[] | undefined {
  if (stranger === undefined) return header;
  return [...(header ?? []), { key: CLAIM_HEADER, value: schemaVersion(desc) }];
}

/** A request that cannot be read, or does not say where its topic is, comes of another schema if its client has one; the error says so. */
export function explained(error: ConnectError, channel: Channel, stranger: Stranger | undefined): ConnectError {
  if (stranger === undefined) return error;
  const { reason, domain, metadata = {} } = errorInfo(error) ?? {};
  const { type, detail = "" } = metadata;
  if (domain !== ERROR_DOMAIN || (reason !== "payload_malformed" && reason !== "address_invalid")) return error;
  return mismatch(channel, stranger.version, type === undefined ? detail : `${type} cannot be read: ${detail}`);
}

/** The error of a channel that is not what the client takes it for, or of a request that cannot be read. */
export function mismatch({ path, desc }: Channel, client: string, detail: string): ConnectError {
  return fail("schema_mismatch", { path, client, server: schemaVersion(desc), detail });
}

function claimIn(value: string): Claim | undefined {
  if (value.length > MOST_CLAIMED) return undefined;
  const [, version, kind = "", key = ""] = /^([0-9a-f]{8})(?: ([a-z]{0,20})((?: \d{1,9}){0,16}))?$/.exec(value) ?? [];
  return version === undefined ? undefined : { version, kind, key: key.trim() };
}

function strangerIn(claim: Claim, { desc, contract }: Channel): Stranger | undefined {
  const { version } = claim;
  const misfit = misfitOf(claim, desc, contract);
  return misfit === undefined && version === schemaVersion(desc) ? undefined : { version, misfit };
}

/** What cannot be served as it is asked for. All else works, whatever the versions are. */
function misfitOf({ kind, key }: Claim, desc: DescMethod, contract: ChannelContract): string | undefined {
  if (kind === "") return undefined;
  if (kind !== contract.kind) return `the client takes it for a ${kind}, and it is a ${contract.kind}`;
  const own = (contract.addressFields ?? []).map((name) => desc.input.field[name]?.number).join(" ");
  if (key === own) return undefined;
  return `its address is ${contract.address ?? "fixed"}, by ${fieldsText(own)} of ${desc.input.typeName}, and the client's by ${fieldsText(key)}`;
}

function fieldsText(numbers: string): string {
  return numbers === "" ? "no field" : `field ${numbers.replaceAll(" ", ", ")}`;
}
