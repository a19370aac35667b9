// What this repository generates with its own generator: `npm run generate`, and in a test `generate --check`.
const importExtension = "ts";

export default {
  generate: [
    // Under a short name, since it is for that package's tests and tools only.
    {
      inputs: ["schemas/raceway/v1/wire.proto"],
      protoPath: ["schemas/raceway/v1"],
      out: "packages/core/src/gen",
      importExtension,
      targets: ["es"],
    },
    {
      inputs: ["schemas/raceway/v1/admin.proto"],
      protoPath: ["schemas"],
      out: "packages/core/src/gen/admin",
      importExtension,
      targets: ["es"],
    },
    {
      inputs: ["schemas/raceway/v1/options.proto"],
      protoPath: ["schemas"],
      out: "packages/generator/src/gen",
      importExtension,
      targets: ["es"],
    },
    {
      inputs: ["schemas/raceway/v1/link.proto"],
      protoPath: ["schemas"],
      out: "packages/transport-grpc/src/gen",
      importExtension,
      targets: ["es"],
    },
    {
      inputs: ["third-party/grpc", "schemas/raceway/v1/options.proto"],
      protoPath: ["third-party/grpc", "schemas"],
      out: "packages/server/src/gen",
      importExtension,
      targets: ["es"],
    },
    {
      inputs: ["third-party/grpc/grpc/reflection"],
      protoPath: ["third-party/grpc"],
      out: "packages/cli/src/gen",
      importExtension,
      targets: ["es"],
    },
    {
      inputs: ["packages/testkit/schemas"],
      protoPath: ["packages/testkit/schemas"],
      out: "packages/testkit/src/gen",
      importExtension,
      targets: ["es"],
    },
    {
      inputs: ["test/schemas"],
      protoPath: ["test/schemas"],
      out: "test/gen",
      importExtension,
      targets: ["es", "ts", "query"],
    },
    // One schema in two versions.
    ...["old", "new"].map((version) => ({
      inputs: [`test/evolution/schemas/${version}`],
      protoPath: [`test/evolution/schemas/${version}`],
      out: `test/evolution/gen/${version}`,
      importExtension,
    })),
    { inputs: ["bench/schemas"], protoPath: ["bench/schemas"], out: "bench/gen", importExtension },
    {
      inputs: ["examples/chat/schemas"],
      protoPath: ["examples/chat/schemas"],
      out: "examples/chat/gen",
      importExtension,
    },
    {
      inputs: ["examples/ticker/schemas"],
      protoPath: ["examples/ticker/schemas"],
      out: "examples/ticker/gen",
      importExtension,
    },
  ],
};
