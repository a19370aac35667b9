// Topic addresses: a template of the schema, filled with the fields of a request.
import type { ChannelContract } from "./channel.ts";
import { fail } from "./errors.ts";

export type AddressOf = (request: Readonly<Record<string, unknown>>) => string;

/**
 * Prepares "rooms/{room}/messages". Values are percent-escaped, so none can add a segment; an empty value is refused.
 * Throws `address_invalid`, here for a template that cannot be, later for values that do not fit.
 */
export function compileAddress(
  path: string,
  contract: ChannelContract,
  limits: { readonly addressBytes: number },
): AddressOf {
  const template = contract.address ?? path.slice(1);
  const fields = contract.addressFields ?? [];
  const literals = template.split(/\{[^}]*\}/);
  if (literals.length !== fields.length + 1)
    throw fail("address_invalid", {
      address: template,
      detail: `it has ${literals.length - 1} fields, the contract names ${fields.length}`,
    });
  return (request) => {
    let address = literals[0]!;
    for (let at = 0; at < fields.length; at++) {
      const field = fields[at]!;
      const value = valueAt(request, field);
      if (value === undefined || value === "")
        throw fail("address_invalid", { address: template, detail: `field ${field} is empty` });
      let text: string;
      try {
        text = encodeURIComponent(value);
      } catch {
        throw fail("address_invalid", { address: template, detail: `field ${field} is not valid Unicode` });
      }
      address += text + literals[at + 1]!;
    }
    // All is ASCII by now, so characters are bytes.
    if (address.length > limits.addressBytes)
      throw fail("address_invalid", {
        address: template,
        detail: `it has ${address.length} bytes, the limit is ${limits.addressBytes}`,
      });
    return address;
  };
}

function valueAt(request: Readonly<Record<string, unknown>>, path: string): string | undefined {
  let value: unknown = request;
  for (const name of path.split(".")) {
    value = typeof value === "object" && value !== null ? (value as Record<string, unknown>)[name] : undefined;
  }
  switch (typeof value) {
    case "string":
      return value;
    case "number":
    case "bigint":
      return String(value);
    default:
      return undefined;
  }
}
