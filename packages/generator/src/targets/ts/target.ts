// The target `ts`: of each schema file with services a contract, a client and a server side.
import type { OutputFile, Target } from "@raceway/core/target";
import { outputPath } from "../../output-path.ts";
import { clientFile } from "./client.ts";
import { contractFile } from "./contract.ts";
import { serverFile } from "./server.ts";

export function tsTarget(): Target {
  return {
    name: "ts",
    contract: 1,
    perFile: true,
    *generate(model, { importExtension }): Generator<OutputFile> {
      for (const file of model.files) {
        if (file.services.length === 0) continue;
        yield {
          path: outputPath(file.path, ".contract"),
          source: file.path,
          text: contractFile(file, importExtension),
        };
        yield { path: outputPath(file.path, ".client"), source: file.path, text: clientFile(file, importExtension) };
        yield { path: outputPath(file.path, ".server"), source: file.path, text: serverFile(file, importExtension) };
      }
    },
  };
}
