// Functions for `raceway inspect`: one that makes a server, and one that nobody asked it to call.
import { memoryTransport } from "@raceway/core";
import { type Raceway, raceway } from "@raceway/server";
import { handlers } from "../app/lab.ts";
import { labService } from "../gen/lab/v1/lab.server.ts";
import { names } from "./stage.ts";

export function server(): Raceway {
  const app = raceway({ transports: [memoryTransport().server], use: [names] });
  app.serve(labService, handlers([], { after: () => ({ [Symbol.dispose]() {} }) }));
  return app;
}

export function other(): Raceway {
  throw new Error("called by inspect");
}
