// The questions, to who has a terminal and has not answered on the command line.
import type { Readable, Writable } from "node:stream";
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

/** Where it is asked and answered; default: this process's own. */
export interface Terminal {
  readonly input?: Readable;
  readonly output?: Writable;
}

/** Asks for what is missing; undefined: called off. */
export async function ask(wanted: Wanted, terminal: Terminal = {}): Promise<Asked | undefined> {
  const folder =
    wanted.folder ??
    (await text({ message: "Where to?", placeholder: "raceway-app", defaultValue: "raceway-app", ...terminal }));
  if (isCancel(folder)) return calledOff(terminal);
  const template =
    wanted.template ??
    (await select<AppTemplate>({
      message: "What is it to be?",
      options: Object.entries(appTemplates).map(([value, label]) => ({ value: value as AppTemplate, label })),
      ...terminal,
    }));
  if (isCancel(template)) return calledOff(terminal);
  return { folder, template };
}

function calledOff(terminal: Terminal): undefined {
  cancel("Nothing was written.", terminal);
  return undefined;
}
