// What `raceway generate` makes of the schemas; every script of package.json runs it first. More than types, handlers and clients: `targets: ["es", "ts", "query"]`, say.
export default {
  generate: [{ inputs: ["schemas"], out: "src/gen", importExtension: "ts" }],
};
