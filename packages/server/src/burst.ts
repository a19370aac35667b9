// The writes of a fan-out, some at a time: whom they go to has been looked at before the first, so that their memory is fetched together and not one by one.
import type { SessionLink } from "@raceway/core/internal";

/** So many links, and what they need of the memory between a reader and a socket, stay in a core's own cache. */
const LINKS = 16;

export class Burst {
  readonly #links: SessionLink[] = [];
  readonly #parts: (readonly Uint8Array[])[] = [];

  /** Sends these parts on the link (`Session.idle`), now or soon; `send` is to be called after the last. */
  add(link: SessionLink, parts: readonly Uint8Array[]): void {
    this.#parts.push(parts);
    if (this.#links.push(link) === LINKS) this.send();
  }

  send(): void {
    const links = this.#links;
    for (let at = 0; at < links.length; at++) {
      const link = links[at]!;
      link.spoke = true;
      if (!link.link.send(this.#parts[at]!)) link.blocked = true;
    }
    links.length = this.#parts.length = 0;
  }
}
