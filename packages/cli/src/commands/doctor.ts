// `raceway doctor`: its arguments.
import { type Command, defineCommand } from "../command.ts";
import { type RemoteArguments, connectionOptions } from "../remote/remote-arguments.ts";

export interface DoctorArguments extends Omit<RemoteArguments, "url"> {
  readonly url: string | undefined;
}

export const doctorCommand: Command = defineCommand({
  usage: "doctor [url]",
  summary: "Looks for what is wrong with the installation, and with the way to a server",
  about:
    "Without an address: Node, the versions of packages, generated code. With one also: whether the server answers and is ready, how far the clocks are apart, whether the services that it and this project's schemas have are of one version, and, for each transport that it offers, whether it can be reached from here, how long that takes, and what on the way may be wrong if not: proxies that swallow upgrades, or hold event streams back.",
  examples: [
    ["$0 doctor", "This project"],
    ["$0 doctor https://example.com", "And the way to a server, by each of its transports"],
    ["$0 doctor https://example.com -t sse --timeout 30", "One transport, with more patience"],
  ],
  json: "One object per check",
  findings: "something is wrong; warnings do not count",
  arguments: (yargs) =>
    connectionOptions(
      yargs.positional("url", {
        type: "string",
        describe: "A server, as http://localhost:8080; default: none is looked at",
      }),
    ),
  load: async () => (await import("./run-doctor.ts")).runDoctor,
});
