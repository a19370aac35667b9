// A server's session: beside its calls, groups of publications, which are not counted and the same for all subscribers of a topic.
import type { SharedGroup } from "./batch-station.ts";
import type { SessionLink } from "./session-link.ts";
import { OWN, Session, TEXT_GROWTH, TEXT_PAYLOAD } from "./session.ts";

/** In `due`: publications. */
const GROUPS = 2;

export class PublishingSession extends Session {
  /** A group to go out with the next flush. */
  #group: SharedGroup | undefined;
  /** Those behind it. An array for each first one would be what a fan-out makes most of. */
  #more: SharedGroup[] | undefined;
  #queued = false;

  /**
   * Sends a group at the end of the loop turn. Its parts are shared: one group alone leaves as it is.
   * False: the link is full or away, nothing was taken; the subscriber stays where it is until `CallReceiver.writable`.
   */
  publish(group: SharedGroup): boolean {
    const link = this.current;
    if (link === undefined || link.blocked || this.over !== undefined) return false;
    this.due |= GROUPS;
    if (this.#group === undefined) this.#group = group;
    else (this.#more ??= []).push(group);
    if (!this.#queued) {
      this.#queued = true;
      this.queue.atLoopEnd(this);
    }
    return true;
  }

  /** The link, if publications may leave on it at once and as they are, since nothing is there that would leave with them. */
  get idle(): SessionLink | undefined {
    const link = this.current;
    if (this.due > 0 || link === undefined || link.blocked || this.over !== undefined) return undefined;
    return link.text || link.coding !== undefined ? undefined : link;
  }

  override flush(): void {
    this.#queued = false;
    const group = this.#group;
    if (group === undefined || this.#more !== undefined || (this.due & OWN) > 0) return super.flush();
    const link = this.current;
    if (link === undefined || link.blocked || link.over || this.over !== undefined) return;
    // The usual case: the same array goes to every subscriber.
    this.#group = undefined;
    this.due = 0;
    this.write(link, this.#partsOf(link, group), 0);
  }

  protected override groups(link?: SessionLink): readonly (readonly Uint8Array[])[] {
    if (this.#group === undefined) return super.groups();
    const groups = [this.#group, ...(this.#more ?? [])];
    this.#group = this.#more = undefined;
    return link === undefined ? [] : groups.map((group) => this.#partsOf(link, group));
  }

  #partsOf(link: SessionLink, group: SharedGroup): readonly Uint8Array[] {
    return link.coding === undefined ? group.parts : link.coding.group(group, this.mostOf(link));
  }

  /** Bytes of several publications that the present link surely carries in one batch, however they grow as text. */
  get groupBytes(): number {
    const { current } = this;
    return current === undefined ? Infinity : this.mostOf(current) / (current.text ? TEXT_GROWTH : 1);
  }

  /** Can the present link carry so many bytes of publications in one batch? */
  carries(bytes: number): boolean {
    const { current } = this;
    return current === undefined || bytes <= this.mostOf(current) * (current.text ? TEXT_PAYLOAD : 1);
  }

  /** Can this link carry each message that it would be sent first, if the other side has `received` so far? One that was written for another link, or for none, may be too large for it. */
  fits(link: SessionLink, received: number): boolean {
    const most = link.text ? this.mostOf(link) * TEXT_PAYLOAD : link.link.traits.maxBatchBytes;
    let fits = true;
    // A late Hello says less than what was acknowledged since.
    this.replay.from(Math.max(received, this.replay.kept), (_parts, _next, bytes) => (fits = bytes <= most));
    return fits;
  }
}
