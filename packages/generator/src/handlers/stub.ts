// A handler that is yet to be written: its signature, the schema's comment, and an error that says so to who calls it.
import type { ChannelModel } from "@raceway/core/target";
import { docComment } from "../targets/ts/doc-comment.ts";
import { handlerShape } from "../targets/ts/handler-shape.ts";
import { propertyName } from "../targets/ts/names.ts";
import type { Line } from "./add-members.ts";
import type { FileFacts } from "./code/code-facts.ts";
import type { ImportEdits } from "./import-edits.ts";

const WIDTH = 110;

export interface StubHome {
  readonly file: FileFacts;
  readonly imports: ImportEdits;
  /** Parameters get their types from what is expected of the object; a class has to write them. */
  readonly typed: boolean;
  /** How the file imports a generated file: of "chat/v1/room.proto", "_pb" or ".contract". */
  specifier(source: string, ending: string): string;
  /** The constant of the contract that has a channel's declared errors: "roomSayErrors". */
  errors(channel: ChannelModel): string;
  /** Import path of the schema file of the service. */
  readonly source: string;
}

export function stub(channel: ChannelModel, home: StubHome): readonly Line[] {
  const { file, imports } = home;
  const { quote, semicolons, unusedParameters } = file.style;
  const { parameter, takes, gives } = handlerShape(channel);
  const shown = (name: string): string => (unusedParameters ? `_${name}` : name);
  const explicit = !home.typed && !file.script;
  const parameters = [
    explicit
      ? `${shown(parameter)}: ${takes === "stream" ? `AsyncIterable<${request()}>` : request()}`
      : shown(parameter),
    explicit ? `${shown("context")}: ${context()}` : shown("context"),
  ];
  const returned = explicit ? `: ${given()}` : "";
  const start = `async ${gives === "stream" ? "*" : ""}${nameOf()}(`;
  const line = `${start}${parameters.join(", ")})${returned} {`;
  const head: readonly Line[] =
    line.length <= WIDTH
      ? [[0, line]]
      : [[0, start], ...parameters.map((one): Line => [1, `${one},`]), [0, `)${returned} {`]];
  const error = imports.value("@connectrpc/connect", "ConnectError");
  const code = `${imports.value("@connectrpc/connect", "Code")}.Unimplemented`;
  const message = `${quote}${channel.path.slice(1)} is not implemented yet${quote}`;
  return [
    ...docComment(channel.comment, channel.deprecated).map((text): Line => [0, text]),
    ...head,
    [1, `throw new ${error}(${message}, ${code})${semicolons ? ";" : ""}`],
    [0, "}"],
  ];

  function nameOf(): string {
    return quote === '"' ? propertyName(channel.localName) : propertyName(channel.localName).replaceAll('"', "'");
  }

  function request(): string {
    return imports.type(channel.request.module ?? home.specifier(channel.request.file, "_pb"), channel.request.type);
  }

  function context(): string {
    const type = imports.type("@raceway/server", "CallContext");
    if (channel.errors.length === 0) return type;
    return `${type}<typeof ${imports.type(home.specifier(home.source, ".contract"), home.errors(channel))}>`;
  }

  function given(): string {
    if (gives === "nothing") return "Promise<void>";
    const { module, file: source, schema } = channel.response;
    const init = imports.type("@bufbuild/protobuf", "MessageInitShape");
    const message = `${init}<typeof ${imports.type(module ?? home.specifier(source, "_pb"), schema)}>`;
    return gives === "stream" ? `AsyncIterable<${message}>` : `Promise<${message}>`;
  }
}
