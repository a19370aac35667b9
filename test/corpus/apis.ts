// The public APIs of `pnpm corpus`: schemas that others wrote, as they are in packages of npm.
import type { FetchedPackage } from "./fetched-package.ts";

export interface PublicApi {
  /** How it is called in the table. */
  readonly name: string;
  readonly publisher: string;
  /** The package that has the schemas. */
  readonly package: string;
  /** The package is no dependency, but fetched when it is asked for. */
  readonly fetched?: FetchedPackage;
  /** Folders in the package that imports are relative to. */
  readonly roots: readonly string[];
  /** Files and folders in the package of which code is made; what they import comes along. */
  readonly inputs: readonly string[];
  /** Packages of shared schemas, next to its own folders: "google/api/annotations.proto" is in `google-proto-files`. */
  readonly imports?: readonly string[];
  /** Part of `--quick`: one for each kind of schema. */
  readonly quick?: true;
}

const google = (name: string, folder: string, more: { readonly quick?: true } = {}): PublicApi => ({
  name,
  publisher: "Google",
  package: "google-proto-files",
  roots: [""],
  inputs: [folder],
  ...more,
});

const serviceOfHedera = (name: string): string => `services_${name}_service`;

export const apis: readonly PublicApi[] = [
  google("Pub/Sub", "google/pubsub/v1", { quick: true }),
  google("Firestore", "google/firestore/v1"),
  google("Firestore Admin", "google/firestore/admin/v1"),
  google("Bigtable", "google/bigtable/v2"),
  google("Spanner", "google/spanner/v1"),
  google("Datastore", "google/datastore/v1"),
  google("Storage", "google/storage/v2"),
  google("BigQuery Storage", "google/cloud/bigquery/storage/v1"),
  google("Speech", "google/cloud/speech/v2"),
  google("Text-to-Speech", "google/cloud/texttospeech/v1"),
  google("Translation", "google/cloud/translate/v3"),
  google("Vision", "google/cloud/vision/v1"),
  google("Video Intelligence", "google/cloud/videointelligence/v1"),
  google("Generative Language", "google/ai/generativelanguage/v1"),
  google("Vertex AI", "google/cloud/aiplatform/v1"),
  google("Dialogflow ES", "google/cloud/dialogflow/v2"),
  google("Dialogflow CX", "google/cloud/dialogflow/cx/v3"),
  google("Logging", "google/logging/v2"),
  google("Monitoring", "google/monitoring/v3"),
  google("Cloud Trace", "google/devtools/cloudtrace/v2"),
  google("Build Event Protocol", "google/devtools/build/v1"),
  google("Byte Stream", "google/bytestream"),
  google("Long-running operations", "google/longrunning"),
  google("Cloud Tasks", "google/cloud/tasks/v2"),
  google("Cloud Scheduler", "google/cloud/scheduler/v1"),
  google("KMS", "google/cloud/kms/v1"),
  google("Secret Manager", "google/cloud/secretmanager/v1"),
  google("IAM", "google/iam/v1"),
  google("Kubernetes Engine", "google/container/v1"),
  google("Google Chat", "google/chat/v1"),
  google("Grafeas", "grafeas/v1"),
  {
    name: "Reflection",
    publisher: "gRPC",
    package: "@grpc/reflection",
    roots: ["build/proto"],
    inputs: ["build/proto/grpc"],
    quick: true,
  },
  {
    name: "Health",
    publisher: "gRPC",
    package: "grpc-health-check",
    roots: ["proto"],
    inputs: ["proto"],
  },
  {
    name: "xDS",
    publisher: "Envoy",
    package: "@grpc/grpc-js-xds",
    roots: ["deps/envoy-api", "deps/xds", "deps/googleapis", "deps/protoc-gen-validate"],
    inputs: ["discovery", "load_stats", "auth", "ratelimit"].map((part) => `deps/envoy-api/envoy/service/${part}/v3`),
    quick: true,
  },
  {
    name: "OTLP",
    publisher: "OpenTelemetry",
    package: "@opentelemetry/otlp-grpc-exporter-base",
    roots: ["build/protos"],
    inputs: ["build/protos"],
  },
  {
    name: "Zeebe",
    publisher: "Camunda",
    package: "zeebe-node",
    roots: ["proto"],
    inputs: ["proto"],
    quick: true,
  },
  {
    name: "lnd",
    publisher: "Lightning Labs",
    package: "lightning",
    roots: ["grpc/protos"],
    inputs: ["grpc/protos"],
    quick: true,
  },
  {
    name: "Hedera",
    publisher: "Hiero",
    package: "@hashgraph/proto",
    roots: ["src/proto"],
    // Those that have services; "sdk_transaction_list.proto" forgot an import, and no compiler takes it.
    inputs: [
      "mirror_consensus_service",
      "mirror_mirror_network_service",
      ...["address_book", "consensus", "crypto", "file", "freeze", "network", "schedule"].map(serviceOfHedera),
      ...["smart_contract", "token", "util"].map(serviceOfHedera),
    ].map((name) => `src/proto/${name}.proto`),
  },
  {
    name: "Flow",
    publisher: "Flow",
    package: "@onflow/protobuf",
    roots: ["src/proto"],
    inputs: ["src/proto"],
  },
  {
    name: "Clarifai",
    publisher: "Clarifai",
    package: "clarifai-nodejs-grpc",
    roots: [""],
    imports: ["google-proto-files"],
    inputs: ["proto/clarifai/api/service.proto"],
  },
  {
    name: "Temporal",
    publisher: "Temporal",
    package: "@temporalio/core-bridge",
    fetched: {
      version: "1.24.0", // 51 MB: the schemas are beside the source of a native module
      sha512: "6kzPB8RsHcPU6HDNUSDBFC0JG2UFrV3ThmPmJkeEafKh2DFrKARM8IzxgKeE5MzvdIXYmONFM0UmHg+TZ0/qrQ==",
      kept: "sdk-core/crates/protos/protos/api_upstream",
    },
    roots: ["sdk-core/crates/protos/protos/api_upstream"],
    inputs: ["sdk-core/crates/protos/protos/api_upstream/temporal"],
  },
];
