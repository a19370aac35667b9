// `pnpm attack`: tries every attack, and prints what each got. Exits with 1 if one succeeds.
import { attacks } from "./attacks.ts";

let failed = 0;
for (const { name, run } of attacks) {
  let got: string;
  try {
    got = `refused   ${await run()}`;
  } catch (error) {
    failed++;
    got = `SUCCEEDED ${error instanceof Error ? error.message : String(error)}`;
  }
  process.stdout.write(`${got.slice(0, 10)}${name}: ${got.slice(10)}\n`);
}
process.stdout.write(`${attacks.length} attacks, ${failed} succeeded\n`);
process.exitCode = failed === 0 ? 0 : 1;
