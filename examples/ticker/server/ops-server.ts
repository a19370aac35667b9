// The server of the buttons: apart from the board's, so that it can be reached while that one is blocked or gone.
import type { MessageInitShape } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import { type Raceway, raceway } from "@raceway/server";
import { websocket } from "@raceway/transport-websocket/server";
import { OPS_PATH } from "../client/ops-path.ts";
import { type TransportName, transportNames } from "../client/transports.ts";
import { opsService } from "../gen/ticker/v1/ops.server.ts";
import { BlockManner, EventKind, type EventSchema, type StatusSchema } from "../gen/ticker/v1/ops_pb.ts";
import type { BoardServer } from "./board-server.ts";
import type { Controls } from "./controls.ts";

export interface OpsServerInit {
  readonly controls: Controls;
  readonly board: BoardServer;
  /** Told what could not be published. */
  readonly failed: (error: unknown) => void;
}

const kinds = {
  opened: EventKind.OPENED,
  resumed: EventKind.RESUMED,
  cut: EventKind.CUT,
  blocked: EventKind.BLOCKED,
  unblocked: EventKind.UNBLOCKED,
  stopped: EventKind.STOPPED,
  started: EventKind.STARTED,
} as const;

/** Serves the buttons, and tells the pages what the controls see. */
export function opsServer({ controls, board, failed }: OpsServerInit): Raceway {
  const app = raceway({ path: OPS_PATH, transports: [websocket()] });
  const status = (): MessageInitShape<typeof StatusSchema> => ({
    transports: transportNames.map((transport) => ({ transport, blocked: mannerOf(controls.blocked(transport)) })),
  });
  const publish = (event: MessageInitShape<typeof EventSchema>): void => {
    ops.events.publish({}, event).catch(failed);
  };
  let restarting: Promise<number> | undefined;
  const ops = app.serve(opsService, {
    getStatus: status,
    cut: ({ client }) => ({ links: controls.cut(client) }),
    block({ transport, manner }) {
      controls.block(known(transport), manner === BlockManner.SWALLOW ? "swallow" : "refuse");
      return status();
    },
    unblock({ transport }) {
      controls.unblock(known(transport));
      return status();
    },
    async restart() {
      restarting ??= board.restart((what) => publish({ kind: kinds[what] })).finally(() => (restarting = undefined));
      return { downMs: Math.round(await restarting) };
    },
  });
  controls.subscribe((event) =>
    publish({ kind: kinds[event.kind], transport: event.transport, client: "client" in event ? event.client : "" }),
  );
  return app;
}

function mannerOf(blocked: "refuse" | "swallow" | undefined): BlockManner {
  if (blocked === undefined) return BlockManner.UNSPECIFIED;
  return blocked === "refuse" ? BlockManner.REFUSE : BlockManner.SWALLOW;
}

function known(transport: string): TransportName {
  const name = transportNames.find((each) => each === transport);
  if (name === undefined)
    throw new ConnectError(
      `There is no transport ${transport}. There are ${transportNames.join(", ")}.`,
      Code.InvalidArgument,
    );
  return name;
}
