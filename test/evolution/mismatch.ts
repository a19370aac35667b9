// The two versions of the shop, and what an error says that names them.
import { ConnectError, Code } from "@connectrpc/connect";
import { errorInfo, reasonOf } from "@raceway/core";
import { schemaVersion } from "@raceway/core/internal";
import { expect } from "vitest";
import * as next from "./gen/new/shop/v1/shop_pb.ts";
import * as old from "./gen/old/shop/v1/shop_pb.ts";

export const versions = {
  old: schemaVersion(old.ShopService.method.order),
  new: schemaVersion(next.ShopService.method.order),
};
/** What a call or a read fails with. */
export const failure = (promise: Promise<unknown>): Promise<ConnectError> =>
  promise.then(
    (value) => {
      throw new Error(`it answered: ${JSON.stringify(value)}`);
    },
    (error: unknown) => ConnectError.from(error),
  );

/** What an error says to programs and people. */
export function facts(error: ConnectError): object {
  return { reason: reasonOf(error), code: error.code, metadata: errorInfo(error)?.metadata, message: error.rawMessage };
}
/** The error of a channel that does not fit: it names both versions. */
export function mismatch(path: string, client: "old" | "new", detail = ""): object {
  const server = client === "old" ? "new" : "old";
  const text = `The client has version ${versions[client]} of the schema of ${path}, the server version ${versions[server]}, and they do not fit: ${detail}`;
  return {
    reason: "schema_mismatch",
    code: Code.FailedPrecondition,
    metadata: expect.objectContaining({ path, client: versions[client], server: versions[server] }) as object,
    message: expect.stringContaining(text) as string,
  };
}
