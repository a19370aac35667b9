// This target as a subject of the compliance kit: for `npm test`, and for `raceway plugin test ./dist/subject.js`.
import { compileSchemas } from "@raceway/generator";
import type { TargetSubject } from "@raceway/testkit";
import channels from "./target.ts";

export const subject: TargetSubject = {
  create: () => channels(),
  compile: compileSchemas,
  refused: [() => channels({ titel: "x" } as never), () => channels({ title: 1 } as never)],
};
