// Says, without running anything, which handlers do not satisfy the schemas.
import { resolve } from "node:path";
import { type Diagnostic, sortDiagnostics } from "../diagnostic.ts";
import { hasErrors } from "../pipeline.ts";
import { HandlerFindings } from "./handler-findings.ts";
import { lacking } from "./lacking.ts";
import { type HandlerOptions, wantedServices } from "./wanted-services.ts";

export interface CheckOptions extends HandlerOptions {
  /** Also what the compiler finds wrong with files that have handlers. */
  readonly types?: boolean;
}

export interface CheckResult {
  /** Sorted; of the schemas alone if they have errors. */
  readonly diagnostics: readonly Diagnostic[];
  /** Services that were looked at; absent if the schemas have errors. */
  readonly services?: number;
  /** No errors. */
  readonly ok: boolean;
}

/** Throws a `GenerateFailure` for a wrong request or a tool that did not work. */
export async function checkHandlers(options: CheckOptions): Promise<CheckResult> {
  const cwd = resolve(options.cwd ?? ".");
  const { diagnostics, services, generated } = await wantedServices(options);
  if (hasErrors(diagnostics)) return { diagnostics, ok: false };
  options.progress?.("reading handlers");
  const { tsMorphReader } = await import("./code/read-code.ts");
  const project = options.project === undefined ? undefined : resolve(cwd, options.project);
  const facts = tsMorphReader.readCode({ cwd, project, services, generated, also: [], types: options.types === true });
  const findings = new HandlerFindings(cwd);
  findings.sites(facts);
  findings.unreadable(facts);
  findings.typeErrors(facts);
  for (const service of lacking(services, facts)) findings.unimplemented(service);
  const all = sortDiagnostics([...diagnostics, ...findings.all()]);
  return { diagnostics: all, services: new Set(services.map(({ typeName }) => typeName)).size, ok: !hasErrors(all) };
}
