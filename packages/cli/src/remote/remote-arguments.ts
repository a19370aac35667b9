// Arguments of all commands that talk to a running server: where it is, its schema, how to get there, who we are.
import type { Argv } from "yargs";
import type { JsonArgument } from "../command.ts";
import { protoPathOption } from "../input-arguments.ts";

export const transportNames = ["websocket", "sse", "poll", "grpc"] as const;

export type TransportName = (typeof transportNames)[number];

export interface RemoteArguments extends JsonArgument {
  readonly url: string;
  readonly transport: readonly TransportName[] | undefined;
  readonly token: string | undefined;
  readonly header: readonly string[] | undefined;
  readonly path: string;
  readonly timeout: number;
}

export interface SchemaArguments extends RemoteArguments {
  readonly channel: string;
  readonly schema: readonly string[] | undefined;
  readonly "proto-path": readonly string[] | undefined;
  readonly reflect: boolean | undefined;
}

/** All but the address. */
export function connectionOptions<A>(yargs: Argv<A>): Argv<A & Omit<RemoteArguments, "json" | "url">> {
  return yargs
    .option("transport", {
      alias: "t",
      choices: transportNames,
      array: true,
      requiresArg: true,
      describe: "What to connect by, best first; may be repeated. Default: websocket, sse, poll",
    })
    .option("token", {
      type: "string",
      requiresArg: true,
      describe:
        "Credential to show, such as a bearer token. Default: the variable RACEWAY_TOKEN, which no list of processes shows",
    })
    .option("header", {
      alias: "H",
      type: "string",
      array: true,
      requiresArg: true,
      describe: 'Header of the session and the call, as "x-tenant: tea"; may be repeated',
    })
    .option("path", {
      type: "string",
      default: "/raceway",
      requiresArg: true,
      describe: "Path below which the server's transports answer",
    })
    .option("timeout", {
      type: "number",
      default: 10,
      requiresArg: true,
      describe: "Seconds until the connection has to be open",
    });
}

export function schemaArguments(yargs: Argv): Argv<Omit<SchemaArguments, "json">> {
  const address = { type: "string", demandOption: true, describe: "The server, as http://localhost:8080" } as const;
  const channel = {
    type: "string",
    demandOption: true,
    describe: "Service and method, or what is clear of it",
  } as const;
  return connectionOptions(yargs.positional("url", address).positional("channel", channel))
    .option("schema", {
      alias: "s",
      type: "string",
      array: true,
      requiresArg: true,
      describe:
        "Schema files, or folders that have some; may be repeated. Default: the inputs of raceway.config.ts; without one, what the server gives by reflection",
    })
    .option("reflect", {
      type: "boolean",
      conflicts: ["schema", "proto-path"],
      describe: "Asks the server for its schemas, though there is a raceway.config.ts",
    })
    .option("proto-path", protoPathOption);
}
