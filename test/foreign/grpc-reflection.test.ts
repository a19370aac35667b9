// The reflection service, asked by tools that nobody here wrote: @grpc/grpc-js with the proto text that everybody has, and `buf curl`.
import { execFile } from "node:child_process";
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import {
  type DescMethod,
  type FileRegistry,
  type UnknownField,
  create,
  createFileRegistry,
  fromBinary,
  getExtension,
  hasExtension,
  toBinary,
  toJson,
} from "@bufbuild/protobuf";
import {
  FileDescriptorProtoSchema,
  FileDescriptorSetSchema,
  FileOptionsSchema,
  MethodOptionsSchema,
  ServiceOptionsSchema,
} from "@bufbuild/protobuf/wkt";
import {
  type Client,
  type ClientDuplexStream,
  Metadata,
  type ServiceError,
  credentials,
  loadPackageDefinition,
  status,
} from "@grpc/grpc-js";
import { loadFileDescriptorSetFromBuffer, loadSync } from "@grpc/proto-loader";
import { reasonOf } from "@raceway/core";
import { raceway } from "@raceway/server";
import { serveReflection } from "@raceway/server/reflection";
import { grpc } from "@raceway/transport-grpc/server";
import { describe, expect, it } from "vitest";
import { type ReflectedWorld, reflectedWorld } from "./reflected-world.ts";

type Question = Readonly<Record<string, unknown>>;
interface Answer {
  readonly messageResponse: string;
  readonly listServicesResponse?: { readonly service: readonly { readonly name: string }[] };
  readonly fileDescriptorResponse?: { readonly fileDescriptorProto: readonly Buffer[] };
  readonly allExtensionNumbersResponse?: { readonly baseTypeName: string; readonly extensionNumber: readonly number[] };
  readonly errorResponse?: { readonly errorCode: number; readonly errorMessage: string };
}
interface ForeignReflection extends Client {
  serverReflectionInfo(metadata?: Metadata): ClientDuplexStream<Question, Answer>;
}

const openly = { auth: { public: true } } as const;

function foreign({ url }: ReflectedWorld, version: "v1" | "v1alpha" = "v1"): ForeignReflection {
  const folder = fileURLToPath(new URL("../../third-party/grpc", import.meta.url));
  const packages = createRequire(import.meta.url);
  const file =
    version === "v1"
      ? `${folder}/grpc/reflection/v1/reflection.proto`
      : packages.resolve("@grpc/reflection/build/proto/grpc/reflection/v1alpha/reflection.proto");
  const loaded = loadPackageDefinition(loadSync(file, { defaults: false, oneofs: true })) as never as {
    grpc: { reflection: Record<string, { ServerReflection: new (at: string, creds: unknown) => ForeignReflection }> };
  };
  return new loaded.grpc.reflection[version]!.ServerReflection(new URL(url).host, credentials.createInsecure());
}

/** One answer per question, over one stream. */
function ask(client: ForeignReflection, questions: readonly Question[], token = ""): Promise<readonly Answer[]> {
  const metadata = new Metadata();
  if (token !== "") metadata.set("authorization", `Bearer ${token}`);
  const stream = client.serverReflectionInfo(metadata);
  const answers: Answer[] = [];
  return new Promise((resolve, reject) => {
    stream.on("data", (answer: Answer) => void answers.push(answer));
    stream.on("error", reject);
    stream.on("end", () => resolve(answers));
    for (const question of questions) stream.write(question);
    stream.end();
  }).finally(() => client.close()) as Promise<readonly Answer[]>;
}

/** All files that the answers have. */
function registryOf(answers: readonly Answer[]): FileRegistry {
  const files = answers.flatMap(({ fileDescriptorResponse: has }) => has?.fileDescriptorProto ?? []);
  const byName = new Map(
    files.map((bytes) => {
      const file = fromBinary(FileDescriptorProtoSchema, bytes);
      return [file.name, file];
    }),
  );
  // A set has imports first.
  const sorted = new Set<string>();
  const add = (name: string): void => {
    for (const one of byName.get(name)!.dependency) add(one);
    sorted.add(name);
  };
  for (const name of byName.keys()) add(name);
  return createFileRegistry(create(FileDescriptorSetSchema, { file: [...sorted].map((name) => byName.get(name)!) }));
}

