// Public names of create-raceway: what `raceway init` and `raceway plugin new` of @raceway/cli are made of.
export { ask, type Asked, type Wanted } from "./ask.ts";
export { CreateFailure } from "./failure.ts";
export { install, nextSteps, packageManagerOf, type PackageManager } from "./package-manager.ts";
export { type Created, createProject } from "./project.ts";
export { appTemplates, type AppTemplate, pluginKinds, type PluginKind, type TemplateName } from "./templates.ts";
