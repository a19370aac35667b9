// Public names of @raceway/generator.
export type { CompileResult, CompilerFinding, SchemaCompiler } from "./compile/schema-compiler.ts";
export { type BreakingLevel, type BreakingRule, breakingLevels, breakingRules } from "./breaking/breaking-rules.ts";
export { type AcceptedFinding, acceptFindings, unusedEntries } from "./breaking/accepted.ts";
export type { ServedSchemas } from "./breaking/baseline.ts";
export { showsPolicies } from "./breaking/behaviour.ts";
export { type BreakingOptions, findBreaking } from "./breaking/find-breaking.ts";
export { compileSchemas } from "./compile-schemas.ts";
export type { SchemaSources } from "./compile/schema-sources.ts";
export { bufCompiler } from "./compile/buf.ts";
export type { Diagnostic, Range } from "./diagnostic.ts";
export { type EditPlan, EditPlanner } from "./edit-planner.ts";
export { GenerateFailure } from "./failure.ts";
export { type DiagnosticFormat, formatDiagnostics } from "./format-diagnostic.ts";
export {
  type CompiledModel,
  compileModel,
  type GenerateOptions,
  type GenerateResult,
  generate,
  schemaFiles,
  lintSchemas,
  planGeneration,
} from "./generate.ts";
export { type CheckOptions, type CheckResult, checkHandlers } from "./handlers/check-handlers.ts";
export { type HandlerRule, handlerRules } from "./handlers/handler-rules.ts";
export {
  type ScaffoldChange,
  type ScaffoldOptions,
  type ScaffoldResult,
  scaffoldHandlers,
} from "./handlers/scaffold-handlers.ts";
export type { HandlerOptions } from "./handlers/wanted-services.ts";
export { codeOf, errorsOf } from "./model/errors.ts";
export { contractOf, policyOf } from "./model/options.ts";
export type { FileChange, Plan } from "./output/plan.ts";
export { writePlan } from "./output/write.ts";
export type { Planned } from "./pipeline.ts";
export { answerProtoc } from "./protoc-plugin.ts";
export { type Rule, rules } from "./rules.ts";
export * from "@raceway/core/target";
export { type BuiltInTarget, builtInTarget, builtInTargets, defaultTargets, isBuiltIn } from "./targets/built-in.ts";
export { asyncapi } from "./targets/asyncapi/target.ts";
export { esTarget } from "./targets/es/target.ts";
export { jsonSchema } from "./targets/json-schema/target.ts";
export { markdown } from "./targets/markdown/target.ts";
export { mock } from "./targets/mock/target.ts";
export { openapi } from "./targets/openapi/target.ts";
export { protoc } from "./targets/protoc/target.ts";
export { query } from "./targets/query/target.ts";
export { tsTarget } from "./targets/ts/target.ts";
