// Options of both halves of the gRPC transport: type, range and default from one place.
import type { OptionsOf } from "@raceway/core";

export const grpcClientTable = {
  /** Largest batch that this end sends; a client takes no larger one either. What a server takes is `limits.batchBytes`. */
  maxBatchBytes: { kind: "number", default: 16_777_216, min: 1_024, max: 268_435_456, unit: "bytes" },
  /** What is spoken; "grpc" needs HTTP/2 all the way. */
  protocol: { kind: "text", default: "grpc", values: ["grpc", "grpc-web", "connect"] },
  /** As in pages, so that one program is compiled for both; Node keeps no cookies. */
  credentials: { kind: "boolean", default: false },
} as const;

/** In pages, which cannot speak gRPC itself. */
export const grpcWebTable = {
  /** Largest batch that this end sends; a client takes no larger one either. What a server takes is `limits.batchBytes`. */
  maxBatchBytes: { kind: "number", default: 16_777_216, min: 1_024, max: 268_435_456, unit: "bytes" },
  protocol: { kind: "text", default: "grpc-web", values: ["grpc-web", "connect"] },
  /** Sends cookies to servers of other origins too; the server has to allow it. */
  credentials: { kind: "boolean", default: false },
} as const;

export const grpcServerTable = {
  /** Largest batch that this end sends; a client takes no larger one either. What a server takes is `limits.batchBytes`. */
  maxBatchBytes: { kind: "number", default: 16_777_216, min: 1_024, max: 268_435_456, unit: "bytes" },
  /** Lets pages of allowed origins send cookies. Refused at start if any origin is allowed. */
  credentials: { kind: "boolean", default: false },
  /** Time for the body of a call that does not stream up, at all doors. */
  bodyMs: { kind: "number", default: 30_000, min: 1, max: 600_000, unit: "ms" },
} as const;

export type GrpcClientOptions = OptionsOf<typeof grpcClientTable>;
export type GrpcWebOptions = OptionsOf<typeof grpcWebTable>;
export type GrpcServerOptions = OptionsOf<typeof grpcServerTable>;
