// The imports of one generated file: collected while its text is written, renamed where a name is taken, sorted.
import type { ImportExtension, MessageModel } from "@raceway/core/target";
import { compareText } from "../../diagnostic.ts";

/** Globals that generated code relies on, and its parameters; what has such a name in a schema is imported under another. */
const OWN = [
  "AsyncIterable",
  "NonNullable",
  "Promise",
  "Record",
  "connection",
  "context",
  "error",
  "messages",
  "options",
  "request",
  "requests",
];

interface Imported {
  readonly name: string;
  readonly local: string;
  readonly typeOnly: boolean;
}

export class Imports {
  readonly #file: string;
  readonly #extension: ImportExtension;
  readonly #taken: Set<string>;
  readonly #modules = new Map<string, Map<string, Imported>>();

  /** `file` is the schema file, whose folder the generated file is in; `own` are the names it exports. */
  constructor(file: string, extension: ImportExtension, own: Iterable<string>) {
    this.#file = file;
    this.#extension = extension;
    this.#taken = new Set([...OWN, ...own]);
  }

  type(module: string, name: string): string {
    return this.#add(module, name, true);
  }
  value(module: string, name: string): string {
    return this.#add(module, name, false);
  }
  /** Of a generated file of a schema file: `ending` is "_pb" or ".contract". */
  generatedValue(source: string, ending: string, name: string): string {
    return this.value(this.#relative(source, ending), name);
  }
  /** A type that such a file exports: "RoomHandlers". */
  generatedName(source: string, ending: string, name: string): string {
    return this.type(this.#relative(source, ending), name);
  }
  /** The type of such a value: "typeof roomSayErrors". */
  generatedType(source: string, ending: string, name: string): string {
    return `typeof ${this.generatedName(source, ending, name)}`;
  }
  messageType(message: MessageModel): string {
    return this.type(this.#home(message), message.type);
  }
  /** "typeof SayRequestSchema". */
  messageSchema(message: MessageModel): string {
    return `typeof ${this.type(this.#home(message), message.schema)}`;
  }

  /** "SayRequestSchema". */
  messageDescriptor(message: MessageModel): string {
    return this.value(this.#home(message), message.schema);
  }

  /** Packages before files, each sorted by name; values before types. */
  statements(): readonly string[] {
    const modules = [...this.#modules.keys()].toSorted(
      (a, b) => Number(a.startsWith(".")) - Number(b.startsWith(".")) || compareText(a, b),
    );
    return modules.flatMap((module) => {
      const imported = [...this.#modules.get(module)!.values()].toSorted((a, b) => compareText(a.name, b.name));
      return [false, true].flatMap((typeOnly) => {
        const names = imported
          .filter((one) => one.typeOnly === typeOnly)
          .map(({ name, local }) => (name === local ? name : `${name} as ${local}`));
        return names.length === 0 ? [] : [statement(typeOnly ? "import type" : "import", names, module)];
      });
    });
  }

  #add(module: string, name: string, typeOnly: boolean): string {
    const known = this.#modules.get(module);
    const before = known?.get(name);
    if (before !== undefined) {
      if (before.typeOnly && !typeOnly) known!.set(name, { ...before, typeOnly });
      return before.local;
    }
    let local = name;
    while (this.#taken.has(local)) local += "$";
    this.#taken.add(local);
    const names = known ?? new Map<string, Imported>();
    names.set(name, { name, local, typeOnly });
    this.#modules.set(module, names);
    return local;
  }

  #home(message: MessageModel): string {
    return message.module ?? this.#relative(message.file, "_pb");
  }

  #relative(source: string, ending: string): string {
    const from = this.#file.split("/").slice(0, -1);
    const to = source.replace(/\.proto$/, "").split("/");
    let same = 0;
    while (same < from.length && same < to.length - 1 && from[same] === to[same]) same++;
    const up = from.slice(same).map(() => "..");
    const path = [...(up.length === 0 ? ["."] : up), ...to.slice(same)].join("/");
    return path + ending + (this.#extension === "none" ? "" : `.${this.#extension}`);
  }
}

function statement(keyword: string, names: readonly string[], module: string): string {
  const from = `from ${JSON.stringify(module)};`;
  const line = `${keyword} { ${names.join(", ")} } ${from}`;
  return line.length <= 120 ? line : `${keyword} {\n${names.map((name) => `  ${name},\n`).join("")}} ${from}`;
}