/** The options of Raceway on a method, as JSON. */
function optionsOf(registry: FileRegistry, method: DescMethod): Record<string, unknown> {
  return Object.fromEntries(
    ["channel", "policy"].flatMap((name) => {
      const extension = registry.getExtension(`raceway.v1.${name}`)!;
      const { options } = method.proto;
      if (options === undefined || !hasExtension(options, extension)) return [];
      return [[name, toJson(extension.message!, getExtension(options, extension) as never, { registry })]];
    }),
  );
}

describe("grpc-js", { timeout: 30_000 }, () => {
  it.each(["v1", "v1alpha"] as const)("%s lists what is served", async (version) => {
    await using world = await reflectedWorld(openly);
    const [answer] = await ask(foreign(world, version), [{ listServices: "*" }]);
    expect(answer!.listServicesResponse!.service.map(({ name }) => name)).toEqual([
      "chat.v1.RoomService",
      "club.v1.ClubService",
      "grpc.health.v1.Health",
      "grpc.reflection.v1.ServerReflection",
      "grpc.reflection.v1alpha.ServerReflection",
      "lab.v1.LabService",
    ]);
  });

  it("calls a service of which it knows nothing but what the server says", async () => {
    await using world = await reflectedWorld(openly);
    const answers = await ask(foreign(world), [{ fileContainingSymbol: "lab.v1.LabService" }]);
    const file = answers[0]!.fileDescriptorResponse!.fileDescriptorProto.map((bytes) =>
      fromBinary(FileDescriptorProtoSchema, bytes),
    );
    const set = toBinary(FileDescriptorSetSchema, create(FileDescriptorSetSchema, { file }));
    const loaded = loadPackageDefinition(loadFileDescriptorSetFromBuffer(Buffer.from(set))) as never as {
      lab: {
        v1: {
          LabService: new (
            at: string,
            creds: unknown,
          ) => Client & { add(request: object, answer: (error: ServiceError | null, sum: unknown) => void): void };
        };
      };
    };
    const client = new loaded.lab.v1.LabService(new URL(world.url).host, credentials.createInsecure());
    const reply = await new Promise((resolve, reject) =>
      client.add({ a: 2, b: 40 }, (error, sum) => (error ? reject(error) : resolve(sum))),
    );
    client.close();
    expect(reply).toEqual({ sum: 42 });
  });

  it("is told the contract of each channel, with declared errors, and no policy", async () => {
    await using world = await reflectedWorld(openly);
    const symbols = ["chat.v1.RoomService", "club.v1.ClubService.Inside", "lab.v1.Tick"];
    const registry = registryOf(
      await ask(
        foreign(world),
        symbols.map((fileContainingSymbol) => ({ fileContainingSymbol })),
      ),
    );
    const { say, messages } = registry.getService("chat.v1.RoomService")!.method;
    expect(optionsOf(registry, say!)).toEqual({ channel: { call: {} } });
    expect(say!.idempotency).toBe(2);
    expect(optionsOf(registry, messages!)).toEqual({
      channel: { topic: { address: "rooms/{room}/messages", history: { maxEvents: "1000" } } },
    });
    const { peek, cursor, chat } = registry.getService("lab.v1.LabService")!.method;
    expect(optionsOf(registry, peek!)).toEqual({
      channel: { call: { cache: { maxAge: "60s", scope: "SCOPE_PRIVATE" } } },
    });
    expect(optionsOf(registry, cursor!)).toEqual({ channel: { signal: { conflation: { key: "user_id" } } } });
    expect(optionsOf(registry, chat!)).toEqual({ channel: { duplex: {} } });
    const { inside } = registry.getService("club.v1.ClubService")!.method;
    expect(optionsOf(registry, inside!)).toEqual({
      channel: {
        topic: { address: "clubs/{room}" },
        errors: [
          {
            reason: "CLUB_FULL",
            code: "RESOURCE_EXHAUSTED",
            detail: ".club.v1.ClubFull",
            message: "The club is full.",
          },
          { reason: "BANNED", code: "PERMISSION_DENIED", detail: ".club.v1.refusals.Ban", message: "BANNED" },
        ],
      },
    });
  });

  it("is told policies where the server says so, also that there is none", async () => {
    await using world = await reflectedWorld({ auth: { require: { roles: ["operator"] } }, policies: true });
    const symbols = ["chat.v1.RoomService", "lab.v1.LabService"];
    const asked = symbols.map((fileContainingSymbol) => ({ fileContainingSymbol }));
    const registry = registryOf(await ask(foreign(world), asked, "ann #operator"));
    const { say } = registry.getService("chat.v1.RoomService")!.method;
    expect(optionsOf(registry, say!)["policy"]).toEqual({ auth: { require: { scopes: ["chat"] } } });
    const { echo } = registry.getService("lab.v1.LabService")!.method;
    expect(optionsOf(registry, echo!)["policy"]).toEqual({});
  });

  it("is refused as by any other service: who is not the rule's, and who is nobody", async () => {
    await using world = await reflectedWorld({ auth: { require: { roles: ["operator"] } } });
    for (const version of ["v1", "v1alpha"] as const) {
      const stranger = ask(foreign(world, version), [{ listServices: "" }], "bob #guest");
      await expect(stranger).rejects.toMatchObject({ code: status.PERMISSION_DENIED });
      const nobody = ask(foreign(world, version), [{ listServices: "" }]);
      await expect(nobody).rejects.toMatchObject({ code: status.UNAUTHENTICATED });
    }
  });

  it("finds extensions, and is told what there is not", async () => {
    await using world = await reflectedWorld(openly);
    const long = "x".repeat(10_000);
    const [numbers, file, ...errors] = await ask(foreign(world), [
      { allExtensionNumbersOfType: "google.protobuf.MethodOptions" },
      { fileContainingExtension: { containingType: "google.protobuf.FieldOptions", extensionNumber: 50711 } },
      { fileContainingExtension: { containingType: "google.protobuf.FieldOptions", extensionNumber: 4 } },
      { fileByFilename: "../../etc/passwd" },
      { fileContainingSymbol: long },
      { fileContainingSymbol: "" },
      { allExtensionNumbersOfType: "lab.v1.Nobody" },
      {},
    ]);
    expect(numbers!.allExtensionNumbersResponse).toEqual({
      baseTypeName: "google.protobuf.MethodOptions",
      extensionNumber: [50711, 50712],
    });
    const names = file!.fileDescriptorResponse!.fileDescriptorProto.map(
      (bytes) => fromBinary(FileDescriptorProtoSchema, bytes).name,
    );
    expect(names[0]).toBe("raceway/v1/options.proto");
    expect(errors.map(({ errorResponse }) => [errorResponse!.errorCode, errorResponse!.errorMessage])).toEqual([
      [status.NOT_FOUND, 'There is no "extension 4 of google.protobuf.FieldOptions" here.'],
      [status.NOT_FOUND, 'There is no "file ../../etc/passwd" here.'],
      [status.NOT_FOUND, `There is no "${long.slice(0, 200)}…" here.`],
      [status.NOT_FOUND, 'There is no "" here.'],
      [status.NOT_FOUND, 'There is no "lab.v1.Nobody" here.'],
      [status.INVALID_ARGUMENT, "The request asks for nothing. Set one field of message_request."],
    ]);
  });

  it("is sent no file twice on one stream but the one it asks for", async () => {
    await using world = await reflectedWorld(openly);
    const answers = await ask(foreign(world), [
      { fileContainingSymbol: "lab.v1.LabService" },
      { fileContainingSymbol: "chat.v1.RoomService" },
      { fileByFilename: "lab/v1/lab.proto" },
    ]);
    const names = answers.map(({ fileDescriptorResponse: has }) =>
      has!.fileDescriptorProto.map((bytes) => fromBinary(FileDescriptorProtoSchema, bytes).name),
    );
    expect(names[0]).toContain("google/protobuf/descriptor.proto");
    expect(names.slice(1)).toEqual([["chat/v1/room.proto"], ["lab/v1/lab.proto"]]);
  });
});

