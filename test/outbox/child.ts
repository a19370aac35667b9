// A process with an outbox in a file: calls `add(run, 1)`, `add(run, 2)`, … until it is killed. Arguments: url, file, run, pause in milliseconds.
import { connect } from "@raceway/client";
import { fileOutbox } from "@raceway/client/node";
import { silentLogger } from "@raceway/core";
import { websocket } from "@raceway/transport-websocket/client";
import { labClient } from "../gen/lab/v1/lab.client.ts";

const [url, file, run, pauseMs] = process.argv.slice(2);
const connection = connect(url!, {
  transports: [websocket()],
  backoff: { capMs: 200 },
  outbox: {
    whenFull: "wait",
    store: fileOutbox({ file: file! }),
    onRestored: ({ key, error }) =>
      process.stdout.write(`restored ${key} ${error === undefined ? "well" : error.message}\n`),
  },
  log: {
    ...silentLogger,
    warn: (message, values) => void process.stdout.write(`${message} ${JSON.stringify(values)}\n`),
  },
});
const lab = labClient(connection);
for (let b = 1; ; b++) {
  lab.add({ a: Number(run), b }).then(
    ({ sum }) => process.stdout.write(`answered ${sum}\n`),
    (error: unknown) => process.stdout.write(`failed ${String(error)}\n`),
  );
  await new Promise((resolve) => setTimeout(resolve, Number(pauseMs)));
}
