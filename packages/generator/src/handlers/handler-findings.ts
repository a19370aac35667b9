// What is wrong with handlers, in words, with its place in the user's code.
import { readFileSync } from "node:fs";
import { relative, sep } from "node:path";
import { type Diagnostic, sortDiagnostics } from "../diagnostic.ts";
import { nearest } from "../near.ts";
import { SourceText } from "../source-text.ts";
import type { CodeFacts, CodePlace, HandlerSite, WrongHandler } from "./code/code-facts.ts";
import type { HandlerRule } from "./handler-rules.ts";
import type { Wanted } from "./wanted-services.ts";

/** A missing handler that was added is no finding. */
export type IsAdded = (site: HandlerSite, name: string) => boolean;

export class HandlerFindings {
  readonly #found: Diagnostic[] = [];
  readonly #cwd: string;
  readonly #texts = new Map<string, SourceText>();

  /** Absolute. */
  constructor(cwd: string) {
    this.#cwd = cwd;
  }

  /** Sorted; the same finding at the same place, met in two ways, is one. */
  all(): readonly Diagnostic[] {
    const once = new Map(this.#found.map((one) => [JSON.stringify([one.file, one.range, one.rule, one.message]), one]));
    return sortDiagnostics([...once.values()]);
  }

  sites({ sites }: CodeFacts, isAdded: IsAdded = () => false): void {
    for (const site of sites) {
      const { typeName, channels } = site.service;
      const short = typeName.split(".").at(-1)!;
      for (const name of site.missing) {
        if (isAdded(site, name)) continue;
        const kind = withArticle(channels.get(name)!.kind);
        this.add(
          "handler_missing",
          site.place,
          `${name} of ${typeName} is ${kind} without a handler`,
          site.slot === undefined ? "write it." : `write it, or have \`raceway scaffold ${short}\` begin it.`,
        );
      }
      for (const { name, place } of site.unknown) this.#unknown(site, name, place);
      for (const wrong of site.wrong) this.#wrong(site, wrong);
    }
  }

  unreadable({ unreadable }: CodeFacts): void {
    for (const { place, why, services } of unreadable) {
      const whose =
        services.length === 0 ? "handlers" : `handlers of ${services.map((one) => one.typeName).join(", ")}`;
      const mend = "see to it by hand, or write them so that they can be found: as an object, or a class, with a type.";
      this.add("handlers_unreadable", place, `could not analyse ${whose}: ${why}`, mend, "warning");
    }
  }

  unimplemented(service: Wanted): void {
    const needed = [...service.channels.values()].some(({ handled }) => handled);
    this.#found.push({
      rule: "service_unimplemented",
      severity: "error",
      message: needed ? `${service.typeName} has no handlers` : `${service.typeName} is not served`,
      mend: needed
        ? `have \`raceway scaffold ${service.model.name}\` begin them, or name the services that are to be checked.`
        : `serve it: \`app.serve(${service.definition}, {})\`, or name the services that are to be checked.`,
      ...service.declared,
    });
  }

  typeErrors({ typeErrors }: CodeFacts): void {
    for (const { place, message } of typeErrors)
      this.add("type_error", place, message, "see what the compiler expects there.");
  }

  add(
    rule: HandlerRule,
    { file, start, end }: CodePlace,
    message: string,
    mend: string,
    severity: Diagnostic["severity"] = "error",
  ): void {
    const text = this.#textOf(file);
    const range = text.range(text.atOffset(start), text.atOffset(Math.max(end, start)));
    const frame = text.frame(range);
    this.#found.push({ rule, severity, message, mend, file: shownPath(this.#cwd, file), range, frame });
  }

  #unknown({ service, missing }: HandlerSite, name: string, place: CodePlace): void {
    const { typeName, channels } = service;
    const channel = channels.get(name);
    if (channel !== undefined) {
      const message = `${name} of ${typeName} is ${withArticle(channel.kind)}, which has no handler`;
      this.add("handler_unknown", place, message, "publish with what `app.serve` gives back, and remove it.");
      return;
    }
    const meant = nearest(name, missing) ?? nearest(name, channels.keys());
    const mend =
      meant === undefined
        ? "remove it, or bring the channel back to the schema."
        : `did you mean ${meant}? If the schema has lost it, remove it.`;
    this.add("handler_unknown", place, `${typeName} has no channel ${name}`, mend);
  }

  #wrong({ service }: HandlerSite, { name, place, takes, gives, detail }: WrongHandler): void {
    const channel = service.channels.get(name)!;
    const kind = withArticle(channel.kind);
    if (gives === "message") {
      const mend = `yield them: \`async *${name}(…)\`.`;
      this.add("handler_kind", place, `${name} is ${kind}, which gives a stream, and its handler gives none`, mend);
    } else if (gives === "stream") {
      const what = channel.gives === "nothing" ? "nothing" : "one message";
      const mend = channel.gives === "nothing" ? "return nothing." : "return the message, or a promise of it.";
      this.add("handler_kind", place, `${name} is ${kind}, which gives ${what}, and its handler gives a stream`, mend);
    } else if (takes === "message") {
      const mend = "take an AsyncIterable, and read it with `for await`.";
      this.add(
        "handler_kind",
        place,
        `${name} is ${kind}, which takes a stream, and its handler takes one message`,
        mend,
      );
    } else if (takes === "stream") {
      const mend = "take the message by itself.";
      this.add(
        "handler_kind",
        place,
        `${name} is ${kind}, which takes one message, and its handler takes a stream`,
        mend,
      );
    } else {
      const mend = `take and give what ${service.handlers} says.`;
      this.add("handler_type", place, `${name} does not fit ${service.typeName}: ${detail}`, mend);
    }
  }

  #textOf(file: string): SourceText {
    let known = this.#texts.get(file);
    if (known === undefined) {
      known = new SourceText(readFileSync(file, "utf8").replace(/^\ufeff/, ""));
      this.#texts.set(file, known);
    }
    return known;
  }
}

/** Relative to the working folder, divided by "/". */
export function shownPath(cwd: string, path: string): string {
  return relative(cwd, path).split(sep).join("/");
}

function withArticle(kind: string): string {
  return `a ${kind}`;
}
