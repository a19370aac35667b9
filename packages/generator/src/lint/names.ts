// Rules about names: what TypeScript, object properties and file systems would make the same or could not use.
import type { DescFile, DescMessage, DescMethod, DescService } from "@bufbuild/protobuf";
import { nestedTypes } from "@bufbuild/protobuf/reflect";
import * as ext from "../gen/raceway/v1/options_pb.ts";
import { fieldRules, markedAsKey } from "../model/options.ts";
import { foldedPath } from "../path-problem.ts";
import { nameOf, optionPart } from "../place.ts";
import { canBeKey, describeType } from "./channel.ts";
import type { Report } from "./finding.ts";

export function lintMethodNames(service: DescService, report: Report): void {
  const seen = new Map<string, DescMethod>();
  for (const method of service.methods) {
    if (method.localName === "__proto__") {
      report.error(
        "name_unusable",
        nameOf(method),
        "a property named __proto__ sets an object's prototype",
        "rename the rpc.",
      );
    }
    const same = seen.get(method.localName);
    if (same !== undefined) {
      report.error(
        "name_collision",
        nameOf(method),
        `${method.name} and ${same.name} are both \`${method.localName}\` in TypeScript`,
        "rename one of them.",
      );
    }
    seen.set(method.localName, method);
  }
}

// What protoc-gen-es writes as it is, of what TypeScript does not take at the top of a module; other reserved words it gives a "$".
const noTypes: ReadonlySet<string> = new Set(["any", "as", "await", "never", "symbol", "undefined", "unknown"]);
const noValues: ReadonlySet<string> = new Set(["arguments", "await", "eval"]);

/** Of what a file declares at its top; types within others have names of two words. */
export function lintDeclaredNames(file: DescFile, report: Report): void {
  const types = [...file.messages, ...file.enums].filter(({ name }) => noTypes.has(name));
  for (const desc of [...types, ...file.services.filter(({ name }) => noValues.has(name))]) {
    const { name } = desc;
    report.error(
      "name_unusable",
      nameOf(desc),
      `nothing can be declared as \`${name}\` in TypeScript, where it means something else`,
      `rename it, to ${name.charAt(0).toUpperCase()}${name.slice(1)} for instance.`,
    );
  }
}

/** "Room.proto" and "room.proto" are one file on most laptops. */
export function lintOutputNames(files: readonly DescFile[], report: Report): void {
  const seen = new Map<string, DescFile>();
  for (const file of files) {
    const folded = foldedPath(file.proto.name);
    const same = seen.get(folded);
    if (same !== undefined) {
      report.error(
        "name_collision",
        { file, path: [] },
        `${file.proto.name} and ${same.proto.name} would be generated into the same files where case does not count`,
        "rename one of them.",
      );
    }
    seen.set(folded, file);
  }
}

export function lintMessageKeys(file: DescFile, report: Report): void {
  for (const type of nestedTypes(file)) if (type.kind === "message") lintKeys(type, report);
}

function lintKeys(message: DescMessage, report: Report): void {
  const marked = markedAsKey(message);
  for (const field of marked) {
    const place = optionPart(field, ext.field, ["key"]);
    if (!canBeKey(field)) {
      report.error(
        "key_type",
        place,
        `\`${field.name}\` is ${describeType(field)}, which cannot be compared`,
        "mark a single string, bool, integer or enum field.",
      );
    } else if (fieldRules(field).sensitive === true) {
      report.error(
        "address_field_sensitive",
        place,
        `\`${field.name}\` is marked as sensitive and as key, and keys are logged`,
        "remove one of the marks.",
      );
    }
  }
  const [first, second] = marked;
  if (second === undefined || first === undefined) return;
  report.error(
    "key_duplicate",
    optionPart(second, ext.field, ["key"]),
    `${message.typeName} is marked with two keys: \`${first.name}\` and \`${second.name}\``,
    "keep one of them.",
  );
}
