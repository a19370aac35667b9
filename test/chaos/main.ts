// `pnpm chaos`: real servers, real faults, and a count of what came of it. Exits with 1 if anything was lost, repeated, reordered or hung.
import { parseArguments, usage } from "./arguments.ts";
import { storm } from "./storm.ts";
import { swallow } from "./swallow.ts";
import { switching } from "./switch.ts";

const runs = { storm, switch: switching, swallow };

const print = (text: string): void => void process.stdout.write(`${text}\n`);

try {
  const given = parseArguments(process.argv.slice(2), print);
  if (given === "help") print(usage);
  else if (!(await runs[given.mode](given))) process.exitCode = 1;
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 2;
}
