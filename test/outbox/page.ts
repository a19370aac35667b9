// A page with an outbox in IndexedDB. The fragment of its address says where the server is, and the name of the store.
import { connect } from "@raceway/client";
import { indexedDbOutbox } from "@raceway/client/indexeddb";
import { silentLogger } from "@raceway/core";
import { websocket } from "@raceway/transport-websocket/client";
import { labClient } from "../gen/lab/v1/lab.client.ts";
import { AddRequestSchema, AddResponseSchema } from "../gen/lab/v1/lab_pb.ts";

/** What a test reads and does in the page. */
export interface OutboxPage {
  /** What was restored: what was asked, and its sum or what went wrong. */
  readonly restored: string[];
  readonly warnings: string[];
  readonly answered: number[];
  add(a: number, b: number): void;
}

const [url, name] = decodeURIComponent(location.hash.slice(1)).split(" ");
const page: OutboxPage = {
  restored: [],
  warnings: [],
  answered: [],
  add(a, b) {
    lab.add({ a, b }).then(
      ({ sum }) => page.answered.push(sum),
      (error: unknown) => page.warnings.push(String(error)),
    );
  },
};
const lab = labClient(
  connect(url!, {
    transports: [websocket()],
    backoff: { capMs: 200 },
    outbox: {
      store: indexedDbOutbox({ name: name! }),
      onRestored(call) {
        const { a, b } = call.request(AddRequestSchema);
        page.restored.push(`${a} ${b}: ${call.error?.message ?? call.response(AddResponseSchema).sum}`);
      },
    },
    log: {
      ...silentLogger,
      warn: (message, values) => void page.warnings.push(`${message}: ${String(values?.["why"])}`),
    },
  }),
);
Object.assign(globalThis, { outboxPage: page });
