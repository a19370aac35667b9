// The contract of a method, where only its descriptor is at hand: remembered from generated code, or what its shape says.
import type { DescMethod } from "@bufbuild/protobuf";
import { type ChannelContract, defaultKind } from "@raceway/core";

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
