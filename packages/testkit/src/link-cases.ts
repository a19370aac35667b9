// The compliance cases of a link: all that link.ts promises, as a list that any runner can run.
import type { Case } from "./case.ts";
import type { Format } from "./format.ts";
import { bytes } from "./link/bytes.ts";
import { ending } from "./link/ending.ts";
import { flow } from "./link/flow.ts";
import { handover } from "./link/handover.ts";
import { type Group, stageOf } from "./link/stage.ts";
import type { LinkSubject } from "./subject.ts";

const groups: readonly Group[] = [handover, bytes, flow, ending];

export interface LinkCaseOptions {
  /** Form of the batches that are sent. A text link carries "json" only. */
  readonly format: Format;
  /** Only the cases about what a link carries: for a second format, since how a link begins, flows and ends does not depend on it. */
  readonly carriesOnly?: boolean;
}

/** All cases for the links of one transport. To be run one after the other: some cut every connection of the subject. */
export function linkCases(subject: LinkSubject, options: LinkCaseOptions): readonly Case[] {
  const stage = stageOf(subject, options.format);
  const needs = { what: "a link that carries any byte", met: subject.traits.binary };
  const cases = (options.carriesOnly === true ? [bytes] : groups).flatMap((group) => group(stage));
  return options.format === "binary" && !subject.traits.binary ? cases.map((one) => ({ ...one, needs })) : cases;
}

/** The formats that the links of a subject can carry. */
export function formatsOf(subject: LinkSubject): readonly Format[] {
  return subject.traits.binary ? ["binary", "json"] : ["json"];
}
