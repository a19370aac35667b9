// The bench schema as `@grpc/proto-loader` loads it.
import { fileURLToPath } from "node:url";
import { loadPackageDefinition, type ServiceClientConstructor } from "@grpc/grpc-js";
import { loadSync } from "@grpc/proto-loader";

const roots = ["../schemas", "../../schemas", "../../third-party/protovalidate"].map((path) =>
  fileURLToPath(new URL(path, import.meta.url)),
);

export function loadBenchService(): ServiceClientConstructor {
  const definition = loadSync("bench/v1/bench.proto", { includeDirs: roots, keepCase: false });
  const root = loadPackageDefinition(definition) as unknown as {
    bench: { v1: { BenchService: ServiceClientConstructor } };
  };
  return root.bench.v1.BenchService;
}
