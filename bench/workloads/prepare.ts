// From a case of the table to something that can be measured.
import type { Control } from "../control.ts";
import type { PeerLoad } from "../peer.ts";
import { prepareConnect } from "./connect.ts";
import { prepareFanout } from "./fanout.ts";
import { prepareIdle } from "./idle.ts";
import { preparePingpong } from "./pingpong.ts";
import type { PreparedCase } from "./sample.ts";
import { prepareStream } from "./stream.ts";
import type { Case } from "./table.ts";
import { prepareUnary } from "./unary.ts";

export function prepareCase(workload: Case, load: PeerLoad, control: Control): Promise<PreparedCase> {
  switch (workload.workload) {
    case "unary":
      return prepareUnary(workload, load, control);
    case "fanout":
    case "compressed":
    case "batched":
      return prepareFanout(workload, load, control);
    case "down":
    case "up":
      return prepareStream(workload, load, control);
    case "pingpong":
      return preparePingpong(load, control);
    case "connect":
      return prepareConnect(workload, load, control);
    case "idle":
      return prepareIdle(workload, load, control);
  }
}
