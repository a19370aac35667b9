// The version of a schema, as its two ends name it to each other when they do not fit: a client's claim of what a channel is, and what it is made of.
import type { DescFile, DescMethod } from "@bufbuild/protobuf";

/** Header of the Open frames of a channel until a session has told it: the version of the client's schema, then what its contract says, if it has one: the kind and the numbers of the fields that are in the address. In responses to clients of another version: the server's, alone. */
export const CLAIM_HEADER = "raceway-channel";

const known = new WeakMap<DescFile, number>();

/** `sourceCodeInfo` has the comments. `proto3Optional` says nothing that a field's oneof does not, but generated code has it before `jsonName`, and all others after it. `uninterpretedOption` is what a compiler left over. */
const UNHEARD = /^(source|proto3|unint)/;

/**
 * Eight hex digits that change with the file of the method's service and with what it imports, but for what comes with protobuf itself. Comments do not
 * count, nor where the descriptors come from: generated code, an image, a server's reflection. Against accidents, not against enemies (FNV-1a).
 */
export function schemaVersion({ parent: { file } }: DescMethod): string {
  return (hashOf(file) >>> 0).toString(16).padStart(8, "0");
}

/** Of a file, and of the hashes of those that it imports: each is read once, by however many it is imported. */
function hashOf(file: DescFile): number {
  let hash = known.get(file);
  if (hash === undefined) {
    hash = 0x811c9dc5;
    const { name, proto, dependencies } = file;
    if (!name.startsWith("google/protobuf/")) {
      const text = JSON.stringify([proto, dependencies.map(hashOf)], (key, value: unknown) =>
        UNHEARD.test(key) ? undefined : value,
      );
      for (let at = 0; at < text.length; at++) hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193);
    }
    known.set(file, hash);
  }
  return hash;
}
