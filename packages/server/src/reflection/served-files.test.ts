// What reflection finds by a name: the file of it, or of what it is within, however long the question is.
import { expect, it } from "vitest";
import { Health } from "../gen/grpc/health/v1/health_pb.ts";
import { ServedFiles } from "./served-files.ts";

const files = new ServedFiles([], [Health], false);

it("finds what is within a service or a message by the longest name that it knows", () => {
  for (const name of ["Health", "Health.Check", "HealthCheckRequest.service", "Health.Check.and.what.nobody.has"])
    expect(files.declaring(`grpc.health.v1.${name}`)?.name).toBe("grpc/health/v1/health.proto");
  for (const name of ["", ".", "..", "grpc", "grpc.health.v1", ".grpc.health.v1.Health", "grpc.health.v1.Healthy"])
    expect(files.declaring(name)).toBeUndefined();
});

it("takes no time for questions that are longer than any name", () => {
  const began = performance.now();
  const half = 512 * 1024;
  const long = [`${"a".repeat(half)}${".".repeat(half)}`, "a.".repeat(half), `${"grpc.".repeat(half)}x`];
  for (const question of [...long, ...long]) expect(files.declaring(question)).toBeUndefined();
  expect(files.declaring(`grpc.health.v1.Health${".".repeat(half)}`)?.name).toBe("grpc/health/v1/health.proto");
  expect(performance.now() - began).toBeLessThan(5_000); // milliseconds; minutes if each dot cost what is before it
});
