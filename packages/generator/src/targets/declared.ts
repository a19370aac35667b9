// What a model declares, by name and by file: looked through once a model, since targets ask for each of its files, of which there may be thousands.
import type { EnumDeclaration, MessageDeclaration, Model } from "@raceway/core/target";

export interface Declared {
  readonly messages: ReadonlyMap<string, MessageDeclaration>;
  readonly enums: ReadonlyMap<string, EnumDeclaration>;
  /** Import paths of the model's files. */
  readonly files: ReadonlySet<string>;
  /** Of one file, in the order of the model. */
  messagesOf(file: string): readonly MessageDeclaration[];
  enumsOf(file: string): readonly EnumDeclaration[];
}

const known = new WeakMap<Model, Declared>();

export function declaredIn(model: Model): Declared {
  let declared = known.get(model);
  if (declared === undefined) known.set(model, (declared = lookThrough(model)));
  return declared;
}

function lookThrough({ files, messages, enums }: Model): Declared {
  const messagesByFile = Map.groupBy(messages, ({ file }) => file);
  const enumsByFile = Map.groupBy(enums, ({ file }) => file);
  return {
    messages: new Map(messages.map((one) => [one.typeName, one])),
    enums: new Map(enums.map((one) => [one.typeName, one])),
    files: new Set(files.map(({ path }) => path)),
    messagesOf: (file) => messagesByFile.get(file) ?? [],
    enumsOf: (file) => enumsByFile.get(file) ?? [],
  };
}
