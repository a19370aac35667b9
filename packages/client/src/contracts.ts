// The contract of a method, where only its descriptor is at hand: remembered from generated code, or what its shape says.
import type { DescMethod } from "@bufbuild/protobuf";
import { MethodOptions_IdempotencyLevel } from "@bufbuild/protobuf/wkt";
import { type ChannelContract, defaultKind } from "@raceway/core";

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
  switch (method.idempotency) {
    case MethodOptions_IdempotencyLevel.IDEMPOTENT:
      return { kind, idempotency: "idempotent" };
    case MethodOptions_IdempotencyLevel.NO_SIDE_EFFECTS:
      return { kind, idempotency: "no-side-effects" };
    default:
      return { kind };
  }
}
