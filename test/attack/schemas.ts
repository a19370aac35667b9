// What an attacker would try against what a server says of its schemas, and against what clients say of theirs: to read what is not for him, and to have it remembered without end.
import type { DescService } from "@bufbuild/protobuf";
import { createClient, type Transport } from "@connectrpc/connect";
import { memoryTransport, reasonOf } from "@raceway/core";
import { CLAIM_HEADER, errorOf } from "@raceway/core/internal";
import { rbac } from "@raceway/middleware/rbac";
import { raceway } from "@raceway/server";
import { type ReflectionOptions, serveReflection } from "@raceway/server/reflection";
import { virtualClock } from "@raceway/testkit";
import { handlers } from "../app/lab.ts";
import { hello, open, rawPeer } from "../app/raw-peer.ts";
import { roomService } from "../gen/chat/v1/room.server.ts";
import { labService } from "../gen/lab/v1/lab.server.ts";
import { type Stage, names, outcome, stage, wayNames } from "../middleware/stage.ts";
import { type Attack, holds } from "./attack.ts";

/** A server that reflects; its service of a schema with a policy, and the reflection's descriptor. */
async function reflecting(
  options: ReflectionOptions,
): Promise<{ readonly it: Stage; readonly reflection: DescService } & AsyncDisposable> {
  const it = await stage({
    use: [names, rbac({ default: "public" })],
    also(app) {
      app.serve(roomService, { say: () => ({ offset: 1 }) });
      serveReflection(app, options);
    },
  });
  const reflection = it.app.channels.find(({ path }) => path.startsWith("/grpc.reflection.v1."))!.service;
  return { it, reflection, [Symbol.asyncDispose]: () => it[Symbol.asyncDispose]() };
}

type Question = Readonly<Record<string, unknown>>;

/** What came back for each question, over one stream. */
async function ask(service: DescService, transport: Transport, questions: readonly Question[]): Promise<unknown[]> {
  const client = createClient(service, transport) as unknown as Readonly<
    Record<string, (requests: AsyncIterable<object>) => AsyncIterable<{ readonly messageResponse: unknown }>>
  >;
  const answers: unknown[] = [];
  async function* asked(): AsyncGenerator<object> {
    for (const [name, value] of questions.flatMap((one) => Object.entries(one)))
      yield { messageRequest: { case: name, value } };
  }
  for await (const { messageResponse } of client["serverReflectionInfo"]!(asked())) answers.push(messageResponse);
  return answers;
}

/** gRPC-web has no conversations. */
const ways = wayNames.filter((way) => way !== "gRPC-web door");

export const schemas: readonly Attack[] = [
  {
    name: "the schemas of a server, by who is no operator",
    async run() {
      await using world = await reflecting({ auth: { require: { roles: ["operator"] } }, policies: true });
      const strangers = ["", "bob", "operator", "bob operator", "bob #Operator", "bob #operator,x"];
      for (const way of ways) {
        for (const credential of strangers) {
          const transport = world.it.transport(way, credential);
          const got = reasonOf(await outcome(ask(world.reflection, transport, [{ listServices: "" }])));
          const wanted = credential === "" ? "credential_missing" : "permission_denied";
          holds(got === wanted, `by ${way} as ${JSON.stringify(credential)}: ${got ?? "an answer"}`);
        }
      }
      return `refused with permission_denied and credential_missing by ${ways.length} ways in, ${strangers.length} kinds each`;
    },
  },
  {
    name: "policies, from a server that gives its schemas to everybody",
    async run() {
      const symbols = [
        "chat.v1.RoomService",
        "chat.v1.RoomService.Say",
        "lab.v1.LabService",
        "raceway.v1.ServerPolicy",
      ];
      const extended = ["MethodOptions", "ServiceOptions", "FileOptions"].map((name) => `google.protobuf.${name}`);
      const questions = [
        { listServices: "" },
        ...symbols.map((fileContainingSymbol) => ({ fileContainingSymbol })),
        ...["chat/v1/room.proto", "lab/v1/lab.proto"].map((fileByFilename) => ({ fileByFilename })),
        ...extended.map((containingType) => ({ fileContainingExtension: { containingType, extensionNumber: 50712 } })),
      ];
      // Number 50712 as the tag of a message, and the scope that the schema asks for, as a string within one.
      const signs = [Buffer.from([0xc2, 0xe1, 0x18]), Buffer.from([0x0a, 4, ...Buffer.from("chat")])];
      const policiesFrom = async (options: ReflectionOptions): Promise<number> => {
        await using world = await reflecting(options);
        const answers = await ask(world.reflection, world.it.transport("websocket"), questions);
        holds(answers.length === questions.length, `${answers.length} answers to ${questions.length} questions`);
        const files = answers.flatMap(
          (answer) =>
            (answer as { value: { fileDescriptorProto?: readonly Uint8Array[] } }).value.fileDescriptorProto ?? [],
        );
        return files.filter((file) => signs.some((sign) => Buffer.from(file).includes(sign))).length;
      };
      holds(
        (await policiesFrom({ auth: { public: true }, policies: true })) > 0,
        "policies are not known when they are seen",
      );
      const found = await policiesFrom({ auth: { public: true } });
      holds(found === 0, `${found} files with policies`);
      return `refused: ${questions.length} questions are answered, and no policy is in any answer`;
    },
  },
  {
    name: "claims of ten thousand channels that nobody has, in one session",
    async run() {
      const clock = virtualClock();
      const memory = memoryTransport();
      await using app = raceway({ transports: [memory.server], clock });
      app.serve(labService, handlers([], clock));
      await app.listen({ port: 0, host: "127.0.0.1" });
      const peer = await rawPeer(memory, clock);
      peer.say(hello({}));
      await clock.settle();
      let told = 0;
      let answered = 0;
      const COUNT = 10_000;
      for (let call = 1; call <= COUNT; call++) {
        const method = `/lab.v1.LabService/${"x".repeat(100)}${call}`;
        peer.say(open(call, method, { header: [{ key: CLAIM_HEADER, value: "00000000 call" }] }));
        if (call % 1_000 !== 0) continue;
        await clock.advance(1_000); // within the rate of frames
        for (const frame of peer.frames) {
          if (frame.kind !== "end") continue;
          answered++;
          if (errorOf(frame.status!).rawMessage.includes("version 00000000")) told++;
        }
        peer.frames.length = 0;
        peer.say({ kind: "ack", received: answered, from: undefined });
      }
      const closing = app.close(0);
      await clock.advance(100);
      await closing;
      holds(answered === COUNT, `only ${answered} of ${COUNT} calls were answered`);
      holds(told > 0 && told <= 64, `${told} of ${COUNT} claims were remembered`);
      return `limited: ${told} are remembered`;
    },
  },
];
