// `raceway doctor`: what it does.
import { type CommandContext, Exit, painted } from "../context.ts";
import type { Finding } from "../doctor/check.ts";
import { checkGenerated } from "../doctor/generated.ts";
import { checkCopies, checkNode, checkVersions } from "../doctor/installation.ts";
import { checkSchemaVersions } from "../doctor/schema-versions.ts";
import { checkServer } from "../doctor/server.ts";
import { checkTransports } from "../doctor/transports.ts";
import { urlOf } from "../remote/dial.ts";
import { strangerText } from "../remote/stranger-text.ts";
import type { DoctorArguments } from "./doctor.ts";

export async function runDoctor(args: DoctorArguments, context: CommandContext): Promise<number> {
  const url = args.url === undefined ? undefined : urlOf(args.url).replace(/\/+$/, "");
  let errors = 0;
  let warnings = 0;
  const tell = (findings: readonly Finding[]): void => {
    for (const finding of findings) {
      if (finding.outcome === "error") errors++;
      if (finding.outcome === "warning") warnings++;
      context.out(args.json ? `${JSON.stringify(finding)}\n` : textOf(finding, context.colors.out));
    }
  };
  tell([checkNode(process.version), checkVersions(context.cwd), ...checkCopies(context.cwd)]);
  context.progress("checking generated code");
  tell(await checkGenerated(context.cwd));
  if (url !== undefined) {
    context.progress(`asking ${url}`);
    const { findings, offered, channels } = await checkServer(url, args.timeout * 1000);
    tell(findings);
    if (channels !== undefined) tell([await checkSchemaVersions(context.cwd, channels, url)]);
    // Who does not answer at all is not asked four times more.
    if (findings.some(({ check }) => check === "clock"))
      tell(await checkTransports({ ...args, url }, offered, context));
  }
  const summary = errors === 0 ? "nothing is wrong" : `${errors} wrong`;
  context.note(`${summary}${warnings === 0 ? "" : `, ${warnings} to look at`}`, { errors, warnings });
  return errors === 0 ? Exit.fine : Exit.findings;
}

const signs = {
  fine: ["✓", "green"],
  warning: ["!", "yellow"],
  error: ["✗", "red"],
  "left out": ["·", "dim"],
} as const;

function textOf({ check, outcome, detail, mend }: Finding, color: boolean): string {
  const [sign, format] = signs[outcome];
  const line = `${painted(color, format, sign)} ${check}: ${strangerText(detail)}\n`; // a server may have said it
  return mend === undefined ? line : `${line}    mend: ${mend}\n`;
}
