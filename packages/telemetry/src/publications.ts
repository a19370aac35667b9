// Publications that are traced, until their topic hands them on: so that the span of a fan-out can link to the spans of what it hands on.
import type { Link, SpanContext } from "@opentelemetry/api";
import type { FanOutEvent, Position } from "@raceway/core";

/** More are not remembered: those of topics that nobody on this node reads. */
const MAX = 1_000;
/** As many links as SDKs keep of a span by default. */
const MAX_LINKS = 128;

export class Publications {
  readonly #spans = new Map<string, SpanContext>();

  add(address: string, { epoch, offset }: Position, span: SpanContext): void {
    this.#spans.set(keyOf(address, epoch, offset), span);
    if (this.#spans.size <= MAX) return;
    const [oldest] = this.#spans.keys();
    this.#spans.delete(oldest!);
  }

  /** Those that a fan-out hands on; they are forgotten. */
  take({ address, epoch, first, last }: FanOutEvent): Link[] {
    const links: Link[] = [];
    if (this.#spans.size === 0) return links;
    for (let offset = first; offset <= last; offset++) {
      const key = keyOf(address, epoch, offset);
      const context = this.#spans.get(key);
      if (context === undefined) continue;
      this.#spans.delete(key);
      if (links.length < MAX_LINKS) links.push({ context });
    }
    return links;
  }
}

function keyOf(address: string, epoch: string, offset: number): string {
  return `${offset} ${epoch} ${address}`;
}
