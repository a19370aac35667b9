// What `raceway generate` makes of the schemas; every script of package.json runs it first.
export default {
  generate: [{ inputs: ["schemas"], out: "src/gen", importExtension: "ts" }],
};
