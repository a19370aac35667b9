// The contract of a method, where only its descriptor is at hand: remembered from generated code, or what its shape says.
import type { DescMethod } from "@bufbuild/protobuf";
import { type ChannelContract, defaultKind } from "@raceway/core";
import { CLAIM_HEADER, type HeaderField, type Session, schemaVersion } from "@raceway/core/internal";

/**
 * Values of google.protobuf.MethodOptions.IdempotencyLevel. The enum itself would bring all that describes descriptors into a page: 5 KB compressed.
 */
export const NO_SIDE_EFFECTS = 1;
export const IDEMPOTENT = 2;

const known = new WeakMap<DescMethod, ChannelContract>();

/** By generated clients, before each call: cheap, and the same every time. */
export function rememberContract(method: DescMethod, contract: ChannelContract): void {
  if (known.get(method) !== contract) known.set(method, contract);
}

export function contractOf(method: DescMethod): ChannelContract {
  return known.get(method) ?? fromShape(method);
}

function fromShape(method: DescMethod): ChannelContract {
  const kind = defaultKind(method.methodKind);
  switch (method.idempotency as number) {
    case IDEMPOTENT:
      return { kind, idempotency: "idempotent" };
    case NO_SIDE_EFFECTS:
      return { kind, idempotency: "no-side-effects" };
    default:
      return { kind };
  }
}

const heard = new WeakMap<Session, Map<string, DescMethod>>();
const nothing: readonly HeaderField[] = [];

/** Whose claim the server of the session was told last, by path: one program may hold code of two versions. */
export function told(session: Session): Map<string, DescMethod> {
  let methods = heard.get(session);
  if (methods === undefined) heard.set(session, (methods = new Map<string, DescMethod>()));
  return methods;
}

/** What a server is told with a session's first call of a channel: of which version of the schema the client is, so that both can be named when they do not fit. */
export function claimOf(session: Session, path: string, method: DescMethod | undefined): readonly HeaderField[] {
  return !method || told(session).get(path) === method ? nothing : [claimFor(method)];
}
export function claimFor(method: DescMethod): HeaderField {
  const { kind, addressFields = [] } = known.get(method) ?? {};
  const claim = [schemaVersion(method), kind, ...addressFields.map((name) => method.input.field[name]?.number)];
  return { key: CLAIM_HEADER, value: claim.join(" ") };
}

/** What a server of another version says of itself. */
export function versionIn(header: readonly HeaderField[] | undefined): string | undefined {
  return header?.find(({ key, value }) => key === CLAIM_HEADER && /^\w{8}$/.test(value))?.value;
}
