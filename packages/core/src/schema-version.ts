// The version of a schema, as its two ends name it to each other when they do not fit: a client's claim of what a channel is, and what it is made of.
import type { DescFile, DescMethod } from "@bufbuild/protobuf";

/** Header of the Open frames of a channel until a session has told it: the version of the client's schema, then what its contract says, if it has one: the kind and the numbers of the fields that are in the address. In responses to clients of another version: the server's, alone. */
export const CLAIM_HEADER = "raceway-channel";

const known = new WeakMap<DescFile, string>();

/**
 * Eight hex digits that change with the file of the method's service and with what it imports, but for what comes with protobuf itself. Comments do not
 * count. Against accidents, not against enemies (FNV-1a).
 */
export function schemaVersion({ parent: { file } }: DescMethod): string {
  let version = known.get(file);
  if (version === undefined) {
    let hash = 0x811c9dc5;
    const files = new Set([file]);
    // A set goes on over what is added to it.
    for (const { name, proto, dependencies } of files) {
      if (name.startsWith("google/protobuf/")) continue;
      const text = JSON.stringify(proto);
      for (let at = 0; at < text.length; at++) hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193);
      for (const one of dependencies) files.add(one);
    }
    known.set(file, (version = (hash >>> 0).toString(16).padStart(8, "0")));
  }
  return version;
}
