// All suites that a subject has to pass: its links alone, what they carry in every format, and sessions over them with both codecs.
import type { Case } from "./case.ts";
import { formatsOf, linkCases } from "./link-cases.ts";
import { sessionCases } from "./session-cases.ts";
import type { LinkSubject } from "./subject.ts";

export interface Suite {
  readonly title: string;
  readonly cases: readonly Case[];
}

export function linkSuites(subject: LinkSubject): readonly Suite[] {
  return [
    ...formatsOf(subject).map((format, at) => ({
      title: `${subject.name} link, ${format} batches`,
      cases: linkCases(subject, { format, carriesOnly: at > 0 }),
    })),
    ...(["proto", "json"] as const).map((codec) => ({
      title: `session over ${subject.name} links, ${codec} codec`,
      cases: sessionCases(subject, { codec }),
    })),
  ];
}