describe("buf curl", { timeout: 60_000 }, () => {
  const generator = createRequire(new URL("../../packages/generator/package.json", import.meta.url));
  const buf = generator.resolve("@bufbuild/buf/bin/buf");
  const curl = (...args: string[]): Promise<{ readonly stdout: string }> =>
    promisify(execFile)(process.execPath, [buf, "curl", "--http2-prior-knowledge", ...args]);

  it.each(["grpc-v1", "grpc-v1alpha"])("calls by reflection as %s", async (protocol) => {
    await using world = await reflectedWorld(openly);
    const args = ["--reflect", "--reflect-protocol", protocol, "--data", '{"a": 2, "b": 40}'];
    const { stdout } = await curl(...args, `${world.url}/lab.v1.LabService/Add`);
    expect(JSON.parse(stdout)).toEqual({ sum: 42 });
  });

  it("lists methods for whom the rule lets in, and says so to others", async () => {
    await using world = await reflectedWorld({ auth: { require: { roles: ["operator"] } }, policies: true });
    const list = ["--list-methods", "--reflect-header", "authorization: Bearer ann #operator"];
    const { stdout } = await curl(...list, world.url);
    expect(stdout.split("\n")).toContain("chat.v1.RoomService/Messages");
    await expect(curl("--list-methods", "--reflect-header", "authorization: Bearer bob", world.url)).rejects.toThrow(
      /permission_denied/,
    );
  });
});

