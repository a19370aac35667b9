// The load's process: prepares a workload against one server, measures it as often as asked, and takes it down.
import { answerParent } from "./child.ts";
import { Control } from "./control.ts";
import type { Pair } from "./fleet.ts";
import type { PeerLoadModule } from "./peer.ts";
import { watchSockets } from "./socket-meter.ts";
import { prepareCase } from "./workloads/prepare.ts";
import type { PreparedCase, Sample } from "./workloads/sample.ts";
import type { Case } from "./workloads/table.ts";

const [module, transport] = process.argv.slice(2) as [string, string];

let prepared: PreparedCase | undefined;

watchSockets();
answerParent({
  async prepare({ port, controlPort, credential }: Omit<Pair, "load">, workload: Case): Promise<void> {
    const { openLoad } = (await import(`./peers/${module}-load.ts`)) as PeerLoadModule;
    prepared = await prepareCase(workload, openLoad(port, transport, credential), await Control.open(controlPort));
  },
  measure: (seconds: number): Promise<Sample> => (prepared as PreparedCase).measure(seconds),
  async profile(seconds: number, file: string): Promise<Sample> {
    const { control, measure } = prepared as PreparedCase;
    await control.startProfile();
    const sample = await measure(seconds);
    await control.stopProfile(file);
    return sample;
  },
  async dispose(): Promise<void> {
    await prepared?.dispose();
    prepared?.control.close();
    prepared = undefined;
  },
});
