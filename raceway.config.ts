// What this repository generates with its own generator: `npm run generate`, and in tests `generate --check`.
export default {
  generate: [
    // Under a short name, since these are for this package's tests and tools only.
    { inputs: ["schemas/raceway/v1/wire.proto"], protoPath: ["schemas/raceway/v1"], out: "packages/core/src/gen", importExtension: "ts", targets: ["es"] },
    { inputs: ["schemas/raceway/v1/options.proto"], protoPath: ["schemas"], out: "packages/generator/src/gen", importExtension: "ts", targets: ["es"] },
    { inputs: ["test/schemas"], protoPath: ["test/schemas"], out: "test/gen", importExtension: "ts" },
  ],
};
