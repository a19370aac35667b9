// Declared errors as plain data, for documents whose formats have no words for them: `x-raceway-errors`.
import type { ChannelModel, ErrorModel } from "@raceway/core/target";
import type { Json } from "./json.ts";

/** Nothing for a channel that declares none. */
export function errorsPart(
  { errors }: Pick<ChannelModel, "errors">,
  ref: (typeName: string) => string,
): { readonly [name: string]: Json } {
  if (errors.length === 0) return {};
  return {
    "x-raceway-errors": errors.map(({ reason, domain, code, message, detail }) => ({
      reason,
      domain,
      code,
      message,
      ...(detail !== undefined && { detail: { $ref: ref(detail.typeName) } }),
    })),
  };
}

/** Messages that errors bring along. */
export function detailTypes(channels: readonly Pick<ChannelModel, "errors">[]): readonly string[] {
  return channels.flatMap(({ errors }) => errors.flatMap(({ detail }: ErrorModel) => detail?.typeName ?? []));
}