describe("a server", () => {
  it("shows nothing that it does not serve, and no policy that stands in descriptors of others", async () => {
    // As from a generator that strips nothing: each option of Raceway is there, whatever is in it.
    const said = (): { $unknown: UnknownField[] } => ({
      $unknown: [50711, 50712].map((no) => ({ no, wireType: 2, data: new Uint8Array([2, 0x0a, 0]) })),
    });
    const method = (name: string): object => ({
      name,
      inputType: ".own.v1.M",
      outputType: ".own.v1.M",
      options: Object.assign(create(MethodOptionsSchema), said()),
    });
    const service = (name: string): object => ({
      name,
      method: [method("Go")],
      options: Object.assign(create(ServiceOptionsSchema), said()),
    });
    const file = create(FileDescriptorProtoSchema, {
      name: "own/v1/own.proto",
      package: "own.v1",
      syntax: "proto3",
      messageType: [{ name: "M" }],
      service: [service("Served"), service("Hidden")],
      options: Object.assign(create(FileOptionsSchema), said()),
    });
    const registry = createFileRegistry(create(FileDescriptorSetSchema, { file: [file] }));
    const app = raceway({ transports: [grpc()] });
    const contract = { service: registry.getService("own.v1.Served")!, channels: { go: { kind: "call" } } } as const;
    app.serve({ contract, policy: {} }, { go: (message: object) => message });
    serveReflection(app, openly);
    const { url } = await app.listen({ port: 0, host: "127.0.0.1" });
    const world = { app, url, [Symbol.asyncDispose]: () => app.close(0) };
    await using _ = world;
    const [shown, hidden] = await ask(foreign(world), [
      { fileContainingSymbol: "own.v1.Served.Go" },
      { fileContainingSymbol: "own.v1.Hidden" },
    ]);
    expect(hidden!.errorResponse!.errorCode).toBe(status.NOT_FOUND);
    const [bytes] = shown!.fileDescriptorResponse!.fileDescriptorProto;
    const given = fromBinary(FileDescriptorProtoSchema, bytes!);
    const numbers = (holder: { $unknown?: UnknownField[] | undefined } | undefined): number[] =>
      (holder?.$unknown ?? []).map(({ no }) => no);
    expect(given.service.map(({ name }) => name)).toEqual(["Served"]);
    expect([numbers(given.options), numbers(given.service[0]!.options)]).toEqual([[], []]);
    expect(numbers(given.service[0]!.method[0]!.options)).toEqual([50711]);
  });

  it("reflects nothing unless it is told to, and not without a rule", async () => {
    const app = raceway({ transports: [] });
    for (const auth of [undefined, {}, { public: false }, { require: undefined }, { public: false, require: {} }]) {
      let thrown: unknown;
      try {
        serveReflection(app, { auth: auth as never });
      } catch (error) {
        thrown = error;
      }
      expect(reasonOf(thrown), JSON.stringify(auth)).toBe("service_unguarded");
    }
    for (const [options, said] of [
      [{ auth: { require: { role: ["operator"] } } }, "there is no option role; known: scopes, roles, "],
      [{ auth: { public: true }, policy: true }, "serveReflection: there is no option policy; known: auth, policies."],
    ] as const)
      expect(() => serveReflection(app, options as never)).toThrow(said);
    expect(app.channels).toEqual([]);
    await app.close(0);
  });

  it("does not start with a rule that nobody keeps", async () => {
    const app = raceway({ transports: [] });
    serveReflection(app, { auth: { require: { roles: ["operator"] } } });
    await expect(app.listen({ port: 0, host: "127.0.0.1" })).rejects.toThrow("no plugin enforces it");
    await app.close(0);
  });
});
