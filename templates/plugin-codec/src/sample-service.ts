// A service to try the codec on: what the generator would make of this schema.
//
//   message Note { string room = 1; string text = 2; int64 number = 3; }
//   service NoteService {
//     rpc Say(Note) returns (Note);
//     rpc Notes(Note) returns (stream Note) { option (raceway.v1.channel).topic = { address: "rooms/{room}" }; }
//   }
import { create, createFileRegistry, type DescService } from "@bufbuild/protobuf";
import {
  FieldDescriptorProto_Label as Label,
  FieldDescriptorProto_Type as Type,
  FileDescriptorProtoSchema,
} from "@bufbuild/protobuf/wkt";
import type { ServiceDefinition } from "@raceway/core";
import type { TopicPublisher } from "@raceway/server";

export interface Note {
  readonly room?: string;
  readonly text?: string;
  readonly number?: bigint;
}
export interface NoteHandlers {
  say(note: Note): Note;
}
export interface NotePublishers {
  readonly notes: TopicPublisher<{ room: string }, Note>;
}

const fields = { room: Type.STRING, text: Type.STRING, number: Type.INT64 };
const file = create(FileDescriptorProtoSchema, {
  name: "sample/v1/note.proto",
  package: "sample.v1",
  syntax: "proto3",
  messageType: [
    {
      name: "Note",
      field: Object.entries(fields).map(([name, type], at) => ({
        name,
        jsonName: name,
        number: at + 1,
        type,
        label: Label.OPTIONAL,
      })),
    },
  ],
  service: [
    {
      name: "NoteService",
      method: [
        { name: "Say", inputType: ".sample.v1.Note", outputType: ".sample.v1.Note" },
        { name: "Notes", inputType: ".sample.v1.Note", outputType: ".sample.v1.Note", serverStreaming: true },
      ],
    },
  ],
});

export const service: DescService = createFileRegistry(file, () => undefined).getService("sample.v1.NoteService")!;
export const noteService: ServiceDefinition<NoteHandlers, NotePublishers> = {
  contract: {
    service,
    channels: { notes: { kind: "topic", address: "rooms/{room}", addressFields: ["room"] } },
  },
  policy: {},
};
