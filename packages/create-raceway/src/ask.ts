// The questions, to who has a terminal and has not answered on the command line.
import { cancel, isCancel, select, text } from "@clack/prompts";
import { type AppTemplate, appTemplates } from "./templates.ts";

export interface Wanted {
  readonly folder: string | undefined;
  readonly template: AppTemplate | undefined;
}
export interface Asked {
  readonly folder: string;
  readonly template: AppTemplate;
}

/** Asks for what is missing; undefined: called off. */
export async function ask(wanted: Wanted): Promise<Asked | undefined> {
  const folder =
    wanted.folder ?? (await text({ message: "Where to?", placeholder: "raceway-app", defaultValue: "raceway-app" }));
  if (isCancel(folder)) return calledOff();
  const template =
    wanted.template ??
    (await select<AppTemplate>({
      message: "What is it to be?",
      options: Object.entries(appTemplates).map(([value, label]) => ({ value: value as AppTemplate, label })),
    }));
  if (isCancel(template)) return calledOff();
  return { folder, template };
}

function calledOff(): undefined {
  cancel("Nothing was written.");
  return undefined;
}
